"""Decodes user data to text and encodes text, by data_coding.

In: octets and a data_coding (SMPP 3.4 §5.2.19, GSM 03.38). Out: (text, state) with the states of message.Content. Never: headers
(see udh.py), exceptions.

    0x00-0x0E   SMPP's own list                0xC0-0xEF   message waiting (GSM 03.38 §4): still a text people read
    0x10-0x7F   general data coding            0xF0-0xFF   message class (flash …), GSM-7 or 8-bit

Codings that handsets do not support, or decode differently (JIS, KS C, reserved codings), are "unreadable": a guess would let
such texts pass unread. Where bridges and handsets are known to show a text in spite of the coding (``displayed_text``), that text of a
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
    """The alphabet of a data_coding, or the state of a coding that cannot be read."""
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
"""data_coding → alphabet, or the state of a coding that cannot be read."""
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
    """Decodes UTF-16BE, as handsets read UCS-2. Half a surrogate pair (cut at a part's edge) becomes U+FFFD. A text with a byte order mark of
    the other order is unreadable, because some handsets swap its octets and others do not."""
    try:
        text = utf_16_be_decode(octets, "strict", True)[0]  # as bytes.decode would, at half the cost
        return ("", UNREADABLE) if _EXCHANGED in text else (text, READABLE)
    except UnicodeDecodeError:
        if len(octets) % 2:
            return "", UNREADABLE
        text = octets.decode("utf-16-be", "replace")
        return ("", UNREADABLE) if _EXCHANGED in text else (text, READABLE)


def decode_gsm(octets: bytes) -> str | None:
    """Decodes unpacked GSM-7, one octet a character; None if an octet is outside the alphabet (≥ 0x80)."""
    try:
        text = charmap_decode(octets, "strict", GSM_BASIC)[0]
    except UnicodeDecodeError:
        return None
    return _unescape(octets) if "\x1b" in text else text


def _unescape(octets: bytes) -> str:
    """Applies the extension table; codes that it lacks decode as the basic character, an escape at the end as nothing (03.38 §6.2.1)."""
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
"""Accented Latin letters, Hangul, rare ideographs, private use: GBK and UTF-8 texts look like this in another alphabet."""


def other_readings(octets: bytes, coding: int) -> list[str]:
    """Other possible readings of the octets, the likeliest first.

    Octets that cannot be read as declared, or that contain characters unusual in Chinese texts, are decoded in the alphabets that Chinese
    handsets and bridges use in spite of the declared coding. UCS-2 that is ASCII octet by octet is decoded as ASCII. A reading with
    unprintable characters is left out."""
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


def displayed_text(octets: bytes, coding: int) -> tuple[str, str]:
    """Like ``decode``, but also the text that handsets or bridges show although the coding does not fit: UCS-2 with a stray last octet,
    GB 18030 under data_coding 15, and text under a coding for binary data or for an alphabet that lacks some of the octets."""
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
"""Largest share of characters outside GB 2312 in a real text; in a text decoded in the wrong alphabet nearly all are outside."""


_CHINESE = re.compile(r"[\u3000-\u9fff]")
_CHINESE_LEAST = 2  # of a text in Latin-1 two letters with accents, by chance, are one


def _likely_text(octets: bytes, unusual_most: float, alphabets: tuple[str, ...] = ("utf-8", "gb18030", "utf-16-be")) -> str:
    """The most likely reading of the octets, and in further lines other possible ones; empty if none exists."""
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
    """Decodes the octets without an incomplete last character; None if they are invalid in this alphabet."""
    try:
        return getincrementaldecoder(alphabet)().decode(octets)
    except UnicodeDecodeError:
        return None


def _is_text(text: str) -> bool:
    """Whether the text has no control, private or unassigned characters."""
    return not any(unicodedata.category(one) in _NO_TEXT and one not in "\t\n\r" for one in text)


_NO_TEXT = frozenset(("Cc", "Cs", "Co", "Cn"))


def encode(text: str) -> tuple[bytes, int]:
    """(octets, data_coding) of a text: GSM-7 if it has all characters, else UCS-2 (UTF-16BE)."""
    try:
        return b"".join([_GSM_ENCODED[char] for char in text]), 0
    except KeyError:
        return text.encode("utf-16-be"), 8
