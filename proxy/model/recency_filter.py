"""Remembers approximately which 64-bit hashes came recently.

Caches use it to store an item only at its second appearance. A cache that stores everything fills up with items that never come
again.

In: hashes. Out: whether a hash came recently. Never: the item itself, or certainty: two hashes that share a mark count as one.
"""

from __future__ import annotations

import cython

MARKS = 32_768
"""128 KiB. After as many other hashes, a third of the repeated ones are still known."""


@cython.final
@cython.cclass
class RecencyFilter:
    marks: bytearray | None
    """Four octets each; None until the first hash comes."""

    def __init__(self) -> None:
        self.marks = None

    @cython.ccall
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def comes(self, hashed: cython.ulonglong) -> cython.bint:
        """Whether this 64-bit hash came recently; remembers it."""
        if self.marks is None:
            self.marks = bytearray(4 * MARKS)
        mark: cython.p_uchar = self.marks  # type: ignore[assignment] # C takes its octets
        at: cython.uint = 4 * (hashed & 32_767)
        place: cython.uint
        value: cython.uint = (hashed >> 32) & 0xFFFFFFFF
        again: cython.bint = True
        for place in range(at, at + 4):
            again = again and mark[place] == value & 0xFF
            mark[place] = value & 0xFF  # type: ignore[index] # likewise
            value >>= 8
        return again

    def beside(self) -> RecencyFilter:
        """An independent copy."""
        other = RecencyFilter()
        other.marks = None if self.marks is None else self.marks[:]
        return other
