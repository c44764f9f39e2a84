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


def pack_pdu(command_id: int, status: int, sequence: int, body: bytes, begin: int = 0) -> bytes:
    """A PDU: its header (SMPP 3.4 §3.2), and the octets of ``body`` from ``begin`` on."""
    return _HEADER(16 + len(body) - begin, command_id, status, sequence) + body[begin:]


def join(pieces: list[bytes]) -> bytes:
    """The pieces, one behind the other. ``bytes.join`` takes several times as long for many short ones."""
    return b"".join(pieces)


def join_numbered(pdus: list[bytes], sequence: int) -> bytes:
    """The PDUs, each with a whole header, one behind the other, with sequence numbers from ``sequence`` on."""
    return b"".join([pdu[:12] + number.to_bytes(4, "big") + pdu[16:] for number, pdu in enumerate(pdus, sequence)])


def insert(data: bytes, place: int, piece: bytes, at: int, value: int) -> bytes:
    """``data`` with ``piece`` at ``place``, and with the octet ``value`` at ``at``, which lies before."""
    return b"".join((data[:at], bytes((value,)), data[at + 1 : place], piece, data[place:]))


def splice(data: bytes, begin: int, end: int, head: bytes, piece: bytes) -> bytes:
    """``data`` with ``head`` and ``piece`` in place of the octets from ``begin`` to ``end``."""
    return b"".join((data[:begin], head, piece, data[end:]))


def splice_record(data: bytes, begin: int, end: int, head: int, version: int, record: bytes) -> bytes:
    """``splice`` for a record, with another version in its first six octets."""
    return b"".join((data[:begin], head.to_bytes(8, "big"), version.to_bytes(6, "big"), record[6:], data[end:]))
