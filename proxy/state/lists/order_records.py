"""Stores orders of operators that are in force.

Orders are packed as in the journal and keyed by number. They are few, so a checkpoint writes all of them.

In: numbers and bodies. Out: the same after a restart, and the highest number ever given. Never: the meaning of an order.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.state.shared.number_ranges import Numbering

_HIGHEST = 0
"""The row that holds the highest number: orders count from 1."""


class Orders:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.highest = 0
        self.numbered = Numbering()
        self.changed = False
        """Since the last checkpoint."""

    def put(self, number: int, body: bytes) -> None:
        self.held[number] = body
        self.highest = max(self.highest, number)
        self.changed = True

    @property
    def next(self) -> int:
        """The number of the next order."""
        return self.numbered.behind(self.highest)[0]

    def drop(self, number: int) -> None:
        """Removes an order that was lifted or has expired; an unknown number has no effect."""
        self.changed |= self.held.pop(number, None) is not None

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table."""
        return [(_HIGHEST, self.highest.to_bytes(8, "big")), *sorted(self.held.items())]

    def restore(self, rows: Iterator[tuple[int, bytes]]) -> None:
        for number, body in rows:
            if number == _HIGHEST:
                self.highest = int.from_bytes(body, "big")
            else:
                self.held[number] = body
