"""Packs big-endian numbers, and joins octets, where octets.pyx was not compiled."""

from __future__ import annotations

import struct

_ROW = struct.Struct(">QQIIII").pack
_HEADER = struct.Struct(">IIII").pack


def pack_u48(number: int) -> bytes:
    return number.to_bytes(6, "big")


def pack_u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def pack_row(first: int, second: int, third: int, fourth: int, fifth: int, sixth: int) -> bytes:
    """Two numbers of 64 bits and four of 32."""
    return _ROW(first, second, third, fourth, fifth, sixth)


def pack_pdu(command_id: int, status: int, sequence: int, body: bytes) -> bytes:
    """A PDU: its header (SMPP 3.4 §3.2), and its body."""
    return _HEADER(16 + len(body), command_id, status, sequence) + body


def insert(data: bytes, place: int, piece: bytes, at: int, value: int) -> bytes:
    """``data`` with ``piece`` at ``place``, and with the octet ``value`` at ``at``, which lies before."""
    return b"".join((data[:at], bytes((value,)), data[at + 1 : place], piece, data[place:]))


def splice(data: bytes, begin: int, end: int, head: bytes, piece: bytes) -> bytes:
    """``data`` with ``head`` and ``piece`` in place of the octets from ``begin`` to ``end``."""
    return b"".join((data[:begin], head, piece, data[end:]))


def splice_record(data: bytes, begin: int, end: int, head: int, version: int, record: bytes) -> bytes:
    """``splice`` for a record, with another version in its first six octets."""
    return b"".join((data[:begin], head.to_bytes(8, "big"), version.to_bytes(6, "big"), record[6:], data[end:]))
