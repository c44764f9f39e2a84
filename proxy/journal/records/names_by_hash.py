"""Encodes the strings behind the hashes in other records (kind 51).

In: ports and signatures that a gate met for the first time. Out: bodies of the kind NAMED (messages.py), and typed values. Never: files, a
clock.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_string

Name = tuple[int, str]
"""Number (state/lists/hash_dictionary.py) and word."""
_HEAD = struct.Struct(">QI")
_NUMBER = struct.Struct(">Q")
NAMES_A_RECORD_MAX = 10_000
"""A record holds some 300 KB at most."""


class NamedHash(NamedTuple):
    time: float
    names: tuple[Name, ...]


def pack_names(now: float, names: Sequence[Name]) -> bytes:
    """At most ``NAMES_A_RECORD_MAX`` of them."""
    head = _HEAD.pack(int(now * 1000), len(names))
    return head + b"".join([_NUMBER.pack(number) + pack_string(name) for number, name in names])


def unpack_names(body: bytes) -> NamedHash:
    """ValueError or struct.error when the body is no such thing."""
    reader = BodyReader(body)
    time_ms, count = reader.take(_HEAD)
    return NamedHash(time_ms / 1000, tuple((reader.take(_NUMBER)[0], reader.string()) for _ in range(count)))
