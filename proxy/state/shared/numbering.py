"""Assigns numbers that no two nodes give twice.

Orders and batches of consents are numbered so.

In: the highest number that any node is known to have given. Out: the next numbers of this node. Never: a number of another node.
"""

from __future__ import annotations

from typing import NamedTuple


class Numbering(NamedTuple):
    step: int = 1
    """So many nodes may share what is numbered."""
    first: int = 0
    """This one's remainder."""

    def gave(self, number: int) -> bool:
        return number % self.step == self.first % self.step

    def behind(self, highest: int, count: int = 1) -> list[int]:
        """So many numbers behind it."""
        start = highest + 1
        start += (self.first - start) % self.step
        return [start + place * self.step for place in range(count)]
