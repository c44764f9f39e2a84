"""Encodes providers' other requests: repeated submits, query_sm, cancel_sm, replace_sm.

In: what was answered. Out: bodies of the kinds REPEATED, ASKED and UNREPLACED (messages.py), and typed values. Never: files, a clock.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_string
from proxy.model.number import masked_repr
from proxy.model.recipient import Entry

_TIME = struct.Struct(">Q")


class Repeated(NamedTuple):
    """Refused submits that came again and were answered as before."""

    time: float
    counts: dict[int, int]  # the verdict's sequence in the journal → how often


@masked_repr
class MessageRequest(NamedTuple):
    """What a provider asked about a message it had sent: query_sm, cancel_sm, or a replace_sm that was not judged."""

    time: float
    provider: str
    account: str
    port: str
    carrier: str  # which was asked, empty if none
    reason: str  # why the gate itself answered, empty if it did not
    status: int  # what the provider was answered with
    data: bytes  # the PDU as the provider sent it
    body: bytes  # of the answer


@masked_repr
class Unreplaced(NamedTuple):
    """The carrier refused to replace a message: the entry that stood for the new text gives way to that of the old one."""

    time: float
    recipient: int
    entry_id: int  # which is no more
    verdict_sequence: int  # where the verdict that made it stands in the journal
    status: int
    entry: Entry  # as it was


_REPEAT = struct.Struct(">QI")
_ASKED = struct.Struct(">QII")
_UNREPLACED = struct.Struct(">QQQQI")


def pack_repeated(now: float, counts: Mapping[int, int]) -> bytes:
    return _TIME.pack(int(now * 1000)) + b"".join([_REPEAT.pack(*pair) for pair in counts.items()])


def unpack_repeated(body: bytes) -> Repeated:
    (time_ms,) = _TIME.unpack_from(body)
    return Repeated(time_ms / 1000, dict(_REPEAT.iter_unpack(body[_TIME.size :])))


def pack_request(
    now: float, provider: str, account: str, port: str, carrier: str, reason: str, status: int, data: bytes, body: bytes
) -> bytes:
    words = b"".join(map(pack_string, (provider, account, port, carrier, reason)))
    return _ASKED.pack(int(now * 1000), status, len(data)) + words + data + body


def unpack_request(body: bytes) -> MessageRequest:
    reader = BodyReader(body)
    time_ms, status, size = reader.take(_ASKED)
    words = [reader.string() for _ in range(5)]
    return MessageRequest(
        time_ms / 1000, words[0], words[1], words[2], words[3], words[4], status, reader.raw(size), reader.rest()
    )


def pack_unreplaced(now: float, recipient: int, entry_id: int, verdict_sequence: int, status: int, entry: Entry) -> bytes:
    return _UNREPLACED.pack(int(now * 1000), recipient, entry_id, verdict_sequence, status) + entry.pack()


def unpack_unreplaced(body: bytes) -> Unreplaced:
    time_ms, recipient, entry_id, verdict_sequence, status = _UNREPLACED.unpack_from(body)
    return Unreplaced(time_ms / 1000, recipient, entry_id, verdict_sequence, status, Entry.unpack(body, _UNREPLACED.size))
