"""Cuts an incomplete text into pieces that missing parts cannot change.

In: the text of a long message with GAP in place of missing parts. Out: its pieces, in normal form. The whole text contains each piece,
with the same meaning, whatever the missing parts say. Never: rules.

    for words               the letter beside a gap is left out, with the marks around it: 发票 at an edge may be part of another word
    for links and numbers   everything up to three Chinese characters in a row is left out: an address or a number may go on so far

Letters written from right to left count as gaps, because the order in which they are shown depends on the whole line.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from typing import NamedTuple

from proxy.policy.text.folding import MARKS, fold
from proxy.policy.text.lazy_regex import lazy_regex

PIECES_MAX = 32
"""Only the longest pieces are read: 20 parts leave ten gaps. Each piece costs about 50 µs."""
GAP = "【】"
"""Marks missing parts in the joined text (wire/joined_text.py): 】 alone at the beginning, 【 alone at the end."""
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
_CUT = lazy_regex(rf"{GAP}|{_RIGHT_TO_LEFT}")
_BREAK = lazy_regex("(?:(?![〇零一二三四五六七八九十百千两壹贰叁肆伍陆柒捌玖拾幺洞拐码号为是])[\u3400-\u9fff]){3}")
"""Where a number ends; and enough context to tell whether the next number is a code (contacts.py)."""
_CHINESE_HOST = lazy_regex("://[0-9a-z.\\-\u3400-\u9fff]*\\Z")
"""An address that may go on."""


class Piece(NamedTuple):
    words: str
    contacts: str


def pieces(text: str) -> Iterator[Piece]:
    """The pieces between gaps, at most PIECES_MAX. A text without a gap is one piece, cut at both ends."""
    before, behind = text.startswith(GAP[1]), text.endswith(GAP[0])
    if not (before or behind or GAP in text):
        before = behind = True
    text = text[before * text.startswith(GAP[1]) : len(text) - behind * text.endswith(GAP[0])]
    runs = _CUT.split(text)
    for place, run in nlargest(PIECES_MAX, enumerate(runs), key=lambda one: len(one[1])):
        opens, ends, folded = before or place > 0, behind or place < len(runs) - 1, fold(run)
        yield Piece(_words(folded, opens, ends), _contacts(folded, opens, ends))


def _words(run: str, opens: bool, ends: bool) -> str:
    if opens:
        run = run.lstrip(MARKS)[1:].lstrip(MARKS)
    return run.rstrip(MARKS)[:-1].rstrip(MARKS) if ends else run


def _contacts(run: str, opens: bool, ends: bool) -> str:
    if not (opens or ends):
        return run
    breaks = [match.span() for match in _BREAK.finditer(run)]
    if not breaks:
        return ""
    run = run[breaks[0][0] if opens else 0 : breaks[-1][1] if ends else len(run)]
    host = _CHINESE_HOST.search(run) if ends else None
    return run[: host.start()] if host is not None else run
