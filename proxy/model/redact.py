"""Makes untrusted text safe to display and masks phone numbers in it.

It removes control characters that a terminal obeys, and formulas that a spreadsheet runs.

In: texts of strangers, numbers. Out: the same, harmless. Never: a decision about who may see more.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from proxy.model.number import mask

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of these
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # turn the reading direction, or are not seen at all
    "\u2028\u2029\U000e0000-\U000e007f\ud800-\udfff]"  # begin a line, hide a text in a text, cannot be written
)
_ANY_DIGIT = re.compile("[\\d²³¹⁰⁴-⁹₀-₉①-⒛⓪-⓿❶-➓]")
"""Every character that reads as a digit, circled ones included."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last four: in Chinese and Japanese editions
"""A spreadsheet runs a cell that begins with one of these."""


class _Skeleton(dict[int, str]):
    """A translation table filled on first use of a character: digits of all scripts become ASCII digits, separators inside a number become
    spaces, everything else becomes ``x``. The length of a text does not change."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.digit(character, None)
        unseen = unicodedata.category(character) in _UNSEEN or _OBEYED.match(character)
        filling = unseen or character.isspace() or character in _FILLING
        self[code] = found = " " if digit is None and filling else "x" if digit is None else str(digit)
        return found


_UNSEEN = ("Cc", "Cf", "Mn", "Me", "Pd")  # and dashes
_FILLING = frozenset(".·_()（）/")
_SKELETON = _Skeleton()
_NUMBER = re.compile(r"(?<![0-9])(?:(?:00)?86 {0,6}|0)?(1 {0,6}[3-9](?: {0,6}[0-9]){9})(?![0-9])")
"""In a skeleton: with the country before it, or a 0, and some signs between its digits."""


def mask_numbers(text: str, of: int = 0) -> str:
    """The text with all phone numbers masked, however they are written (``138****0500``); ``of``: only this recipient's number."""
    skeleton = text.translate(_SKELETON)
    pieces, end = list[str](), 0
    for match in _NUMBER.finditer(skeleton):
        number = int(match[1].replace(" ", ""))
        if of in (0, number):
            start = match.start(1)
            pieces += (text[end:start], mask(number))
            end = match.end()
    return "".join((*pieces, text[end:])) if pieces else text


def printable(text: str, instead: str = "") -> str:
    """The text without control and invisible characters, for a terminal or a log; ``instead`` replaces each."""
    return _OBEYED.sub(instead, text)


def mask_digits(text: str) -> str:
    """The text with a star for each digit of any script, so that it shows no code."""
    return _ANY_DIGIT.sub("*", text)


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON with control characters escaped, so that a terminal shows it safely; it parses to the same value. ``indent`` None: one line."""
    separators = (",", ":") if indent is None else None
    return _OBEYED.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


def _escaped(match: re.Match[str]) -> str:
    """Line feeds stand between values only: in a text json.dumps has escaped them."""
    return match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1]


def csv_cell(text: str) -> str:
    """A CSV cell: an apostrophe before a text that a spreadsheet would run. ``read_csv_cell`` reverses it."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def read_csv_cell(written: str) -> str:
    """Reverses ``csv_cell``."""
    return written[1:] if written.startswith("'") and written.lstrip("'").startswith(FORMULA) else written
