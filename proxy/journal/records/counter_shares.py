"""Encodes changes of aggregate counters that no verdict records (kind 37).

In: takes. Out: bodies and values. Never: files, a clock. A kind's layout never changes: a new layout is a new kind.

A verdict says what its message took from the aggregates. Two things it cannot say. First, what an earlier message had taken and a
replacement now stands for: a restart needs that when the text is replaced. Second, what a replacement gives back when the carrier refuses
it after its outcome was called unknown: from then on nothing looks up its verdict.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from proxy.journal.encoding import BodyReader
from proxy.model.message import Take

_FIXED = struct.Struct(">QQIBB")  # now in ms, sequence of the verdict, time of the entry, whether it is given back, takes
_TAKE = struct.Struct(">QII")


class CounterShare(NamedTuple):
    time: float
    verdict_sequence: int  # where the verdict stands in the journal
    entry_time: int  # as of which the takes count
    given_back: bool  # else it has them, from the message that it stands in for
    takes: tuple[Take, ...]


def pack_share(now: float, verdict_sequence: int, entry_time: int, given_back: bool, takes: tuple[Take, ...]) -> bytes:
    fixed = _FIXED.pack(int(now * 1000), verdict_sequence, entry_time, given_back, len(takes))
    return fixed + b"".join([_TAKE.pack(*take) for take in takes])


def unpack_share(body: bytes) -> CounterShare:
    """The reverse; struct.error or ValueError when the body is no such thing."""
    reader = BodyReader(body)
    time_ms, verdict_sequence, entry_time, given_back, count = reader.take(_FIXED)
    takes = tuple(Take(*reader.take(_TAKE)) for _ in range(count))
    return CounterShare(time_ms / 1000, verdict_sequence, entry_time, bool(given_back), takes)
