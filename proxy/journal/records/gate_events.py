"""Encodes starts, stops, rule revisions and learnt carrier ids.

In: events of the gate itself. Out: bodies of the kinds RULES, START, STOP and IDS (messages.py), and typed values. Never: files, a clock.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from proxy.journal.encoding import U16, BodyReader, pack_string


class Rules(NamedTuple):
    time: float
    revision: str
    ids: tuple[str, ...]  # a rule's number in this revision is its place here


class Start(NamedTuple):
    time: float
    node: int
    first_id: int  # ids of this life are greater: synced before traffic, so that a life that leaves no other trace reuses none


class Stop(NamedTuple):
    time: float
    left: int  # messages still without an answer


_COUNTED = struct.Struct(">QI")
_START = struct.Struct(">QIQ")


def pack_rules(now: float, revision: str, ids: Sequence[str]) -> bytes:
    return _COUNTED.pack(int(now * 1000), len(ids)) + pack_string(revision) + b"".join(map(pack_string, ids))


def unpack_rules(body: bytes) -> Rules:
    reader = BodyReader(body)
    time_ms, count = reader.take(_COUNTED)
    return Rules(time_ms / 1000, reader.string(), tuple(reader.string() for _ in range(count)))


def pack_start(now: float, node: int, first_id: int = 0) -> bytes:
    return _START.pack(int(now * 1000), node, first_id)


def unpack_start(body: bytes) -> Start:
    time_ms, node, first_id = _START.unpack(body)
    return Start(time_ms / 1000, node, first_id)


def pack_stop(now: float, left: int) -> bytes:
    return _COUNTED.pack(int(now * 1000), left)


def unpack_stop(body: bytes) -> Stop:
    time_ms, left = _COUNTED.unpack(body)
    return Stop(time_ms / 1000, left)


class LearntIds(NamedTuple):
    """What a carrier's answers taught about its message ids (proxy/relay/message_ids.py)."""

    time: float
    carrier: str
    width: int  # digits of its answers that begin with 0, 0 if none did
    capitals: bool  # whether its hexadecimal answers are in capitals
    digested: tuple[bytes, ...]  # its own ids for which providers see a digest


_IDS = struct.Struct(">QBBH")


def pack_ids(now: float, carrier: str, width: int, capitals: bool, digested: Sequence[bytes]) -> bytes:
    fixed = _IDS.pack(int(now * 1000), width, capitals, len(digested))
    return fixed + pack_string(carrier) + b"".join([U16.pack(len(one)) + one for one in digested])


def unpack_ids(body: bytes) -> LearntIds:
    reader = BodyReader(body)
    time_ms, width, capitals, count = reader.take(_IDS)
    carrier = reader.string()
    digested = tuple(reader.raw(reader.take(U16)[0]) for _ in range(count))
    return LearntIds(time_ms / 1000, carrier, width, bool(capitals), digested)
