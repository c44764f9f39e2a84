"""Stores the port of an opt-out reply and when it was confirmed.

They are facts beside the opt-outs of a record.

    fact   port hash32, name of the opt-out 6 bytes, time of its confirmation u32 (0 = none)

An opt-out itself does not name the port it was sent to, but a recipient who revokes it replies to that port: the fact joins the
two. It outlives a revoked opt-out for one day, so that refusing again brings no second confirmation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from proxy.model.recipient import OptOut
from proxy.state.record.packed_facts import REPLIED, facts

REPLIED_MAX = 64
"""As many as there may be opt-outs. Beyond this number the oldest fact is dropped; revoking that opt-out then needs its message in
the record."""
CONFIRM_AGAIN_S = 86_400
"""One confirmation per recipient and opt-out a day."""
_FACT = struct.Struct(">I6sI")
_HEAD = bytes((REPLIED, _FACT.size))


class Replied(NamedTuple):
    start: int  # where the fact begins in the record
    port: int  # hash32
    name: bytes
    confirmed: int  # seconds, 0 = never


def name_of(refusal: OptOut) -> bytes:
    """The 48-bit hash of an opt-out's scope and value. A doubtful opt-out has a hash of its own, because it ends independently."""
    doubtful = "\0doubtful" if refusal.source == "doubtful" else ""
    return blake2b(f"{refusal.scope}\0{refusal.value}{doubtful}".encode(), digest_size=6).digest()


def _all(data: bytes) -> Iterator[Replied]:
    end = 7 + data[6] * 32
    for kind, start, _ in facts(data[end:]) if len(data) > end else ():
        if kind == REPLIED:
            yield Replied(end + start - 2, *_FACT.unpack_from(data, end + start))


def _put(data: bytes, port: int, name: bytes, confirmed: int) -> bytes:
    held = list(_all(data))
    if len(held) >= REPLIED_MAX:
        data = _cut(data, held[0])
    return data + _HEAD + _FACT.pack(port, name, confirmed)


def _cut(data: bytes, one: Replied) -> bytes:
    return data[: one.start] + data[one.start + 2 + _FACT.size :]


def replied(data: bytes, refusal: OptOut, port: int) -> bytes:
    """The record with the fact that this opt-out was sent to this port (hash32)."""
    name = name_of(refusal)
    if any(one.port == port and one.name == name for one in _all(data)):
        return data
    return _put(data, port, name, 0)


def refused_at(data: bytes, port: int) -> frozenset[bytes]:
    """Names of the opt-outs that were sent to a port (hash32)."""
    return frozenset(one.name for one in _all(data) if one.port == port)


def ports_of(data: bytes, refusal: OptOut) -> tuple[int, ...]:
    """Ports (hash32) to which an opt-out was sent."""
    name = name_of(refusal)
    return tuple(one.port for one in _all(data) if one.port and one.name == name)


def joined(data: bytes, but: int = 0) -> frozenset[bytes]:
    """Names of the opt-outs with a known port; ``but``: only those with another port than this one (hash32)."""
    return frozenset(one.name for one in _all(data) if one.port not in (0, but))


def confirmed(data: bytes, refusal: OptOut) -> int:
    """When this opt-out was last confirmed to the recipient; 0 if never."""
    name = name_of(refusal)
    return max((one.confirmed for one in _all(data) if one.name == name), default=0)


def with_confirmed(data: bytes, refusal: OptOut, at: int) -> bytes:
    """The record with the fact that a confirmation was sent at ``at``."""
    name = name_of(refusal)
    for one in _all(data):
        if one.name == name:
            if one.confirmed >= at:
                return data
            return data[: one.start] + _HEAD + _FACT.pack(one.port, name, at) + data[one.start + 2 + _FACT.size :]
    return _put(data, 0, name, at)


def forgotten(data: bytes, refusal: OptOut, now: int) -> bytes:
    """The record after an opt-out was revoked: its ports are removed, except a confirmation of the last day."""
    name = name_of(refusal)
    return _parted(data, [one for one in _all(data) if one.name == name], now)


def left(data: bytes, port: int, now: int) -> bytes:
    """The record after the opt-outs sent to a port (hash32) were revoked: no opt-out has this port any more."""
    return _parted(data, [one for one in _all(data) if one.port == port], now)


def _parted(data: bytes, facts_: Sequence[Replied], now: int) -> bytes:
    for one in reversed(facts_):  # from the end: what stands before keeps its place
        data = _cut(data, one)
        known = max((other.confirmed for other in _all(data) if other.name == one.name), default=0)
        if one.confirmed > max(known, now - CONFIRM_AGAIN_S):
            data = _put(data, 0, one.name, one.confirmed)
    return data


def with_replies_of(data: bytes, other: bytes) -> bytes:
    """The record with the ports of opt-outs from another copy of it, and the later confirmation of each."""
    for other_port in _all(other):
        same = [one for one in _all(data) if (one.port, one.name) == (other_port.port, other_port.name)]
        if not same:
            data = _put(data, other_port.port, other_port.name, other_port.confirmed)
        elif same[0].confirmed < other_port.confirmed:
            data = _put(_cut(data, same[0]), other_port.port, other_port.name, other_port.confirmed)
    return data
