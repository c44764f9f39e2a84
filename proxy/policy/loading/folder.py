"""Reads the files of a rules folder once, and hashes them.

In: a path; perhaps drafts that replace some of its files. Out: bytes, rows, word lists and number lists; Problems with file and line.
Never: a file outside the folder, whatever a rule names.
"""

from __future__ import annotations

import csv
import hashlib
import re
import stat
import unicodedata
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import cast

from pyroaring import BitMap64

from proxy.config.yaml_file import YamlError, decoded
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.redact import printable
from proxy.policy.loading.problem import Problem, RuleFault, RulesError
from proxy.policy.loading.source import Node, read
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.registry import Registry
from proxy.policy.registries.table_words import NUMBERS, places
from proxy.policy.registries.typed_rows import read_registries, read_signatures
from proxy.policy.text.lexicon import MAIN, Lexicon, read_lexicon
from proxy.policy.text.otp_codes import FILE as CODES
from proxy.runtime.shipped_files import shipped
from proxy.runtime.yield_point import Rest, in_chunks, no_yield, with_yield_points

SMALL_LIST = 10_000
"""Up to here a frozenset (50 ns a look-up, 80 bytes a number); beyond, a BitMap64 (0.5 µs, some 2 bytes)."""
WORDS_MAX = 200_000
SPELLINGS_MAX = 256
"""Of one word: each character that has others written for it multiplies them."""
BAD_ROWS_SHOWN = 20
FILE_BYTES_MAX = 256 * 1024 * 1024
"""A list of twenty million numbers; who has more imports them (``gate106 suppress import``)."""
PIECE_CHARACTERS = 8_192
"""Of a file that is read line by line."""


NOTHING: Mapping[str, bytes] = {}
_BEGINNING = re.compile(r"1[3-9][0-9]{1,8}\*")


WORDS = re.compile(r"lists/[^/]+")
"""A draft of these is a list of words, and no file of rules."""


LIST_COLUMNS: Mapping[str, Collection[str]] = {"number": NUMBERS, "note": ("备注", "说明", "remark", "remarks", "comment")}
"""Of a list of the folder: what it refuses, and until when, is not said by its rows."""


def _half_shown(cell: str) -> str:
    """A bad cell, for a line of the log: of many digits only the first and last."""
    text = printable(unicodedata.normalize("NFKC", cell))[:30]
    hidden = {*[place for place, one in enumerate(text) if one.isdigit()][3:-4]}
    return "".join("*" if place in hidden else one for place, one in enumerate(text))


def _is_heading(cells: Sequence[str]) -> bool:
    """Whether a first row names columns: the number's, or no cell holds a digit."""
    return "number" in places(cells, LIST_COLUMNS)[0] or not any(map(str.isdigit, "".join(cells)))


class Beginnings:
    """Numbers, and all that begin in one of some ways."""

    def __init__(self, numbers: Container[int], begins: list[str]) -> None:
        self._numbers = numbers
        self._divisors = {10 ** (11 - len(digits)) for digits in begins}
        self._begins = frozenset(int(digits) for digits in begins)

    def __contains__(self, number: object) -> bool:
        assert isinstance(number, int)
        return number in self._numbers or any(number // divisor in self._begins for divisor in self._divisors)


def lines_of(text: str) -> Iterator[str]:
    """``splitlines``, piece by piece: two megabytes at once would keep the interpreter to themselves."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE_CHARACTERS) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end


def _bitmap(numbers: list[int], rest: Rest) -> BitMap64:
    """Piece by piece: a million numbers at once would keep the interpreter to themselves."""
    found = BitMap64()
    for start in range(0, len(numbers), SMALL_LIST):
        found.update(numbers[start : start + SMALL_LIST])
        rest()
    return found


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def _read_words(node: Node, wanted: list[str] | None) -> list[str]:
    """The words of the groups that are wanted (None: of all), with substitute characters (谐音, 形近); RuleFault with the line in the file.

        alike:                      written for            words:
          微: [薇, 威]              薇信 for 微信            invoice: [代开发票, 票据代开]
          信: [芯]                                         contact: [加微信]

    Width, traditional forms, invisible characters and marks between characters need not be listed: every text is folded before words are
    looked for.
    """
    keys = node.mapping("words", ("words", "alike", "version"))
    alike = _alike(keys["alike"]) if "alike" in keys else {}
    if "words" not in keys or not isinstance(keys["words"].value, dict):
        raise node.fault("words: 'words' is missing (a mapping: name of a group → its words)")
    found: list[str] = []
    for name, item in keys["words"].value.items():
        if wanted is None or name in wanted:
            for one in item.items():
                found += _spellings(one.text(f"words: {name}", digits=True), alike, one.line)
        else:
            item.texts(f"words: {name}", digits=True)
    return found


def _groups_of(node: Node) -> list[str]:
    """Names of the groups of a word list, for a hint."""
    words = node.value.get("words") if isinstance(node.value, dict) else None
    return list(words.value) if words is not None and isinstance(words.value, dict) else []


def _alike(node: Node) -> dict[str, list[str]]:
    if not isinstance(node.value, dict):
        raise node.fault(f"words: alike must be a mapping (微: [薇, 威]), not {node.shape}")
    return {character: item.texts(f"words: alike: {character}", digits=True) for character, item in node.value.items()}


def _spellings(word: str, alike: dict[str, list[str]], line: int) -> list[str]:
    """The word and every way of writing others for its characters."""
    choices = [[character, *alike.get(character, ())] for character in word]
    count = prod(map(len, choices))
    if count > SPELLINGS_MAX:
        raise RuleFault(line, f"words: '{word}' could be spelt in {count} ways (at most {SPELLINGS_MAX}): list fewer in alike")
    return ["".join(letters) for letters in product(*choices)]


def shipped_words(name: str = MAIN) -> tuple[str, bytes]:
    """The words that ship (or another file of the lexicon): how the file is named in errors, and its bytes."""
    return f"shipped lexicon/{name}", (shipped("rules") / "lexicon" / name).read_bytes()


class RulesFolder:
    def __init__(self, path: Path, rest: Rest = no_yield, instead: Mapping[str, bytes] = NOTHING) -> None:
        """``instead``: files (by name) as they are not written yet; they may be new ones."""
        self.path = path
        self.rest = rest
        self._instead = instead
        self.root = path.resolve()
        self.problems: list[Problem] = []
        self.doubts: list[Problem] = []
        """What is read, and may be meant otherwise."""
        self.files: dict[str, bytes] = {}
        """What was read, by its name inside the folder."""

    def label(self, relative: str) -> str:
        """How a file is named in errors: ``rules/x.yaml``."""
        return f"{self.root.name}/{relative}"

    def yaml_files(self) -> list[str]:
        """Names of all rules files, in order, also of a folder or a pipe that is named so, which ``read`` refuses.

        Drafts of them wherever they say that they lie: ``read`` refuses those that lead out."""
        try:
            found = {one.name for one in self.root.iterdir() if one.suffix in (".yaml", ".yml") and one.exists()}
            return sorted(
                found | {name for name in self._instead if name.endswith((".yaml", ".yml")) and not WORDS.fullmatch(name)}
            )
        except OSError as fault:
            raise RulesError([Problem(str(self.path), 1, f"no folder of rules: {fault.strerror}")]) from None

    def read(self, relative: str) -> bytes:
        """A file inside the folder; OSError if none exists, RulesError when its path leads outside or it is nothing to be read whole."""
        if not self._inside(relative):
            raise RulesError([Problem(self.label(relative), 1, "leads out of the rules folder")])
        replacement = self._instead.get(relative)
        data = self.files[relative] = self._whole(relative) if replacement is None else replacement
        return data

    def _whole(self, relative: str) -> bytes:
        path = (self.root / relative).resolve()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
            raise RulesError([Problem(self.label(relative), 1, f"is {_kind(found.st_mode)}, no plain file: rename or move it")])
        if found.st_size > FILE_BYTES_MAX:
            raise RulesError([Problem(self.label(relative), 1, f"larger than {FILE_BYTES_MAX // (1024 * 1024)} MiB")])
        return path.read_bytes()

    def _inside(self, relative: str) -> bool:
        """Whether a file lies in the folder, and would in a copy of it."""
        spelt = Path(relative)
        try:
            found = (self.root / spelt).resolve()
        except (OSError, RuntimeError, ValueError):  # links that lead in a circle, a NUL
            return False
        return not spelt.is_absolute() and ".." not in spelt.parts and found.is_relative_to(self.root)

    def revision(self) -> str:
        """16 hex digits over names and contents of all files read."""
        digest = hashlib.blake2b(digest_size=8)
        for name, data in sorted(self.files.items()):
            digest.update(f"{name}\0{len(data)}\0".encode())
            for piece in in_chunks(data, self.rest):
                digest.update(piece)
        return digest.hexdigest()

    def named(self, node: Node, what: str) -> tuple[str, bytes]:
        """The file a rule names, and its bytes."""
        relative = node.text(what)
        if not self._inside(relative):
            raise node.fault(f"{what}: '{relative}' leads out of the rules folder")
        try:
            return relative, self.read(relative)
        except OSError as fault:
            raise node.fault(f"{what}: '{relative}' cannot be read: {fault.strerror}") from None

    def word_file(self, node: Node, what: str, groups: Node | None = None) -> list[str]:
        """Words, one a line, # starts a comment line; or a word list in YAML (``_read_words``), of which ``groups`` may name a part."""
        relative, data = self.named(node, what)
        if relative.endswith((".yaml", ".yml")):
            words = self._word_groups(relative, data, groups)
        elif groups is not None:
            raise groups.fault(f"text: '{relative}' has no groups (a file of groups ends in .yaml)")
        else:
            stripped = (line.strip() for line in with_yield_points(lines_of(self.text(relative, data)), self.rest))
            words = [word for word in stripped if word and not word.startswith("#")]
        if not words or len(words) > WORDS_MAX:
            raise node.fault(f"{what}: '{relative}' holds {len(words)} words (1 to {WORDS_MAX} are fine)")
        return words

    def _word_groups(self, relative: str, data: bytes, groups: Node | None) -> list[str]:
        label = self.label(relative)
        found = read(data, label, self.rest)
        wanted = groups.words("text: groups", _groups_of(found), "group") if groups is not None else None
        try:
            return _read_words(found, wanted)
        except RuleFault as fault:
            raise RulesError([Problem(label, fault.line, fault.text)]) from None

    def people(self, node: Node, what: str) -> Container[int]:
        """Numbers of a CSV file, in any spelling, ``1380021*`` for all that begin so (号段): of the column that its heading calls so, else of
        the first. Columns besides these and the note are not read, with a warning: earlier versions read such lists so."""
        relative, data = self.named(node, what)
        numbers: list[int] = []
        begins: list[str] = []
        bad = at = 0
        first, heading = True, ""

        def reject(line: int, fault: str) -> None:
            nonlocal bad
            bad += 1
            if bad <= BAD_ROWS_SHOWN:
                self.problems.append(Problem(self.label(relative), line, fault))

        for line, row in enumerate(with_yield_points(lines_of(self.text(relative, data)), self.rest), 1):
            if row.startswith("#") or not row.strip(',"; \t'):
                continue
            cells = next(csv.reader([row])) if '"' in row else row.split(",")
            cell = cells[at].strip() if at < len(cells) else ""
            if _BEGINNING.fullmatch(cell):
                begins.append(cell[:-1])
            elif first and cell and _is_heading(cells):
                found, strange = places(cells, LIST_COLUMNS)
                at = found.get("number", 0)
                heading = cells[at].strip()
                if unread := [one for one in strange if one != heading]:
                    self.doubts.append(
                        Problem(self.label(relative), line, f"columns that are not read: {', '.join(unread):.200}")
                    )
            else:
                try:
                    numbers.append(recipient_of(cell))
                except NotARecipient as refused:
                    shown = _half_shown(cell) or heading
                    reject(line, f"no recipient: {refused.why}" + (f" ({shown})" if shown else ""))
            first = False
        listed = frozenset(numbers) if len(numbers) <= SMALL_LIST else cast("Container[int]", _bitmap(numbers, self.rest))
        return Beginnings(listed, begins) if begins else listed

    def regions(self) -> Regions:
        """The segment table with the folder's own ``registries/segments.csv`` over it, if there is one."""
        base = Regions.load()
        try:
            data = self.read("registries/segments.csv")
        except FileNotFoundError:
            return base
        try:
            return base.overlaid(data, self.label("registries/segments.csv"))
        except RulesError as error:
            self.problems += error.problems
            return base

    def registry(self) -> Registry:
        """All of ``registries/``; each file may be absent."""
        return Registry(read_registries(self), self.rest)

    def signatures(self) -> Registry:
        """Of that only the signatures and their advertisers; what is wrong with the files goes to ``problems``."""
        return Registry(read_signatures(self))

    def lexicon(self) -> Lexicon:
        """The words of ``lexicon/*.csv``; where ``words.csv`` or ``codes.csv`` is missing, the one that ships takes its place."""
        folder = self.root / "lexicon"
        drafts = {name.removeprefix("lexicon/") for name in self._instead if name.startswith("lexicon/")}
        names = sorted(drafts | {one.name for one in folder.glob("*.csv") if one.is_file()})
        files = [(self.label(f"lexicon/{name}"), self.read(f"lexicon/{name}")) for name in names if name != MAIN]
        if MAIN in names:
            main = (self.label(f"lexicon/{MAIN}"), self.read(f"lexicon/{MAIN}"))
        else:
            main = shipped_words()
            self.files[f"lexicon/{MAIN}"] = main[1]  # other words are another revision, the same in a file of one's own are not
        if CODES not in names:
            files.append(shipped_words(CODES))
        lexicon, problems = read_lexicon((main, *files))
        self.problems += problems
        return lexicon

    def text(self, relative: str, data: bytes) -> str:
        try:
            return decoded(data, self.label(relative))
        except YamlError as fault:
            raise RulesError([Problem(fault.name, fault.line, fault.text)]) from None
