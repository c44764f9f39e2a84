"""Packs big-endian numbers, and joins octets, where octets.pyx was not compiled."""

from __future__ import annotations


def pack_u48(number: int) -> bytes:
    return number.to_bytes(6, "big")


def pack_u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def splice(data: bytes, begin: int, end: int, head: bytes, piece: bytes) -> bytes:
    """``data`` with ``head`` and ``piece`` in place of the octets from ``begin`` to ``end``."""
    return b"".join((data[:begin], head, piece, data[end:]))
