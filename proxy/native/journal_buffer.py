"""Joins journal records, where journal_buffer.pyx was not compiled."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

_LENGTH_CRC = struct.Struct(">II")
_SEQUENCE_KIND = struct.Struct(">QB")
_HEAD = _LENGTH_CRC.size + _SEQUENCE_KIND.size


class RecordBuffer:
    """The records of a commit group, one behind the other, before they become a bytes object: each begins, gets its octets, and ends."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._begun = self._sequence = self._kind = 0

    def __len__(self) -> int:
        return len(self._octets)

    def __bytes__(self) -> bytes:
        return bytes(self._octets)

    def view(self) -> memoryview:
        """All octets; it must be gone before more are added."""
        return memoryview(bytes(self._octets))

    def add(self, records: bytes) -> None:
        """Adds packed records."""
        self._octets += records

    def extend(self, first: int, kind: int, bodies: Iterable[list[bytes]]) -> int:
        """Adds records with these bodies, in pieces of which the first is empty, and with sequences from ``first`` on. Returns their number;
        adds none if a body raises an exception."""
        before = len(self)
        self._sequence, self._kind = first, kind
        try:
            if isinstance(bodies, PackedBodies):
                bodies.write(self)
            else:
                for pieces in bodies:
                    self.begin()
                    self._octets += b"".join(pieces)
                    self.end()
        except BaseException:
            del self._octets[before:]
            raise
        return self._sequence - first

    def taken(self) -> bytes:
        """All octets; the buffer is empty afterwards."""
        whole = bytes(self)
        self.clear()
        return whole

    def clear(self) -> None:
        self._octets.clear()

    def begin(self) -> None:
        self._begun = len(self)
        self._octets += bytes(_HEAD)

    def put_u8(self, value: int) -> None:
        self._octets.append(value)

    def put_u16(self, value: int) -> None:
        self._octets += value.to_bytes(2, "big")

    def put_u32(self, value: int) -> None:
        self._octets += value.to_bytes(4, "big")

    def put_u64(self, value: int) -> None:
        self._octets += value.to_bytes(8, "big")

    def put(self, piece: bytes) -> None:
        self._octets += piece

    def put_after(self, place: int, piece: bytes) -> None:
        """Puts the octets of ``piece`` from ``place`` on."""
        self._octets += piece[place:]

    def end(self) -> None:
        body = self._begun + _HEAD
        record = _SEQUENCE_KIND.pack(self._sequence, self._kind) + self._octets[body:]
        self._octets[self._begun : body] = _LENGTH_CRC.pack(len(self) - body, crc32(record)) + record[: _SEQUENCE_KIND.size]
        self._sequence += 1


class PackedBodies:
    """Bodies that are written straight into the buffer of the journal."""

    def write(self, to: RecordBuffer) -> None:
        """Writes all bodies."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[bytes]]:
        """Each body, in pieces as ``RecordBuffer.extend`` takes them."""
        buffer, at = RecordBuffer(), 0
        self.write(buffer)
        records = bytes(buffer)
        while at < len(records):
            body, at = at + _HEAD, at + _HEAD + _LENGTH_CRC.unpack_from(records, at)[0]
            yield [b"", records[body:at]]
