"""Encodes opt-outs from other channels, such as a hotline (kind 45).

In: digests, counts, who passed the opt-out on. Out: a body, a value. Never: a number, a clock.

The refusals themselves are SUPPRESSED records before this one (operator_actions.py). This record says that the request was handled, and
must not be handled again.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_string

_TOLD = struct.Struct(">Q16s16sI")  # now, digest of the key, digest of the request, refusals


class ExternalOptOut(NamedTuple):
    time: float
    key: bytes  # 16 bytes of who asked and their Idempotency-Key
    request: bytes  # 16 bytes of the request's digest
    refusals: int
    who: str
    channel: str


def pack_external_optout(one: ExternalOptOut) -> bytes:
    return (
        _TOLD.pack(int(one.time * 1000), one.key, one.request, one.refusals) + pack_string(one.who) + pack_string(one.channel)
    )


def unpack_external_optout(body: bytes) -> ExternalOptOut:
    reader = BodyReader(body)
    time_ms, key, request, count = reader.take(_TOLD)
    return ExternalOptOut(time_ms / 1000, key, request, count, reader.string(), reader.string())
