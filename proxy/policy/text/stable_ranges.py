"""Cuts an incomplete text into pieces that missing parts cannot change.

In: the text of a long message with GAP in place of missing parts. Out: pieces of it, in normal form: whatever the missing parts say, the
whole text contains each piece, with the same meaning. Never: rules.

    for words               one letter and the marks around it are left out beside a gap: 发票 at an edge is none until more is known
    for links and numbers   all up to three Chinese characters in a row, which stay: an address or a number may reach as far as that

Letters written from right to left count as gaps, because the order in which they are shown depends on the whole line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import nlargest
from typing import NamedTuple

from proxy.policy.text.folding import MARKS, fold

PIECES_MAX = 32
"""The longest of a text: 20 parts leave ten gaps, more are of whoever writes such letters. Each costs some 50 µs."""
GAP = "【】"
"""As the joined text has it (wire/joined_text.py): only its end at the beginning of the text, only its beginning at the end."""
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
_CUT = re.compile(rf"{GAP}|{_RIGHT_TO_LEFT}")
_BREAK = re.compile("(?:(?![〇零一二三四五六七八九十百千两壹贰叁肆伍陆柒捌玖拾幺洞拐码号为是])[\u3400-\u9fff]){3}")
"""No number goes over it, and it is all that says whether a number behind it is a code (contacts.py)."""
_CHINESE_HOST = re.compile("://[0-9a-z.\\-\u3400-\u9fff]*\\Z")
"""An address that may go on."""


class Piece(NamedTuple):
    words: str
    contacts: str


def pieces(text: str) -> Iterator[Piece]:
    """Each between two gaps, or a gap and an end of the text that is here; of a text without a gap nobody knows which ends are here.
    Bounded."""
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
