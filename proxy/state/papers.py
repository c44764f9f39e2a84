"""Papers: what the desk keeps by number, each as it is now, packed as in the journal: complaint cases, penalties, hours that were counted.

In: numbers and bodies. Out: the same after a restart, and the highest number ever given. Never: what a paper says.

A checkpoint writes those that have changed since the last one: there may be many, and a day touches few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_HIGHEST = 0
"""The row that holds the highest number: papers count from 1."""


class Papers:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.highest = 0
        self._changed: set[int] = set()
        """Since the last checkpoint."""
        self._taken: set[int] = set()
        """By the checkpoint that is being written."""

    def put(self, number: int, body: bytes) -> None:
        self.held[number] = body
        self.highest = max(self.highest, number)
        self._changed.add(number)

    def drop(self, number: int) -> None:
        """It is not kept any longer; nothing happens where it is not known."""
        if self.held.pop(number, None) is not None:
            self._changed.add(number)

    # -- checkpoints

    def freeze(self) -> None:
        self._taken, self._changed = self._changed, set()

    def collect(self, most: int) -> Iterator[list[tuple[int, bytes]]]:
        """Rows of the checkpoint's table that have changed, so many at a time; an empty body means gone."""
        taken = sorted(self._taken)
        for start in range(0, len(taken), most):
            yield [(number, self.held.get(number, b"")) for number in taken[start : start + most]]
        if taken:
            yield [(_HIGHEST, self.highest.to_bytes(8, "big"))]

    def thaw(self, done: bool) -> None:
        if not done:
            self._changed |= self._taken
        self._taken = set()

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        for number, body in rows:
            if number == _HIGHEST:
                self.highest = int.from_bytes(body, "big")
            else:
                self.held[number] = body
