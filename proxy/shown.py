"""Shown: what may be put before a person's eyes, whoever wrote it: without what a terminal obeys, what a spreadsheet runs, whose number it is.

In: texts of strangers, numbers. Out: the same, harmless. Never: a decision about who may see more.
"""

from __future__ import annotations

import json
import re
from typing import Any

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of these
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # turn the reading direction, or are not seen at all
    "\u2028\u2029\U000e0000-\U000e007f\ud800-\udfff]"  # begin a line, hide a text in a text, cannot be written
)
_ANY_DIGIT = re.compile("[\\d²³¹⁰⁴-⁹₀-₉①-⒛⓪-⓿❶-➓]")
"""Whatever reads as a digit or two: circled ones are read off a screen like any other."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last four: in Chinese and Japanese editions
"""What a spreadsheet runs that begins so."""


def plain(text: str, instead: str = "") -> str:
    """One line of a terminal or a log: ``instead`` of whatever a terminal would obey, or would not show."""
    return _OBEYED.sub(instead, text)


def without_digits(text: str) -> str:
    """A code's text: with a star for each digit, in whatever script."""
    return _ANY_DIGIT.sub("*", text)


def as_json(told: Any, indent: int | None = 2) -> str:
    """JSON of which a terminal obeys nothing, and that any file can hold; the same to whoever reads it. Without ``indent`` it is one line."""
    separators = (",", ":") if indent is None else None
    return _OBEYED.sub(_escaped, json.dumps(told, ensure_ascii=False, indent=indent, separators=separators))


def _escaped(match: re.Match[str]) -> str:
    """Line feeds stand between values only: in a text json.dumps has escaped them."""
    return match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1]


def cell(text: str) -> str:
    """A cell of a CSV file: what a spreadsheet would run stands behind an apostrophe. ``cell_of`` takes that away again."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def cell_of(written: str) -> str:
    """What ``cell`` was given."""
    return written[1:] if written.startswith("'") and written.lstrip("'").startswith(FORMULA) else written
