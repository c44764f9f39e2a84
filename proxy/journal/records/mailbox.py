"""Encodes what became of delivers in the mailbox (kinds 9–11).

In: numbers of delivers (a deliver's number is the sequence of its DELIVER record). Out: bodies and values. Never: files, a clock.
One record covers one loop turn. A kind's layout never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

WHYS = ("expired", "full", "refused", "returned")
"""A reason is its place here, for ever: too old, no room, the provider said no, left with the carrier (never acknowledged)."""

_TIME = struct.Struct(">Q")
_DROPPED = struct.Struct(">QB")


class Delivered(NamedTuple):
    time: float
    numbers: tuple[int, ...]  # delivers that their provider has acknowledged


class Dropped(NamedTuple):
    time: float
    numbers: tuple[int, ...]
    whys: tuple[str, ...]  # one for each number


class Disowned(NamedTuple):
    time: float
    providers: tuple[str, ...]  # removed providers: their waiting delivers have no owner


def pack_delivered(now: float, numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{1 + len(numbers)}Q", int(now * 1000), *numbers)


def unpack_delivered(body: bytes) -> Delivered:
    time_ms, *numbers = struct.unpack(f">{len(body) // 8}Q", body)
    return Delivered(time_ms / 1000, tuple(numbers))


def pack_dropped(now: float, dropped: Sequence[tuple[int, str]]) -> bytes:
    """``dropped``: (number, one of WHYS)."""
    return _TIME.pack(int(now * 1000)) + b"".join([_DROPPED.pack(number, WHYS.index(why)) for number, why in dropped])


def unpack_dropped(body: bytes) -> Dropped:
    (time_ms,) = _TIME.unpack_from(body)
    pairs = list(_DROPPED.iter_unpack(body[_TIME.size :]))
    return Dropped(time_ms / 1000, tuple(number for number, _ in pairs), tuple(WHYS[why] for _, why in pairs))


def pack_disowned(now: float, providers: Sequence[str]) -> bytes:
    return _TIME.pack(int(now * 1000)) + "\0".join(providers).encode()  # names have no NUL


def unpack_disowned(body: bytes) -> Disowned:
    return Disowned(_TIME.unpack_from(body)[0] / 1000, tuple(body[_TIME.size :].decode().split("\0")))
