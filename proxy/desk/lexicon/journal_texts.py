"""Collects texts of the journal known as advertising or notices.

In: texts by what became of them, the rules, reviewed texts, complaint cases. Out: ``SeenText``. Never: a text whose nature nobody said
(allowed marketing, what was refused for its sender or recipient); a file (command.py opens them).

    advertising   a valid or open complaint names it; a clerk refused it; it was refused as marketing, or for what it says
    notice        it was delivered as a notice or a code, and no complaint names it

A text that is on both sides is advertising.
"""

from __future__ import annotations

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
ADVERTISING, NOTICE = True, False


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
        key = page.scanned.decode("utf-8", "replace"), page.signature.name
        before = seen.get(key)
        if before is None or side > before.is_advertising:
            read = reader.weighed(page).classified
            seen[key] = SeenText(*key, side, read.score, band_of(read.band) == "surely")
            counts[source] += 1

    for text in typed:
        put(text, ADVERTISING, "complained")
    for one in outcomes:
        side = side_of(one)
        put(one.text, side, "complained" if one.complained else "refused" if side else "delivered")
    return list(seen.values()), Sources(**counts)


def known_words(lexicon: Lexicon) -> dict[str, int]:
    """Words that are not proposed again, with the points that advertising has by them."""
    offers = ("ad", "price", "call", "topic", "none")
    points = {word.text: word.weight if word.purpose in offers else PROTECTED for word in lexicon.words}
    return points | dict.fromkeys(lexicon.rejected, 0)
