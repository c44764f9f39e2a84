"""Stores small tables of packed bodies that a checkpoint saves.

    DeskRecords       cases, penalties, hourly counts and others, each in its present state
    Orders            orders of operators that are in force
    RuleHistory       recent changes of rule sets, by their position in the journal
    IdempotencyKeys   requests of external systems that were processed already

Desk records may be many, and a day touches few: a checkpoint writes those that have changed. Of the other tables it writes all rows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cython


class Numbering(NamedTuple):
    """Numbers that no two nodes give twice: orders, batches of consents and desk records have them."""

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


_HIGHEST = 0
"""The row that holds the highest number: numbers count from 1."""
_NODE_SHIFT = 40


def hour_of_node(node: int, start: int) -> int:
    """The number of another gate's hour; own hours are numbered by hours since 1970. ``start``: in seconds."""
    return (node + 1) << _NODE_SHIFT | start // 3600


def node_of_hour(number: int) -> int:
    """The node of an hour; -1: this gate."""
    return (number >> _NODE_SHIFT) - 1


@cython.cclass
class ChangedRows:
    """Rows of which a checkpoint writes those that have changed. They may change meanwhile: it has them as of no exact moment."""

    empty: cython.bint
    """Whether there is nothing: then look-ups can be skipped."""
    _dirty: set[int]
    _frozen: set[int]
    _collected: list[int]

    def __init__(self) -> None:
        self.empty = True
        self._dirty, self._frozen, self._collected = set(), set(), []

    def _packed(self, row: int) -> bytes:
        raise NotImplementedError

    def freeze(self) -> None:
        """Begins a checkpoint of the rows changed since the last one."""
        self._frozen, self._dirty = self._dirty, set()

    def collect(self, most: int) -> list[tuple[int, bytes]]:
        """At most ``most`` rows with their present values (empty: removed); an empty list when all were collected."""
        rows: list[tuple[int, bytes]] = []
        while self._frozen and len(rows) < most:
            row = self._frozen.pop()
            self._collected.append(row)
            rows.append((row, self._packed(row)))
        rows.sort()
        return rows

    def thaw(self, done: bool) -> None:
        """Ends a checkpoint; if it was not committed, its rows are collected again."""
        if not done:
            self._dirty.update(self._frozen, self._collected)
        self._frozen, self._collected = set(), []


class _BodiesById:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.highest = 0
        self.numbered = Numbering()

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        for number, body in rows:
            if number == _HIGHEST:
                self.highest = int.from_bytes(body, "big")
            else:
                self.held[number] = body


class DeskRecords(_BodiesById):
    def __init__(self) -> None:
        super().__init__()
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


class Orders(_BodiesById):
    def __init__(self) -> None:
        super().__init__()
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


EVENTS_MAX = 500
"""Some years of changes; the journal has all changes of its retention time."""


class RuleHistory:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.changed = False
        """Since the last checkpoint."""

    def put(self, place: int, body: bytes) -> None:
        """Adds a change; adding it again (after a checkpoint newer than the journal's position) has no effect."""
        self.held[place] = body
        while len(self.held) > EVENTS_MAX:
            del self.held[min(self.held)]
        self.changed = True

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table, in order."""
        return sorted(self.held.items())

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self.held.update(rows)


KEPT_S = 7 * 86_400
"""External systems repeat a request within days."""
KEYS_MAX = 50_000
"""Some 250 bytes each; of more the oldest are forgotten."""
KEY_BYTES = 8


class IdempotencyKeys:
    """The same request from a hotline or an app, sent again, has no effect. Bodies are kept by the digest of the idempotency key."""

    def __init__(self) -> None:
        self.held: OrderedDict[int, bytes] = OrderedDict()
        self.changed = False
        """Since the last checkpoint."""

    def put(self, key: bytes, body: bytes) -> None:
        number = int.from_bytes(key[:KEY_BYTES], "big")
        self.held.pop(number, None)
        self.held[number] = body
        while len(self.held) > KEYS_MAX:
            self.held.popitem(last=False)
        self.changed = True

    def find(self, key: bytes) -> bytes | None:
        return self.held.get(int.from_bytes(key[:KEY_BYTES], "big"))

    def sweep(self, now: float) -> None:
        """Removes old requests. A body begins with its time in ms, and the oldest come first."""
        oldest = next(iter(self.held), None)
        while oldest is not None and int.from_bytes(self.held[oldest][:8], "big") < (now - KEPT_S) * 1000:
            del self.held[oldest]
            self.changed = True
            oldest = next(iter(self.held), None)

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table."""
        return list(self.held.items())

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self.held = OrderedDict(sorted(rows, key=lambda row: row[1][:8]))
