"""Remembers approximately which 64-bit hashes came recently.

Caches use it to store an item only at its second appearance. A cache that stores everything fills up with items that never come
again.

In: hashes. Out: whether a hash came recently. Never: the item itself, or certainty: two hashes that share a mark count as one.
"""

from __future__ import annotations

import cython

MARKS = 32_768
"""128 KiB. After as many other hashes, a third of the repeated ones are still known."""
MARK_BYTES = 4
_PLACE = cython.declare(cython.ulonglong, MARKS - 1)


@cython.final
@cython.cclass
class RecencyFilter:
    marks: bytearray
    """Empty until the first hash comes."""

    def __init__(self) -> None:
        self.marks = bytearray()

    @cython.ccall
    def comes(self, hashed: cython.ulonglong) -> cython.bint:
        """Whether this 64-bit hash came recently; remembers it."""
        if not self.marks:
            self.marks = bytearray(MARK_BYTES * MARKS)
        marks: bytearray = self.marks
        again: cython.bint = True
        place: cython.Py_ssize_t = 4 * (hashed & _PLACE)
        hashed >>= 32
        for at in range(place, place + 4):
            mark: cython.uchar = hashed & 0xFF
            if marks[at] != mark:
                marks[at] = mark
                again = False
            hashed >>= 8
        return again

    def beside(self) -> RecencyFilter:
        """An independent copy."""
        other = RecencyFilter()
        other.marks = self.marks[:]
        return other
