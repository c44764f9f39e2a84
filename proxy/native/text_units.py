"""Does in Python what text_units.pyx does in C, where nothing was compiled."""

from __future__ import annotations

import re
from functools import cache
from sys import byteorder

_UNUSUAL = re.compile("[\ud800-\udfff\ufffe\U00010000-\U0010ffff]")
_DIGITS_MASKED = bytes.maketrans(b"123456789", b"000000000")


def masked(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(_DIGITS_MASKED)


def without_numbers(text: str) -> bytes:
    return re.sub(b"00+", b"0", masked(text))


mask_key = masked


def part_key(text: str, start: int, end: int) -> bytes:
    return text[start:end].encode("utf-8", "surrogatepass")


def replaced(text: str, table: bytearray) -> str | None:
    others = {one: int.from_bytes(table[2 * ord(one) : 2 * ord(one) + 2], byteorder) for one in set(text) if one <= "\uffff"}
    if not all(others.values()) or max(text, default="") > "\uffff":
        return None
    found = "".join([chr(others[one]) for one in text])
    return text if found == text else found


@cache
def _marks_between(kinds: bytes, mark: int) -> re.Pattern[str]:
    marks = "".join(re.escape(chr(code)) for code, kind in enumerate(kinds) if kind & mark)
    return re.compile(f"(?<=[\u3400-\u9fff])[{marks}]{{1,3}}(?=[\u3400-\u9fff])")


def without_marks(text: str, kinds: bytes, mark: int) -> str:
    found = _marks_between(kinds, mark).sub("", text)
    return text if found == text else found


def plain_utf16(data: bytes, begin: int, end: int) -> str | None:
    text = data[begin : end - (end - begin) % 2].decode("utf-16-be", "surrogatepass")
    return None if _UNUSUAL.search(text) else text
