"""Heard: what another gate wrote and told this one, as a journal record and back: kind 50.

In: where it stands in the shared log, who wrote it where, its kind and body. Out: a body, a value. Never: what the inner record means.

The inner record is the other gate's own, byte for byte; ``place`` is where the next reading of the log goes on.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from proxy.model.number import about_people

_HEAD = struct.Struct(">QQQBQB")  # now, place (milliseconds, number), node, sequence there, kind


@about_people
class ReplicatedRecord(NamedTuple):
    time: float
    place: tuple[int, int]
    node: int
    sequence: int
    kind: int
    body: bytes


def pack_heard(one: ReplicatedRecord) -> bytes:
    return _HEAD.pack(int(one.time * 1000), *one.place, one.node, one.sequence, one.kind) + one.body


def unpack_heard(body: bytes) -> ReplicatedRecord:
    time_ms, milliseconds, number, node, sequence, kind = _HEAD.unpack_from(body)
    return ReplicatedRecord(time_ms / 1000, (milliseconds, number), node, sequence, kind, body[_HEAD.size :])
