"""Handsets: what people see of PDUs that reach them. A witness: it joins, decodes and draws by code of its own.

In: submit_sm and data_sm as they leave towards the carrier. Out: screens, each as all texts that some handset shows for them. Never: a
line of the gate's own reader, the time limits of the gate.

    parts belong together by   source, recipient, low octet of the reference, total, whatever header carries them, for 24 hours
    a part that comes again    is dropped, takes the place of the first, or begins a new message, by the kind of handset
    octets are read as         data_coding says, and as handsets guess where it says nothing useful
    a paragraph is drawn       from the left, from the right, and as its first strong letter says (tests/handset.py)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from unicodedata import category

from tests.handset import show

JOINED_WITHIN_S = 86_400.0
KINDS = ("keeps", "replaces", "begins anew")
"""What a handset does with a part number that it has already."""
READ_AS = {0: ("gsm", "utf-8"), 1: ("gsm", "utf-8"), 3: ("latin-1",), 8: ("utf-16-be",), 15: ("gb18030",)}
BINARY_AS = ("utf-16-be", "gb18030")
GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
SHORT, PAYLOAD, SAR = 0x04, 0x0424, (0x020C, 0x020E, 0x020F)
MARKS = r"[\W_]+"


class Arrived(NamedTuple):
    """One PDU, as a handset takes it apart."""

    source: str
    recipient: str
    coding: int
    octets: bytes
    """Behind the header."""
    whole: bytes
    """With it: what a handset shows that cannot read the header."""
    part: tuple[int, int, int] | None
    """The low octet of the reference, total, index."""


def arrived(pdu: bytes) -> Arrived:
    """Reads a submit_sm or data_sm (SMPP 3.4 §4.4.1, §4.7.1)."""
    at, words = 16, []

    def word() -> str:
        nonlocal at
        end = pdu.index(0, at)
        found, at = pdu[at:end].decode("latin-1"), end + 1
        return found

    word()
    for _ in range(2):
        at += 2
        words.append(word())
    if pdu[7] == SHORT:
        esm_class, at = pdu[at], at + 3
        word(), word()
        coding, length = pdu[at + 2], pdu[at + 4]
        octets, at = pdu[at + 5 : at + 5 + length], at + 5 + length
    else:
        esm_class, coding, octets, at = pdu[at], pdu[at + 2], b"", at + 3
    tlvs = dict(_tlvs(pdu, at))
    octets = tlvs.get(PAYLOAD, octets)
    body, part = _behind_header(octets) if esm_class & 0x40 else (octets, None)
    if part is None and all(tag in tlvs for tag in SAR):
        part = (tlvs[SAR[0]][-1], tlvs[SAR[1]][-1], tlvs[SAR[2]][-1])
    return Arrived(words[0], words[1], coding, body, octets, part if part is not None and part[1] > 1 else None)


def _tlvs(pdu: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(pdu):
        length = int.from_bytes(pdu[at + 2 : at + 4], "big")
        yield int.from_bytes(pdu[at : at + 2], "big"), pdu[at + 4 : at + 4 + length]
        at += 4 + length


def _behind_header(octets: bytes) -> tuple[bytes, tuple[int, int, int] | None]:
    """3GPP 23.040 §9.2.3.24."""
    if not octets or octets[0] >= len(octets):
        return octets, None
    end, at, part = octets[0] + 1, 1, None
    while at + 2 <= end:
        kind, length = octets[at], octets[at + 1]
        said = octets[at + 2 : at + 2 + length]
        if (kind, length) in ((0, 3), (8, 4)) and at + 2 + length <= end and 1 <= said[-1] <= said[-2]:
            part = said[-3], said[-2], said[-1]
        at += 2 + length
    return octets[end:], part


class Handset:
    """One kind of handset, of everybody."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._open: dict[tuple[str, str, int, int], tuple[float, dict[int, Arrived]]] = {}

    def takes(self, pdu: bytes, now_s: float) -> set[str] | None:
        """The texts that it may show now, undrawn; None while it shows nothing."""
        one = arrived(pdu)
        if one.part is None:
            return _texts((one,))
        reference, total, index = one.part
        key = one.source, one.recipient, reference, total
        since, parts = self._open.get(key, (now_s, {}))
        if now_s - since >= JOINED_WITHIN_S or (index in parts and self.kind == "begins anew"):
            since, parts = now_s, {}
        if index not in parts or self.kind == "replaces":
            parts[index] = one
        self._open[key] = since, parts
        if len(parts) < total:
            return None
        del self._open[key]
        return _texts(tuple(parts[place] for place in sorted(parts)))


def _texts(parts: tuple[Arrived, ...]) -> set[str]:
    found = set()
    for codec in _codecs(parts[0].coding):
        found |= {_read(b"".join(one.octets for one in parts), codec), "".join(_read(one.octets, codec) for one in parts)}
        found |= {_read(one.whole, codec) for one in parts if len(parts) == 1}
    return found


def _codecs(coding: int) -> tuple[str, ...]:
    if coding < 0x40 and coding & 0x20:
        return ()  # compressed
    alphabet = coding if coding < 0x10 else coding & 0x0C if coding < 0x40 or coding >= 0xF0 else 0
    return READ_AS.get(alphabet, BINARY_AS)


def _read(octets: bytes, codec: str) -> str:
    if codec == "gsm":
        return "".join(GSM[octet] for octet in octets if octet < 128)
    return octets.decode(codec, "ignore")


# ---------------------------------------------------------------------------------------------------- what is seen


def shows(texts: set[str], words: tuple[str, ...]) -> str:
    """The first of these words that somebody reads on one of the screens; an empty string if none."""
    for text in texts:
        for screen in screens(text):
            for word in words:
                if _pattern(word).search(screen):
                    return word
    return ""


def screens(text: str) -> set[str]:
    """What may be drawn of one text, or read where a display knows no order but that of the octets; without what has no ink."""
    paragraphs = re.split(r"[\n\r\x1c-\x1e\x85\u2029]", text)
    found = {text, *("\n".join(show(one, base) for one in paragraphs) for base in (0, 1, None))}
    return {
        "".join(letter for letter in one if category(letter) not in ("Cf", "Cc", "Mn", "Me") or letter == "\n") for one in found
    }


@lru_cache
def _pattern(word: str) -> re.Pattern[str]:
    """The word as it stands, or with marks between all of its letters, where it has three."""
    split = MARKS.join(map(re.escape, word))
    return re.compile(f"{re.escape(word)}|{split}" if len(word) > 2 else re.escape(word), re.IGNORECASE)
