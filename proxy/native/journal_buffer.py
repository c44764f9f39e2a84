"""Joins journal records, where journal_buffer.pyx was not compiled."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

_LENGTH_CRC = struct.Struct(">II")
_SEQUENCE_KIND = struct.Struct(">QB")


class RecordBuffer:
    """Bodies of records: each begins, gets its octets, and ends."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._body = bytearray()

    def begin(self) -> None:
        self._body = bytearray()

    def put_u8(self, value: int) -> None:
        self._body.append(value)

    def put_u16(self, value: int) -> None:
        self._body += value.to_bytes(2, "big")

    def put_u32(self, value: int) -> None:
        self._body += value.to_bytes(4, "big")

    def put_u64(self, value: int) -> None:
        self._body += value.to_bytes(8, "big")

    def put(self, piece: bytes) -> None:
        self._body += piece

    def put_after(self, place: int, piece: bytes) -> None:
        """Puts the octets of ``piece`` from ``place`` on."""
        self._body += piece[place:]

    def end(self) -> None:
        self.bodies.append(bytes(self._body))


class PackedBodies:
    """Bodies that are written straight into the buffer of the journal."""

    def write(self, to: RecordBuffer) -> None:
        """Writes all bodies."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[bytes]]:
        """Each body, in pieces as ``join_records`` takes them."""
        buffer = RecordBuffer()
        self.write(buffer)
        return iter([[b"", body] for body in buffer.bodies])


def join_records(first: int, kind: int, bodies: Iterable[list[bytes]]) -> tuple[bytes, int]:
    """The records with these bodies, in pieces of which the first is empty, and their number; their sequences begin with ``first``."""
    records: list[bytes] = []
    for sequence, pieces in enumerate(bodies, first):
        record = b"".join((_SEQUENCE_KIND.pack(sequence, kind), *pieces))
        records.append(_LENGTH_CRC.pack(len(record) - _SEQUENCE_KIND.size, crc32(record)) + record)
    return b"".join(records), len(records)
