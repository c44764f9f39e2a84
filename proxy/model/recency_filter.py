"""Remembers approximately which 64-bit hashes came recently.

Caches use it to store an item only at its second appearance. A cache that stores everything fills up with items that never come
again.

In: hashes. Out: whether a hash came recently. Never: the item itself, or certainty: two hashes that share a mark count as one.
"""

from __future__ import annotations

from array import array

MARKS = 32_768
"""128 KiB. After as many other hashes, a third of the repeated ones are still known."""


class RecencyFilter:
    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: array[int] | None = None
        """None until the first hash comes."""

    def comes(self, hashed: int) -> bool:
        """Whether this 64-bit hash came recently; remembers it."""
        if self.marks is None:
            self.marks = array("I", bytes(4 * MARKS))
        place, mark = hashed & (MARKS - 1), hashed >> 32 & 0xFFFFFFFF
        again = self.marks[place] == mark
        self.marks[place] = mark
        return again

    def beside(self) -> RecencyFilter:
        """An independent copy."""
        other = RecencyFilter()
        other.marks = None if self.marks is None else self.marks[:]
        return other
