"""Collects texts of the journal known as advertising or notices.

In: texts by what became of them, the rules, reviewed texts, complaint cases. Out: ``SeenText``. Never: a text whose nature nobody said
(allowed marketing, what was refused for its sender or recipient); a file (command.py opens them).

    advertising   a valid or open complaint names it; a clerk refused it; it was refused for what it says; or it was refused as marketing
                  and reads like it: it has words of advertising, or an opt-out notice and no words of notices
    notice        it was delivered as a notice or a code, and no complaint names it

A text that is on both sides is advertising. An account declared marketing sends notices, too: refused ones are neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from proxy.archive.otp_texts import unjudged
from proxy.archive.text_outcomes import TextOutcome
from proxy.desk.lexicon.word_candidates import PROTECTED, SeenText
from proxy.model.message import Category, Content
from proxy.policy.registries.reviewed_texts import key_of
from proxy.policy.text.category import band_of
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader

SAID_BY_TEXT = frozenset(("keyword", "port-misuse"))
"""Reasons that say something about the text, whatever its category."""
DECLARED = "declared"
"""Where a text comes from that was refused as marketing, which its account may have declared: its words decide."""
ADVERTISING, NOTICE = True, False
OFFERING = ("ad", "price", "call", "topic")
"""Purposes of words that speak for marketing."""
NOTIFYING = ("notice", "otp", "warning", "code")
"""Purposes of words that speak for a notice or a code."""


class Sources(NamedTuple):
    """How many texts were found of each kind."""

    refused: int
    complained: int
    reviewed: int
    delivered: int


def side_of(one: TextOutcome) -> bool | None:
    """What became of a text says that it is advertising, a notice, or neither."""
    if one.complained:
        return ADVERTISING
    if one.verdict == "allow":
        return NOTICE if one.category in (Category.NOTICE.word, Category.OTP.word) else None
    if one.reason in SAID_BY_TEXT:
        return ADVERTISING
    is_judged = not unjudged(one.category, one.reason, objected=one.judged)
    return ADVERTISING if one.category == Category.MARKETING.word and is_judged else None


def seen_texts(
    outcomes: Iterable[TextOutcome], typed: Iterable[str], reviewed: Mapping[str, str], reader: Reader
) -> tuple[list[SeenText], Sources]:
    """``typed``: texts as complainants typed them. ``reviewed``: review key → a clerk's verdict; keys of texts in whose links or telephone
    numbers are digits fit nothing here."""
    counts = dict.fromkeys(Sources._fields, 0)
    seen: dict[tuple[str, str], SeenText] = {}

    def put(text: str, side: bool | None, source: str) -> None:
        page = TextAnalysis(Content(text, "readable", b""))
        verdict = reviewed.get(key_of(page))
        if verdict == "refused":
            side, source = ADVERTISING, "reviewed"
        if side is None or (side and verdict == "released"):
            return
        read = reader.weighed(page).classified
        if source == DECLARED:
            if read.band == "hardly" and (not page.has_notice or _notifies(page, reader)):
                return
            source = "refused"
        key = page.scanned.decode("utf-8", "replace"), page.signature.name
        before = seen.get(key)
        if before is None or side > before.is_advertising:
            seen[key] = SeenText(*key, side, read.score, band_of(read.band) == "surely")
            counts[source] += 1

    for text in typed:
        put(text, ADVERTISING, "complained")
    for one in outcomes:
        side = side_of(one)
        refused = "refused" if one.reason in SAID_BY_TEXT else DECLARED
        put(one.text, side, "complained" if one.complained else refused if side else "delivered")
    return list(seen.values()), Sources(**counts)


def _notifies(page: TextAnalysis, reader: Reader) -> bool:
    """Whether words of a notice or a code count in a text."""
    data, matches = reader.matches(page, page.scanned)
    counted = reader.scanner.counted(frozenset(match[0] for match in matches), data, matches)
    return any(reader.scanner.lexicon.words[place].purpose in NOTIFYING for place in counted)


class WordHits(NamedTuple):
    """A word of the lexicon, and how many different texts it was found in."""

    word: str
    purpose: str
    weight: int
    hits: int  # advertisements
    false_hits: int  # notices and codes
    where: str  # file:line


def word_hits(texts: Iterable[SeenText], reader: Reader) -> list[WordHits]:
    """Of words that speak for marketing: those with most false hits for each hit first."""
    scanner = reader.scanner
    hits, false_hits = Counter[int](), Counter[int]()
    for one in texts:
        data = one.text.encode("utf-8", "replace")
        matches = scanner.matches(data)
        counted = scanner.counted(frozenset(match[0] for match in matches), data, matches)
        (hits if one.is_advertising else false_hits).update(counted)
    found = []
    for place in hits.keys() | false_hits.keys():
        word = scanner.lexicon.words[place]
        if word.purpose in OFFERING:
            where = f"{word.file}:{word.line}"
            found.append(WordHits(word.text, word.purpose, word.weight, hits[place], false_hits[place], where))
    return sorted(found, key=lambda one: (-one.false_hits / (one.hits + 1), -one.false_hits, one.word))


def known_words(lexicon: Lexicon) -> dict[str, int]:
    """Words that are not proposed again, with the points that advertising has by them."""
    points = {word.text: word.weight if word.purpose in (*OFFERING, "none") else PROTECTED for word in lexicon.words}
    return points | dict.fromkeys(lexicon.rejected, 0)
