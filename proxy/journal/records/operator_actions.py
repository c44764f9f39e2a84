"""Encodes what operators did to a running gate (kinds 25–31).

In: orders, refusals that an officer entered, lists of people in chunks. Out: bodies and values; each says who, when and why. Never: files,
a clock. A kind's layout never changes: a new layout is a new kind.

A list is one LISTING record (the refusals it sets or lifts), LISTED records (one chunk of numbers each) and one LISTING_DONE record.
Without the last one the list has no effect: the gate was killed, or the file was incomplete.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_refusal, pack_string, read_refusal
from proxy.model.message import ORDER_KINDS, Order
from proxy.model.number import masked_repr
from proxy.model.recipient import OptOut

_TIME = struct.Struct(">Q")
_ORDERED = struct.Struct(">QQQQBB")  # now, id, since, until (ms), kind, dimensions
_COUNT = struct.Struct(">H")
_LIFTED = struct.Struct(">QQ")
_SUPPRESSED = struct.Struct(">QQBB")  # now, recipient, refusals added, refusals lifted
_LISTING = struct.Struct(">QBH")  # now, whether it takes off, keys
_LISTED = struct.Struct(">QHI")  # the listing's sequence, which key, which chunk
_DONE = struct.Struct(">QQIQ16s")  # now, the listing's sequence, chunks, numbers, digest


class Lifted(NamedTuple):
    """An order ended before its time."""

    time: float
    order: int  # its id
    who: str
    why: str


@masked_repr
class Operated(NamedTuple):
    """Something was done, or looked at, that leaves no other record: a bind kicked, a trace, an export."""

    time: float
    who: str
    command: str
    why: str
    details: str


@masked_repr
class Suppressed(NamedTuple):
    """An officer entered refusals of a person, or took some back."""

    time: float
    recipient: int
    added: tuple[OptOut, ...]
    lifted: tuple[OptOut, ...]
    who: str
    why: str


class ListBegun(NamedTuple):
    """A list of people begins: each of its numbers is of one of these refusals, put on or taken off."""

    time: float
    takes_off: bool
    refusals: tuple[OptOut, ...]
    who: str
    why: str
    file: str  # its name where it came from


@masked_repr
class ListChunk(NamedTuple):
    """Some of its numbers: those of one chunk, as a bitmap (state/lists/suppression_lists.py)."""

    listing: int  # the sequence of the LISTING record
    key: int  # which of its refusals
    chunk: int
    numbers: bytes


class ListDone(NamedTuple):
    """The list is whole: from here on it is in force."""

    time: float
    listing: int
    chunks: int
    numbers: int
    digest: bytes  # of all its LISTED bodies


def pack_order(now: float, order: Order) -> bytes:
    number, kind, scope, since, until, who, why = order
    ms = [int(moment * 1000) for moment in (now, since, until)]
    parts = [_ORDERED.pack(ms[0], number, ms[1], ms[2], ORDER_KINDS.index(kind), len(scope))]
    for dimension, values in scope:
        parts += [pack_string(dimension), _COUNT.pack(len(values)), *map(pack_string, values)]
    return b"".join((*parts, pack_string(who), pack_string(why)))


def unpack_order(body: bytes) -> Order:
    reader = BodyReader(body)
    _, number, since, until, kind, dimensions = reader.take(_ORDERED)
    scope = tuple((reader.string(), tuple(reader.string() for _ in range(reader.take(_COUNT)[0]))) for _ in range(dimensions))
    return Order(number, ORDER_KINDS[kind], scope, since / 1000, until / 1000, reader.string(), reader.string())


def pack_lifted(now: float, number: int, who: str, why: str) -> bytes:
    return _LIFTED.pack(int(now * 1000), number) + pack_string(who) + pack_string(why)


def unpack_lifted(body: bytes) -> Lifted:
    reader = BodyReader(body)
    time_ms, number = reader.take(_LIFTED)
    return Lifted(time_ms / 1000, number, reader.string(), reader.string())


def pack_operated(now: float, who: str, command: str, why: str, details: str) -> bytes:
    return _TIME.pack(int(now * 1000)) + b"".join(map(pack_string, (who, command, why, details)))


def unpack_operated(body: bytes) -> Operated:
    reader = BodyReader(body)
    (time_ms,) = reader.take(_TIME)
    return Operated(time_ms / 1000, reader.string(), reader.string(), reader.string(), reader.string())


def pack_suppressed(now: float, recipient: int, added: Sequence[OptOut], lifted: Sequence[OptOut], who: str, why: str) -> bytes:
    fixed = _SUPPRESSED.pack(int(now * 1000), recipient, len(added), len(lifted))
    return b"".join((fixed, *map(pack_refusal, added), *map(pack_refusal, lifted), pack_string(who), pack_string(why)))


def unpack_suppressed(body: bytes) -> Suppressed:
    reader = BodyReader(body)
    time_ms, recipient, added, lifted = reader.take(_SUPPRESSED)
    return Suppressed(
        time_ms / 1000, recipient, tuple(read_refusal(reader) for _ in range(added)), tuple(read_refusal(reader) for _ in range(lifted)),
        reader.string(), reader.string(),
    )  # fmt: skip


def pack_listing(now: float, takes_off: bool, refusals: Sequence[OptOut], who: str, why: str, file: str) -> bytes:
    fixed = _LISTING.pack(int(now * 1000), takes_off, len(refusals))
    return b"".join((fixed, *map(pack_refusal, refusals), pack_string(who), pack_string(why), pack_string(file)))


def unpack_listing(body: bytes) -> ListBegun:
    reader = BodyReader(body)
    time_ms, takes_off, keys = reader.take(_LISTING)
    refusals = tuple(read_refusal(reader) for _ in range(keys))
    return ListBegun(time_ms / 1000, bool(takes_off), refusals, reader.string(), reader.string(), reader.string())


def pack_listed(listing: int, key: int, chunk: int, numbers: bytes) -> bytes:
    return _LISTED.pack(listing, key, chunk) + numbers


def unpack_listed(body: bytes) -> ListChunk:
    reader = BodyReader(body)
    listing, key, chunk = reader.take(_LISTED)
    return ListChunk(listing, key, chunk, reader.rest())


def pack_listing_done(now: float, listing: int, chunks: int, numbers: int, digest: bytes) -> bytes:
    return _DONE.pack(int(now * 1000), listing, chunks, numbers, digest)


def unpack_listing_done(body: bytes) -> ListDone:
    time_ms, listing, chunks, numbers, digest = _DONE.unpack(body)
    return ListDone(time_ms / 1000, listing, chunks, numbers, digest)
