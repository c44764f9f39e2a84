"""Normalises a text, and finds its signature and fingerprint.

In: decoded text. Out: its normal form, its signature 【】, a fingerprint with digits masked.
Never: opt-out notices (notices.py), links and telephone numbers (contacts.py), a category (category.py), an opinion (the rules).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import NamedTuple

import opencc
from xxhash import xxh3_64_intdigest

from proxy.native.loader import compiled
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


def _ranges(characters: Iterable[str]) -> str:
    """Characters as the inside of a character class."""
    spans: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in spans)


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


_TOUCHED = lazy_regex(lambda: f"[^{_ranges(_untouched())}]")
"""What folding may change: a scan for it costs a tenth of folding every character."""
_EASY: dict[str, str] = {}
"""Touched characters, no dressing, that fold into untouched ones, so that one may be replaced after the other; learned, at most as long
as Unicode."""
_EASY_MOST = 8  # above this many different ones, one pass over all characters is cheaper


def _easy(character: str) -> str | None:
    folded = _FOLD[ord(character)]
    if _TOUCHED.search(folded) or character in DRESSING:
        return None
    _EASY[character] = folded
    return folded


DOTS = "·•・‧∙⋅"
"""Dots that are no ASCII."""
SPLITTERS = f"|/\\*{DOTS}.-_~^+=#&'\"` \t"
"""What is put between characters to split a word."""
# spelt out: a search for \\s is slow
_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))  # Unicode has none behind that
_SPACES = "".join(f"\\u{ord(one):04x}" for one in _SPACE)
MARKS = SPLITTERS + _SPACE
_MARKS = rf"|/\\*{DOTS}.\-_~^+=#&'\"`{_SPACES}"
_BETWEEN = lazy_regex(rf"[{_MARKS}](?<=[\u3400-\u9fff].)[{_MARKS}]{{0,2}}(?=[\u3400-\u9fff])", re.DOTALL)
# the mark first, then what stands before it: the scan for a mark is the fast part
_SPACED = lazy_regex(rf"(?<=[\u3400-\u9fff])[{_SPACES}]{{1,3}}(?=[\u3400-\u9fff])")


def fold(text: str) -> str:
    """NFKC, zero-width dropped, traditional → simplified, look-alikes → Latin, lower case. Length may change."""
    return folding(text)[0]


@compiled("folding")
def folding(text: str) -> tuple[str, bool]:
    """The folded text, and whether it contained decorative characters."""
    touched = set(_TOUCHED.findall(text))
    if not touched:
        return text, False
    if len(touched) <= _EASY_MOST:
        folded = text
        for character in touched:
            easy = _EASY.get(character)
            if easy is None and (easy := _easy(character)) is None:
                break
            folded = folded.replace(character, easy)
        else:
            return folded, False
    return text.translate(_FOLD), not DRESSING.isdisjoint(touched)


def undressed(text: str) -> str:
    """The text folded, but with a sign nobody writes where a word may be hidden by dressing or by marks: what is found in the normal
    form and not in this one was hidden. Spaces hide nothing: they are typography."""
    folded = "".join("\ufffe" if character in DRESSING else character for character in text)
    return _SPACED.sub("", fold(folded))


def with_unseen(text: str) -> str:
    """The folded text with a mark for each invisible character."""
    return fold("".join(character if _FOLD[ord(character)] else _JOINER for character in text))


@compiled("squeeze")
def squeeze(folded: str) -> str:
    """The text without marks between Chinese characters that split a word (贷|款, 减/肥)."""
    return _BETWEEN.sub("", folded)


_DIGITS_MASKED = bytes.maketrans(b"123456789", b"000000000")


@compiled("masked")
def masked(text: str) -> bytes:
    """The text with each ASCII digit as 0 (same length): texts that differ in digits only share a mask."""
    return text.encode("utf-8", "surrogatepass").translate(_DIGITS_MASKED)


_ZEROS = lazy_regex(b"00+")


def numberless(text: str) -> str:
    """A text with every number as one 0."""
    return without_numbers(masked(text)).decode("utf-8", "surrogatepass")


def without_numbers(mask: bytes) -> bytes:
    """A masked text with every number as one 0."""
    return _ZEROS.sub(b"0", mask)


def fingerprint(numberless: bytes) -> int:
    """32 bits naming the template of a text without its numbers."""
    return xxh3_64_intdigest(numberless) & 0xFFFFFFFF


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


@lru_cache(maxsize=65_536)
def _leading(written: str) -> Signature:
    name = normal_signature(written)
    return Signature(name if SIGNATURE_SHORTEST <= len(name) <= SIGNATURE_LONGEST else "", 1, False)


def signature(text: str) -> Signature:
    """The signature at the start of a text, or at its end as in legacy traffic."""
    if "【" not in text:
        return NO_SIGNATURE
    if text[0] == "【" and text[-1] != "】" and text.count("【") == 1 and (end := text.find("】")) > 0:  # nearly always
        return _leading(text[1:end])
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
