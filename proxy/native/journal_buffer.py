"""Joins journal records, where journal_buffer.pyx was not compiled."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from zlib import crc32

_LENGTH_CRC = struct.Struct(">II")
_SEQUENCE_KIND = struct.Struct(">QB")


def join_records(first: int, kind: int, bodies: Iterable[list[bytes]]) -> tuple[bytes, int]:
    """The records with these bodies, in pieces of which the first is empty, and their number; their sequences begin with ``first``."""
    records: list[bytes] = []
    for sequence, pieces in enumerate(bodies, first):
        record = b"".join((_SEQUENCE_KIND.pack(sequence, kind), *pieces))
        records.append(_LENGTH_CRC.pack(len(record) - _SEQUENCE_KIND.size, crc32(record)) + record)
    return b"".join(records), len(records)
