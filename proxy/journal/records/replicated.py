"""Encodes a record that another gate wrote (kind 50).

In: its place in the shared log, its node and sequence, its kind and body. Out: a body, a value. Never: what the inner record means.

The inner record is the other gate's own, byte for byte. ``place`` is where the next read of the shared log starts.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from proxy.model.number import masked_repr

_HEAD = struct.Struct(">QQQBQB")  # now, place (milliseconds, number), node, sequence there, kind


@masked_repr
class ReplicatedRecord(NamedTuple):
    time: float
    place: tuple[int, int]
    node: int
    sequence: int
    kind: int
    body: bytes


def pack_replicated(one: ReplicatedRecord) -> bytes:
    return _HEAD.pack(int(one.time * 1000), *one.place, one.node, one.sequence, one.kind) + one.body


def unpack_replicated(body: bytes) -> ReplicatedRecord:
    time_ms, milliseconds, number, node, sequence, kind = _HEAD.unpack_from(body)
    return ReplicatedRecord(time_ms / 1000, (milliseconds, number), node, sequence, kind, body[_HEAD.size :])
