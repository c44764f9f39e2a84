"""Reads the lexicon: words with weights for advertising, notices and codes.

In: rows of ``lexicon/*.csv`` (word, for, weight, subcategory, note). Out: a Lexicon: the words in the form in which they are searched, and
their weights in a form that adds up fast. Never: files (policy/loading/folder.py reads them), an opinion on a text (category.py).

A word is looked for in the normalised text, in which every number is one ``0``: digits of a word stand for any number, so texts that
differ in digits only share what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.policy.loading.problem import Problem
from proxy.policy.registries.rows import rows
from proxy.policy.text.category import PURPOSES, SUBCATEGORY_CODES, WEIGHT_MAX, value_of
from proxy.policy.text.folding import SPLITTERS, fold, numberless, squeeze
from proxy.policy.text.otp_codes import FILE as CODES
from proxy.policy.text.otp_codes import CodeTexts, read_code_texts

COLUMNS = ("word", "for", "weight", "subcategory", "note")
WORD_LONGEST = 64  # characters; longer ones are sentences, which are found by nothing but themselves
WORDS_MAX = 160_000  # all at their greatest weight still fit a field of category.py
REJECTED = "rejected"
"""The purpose of a word that a person turned down: it is not searched, and not proposed again (desk/lexicon)."""
MAIN = "words.csv"
"""The file that ships; where a folder has none, the shipped one is read. Rows of other files replace its rows for the same words."""


class LexiconWord(NamedTuple):
    """One row. ``text`` is normalised."""

    text: str
    purpose: str
    weight: int
    subcategory: str
    note: str
    file: str
    line: int


class Lexicon:
    """Words in a fixed order; compared by identity."""

    __slots__ = ("words", "values", "codes", "rejected", "nested")

    def __init__(self, words: tuple[LexiconWord, ...], codes: CodeTexts | None = None) -> None:
        self.words = tuple(word for word in words if word.purpose != REJECTED)
        self.rejected = frozenset(word.text for word in words if word.purpose == REJECTED)
        self.codes = codes if codes is not None else CodeTexts((), ())
        self.values = [value_of(word.purpose, word.weight, word.subcategory) for word in self.words]
        """As ``classify`` wants them added up."""
        self.nested: tuple[dict[int, list[int]], frozenset[int]] | None = None
        """Its words in its words (scanner.py): the same for all sets of rules, and found for the first one."""


def normal_word(written: str) -> str:
    """A word as it is looked for."""
    return numberless(squeeze(fold(written)).strip())


@lru_cache(maxsize=4)  # a reload that changes nothing here costs nothing here
def read_lexicon(files: tuple[tuple[str, bytes], ...]) -> tuple[Lexicon, tuple[Problem, ...]]:
    """The words of all files (label, bytes as UTF-8), ``words.csv`` first, the texts of ``codes.csv``, and every row that cannot be used."""
    problems: list[Problem] = []
    found: dict[str, LexiconWord] = {}
    codes: CodeTexts | None = None
    for label, data in files:
        if label.endswith(f"/{CODES}"):
            codes, unusable = read_code_texts(label, data)
            problems += unusable
            continue
        is_main = label.endswith(f"/{MAIN}")
        for word in _rows(label, data, problems):
            earlier = found.get(word.text)
            if earlier is not None and (earlier.file == label or not earlier.file.endswith(f"/{MAIN}") or is_main):
                where = f"{earlier.file}:{earlier.line}"
                problems.append(Problem(label, word.line, f"word: '{word.text}' stands in {where} already"))
            elif len(found) >= WORDS_MAX:
                problems.append(Problem(label, word.line, f"more than {WORDS_MAX} words"))
                break
            else:
                found[word.text] = word
    return Lexicon(tuple(found.values()), codes), tuple(problems)


def _rows(label: str, data: bytes, problems: list[Problem]) -> Iterator[LexiconWord]:
    for line, by_name in rows(label, data, COLUMNS, problems):
        cells = list(by_name.values())
        if fault_text := fault_of(cells):
            problems.append(Problem(label, line, fault_text))
        else:
            word, purpose, weight, subcategory, note = cells
            yield LexiconWord(normal_word(word), purpose, int(weight or 0), subcategory, note, label, line)


def fault_of(cells: Sequence[str]) -> str:
    """What is wrong with the cells of a row; empty if nothing is."""
    word, purpose, weight, subcategory, _ = cells
    if not normal_word(word).strip(SPLITTERS + "0.,%:"):
        return f"word: '{word}' is nothing but numbers, spaces and marks: it would fit nearly every text"
    if len(word) > WORD_LONGEST:
        return f"word: longer than {WORD_LONGEST} characters"
    if purpose not in (*PURPOSES, REJECTED):
        return f"for: {unknown('purpose', purpose, PURPOSES)}"
    if purpose in ("none", REJECTED):
        if weight not in ("", "0"):
            return f"weight: a word that speaks for nothing ({purpose}) has none, not '{weight}'"
    elif not (weight.isascii() and weight.isdecimal() and 1 <= int(weight) <= WEIGHT_MAX):
        return f"weight: must be a whole number from 1 to {WEIGHT_MAX}, not '{weight}'"
    if subcategory and subcategory not in SUBCATEGORY_CODES:
        return f"subcategory: {unknown('sub-category', subcategory, SUBCATEGORY_CODES)}"
    return ""
