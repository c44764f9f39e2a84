"""Normalises a text, and finds its signature and fingerprint.

In: decoded text. Out: its normal form, its signature 【】, a fingerprint with digits masked.
Never: opt-out notices (notices.py), links and telephone numbers (contacts.py), a category (category.py), an opinion (the rules).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from string import ascii_lowercase, ascii_uppercase
from sys import byteorder
from typing import NamedTuple

import cython
import opencc
from xxhash import xxh3_64_intdigest

from proxy.native.characters import character
from proxy.native.text_units import part_key, replaced, without_marks, without_numbers
from proxy.policy.generational_cache import Memo
from proxy.policy.text.lazy_regex import lazy_regex

SIGNATURE_SHORTEST = 2
SIGNATURE_LONGEST = 16

_LOOKALIKES = str.maketrans("аеорсухіјѕԁһӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρτυхкмтвн", "aeopcyxijsdhlabezhikmnoptyxaovptyxkmtbh")
"""Cyrillic and Greek letters that look like Latin ones, as they are used to slip past a word list."""
_JOINER = "|"  # what stands between split characters is folded to one mark
_BLANKS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters, by Unicode, that are drawn as nothing: fillers of Hangul, a Braille cell without a dot."""
_STROKES = "丨｜│┃∣ǀ∥‖¦"


@cache
def _simplified() -> dict[str, str]:
    """Traditional characters and their simplified form, one OpenCC call for the two blocks texts use (about 30 ms)."""
    characters = [chr(code) for code in (*range(0x3400, 0xA000), *range(0xF900, 0xFB00))]
    converted = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    simplified = {old: new for old, new in zip(characters, converted, strict=True) if old != new}
    simplified = {old: simplified.get(new, new) for old, new in simplified.items()}  # one leads to another that leads on
    return simplified | {"囘": "回", "囬": "回"}


DRESSING: set[str] = set()
"""Characters that are seen where words are hidden: invisible ones, strokes, look-alikes, letters out of symbols; learned like _FOLD.
Full-width and traditional characters are not among them: some people write so."""


_COSTUMES = ((0x24B6, 0x24E9), (0x2E80, 0x2FDF), (0xF900, 0xFAFF), (0x1D400, 0x1D7FF), (0x1F130, 0x1F149))
"""Letters in circles, radicals, compatibility ideographs, letters of mathematics, letters in squares."""


class _Fold(dict[int, str]):
    """A translate table that learns a character when it first sees one: at most as long as Unicode."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = unicodedata.normalize("NFKC", character)
        alike = plain.translate(_LOOKALIKES).lower().translate(_LOOKALIKES)  # capitals may look like others than small letters
        seen = "".join(_JOINER if one in _STROKES else one for one in alike if not _is_unseen(one))
        if seen != plain.lower() or _is_costume(code):
            DRESSING.add(character)
        folded = "".join(_simplified().get(one, one) for one in seen)
        self[code] = folded
        return folded


def _is_unseen(character: str) -> bool:
    """Zero-width characters, marks over and around others, controls, halves of surrogate pairs (no encoder takes them) and the mark they are
    decoded as, private use."""
    if character in _BLANKS or character == "\ufffd":
        return True
    return unicodedata.category(character) in ("Cf", "Mn", "Me", "Cc", "Cs", "Co") and character not in "\n\t\r"


def _is_costume(code: int) -> bool:
    return any(first <= code <= last for first, last in _COSTUMES)


_FOLD = _Fold()


def _untouched() -> Iterator[str]:
    """Characters that most texts are of and that folding leaves as they are. All ideographs are normalised in one call: ``_FOLD`` would
    take a fifth of a second for them, at each start."""
    yield from (
        one
        for one in map(chr, (10, *range(0x20, 0x7F), *range(0x3001, 0x3003), *range(0x3008, 0x3012)))
        if _FOLD[ord(one)] == one
    )
    ideographs = [chr(code) for code in range(0x4E00, 0xA000)]
    plain = unicodedata.normalize("NFKC", "\n".join(ideographs)).split("\n")
    kept = {one for one, same in zip(ideographs, plain, strict=True) if one == same}
    yield from kept.difference(_simplified(), _STROKES)  # none of them is a capital, a costume, a look-alike or unseen


_EASY = bytearray(2 * 0x10000)
"""The folded form, two octets, of each character that is no dressing and folds into one that folding does not change; learned, 0 until
then."""
_HARD: set[str] = set()
"""Characters that have none; at most as long as Unicode."""


DOTS = "·•・‧∙⋅"
"""Dots that are no ASCII."""
SPLITTERS = f"|/\\*{DOTS}.-_~^+=#&'\"` \t"
"""What is put between characters to split a word."""
# spelt out: a search for \\s is slow
_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))  # Unicode has none behind that
_SPACES = "".join(f"\\u{ord(one):04x}" for one in _SPACE)
MARKS = SPLITTERS + _SPACE
_SPACED = lazy_regex(rf"(?<=[\u3400-\u9fff])[{_SPACES}]{{1,3}}(?=[\u3400-\u9fff])")


TOUCHED, MARK = 1, 2


def _kinds() -> bytes:
    """A kind for each of the first 65,536 characters: folding may change it, it is a mark, both, or neither."""
    kinds = bytearray(b"\1" * 0x10000)
    for one in _untouched():
        kinds[ord(one)] = 0
    for one in MARKS:
        kinds[ord(one)] |= MARK
    return bytes(kinds)


_KIND_TABLE = _kinds()
_kind: cython.p_uchar = _KIND_TABLE


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_touched(one: cython.Py_UCS4) -> cython.bint:
    """Whether folding may change a character."""
    return one > "\uffff" or _kind[ord(one)] & 1 != 0


def fold(text: str) -> str:
    """NFKC, zero-width dropped, traditional → simplified, look-alikes → Latin, lower case. Length may change."""
    return folding(text)[0]


@cython.ccall
def easily_folded(text: str) -> str | None:
    """The folded text; None if it is long, or has characters that are decorative, or fold into none, several, or such as folding changes."""
    folded: str | None = replaced(text, _EASY)
    if folded is None and _learns_all(text):
        folded = replaced(text, _EASY)
    return folded


def _learns_all(text: str) -> bool:
    """Whether all characters fold easily; learns those that it has not seen."""
    for one in set(text) - _HARD:
        code = ord(one)
        folded = _FOLD[code]
        if one in DRESSING or one > "\uffff" or len(folded) != 1 or _is_touched(folded):
            _HARD.add(one)
        else:
            _EASY[2 * code : 2 * code + 2] = ord(folded).to_bytes(2, byteorder)
    return _HARD.isdisjoint(text)


def folding(text: str) -> tuple[str, bool]:
    """The folded text, and whether it contained decorative characters."""
    folded = easily_folded(text)
    if folded is not None:
        return folded, False
    return text.translate(_FOLD), not DRESSING.isdisjoint(text)


def undressed(text: str) -> str:
    """The text folded, but with a sign nobody writes where a word may be hidden by dressing or by marks: what is found in the normal
    form and not in this one was hidden. Spaces hide nothing: they are typography."""
    folded = "".join("\ufffe" if character in DRESSING else character for character in text)
    return _SPACED.sub("", fold(folded))


def with_unseen(text: str) -> str:
    """The folded text with a mark for each invisible character."""
    return fold("".join(character if _FOLD[ord(character)] else _JOINER for character in text))


@cython.ccall
def squeeze(folded: str) -> str:
    """The text without marks between Chinese characters that split a word (贷|款, 减/肥): one to three."""
    return without_marks(folded, _KIND_TABLE, MARK)


def numberless(text: str) -> str:
    """A text with every number as one 0."""
    return without_numbers(text).decode("utf-8", "surrogatepass")


_LOW_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFF)


@cython.ccall
def fingerprint(numberless: bytes) -> cython.uint:
    """32 bits naming the template of a text without its numbers."""
    whole: cython.ulonglong = xxh3_64_intdigest(numberless)
    return whole & _LOW_BITS


def text_key(text: str) -> int:
    """64 bits naming a text word for word."""
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


# --- signature

_SIGNATURE = lazy_regex(r"【([^【】]*)】")
_EDGE = (
    "\u200b\u200c\u200d\u2060\ufeff \t\r\n\u3000\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffd"
)


_CAPITALS = str.maketrans(ascii_lowercase, ascii_uppercase)


@lru_cache(maxsize=65_536)
def normal_signature(written: str) -> str:
    """A signature as it is looked up, in capitals: width, spaces, invisible characters, look-alikes, marks between Chinese characters
    and traditional forms make no other one."""
    return squeeze("".join(fold(written).split())).strip(DOTS).translate(_CAPITALS)


class Signature(NamedTuple):
    name: str  # normalised, empty if none exists
    edges: int  # how many stand at the edges: exactly one is right
    trailing: bool


NO_SIGNATURE = Signature("", 0, False)


_leading = Memo(32_768)
"""Signatures that alone begin a text, by ``part_key`` of what is written."""


def _learn_leading(key: bytes, written: str) -> Signature:
    name = normal_signature(written)
    found: Signature = _leading.put(
        key, Signature(name if SIGNATURE_SHORTEST <= len(name) <= SIGNATURE_LONGEST else "", 1, False)
    )
    return found


@cython.ccall
def signature(text: str, is_single: cython.bint = False) -> Signature:
    """The signature at the start of a text, or at its end as in legacy traffic. ``is_single``: whether there is at most one 【."""
    size: cython.Py_ssize_t = len(text)
    end: cython.Py_ssize_t = 1
    if not size or (character(text, 0) != "【" and "【" not in text):
        return NO_SIGNATURE
    if (
        character(text, 0) == "【" and character(text, size - 1) != "】" and (is_single or text.find("【", 1) < 0)
    ):  # nearly always
        while end < size and character(text, end) != "】":
            end += 1
        if end < size:
            key: bytes = part_key(text, 1, end)
            return cython.cast(Memo, _leading).find(key) or _learn_leading(key, text[1:end])
    text = text.strip(_EDGE)
    first = _SIGNATURE.match(text)
    last = _SIGNATURE.match(text, text.rindex("【")) if text.endswith("】") else None
    count = 0
    place = 0
    while match := _SIGNATURE.match(text, place):
        count += 1
        place = match.end()
    if last and last.start() >= place:
        count += 1
    chosen = first or last
    if chosen is None:
        return NO_SIGNATURE
    name = normal_signature(chosen[1])
    if not SIGNATURE_SHORTEST <= len(name) <= SIGNATURE_LONGEST:
        return Signature("", count, chosen is last)
    return Signature(name, count, chosen is last and chosen is not first)
