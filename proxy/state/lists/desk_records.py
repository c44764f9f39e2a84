"""Stores small tables of packed bodies that a checkpoint saves.

    DeskRecords       orders, cases, penalties, hourly counts and others, each in its present state
    RuleHistory       recent changes of rule sets, by their position in the journal
    IdempotencyKeys   requests of external systems that were processed already

Rows may be many, and a day touches few: a checkpoint writes those that have changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Takes the rows of a checkpoint. Raises ValueError if they are damaged."""
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


class Bodies(ChangedRows):
    """Packed bodies by number."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, bytes] = {}

    def put(self, number: int, body: bytes) -> None:
        self.held[number] = body
        self._dirty.add(number)

    def drop(self, number: int) -> None:
        """Removes a body; an unknown number has no effect."""
        if self.held.pop(number, None) is not None:
            self._dirty.add(number)

    def _packed(self, row: int) -> bytes:
        return self.held.get(row, b"")

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self.held.update(rows)


class DeskRecords(Bodies):
    def __init__(self) -> None:
        super().__init__()
        self.highest = 0
        self.numbered = Numbering()
        self._news: dict[int, None] = {}
        """Numbers put by other gates or by replay since ``news`` was called."""

    def put(self, number: int, body: bytes) -> None:
        super().put(number, body)
        self.highest = max(self.highest, number)
        self._dirty.add(_HIGHEST)

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

    def _packed(self, row: int) -> bytes:
        return self.highest.to_bytes(8, "big") if row == _HIGHEST else super()._packed(row)

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        super().restore(rows)
        self.highest = int.from_bytes(self.held.pop(_HIGHEST, b""), "big")


EVENTS_MAX = 500
"""Some years of changes; the journal has all changes of its retention time."""


class RuleHistory(Bodies):
    """Recent changes of rule sets, by their position in the journal."""

    def put(self, number: int, body: bytes) -> None:
        """Adds a change; adding it again (after a checkpoint newer than the journal's position) has no effect."""
        super().put(number, body)
        while len(self.held) > EVENTS_MAX:
            self.drop(min(self.held))


KEPT_S = 7 * 86_400
"""External systems repeat a request within days."""
KEYS_MAX = 50_000
"""Some 250 bytes each; of more the oldest are forgotten."""
KEY_BYTES = 8


class IdempotencyKeys(Bodies):
    """The same request from a hotline or an app, sent again, has no effect. Bodies are kept by the digest of the idempotency key."""

    def __init__(self) -> None:
        super().__init__()
        self.held: OrderedDict[int, bytes] = OrderedDict()

    def remember(self, key: bytes, body: bytes) -> None:
        number = int.from_bytes(key[:KEY_BYTES], "big")
        self.held.pop(number, None)
        self.put(number, body)
        while len(self.held) > KEYS_MAX:
            self._dirty.add(self.held.popitem(last=False)[0])

    def find(self, key: bytes) -> bytes | None:
        return self.held.get(int.from_bytes(key[:KEY_BYTES], "big"))

    def sweep(self, now: float) -> None:
        """Removes old requests. A body begins with its time in ms, and the oldest come first."""
        while (oldest := next(iter(self.held), None)) is not None:
            if int.from_bytes(self.held[oldest][:8], "big") >= (now - KEPT_S) * 1000:
                return
            self.drop(oldest)

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        super().restore(sorted(rows, key=lambda row: row[1][:8]))


class BulkImport:
    """Repeats removals that happen during a bulk import.

    A bulk import takes effect at its end in the journal but takes a while to apply, chunk by chunk. A number that is removed
    meanwhile counts as removed *later*, though its chunk may still follow.
    """

    def __init__(self) -> None:
        self._again: list[Callable[[], object]] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs one import; at its end removals noted meanwhile are repeated."""
        assert self._again is None
        again: list[Callable[[], object]] = []
        self._again = again
        try:
            yield
        finally:
            self._again = None
            for take_out in again:
                take_out()

    def note_removal(self, take_out: Callable[[], object]) -> None:
        """Notes a removal; it must be repeatable."""
        if self._again is not None:
            self._again.append(take_out)
