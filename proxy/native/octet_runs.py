"""Finds, compares and hashes a run of octets within bytes.

Compiled modules do it in C (octet_runs.pxd): the places are not checked there.
"""

from __future__ import annotations

from array import array
from typing import Any


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


def u32_in(data: bytes, at: int) -> int:
    """The number of 32 bits at a place."""
    return int.from_bytes(data[at : at + 4], "big")


def u48_in(data: bytes, at: int) -> int:
    """The number of 48 bits at a place, behind which are two octets more."""
    return int.from_bytes(data[at : at + 6], "big")


def u16_of(held: array[int], at: int) -> int:
    """An item of an array of 16-bit numbers."""
    return held[at]


def i64_of(held: array[int], at: int) -> int:
    """An item of an array of 64-bit numbers."""
    return held[at]


def set_i64(held: array[int], at: int, number: int) -> None:
    """Sets an item of such an array."""
    held[at] = number


def place_of(one: object, other: object, mask: int) -> int:
    """A place for two objects among a power of two, less one, of places."""
    return hash((id(one), id(other))) & mask


def prefetch_item(held: list[Any], at: int) -> None:
    """Loads the address of an item into the processor's cache."""


def prefetch_u16(held: array[int], at: int) -> None:
    """Loads an item of an array of 16-bit numbers into the processor's cache."""


def prefetch(held: object) -> None:
    """Loads an object into the processor's cache."""


def prefetch_rest(held: bytes) -> None:
    """Loads what ``prefetch`` leaves out of long octets."""
