"""Stores numbered desk records: cases, penalties, hourly counts and others.

Each is kept in its present state, packed as in the journal.

In: numbers and bodies. Out: the same after a restart, the highest number ever given, and the changes by other gates. Never: the
meaning of a body.

A checkpoint writes only those that have changed since the last one: there may be many, and a day touches few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.state.shared.number_ranges import Numbering

_HIGHEST = 0
"""The row that holds the highest number: records count from 1."""


_NODE_SHIFT = 40


def hour_of_node(node: int, start: int) -> int:
    """The number of another gate's hour; own hours are numbered by hours since 1970. ``start``: in seconds."""
    return (node + 1) << _NODE_SHIFT | start // 3600


def node_of_hour(number: int) -> int:
    """The node of an hour; -1: this gate."""
    return (number >> _NODE_SHIFT) - 1


class DeskRecords:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.highest = 0
        self.numbered = Numbering()
        self._news: dict[int, None] = {}
        """Numbers put by other gates or by replay since ``news`` was called."""
        self._changed: set[int] = set()
        """Since the last checkpoint."""
        self._taken: set[int] = set()
        """Numbers in the running checkpoint."""

    def put(self, number: int, body: bytes) -> None:
        self.held[number] = body
        self.highest = max(self.highest, number)
        self._changed.add(number)

    def hear(self, number: int, body: bytes) -> None:
        """``put`` for a record of another gate, or of a journal that is replayed."""
        self.put(number, body)
        self._news[number] = None

    def news(self) -> list[tuple[int, bytes]]:
        """The records put with ``hear`` since the last call, in order, with their present bodies."""
        found, self._news = self._news, {}
        return [(number, self.held[number]) for number in found if number in self.held]

    def following(self, count: int = 1) -> list[int]:
        """The numbers for ``count`` new records."""
        return self.numbered.behind(self.highest, count)

    def drop(self, number: int) -> None:
        """Removes a record; an unknown number has no effect."""
        if self.held.pop(number, None) is not None:
            self._changed.add(number)

    # -- checkpoints

    def freeze(self) -> None:
        self._taken, self._changed = self._changed, set()

    def collect(self, most: int) -> Iterator[list[tuple[int, bytes]]]:
        """The changed rows of the checkpoint's table, ``most`` at a time; an empty body means removed."""
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
