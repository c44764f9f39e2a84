"""Finds values by octets of a frame, without copying them.

In: octets and a value for them. Out: the same value for equal octets. Never: a guarantee that an entry is still there.

Four entries share a place. A new entry drops the last of them but one that is found moves forward, out of the reach of new ones.
"""

from __future__ import annotations

from typing import Any

import cython

from proxy.native.octet_runs import is_run, prefetch

WAYS = 4
_WAYS = cython.declare(cython.Py_ssize_t, WAYS)


@cython.cclass
class OctetCache:
    keys: list[bytes]
    values: list[Any]
    tags: bytearray
    """Some bits of each key's hash, which rule out nearly every other key without a look at it; 0: no entry."""
    mask: cython.ulonglong
    added: cython.ulonglong
    """How many entries were ever added."""

    def __init__(self, entries_max: int) -> None:
        """``entries_max``: a power of two, at least 4."""
        self.keys, self.values = [b""] * entries_max, [None] * entries_max
        self.tags = bytearray(entries_max)
        self.mask = entries_max - WAYS
        self.added = 0

    def __len__(self) -> int:
        return len(self.tags) - self.tags.count(0)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def find(self, data: bytes, begin: cython.Py_ssize_t, end: cython.Py_ssize_t, hashed: cython.ulonglong) -> Any:
        """The value for the octets from ``begin`` to ``end``, of which ``hashed`` is ``hash_run``; None if there is none."""
        held: bytearray = self.tags
        tags: cython.p_uchar = held  # type: ignore[assignment] # its octets in C
        first: cython.Py_ssize_t = hashed & self.mask
        tag: cython.uchar = hashed >> 56 | 1
        place: cython.Py_ssize_t
        for place in range(first, first + _WAYS):
            if tags[place] == tag and is_run(data, begin, end, self.keys[place]):
                found: Any = self.values[place]
                if place > first:
                    self._exchange(place - 1, place)
                return found
        return None

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def put(self, key: bytes, hashed: cython.ulonglong, value: Any) -> None:
        """Adds an entry for octets that ``find`` does not find."""
        last: cython.Py_ssize_t = (hashed & self.mask) + _WAYS - 1
        self.added += 1
        self._exchange(last - 1, last)
        self.keys[last - 1], self.values[last - 1], self.tags[last - 1] = key, value, hashed >> 56 | 1

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def expect(self, hashed: cython.ulonglong) -> cython.bint:
        """Whether ``find`` may find a value; loads what it will look at into the processor's cache."""
        held: bytearray = self.tags
        tags: cython.p_uchar = held  # type: ignore[assignment] # its octets in C
        first: cython.Py_ssize_t = hashed & self.mask
        tag: cython.uchar = hashed >> 56 | 1
        place: cython.Py_ssize_t
        for place in range(first, first + _WAYS):
            if tags[place] == tag:
                prefetch(self.keys[place])
                prefetch(self.values[place])
                return True
        return False

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.cfunc
    def _exchange(self, one: cython.Py_ssize_t, other: cython.Py_ssize_t) -> None:
        self.keys[one], self.keys[other] = self.keys[other], self.keys[one]
        self.values[one], self.values[other] = self.values[other], self.values[one]
        self.tags[one], self.tags[other] = self.tags[other], self.tags[one]
