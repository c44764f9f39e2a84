"""Finds, compares and hashes a run of octets within bytes.

Compiled modules do it in C (octet_runs.pxd): the places are not checked there.
"""

from __future__ import annotations


def find_zero(data: bytes, begin: int, end: int) -> int:
    """The place of the first NUL from ``begin`` on and before ``end``; -1: there is none."""
    return data.find(0, begin, end)


def is_run(data: bytes, begin: int, end: int, run: bytes) -> bool:
    """Whether the octets from ``begin`` to ``end`` are these."""
    return data[begin:end] == run


def same_in(data: bytes, other: bytes, begin: int, end: int) -> bool:
    """Whether both have the same octets from ``begin`` to ``end``."""
    return data[begin:end] == other[begin:end]


def hash_run(data: bytes, begin: int, end: int) -> int:
    """A hash of 64 bits."""
    return hash(data[begin:end]) & 0xFFFF_FFFF_FFFF_FFFF


def u64_in(data: bytes) -> int:
    """The first eight octets as a number."""
    return int.from_bytes(data[:8], "big")


def prefetch(held: object) -> None:
    """Loads an object into the processor's cache."""
