"""Reorders bidirectional texts as handsets display them (UAX #9).

In: decoded text. Out: its readings other than the written order; whether controls change the order; whether all handsets agree. Never: what the
words mean (policy/text_reader.py); a text without right-to-left letters, marks or controls, which is displayed as it is written.

A handset lays out each line from the left, or in the direction of its first letter: both are readings. Right-to-left letters are read from the
right, so they come out in alphabetical order. What differs between the readings is the place of everything else among them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from bidi import get_display

from proxy.policy.text.lazy_regex import lazy_regex

TURNS = lazy_regex(
    "[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""Without one of them a text is shown as it is written (Unicode keeps these ranges for right-to-left letters)."""
CHARACTERS_MAX = 1_340
"""Of the lines with such a character: 20 parts, which take at most 1 ms; half of it where there are controls."""
LINES_MAX = 100  # with such a character, 5 µs each
CONTROLS_MAX = 200  # in a text: what people paste has a pair for each name and number
NESTED_MAX = 30  # each control adds two levels at most, and older handsets end at level 61
LINE_SHOWN = 20
"""Characters that every handset shows on one line: where a longer one is broken, the order begins anew."""

_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROL = lazy_regex(f"[{_CONTROLS}]")
_OPENS = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
_CLOSES = frozenset("\u202c\u2069")
_OVERRIDDEN = lazy_regex(f"\u202e.{{{LINE_SHOWN + 1}}}", re.DOTALL)
_BLOCKS = ((0x590, 0x900), (0xFB1D, 0xFEFD))
_RARE = "\U00010800-\U00010fff\U0001e800-\U0001efff"  # old scripts, and some of today that no handset in China has


def _of(*kinds: str) -> str:
    """Characters of these bidirectional classes, as the inside of a character class."""
    return "".join(chr(code) for block in _BLOCKS for code in range(*block) if unicodedata.bidirectional(chr(code)) in kinds)


_LETTERS, _MARKS = _of("R", "AL") + _RARE, _of("NSM") + "\u0300-\u036f"
_LETTER = lazy_regex(f"[{_LETTERS}]")
_RIGHT_TO_LEFT = lazy_regex(f"[{_LETTERS}](?:[{_LETTERS}{_MARKS} ]*[{_LETTERS}{_MARKS}])?")
_ENDS = lazy_regex("([\n\r\x1c-\x1e\x85\u2029])")
"""What ends a paragraph of UAX #9, and with it the effect of every control."""
_TAB, _OVERRIDE, _MARK_RIGHT = lazy_regex("[\t\x1f]"), lazy_regex("[\u202d\u202e]"), lazy_regex("[\u061c\u200f]")
_BREAKS = lazy_regex("[\x0b\x0c\u2028]")  # a new line on some handsets, which goes on with what the one before began
_PAIRS = "()[]{}<>«»‹›〈〉《》「」『』【】〔〕〖〗（）［］｛｝＜＞"
_MIRRORED = {one: _PAIRS[place ^ 1] for place, one in enumerate(_PAIRS)}
_BRACKET = lazy_regex(f"[{re.escape(_PAIRS)}]")
_MARK = "\ufe0e"
"""Set behind each bracket: it takes the bracket's direction, so that it stands before a bracket that is shown mirrored."""
_MARKED = lazy_regex(f"{_MARK}([{re.escape(_PAIRS)}])|([{re.escape(_PAIRS)}]){_MARK}")


class DisplayOrders(NamedTuple):
    texts: tuple[str, ...]
    """Readings beside the written order, without controls."""
    controlled: bool
    """Whether controls or invisible marks change the order, not the letters alone."""
    resolved: bool
    """False: handsets do not agree on the order, or it is not known."""


def display_orders(text: str) -> DisplayOrders | None:
    """The display orders of a text; None if it is displayed as it is written."""
    if TURNS.search(text) is None:
        return None
    text = text.replace(_MARK, "").encode("utf-8", "replace").decode()  # halves of surrogate pairs are no characters
    controls = len(_CONTROL.findall(text))
    pieces = _ENDS.split(text)
    turning = {place: line for place, line in enumerate(pieces) if TURNS.search(line)}
    most = CHARACTERS_MAX // 2 if controls else CHARACTERS_MAX
    bounded = sum(map(len, turning.values())) <= most and len(turning) <= LINES_MAX and controls <= CONTROLS_MAX
    if not bounded or any(_is_deep(line) or _is_tabbed(line) for line in turning.values()):
        return DisplayOrders((), controls > 0, False)
    by_first = [_CONTROL.sub("", line) for line in pieces]
    from_left = [*by_first]
    resolved = True
    for place, line in turning.items():
        by_first[place], from_left[place] = _shown(line)
        resolved = resolved and not (controls and _is_broken(line, by_first[place], from_left[place]))
    written = "".join(_CONTROL.sub("", line) for line in pieces)
    found = tuple(dict.fromkeys(whole for whole in ("".join(by_first), "".join(from_left)) if whole != written))
    if not found:
        return None
    without = display_orders(written) if controls else None
    if without is not None and without.texts == found:  # the letters alone do it
        return without
    return DisplayOrders(found, controls > 0, resolved)


def as_shown(text: str) -> str:
    """The text in the order in which most handsets show it where controls change that, else as it is written."""
    others = display_orders(text)
    return others.texts[0] if others is not None and others.controlled and others.texts else text


def _shown(line: str) -> tuple[str, str]:
    """A line laid out in the direction of its first letter, and from the left."""
    marked = _BRACKET.sub(rf"\g<0>{_MARK}", line)
    by_first, from_left = str(get_display(marked)), str(get_display(marked, base_dir="L"))
    one = _as_read(by_first)
    return one, one if from_left == by_first else _as_read(from_left)


def _as_read(shown: str) -> str:
    """A line from left to right, with brackets as displayed and right-to-left letters in reading order."""
    shown = _CONTROL.sub("", shown)
    if _MARK in shown:
        shown = _MARKED.sub(lambda found: _MIRRORED[found[1]] if found[1] else found[2], shown)
    return _RIGHT_TO_LEFT.sub(lambda found: found[0][::-1], shown)


def _is_deep(line: str) -> bool:
    """Whether controls are nested deeper than all handsets follow them."""
    depth = 0
    for one in _CONTROL.findall(line):
        if one in _OPENS:
            depth += 1
            if depth > NESTED_MAX:
                return True
        elif one in _CLOSES and depth:
            depth -= 1
    return False


def _is_tabbed(line: str) -> bool:
    """Whether an override reaches over a tab beside right-to-left letters, where implementations of UAX #9 differ (rule L1)."""
    return bool(_TAB.search(line) and _OVERRIDE.search(line) and (_LETTER.search(line) or _MARK_RIGHT.search(line)))


def _is_broken(line: str, *shown: str) -> bool:
    """Whether a line whose order controls change is longer than all handsets show in one: the rest of it would be read first on some."""
    if _OVERRIDDEN.search(line):
        return True
    plain = _CONTROL.sub("", line)
    if _BREAKS.search(line) and any(one != plain for one in shown):
        return True
    return len(plain) > LINE_SHOWN and any(one != plain for one in shown) and _LETTER.search(plain) is None
