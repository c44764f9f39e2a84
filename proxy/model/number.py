"""Parses recipient numbers into one integer and masks them for display.

In: a number as the provider wrote it, as text or bytes. Out: the 11 national digits as an int (13800138000), or NotARecipient
with a reason that helps the sender (DOMAIN.md §4). Never: regions, lists, or a full number in an error text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sized
from dataclasses import fields
from typing import Any, TypeVar

import cython

FIRST = 13_000_000_000
"""The lowest number that can be a mobile subscriber (prefix 13)."""
LAST = 19_999_999_999
LONGEST_SPELLING = 40
"""Longer texts are refused without parsing: SMPP 3.4 allows 20 octets, files add a few spaces and dashes."""

T = TypeVar("T")
_COUNTRY_CODE = cython.declare(cython.ulonglong, 86 * 10**11)
_FIRST = cython.declare(cython.ulonglong, FIRST)
_LAST = cython.declare(cython.ulonglong, LAST)
_IOT = cython.declare(cython.ulonglong, 14_400)  # 14400… belongs to machines in every length (DOMAIN.md §4)
_FILLING = re.compile(r"[\s\-\u2010-\u2015\u200b-\u200f\u2060\ufeff]+")


class NotARecipient(ValueError):
    """The text is no mobile subscriber's number. It is the sender's fault; ``why`` says what the text looks like."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def recipient_of(spelling: str | bytes) -> int:
    """The 11 national digits of any accepted spelling; raises NotARecipient."""
    if isinstance(spelling, bytes):
        octets: bytes = spelling
        number: cython.ulonglong = plain_recipient(octets, 0, len(octets))
        if number:
            return number
    return _parse_any_spelling(spelling)


@cython.exceptval(check=False)
@cython.ccall
def plain_recipient(data: bytes, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
    """The national digits if the octets from ``begin`` to ``end`` are 11 or 13 plain digits; 0 for any other text."""
    octets: cython.p_uchar = data
    number: cython.ulonglong = 0
    digit: cython.uint
    place: cython.Py_ssize_t
    if end - begin != 11 and end - begin != 13:
        return 0
    for place in range(begin, end):
        digit = (octets[place] - 48) & 0xFF
        if digit > 9:
            return 0
        number = number * 10 + digit
    if end - begin == 13:
        if number < _COUNTRY_CODE:
            return 0
        number -= _COUNTRY_CODE
    return number if _FIRST <= number <= _LAST and number // 1_000_000 != _IOT else 0


def mask(recipient: int) -> str:
    """The masked form of a number: ``138****8000``."""
    digits = f"{recipient:011d}"
    return f"{digits[:3]}****{digits[-4:]}"


class Number:
    """A recipient's number for display: as text it is ``138****8000``. The relay uses plain integers; this class is for output to people.
    ``whole`` has all digits: callers that show it must have journalled who looks, and why.
    """

    __slots__ = ("_recipient",)

    def __init__(self, recipient: int) -> None:
        self._recipient = recipient

    @property
    def full_number(self) -> str:
        return f"{self._recipient:011d}"

    def __str__(self) -> str:
        return mask(self._recipient)

    def __repr__(self) -> str:
        return f"Number({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other._recipient == self._recipient

    def __hash__(self) -> int:
        return hash(self._recipient)

    def __reduce__(self) -> str:
        raise TypeError("a Number is shown, not kept: keep the integer")


def masked_repr(kind: type[T]) -> type[T]:
    """Class decorator for a NamedTuple or a dataclass: its ``repr`` masks numbers and shows only the length of texts and octets. An error or
    a log line with such a record then shows no personal data."""
    kind.__repr__ = _masked_repr  # type: ignore[method-assign]
    return kind


def _masked_repr(value: Any) -> str:
    names = getattr(value, "_fields", None) or [field.name for field in fields(value)]
    return f"{type(value).__name__}({', '.join(f'{name}={_masked_field(name, getattr(value, name))}' for name in names)})"


_TEXT_FIELDS = frozenset(("source", "destination", "text", "first_text", "shown", "details", "people", "answered"))
"""Fields that hold text of a person."""
_NUMBER_FIELDS = frozenset(("recipient", "number", "to"))


def _masked_field(name: str, held: object) -> str:
    if isinstance(held, bytes | bytearray) or name in _TEXT_FIELDS:
        return f"<{len(held)}>" if isinstance(held, Sized) else "<…>"
    if name in _NUMBER_FIELDS and isinstance(held, int):
        return str(Number(held))
    return repr(held)


def _parse_any_spelling(spelling: str | bytes) -> int:
    """Parses every text that is not simply 11 or 13 digits, or raises NotARecipient."""
    if len(spelling) > LONGEST_SPELLING:
        raise NotARecipient(f"longer than {LONGEST_SPELLING} characters")
    if isinstance(spelling, bytes):
        try:
            spelling = spelling.decode("utf-8")
        except UnicodeDecodeError:
            raise NotARecipient("not text") from None
    digits = _FILLING.sub("", unicodedata.normalize("NFKC", spelling))
    if not digits:
        raise NotARecipient("empty")
    plus = digits.startswith("+")
    digits = digits.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise NotARecipient("holds characters that are no digits, spaces or dashes")
    if (not plus and digits.startswith("1064")) or digits.startswith("14400"):
        raise NotARecipient("a machine's number (IoT), not a person's")
    national = _national(digits, plus)
    if national.startswith(("1064", "14400")):
        raise NotARecipient("a machine's number (IoT), not a person's")
    if len(national) == 11 and national[0] == "1" and national[1] in "3456789":
        return int(national)
    raise NotARecipient(_why_not(national))


def _national(digits: str, plus: bool) -> str:
    """Without the country's code and one leading 0."""
    if plus:
        if not digits.startswith("86"):
            raise NotARecipient("not a number of mainland China (+86)")
        return digits[2:]
    if digits.startswith("0086"):
        return digits[4:]
    if digits.startswith("00"):
        raise NotARecipient("not a number of mainland China (0086)")
    if len(digits) == 12 and digits.startswith("01") and digits[2] in "3456789":
        return digits[1:]
    if len(digits) > 11 and digits.startswith("86"):
        return digits[2:]
    return digits


def _why_not(national: str) -> str:
    if re.fullmatch(r"[48]00\d{7}", national):
        return f"a {national[:3]} service number, not a person's"
    if re.fullmatch(r"0(10|2\d|[3-9]\d\d)\d{7,8}|[2-8]\d{6,7}|(10|2\d|[3-9]\d\d)\d{7,8}", national):
        return "a landline"
    if len(national) != 11:
        return f"{len(national)} digits instead of 11"
    return f"starts with {national[:2]}, mobile numbers start with 13 to 19"
