"""Assigns numbers that no two nodes give twice.

Orders and batches of consents are numbered so.

In: the highest number that any node is known to have given. Out: the next numbers of this node. Never: a number of another node.
"""

from __future__ import annotations

from typing import NamedTuple


class Numbering(NamedTuple):
    step: int = 1
    """The number of nodes that may share the numbering."""
    first: int = 0
    """This node's remainder modulo ``step``."""

    def gave(self, number: int) -> bool:
        return number % self.step == self.first % self.step

    def behind(self, highest: int, count: int = 1) -> list[int]:
        """The next ``count`` numbers of this node after ``highest``."""
        start = highest + 1
        start += (self.first - start) % self.step
        return [start + place * self.step for place in range(count)]
