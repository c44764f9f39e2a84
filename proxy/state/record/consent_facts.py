"""Stores consents, consent requests and refused texts as facts of a record.

In: a record's bytes; a consent by reply with its proof, the scope of a withdrawal, a request, a refused text. Out: the record's bytes.
Never: whether a consent counts (state/lists/consent_lists.py has its batch), the content of a message, the clock.

    consent       time of the reply 4 bytes, of the request 4, the request's entry id 6, its signature 6, the batch 6;
                  port and the reply's text in UTF-8 with a NUL between them
    withdrawn     time 4 bytes, advertiser and category in UTF-8 with a NUL between them (empty = any)
    asked         entry id 6 bytes, signature 6 bytes                    removed when the carrier refuses its entry, not when that expires
    refused text  signature 6 bytes, fingerprint 4 bytes, its beginning in UTF-8

"No answer is a refusal" (Order 31 and 74): an advertiser that has asked for consent once must not ask again, so this fact
outlives the entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from proxy.model.message import UNSIGNED
from proxy.model.number import masked_repr
from proxy.model.recipient import CONSENT_REQUEST, RefusedText
from proxy.state.record.packed_facts import ASKED, CONSENT_GIVEN, REFUSED_TEXT, WITHDRAWN, facts

CONSENT_GIVEN_MAX = 32
"""Consents by reply of one recipient: beyond this number the oldest remain only in their batch and in the journal."""
REPLY_BYTES_MAX = 120
_CONSENT_GIVEN = struct.Struct(">II6s6s6s")
_HEAD, _ENTRY_BYTES = 7, 32


@masked_repr
class ConsentGiven(NamedTuple):
    time: int  # of the reply
    requested: int  # when the request was sent
    request: int  # its entry id
    signature: int  # hash48
    batch: int
    port: str
    text: str  # of the reply


def consents_given(area: bytes) -> list[ConsentGiven]:
    """All consents by reply, oldest first."""
    return sorted(one for _, _, one in _given(area))


def _given(area: bytes) -> Iterator[tuple[int, int, ConsentGiven]]:
    for kind, start, end in facts(area):
        if kind == CONSENT_GIVEN:
            time, requested, *numbers = _CONSENT_GIVEN.unpack_from(area, start)
            request, signature, batch = (int.from_bytes(number, "big") for number in numbers)
            port, _, text = area[start + _CONSENT_GIVEN.size : end].decode("utf-8", "replace").partition("\0")
            yield start - 2, end, ConsentGiven(time, requested, request, signature, batch, port, text)


def give_consent(data: bytes, one: ConsentGiven) -> bytes:
    """The record with this consent; a second reply to the same request changes nothing."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    held = list(_given(area))
    if any(old.request == one.request for _, _, old in held):
        return data
    if len(held) >= CONSENT_GIVEN_MAX:
        start, stop, _ = min(held, key=lambda place: place[2].time)
        area = area[:start] + area[stop:]
    numbers = (number.to_bytes(6, "big") for number in (one.request, one.signature, one.batch))
    text = f"{one.port}\0{one.text}".encode("utf-8", "replace")[:REPLY_BYTES_MAX].decode("utf-8", "ignore").encode()
    body = _CONSENT_GIVEN.pack(one.time, one.requested, *numbers) + text
    return data[:end] + area + bytes((CONSENT_GIVEN, len(body))) + body


WITHDRAWN_MAX = 32
"""A recipient with more withdrawals is treated as having withdrawn all consents."""
WORD_BYTES_MAX = 240
_TIME = struct.Struct(">I")


class Withdrawal(NamedTuple):
    advertiser: str
    category: str
    time: int


def withdrawals(area: bytes) -> list[Withdrawal]:
    """All withdrawals, oldest first."""
    return sorted((one for _, _, one in _withdrawn(area)), key=lambda one: one.time)


def _withdrawn(area: bytes) -> Iterator[tuple[int, int, Withdrawal]]:
    for kind, start, end in facts(area):
        if kind == WITHDRAWN:
            advertiser, category = area[start + _TIME.size : end].decode("utf-8", "replace").split("\0")
            yield start - 2, end, Withdrawal(advertiser, category, _TIME.unpack_from(area, start)[0])


def withdraw(data: bytes, one: Withdrawal) -> bytes:
    """The record with this withdrawal; of two with the same scope the newer stays. Raises ValueError if the texts are too long."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    held = list(_withdrawn(area))
    if len(held) >= WITHDRAWN_MAX and not any(old[:2] == one[:2] for _, _, old in held):
        one = Withdrawal("", "", one.time)
    for start, stop, old in reversed(held):
        if old[:2] == one[:2] or one[:2] == ("", ""):
            if old.time > one.time:
                continue
            area = area[:start] + area[stop:]
    if any(old[:2] == one[:2] for _, _, old in _withdrawn(area)):
        return data  # a newer one is there
    body = _TIME.pack(one.time) + f"{one.advertiser}\0{one.category}".encode()
    if len(body) > WORD_BYTES_MAX:
        raise ValueError(f"advertiser and category have {len(body)} bytes, at most {WORD_BYTES_MAX} are kept")
    return data[:end] + area + bytes((WITHDRAWN, len(body))) + body


ASKED_MAX = 64
"""Advertisers that asked one recipient for consent; beyond this number the oldest is dropped."""
REFUSED_TEXTS_MAX = 8
TEXT_BYTES_MAX = 192
"""64 Chinese characters: the visible beginning; a fact's length is one byte."""
_ASKED = struct.Struct(">6s6s")
_REFUSED = struct.Struct(">6sI")


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
