"""Remembers approximately which 64-bit hashes came recently.

Caches use it to store an item only at its second appearance. A cache that stores everything fills up with items that never come
again.

In: hashes. Out: whether a hash came recently. Never: the item itself, or certainty: two hashes that share a mark count as one.
"""

from __future__ import annotations

from array import array

MARKS = 32_768
"""128 KiB. So many others may come between, and a third of what comes again is still known."""


class RecencyFilter:
    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: array[int] | None = None
        """None until something comes."""

    def comes(self, hashed: int) -> bool:
        """Whether something of this hash (64 bits) has come lately; from now on it has."""
        if self.marks is None:
            self.marks = array("I", bytes(4 * MARKS))
        place, mark = hashed & (MARKS - 1), hashed >> 32 & 0xFFFFFFFF
        again = self.marks[place] == mark
        self.marks[place] = mark
        return again

    def beside(self) -> RecencyFilter:
        """Another that has seen what this one has, and goes on by itself."""
        other = RecencyFilter()
        other.marks = None if self.marks is None else self.marks[:]
        return other
