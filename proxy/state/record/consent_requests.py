"""Stores consent requests and refused texts as facts of a record.

    asked         entry id 6 bytes, signature 6 bytes                    removed when the carrier refuses its entry, not when that expires
    refused text  signature 6 bytes, fingerprint 4 bytes, its beginning in UTF-8

"No answer is a refusal" (Order 31 and 74): an advertiser that has asked for consent once must not ask again, so this fact
outlives the entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from proxy.model.message import UNSIGNED
from proxy.model.recipient import CONSENT_REQUEST, RefusedText
from proxy.state.record.packed_facts import ASKED, REFUSED_TEXT, facts

ASKED_MAX = 64
"""Advertisers that asked one recipient for consent; beyond this number the oldest is dropped."""
REFUSED_TEXTS_MAX = 8
TEXT_BYTES_MAX = 192
"""64 Chinese characters: the visible beginning; a fact's length is one byte."""
_ASKED = struct.Struct(">6s6s")
_REFUSED = struct.Struct(">6sI")
_HEAD, _ENTRY_BYTES = 7, 32


def asks(packed: bytes) -> bool:
    """Whether a packed entry is that of a consent request."""
    return (packed[14] << 8 | packed[15]) >> 4 & 63 == CONSENT_REQUEST


def with_asked(area: bytes, packed: bytes) -> bytes:
    """The facts area with the consent request of this entry; one signature is stored once, with its first entry."""
    signature = packed[8:14]
    held = [_ASKED.unpack_from(area, start) for kind, start, _ in facts(area) if kind == ASKED]
    if any(one[1] == signature for one in held):
        return area
    if len(held) >= ASKED_MAX:
        area = without_asked(area, held[0][0])
    return area + bytes((ASKED, _ASKED.size)) + _ASKED.pack(packed[:6], signature)


def without_asked(area: bytes, entry: bytes) -> bytes:
    """The facts area without the consent request of an entry (its id): the carrier refused the message, so the recipient was not asked."""
    for kind, start, end in facts(area):
        if kind == ASKED and area[start : start + 6] == entry:
            return area[: start - 2] + area[end:]
    return area


def asked(area: bytes) -> list[int]:
    """Signatures (hash48) of consent requests, in order; 0: without a signature."""
    found = [int.from_bytes(area[start + 6 : start + 12], "big") for kind, start, _ in facts(area) if kind == ASKED]
    return [signature if signature < UNSIGNED else 0 for signature in found]


def refused_texts(area: bytes) -> list[RefusedText]:
    """Refused texts, oldest first."""
    return [one for _, _, one in _refused(area)]


def _refused(area: bytes) -> Iterator[tuple[int, int, RefusedText]]:
    for kind, start, end in facts(area):
        if kind == REFUSED_TEXT:
            signature, template = _REFUSED.unpack_from(area, start)
            text = area[start + _REFUSED.size : end].decode("utf-8", "replace")
            yield start - 2, end, RefusedText(int.from_bytes(signature, "big"), template, text)


def refused_text(data: bytes, one: RefusedText) -> bytes:
    """The record with one more refused text; at most REFUSED_TEXTS_MAX are kept, the newest ones."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    held = list(_refused(area))
    if any((old.signature, old.template) == (one.signature, one.template) for _, _, old in held):
        return data
    if len(held) >= REFUSED_TEXTS_MAX:
        start, stop, _ = held[0]
        area = area[:start] + area[stop:]
    text = one.text.encode("utf-8", "replace")[:TEXT_BYTES_MAX].decode("utf-8", "ignore").encode()
    body = _REFUSED.pack(one.signature.to_bytes(6, "big"), one.template) + text
    return data[:end] + area + bytes((REFUSED_TEXT, len(body))) + body


def without_texts(data: bytes, signature: int) -> bytes:
    """The record without the refused texts of a signature: the opt-out was revoked."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    for start, stop, one in reversed(list(_refused(area))):
        if one.signature == signature:
            area = area[:start] + area[stop:]
    return data if len(area) == len(data) - end else data[:end] + area
