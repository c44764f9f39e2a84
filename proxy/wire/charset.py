"""Decodes user data to text and encodes text, by data_coding.

In: octets and a data_coding (SMPP 3.4 §5.2.19, GSM 03.38). Out: (text, state) with the states of message.Content. Never: headers
(see udh.py), exceptions.

    0x00-0x0E   SMPP's own list                0xC0-0xEF   message waiting (GSM 03.38 §4): still a text people read
    0x10-0x7F   general data coding            0xF0-0xFF   message class (flash …), GSM-7 or 8-bit

Codings that handsets do not support, or decode differently (JIS, KS C, reserved codings), are "unreadable": a guess would let
such texts pass unread. Where bridges and handsets are known to show a text in spite of the coding (``shown``), that text of a
submit is judged.
"""

from __future__ import annotations

import re
import unicodedata
from codecs import charmap_decode, getincrementaldecoder, utf_16_be_decode

READABLE, UNREADABLE, BINARY, COMPRESSED, WAP_PUSH, EMPTY = (
    "readable",
    "unreadable",
    "binary",
    "compressed",
    "wap-push",
    "empty",
)

GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet (GSM 03.38 §6.2.1): the octet is the place."""
GSM_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""After an escape (GSM 03.38 §6.2.1.1)."""
_ESCAPE = 0x1B
_SEEN_ASCII = bytes(range(0x20, 0x7F))

_GSM_ENCODED = {char: bytes((code,)) for code, char in enumerate(GSM_BASIC) if code != _ESCAPE} | {
    char: bytes((_ESCAPE, code)) for code, char in GSM_EXTENSION.items()
}

GSM, LATIN_1, ASCII, UCS_2, CYRILLIC, HEBREW = "gsm", "latin-1", "ascii", "ucs-2", "iso-8859-5", "iso-8859-8"


def _kind(coding: int) -> str:
    """What a data_coding means: one of the alphabets above, or the state of what cannot be read."""
    if coding < 0x10:
        known = {0: GSM, 1: ASCII, 2: BINARY, 3: LATIN_1, 4: BINARY, 6: CYRILLIC, 7: HEBREW, 8: UCS_2}
        return known.get(coding, UNREADABLE)
    if coding < 0x80:  # general data coding, from 0x40 marked for automatic deletion
        return COMPRESSED if coding & 0x20 else (GSM, BINARY, UCS_2, UNREADABLE)[coding >> 2 & 3]
    if coding < 0xC0 or coding >= 0xF8:  # reserved; bit 3 of the message class group must be 0
        return UNREADABLE
    if coding < 0xE0:  # message waiting, discard or store, in GSM-7
        return GSM
    if coding < 0xF0:  # the same in UCS-2
        return UCS_2
    return BINARY if coding & 4 else GSM


KINDS: tuple[str, ...] = tuple(_kind(coding) for coding in range(256))
"""data_coding → alphabet, or the state of what cannot be read."""
GBK_CODING = 15  # reserved by SMPP 3.4; in China (CMPP §7.4.2.1) GBK
_EXCHANGED = "\ufffe"
DECODED = frozenset({GSM, LATIN_1, ASCII, UCS_2, CYRILLIC, HEBREW})


def decode(octets: bytes, coding: int) -> tuple[str, str]:
    """(text, state); the text is empty unless the state is ``readable``, and never holds a surrogate."""
    kind = KINDS[coding]
    if not octets:
        return "", EMPTY
    if kind == UCS_2:
        return _decode_ucs2(octets)
    if kind not in DECODED:
        return "", kind
    if kind == GSM:
        text = decode_gsm(octets)
        return ("", UNREADABLE) if text is None else (text, READABLE)
    try:
        return octets.decode(kind), READABLE
    except UnicodeDecodeError:
        return "", UNREADABLE


def _decode_ucs2(octets: bytes) -> tuple[str, str]:
    """UTF-16BE, as handsets read UCS-2. Half a surrogate pair (cut at a part's edge) becomes U+FFFD. Behind an exchanged mark of the order
    of octets some handsets exchange all octets, others none."""
    try:
        text = utf_16_be_decode(octets, "strict", True)[0]  # as bytes.decode would, at half the cost
        return ("", UNREADABLE) if _EXCHANGED in text else (text, READABLE)
    except UnicodeDecodeError:
        if len(octets) % 2:
            return "", UNREADABLE
        text = octets.decode("utf-16-be", "replace")
        return ("", UNREADABLE) if _EXCHANGED in text else (text, READABLE)


def decode_gsm(octets: bytes) -> str | None:
    """Unpacked GSM-7, one octet a character; None where an octet is none of the alphabet's (≥ 0x80)."""
    try:
        text = charmap_decode(octets, "strict", GSM_BASIC)[0]
    except UnicodeDecodeError:
        return None
    return _unescape(octets) if "\x1b" in text else text


def _unescape(octets: bytes) -> str:
    """The extension table; what it lacks shows as the basic character, an escape at the end as nothing (03.38 §6.2.1)."""
    chars: list[str] = []
    escaped = False
    for code in octets:
        if escaped:
            chars.append(" " if code == _ESCAPE else GSM_EXTENSION.get(code) or GSM_BASIC[code])
            escaped = False
        elif code == _ESCAPE:
            escaped = True
        else:
            chars.append(GSM_BASIC[code])
    return "".join(chars)


_ODD = re.compile(r"[\u0080-\u1fff\u3130-\u4dff\ua000-\uf8ff]")
"""Latin letters with accents, Hangul, rare ideographs, private use: what GBK and UTF-8 look like where another alphabet is declared."""


def other_readings(octets: bytes, coding: int) -> list[str]:
    """What octets may say though their coding does not say so, the likeliest first: of those that cannot be read as declared, or have
    characters that Chinese texts do not have, in the alphabets that Chinese handsets and bridges write all the same; of UCS-2 that is ASCII to
    the letter, ASCII. Empty where no other reading has only what people see."""
    if KINDS[coding] == UCS_2 and octets:
        if not octets.translate(None, _SEEN_ASCII):
            return [octets.decode("ascii")]
        if not any(octets[1::2]) and not octets[::2].translate(None, _SEEN_ASCII):  # the octets of each character exchanged
            return [octets[::2].decode("ascii")]
    declared, state = decode(octets, coding)
    if state not in (UNREADABLE, BINARY) and not _ODD.search(declared):
        return []
    found = []
    for alphabet in ("utf-8", "gb18030", "utf-16-be"):
        try:
            text = octets.decode(alphabet)
        except UnicodeDecodeError:
            continue
        if "".join(text.split()).isprintable():
            found.append(text)
    return found


def shown(octets: bytes, coding: int) -> tuple[str, str]:
    """As ``decode``, and what handsets or bridges show of octets that their coding does not fit: UCS-2 without a stray last octet, GB 18030
    under 15, and a text under a coding for binary data or for an alphabet that lacks some of its octets."""
    text, state = decode(octets, coding)
    if state == READABLE and KINDS[coding] != LATIN_1:
        return text, state
    kind = KINDS[coding]
    if kind == UCS_2:
        return decode(octets[:-1], coding) if len(octets) > 1 else (text, state)
    if coding == GBK_CODING:
        found = _decode_prefix(octets, "gb18030") or ""
    elif kind == LATIN_1:  # every octet is a letter there: only what has nothing but usual characters is something else
        found = _likely_text(octets, 0.0, ("utf-8", "gb18030")) if _ODD.search(text) else ""
        found = found if len(_CHINESE.findall(found)) >= _CHINESE_LEAST else ""
    elif kind in (GSM, ASCII, BINARY):
        found = _likely_text(octets, _UNUSUAL_MOST)
    else:
        found = ""
    return (found, READABLE) if found else (text, state)


_UNUSUAL_MOST = 0.25
"""The share of characters beyond GB 2312 in a text that somebody wrote: in one that was read in the wrong alphabet nearly all are."""


_CHINESE = re.compile(r"[\u3000-\u9fff]")
_CHINESE_LEAST = 2  # of a text in Latin-1 two letters with accents, by chance, are one


def _likely_text(octets: bytes, unusual_most: float, alphabets: tuple[str, ...] = ("utf-8", "gb18030", "utf-16-be")) -> str:
    """The reading of octets that is most likely a text, and below it others that may be one; empty where there is none."""
    found: list[tuple[float, str]] = []
    for alphabet in alphabets:
        text = (_decode_prefix(octets, alphabet) or "").rstrip("\0")
        if text and _is_text(text):
            if alphabet == "utf-8" and not text.isascii():
                return text  # by chance nothing is UTF-8
            unusual = 1 - len(text.encode("gb2312", "ignore").decode("gb2312")) / len(text)
            if unusual <= unusual_most:
                found.append((unusual, text))
    return "\n".join(dict.fromkeys(text for _, text in sorted(found, key=lambda one: one[0])))


def _decode_prefix(octets: bytes, alphabet: str) -> str | None:
    """The text, without a character whose end is missing; None where the octets are none in this alphabet."""
    try:
        return getincrementaldecoder(alphabet)().decode(octets)
    except UnicodeDecodeError:
        return None


def _is_text(text: str) -> bool:
    """Whether it has only characters that people write."""
    return not any(unicodedata.category(one) in _NO_TEXT and one not in "\t\n\r" for one in text)


_NO_TEXT = frozenset(("Cc", "Cs", "Co", "Cn"))


def encode(text: str) -> tuple[bytes, int]:
    """(octets, data_coding) for a text of our own: GSM-7 where that has all characters, else UCS-2 (UTF-16BE)."""
    try:
        return b"".join([_GSM_ENCODED[char] for char in text]), 0
    except KeyError:
        return text.encode("utf-16-be"), 8
