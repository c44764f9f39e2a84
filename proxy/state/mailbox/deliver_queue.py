"""Queues one provider's delivers until it acknowledges them.

In: items, the outcome of each hand-over, the time. Out: the items to hand over next. Never: a bind, a file, a clock; the content
of an item.

    unsafe ──ready──▶ ready ──take──▶ handed ──gone──▶ (no more)
                        ▲               │  └─set_aside──▶ aside: refused for now, or not answered in time
                        ├──back─────────┘ the bind was lost   │
                        └──wake───────────────────────────────┘ its wait is over: back at its place in the order
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from operator import attrgetter

import cython

UNSAFE, READY, HANDED, ASIDE, GONE = range(5)
_UNSAFE = cython.declare(cython.uint, UNSAFE)
_READY = cython.declare(cython.uint, READY)
_HANDED = cython.declare(cython.uint, HANDED)
_GONE = cython.declare(cython.uint, GONE)

ITEM_BYTES = 400
"""Memory of an item beside its bytes. The bounds count it, otherwise a million empty items would be free."""
_ITEM_BYTES = cython.declare(cython.Py_ssize_t, ITEM_BYTES)
BACKOFF_S, BACKOFF_MAX_S = 1.0, 300.0
"""Wait after a temporary refusal of an item: doubled each time, up to the maximum."""
ROW_MAX = 8
"""Refusals in a row after which the provider counts as failing: items are then sent one at a time, after a pause ..."""
_ROW_MAX = cython.declare(cython.uint, ROW_MAX)
PAUSE_MAX_S = 60.0
"""... that grows up to this, until one is accepted."""
SLACK = 1024
"""Removed items (beyond the number of present ones) that may stay in the list before it is rebuilt."""
_SLACK = cython.declare(cython.Py_ssize_t, SLACK)

_number = attrgetter("number")


@cython.final
@cython.cclass
class DeliverQueue:
    """The items of one provider."""

    provider: str
    count: cython.Py_ssize_t
    bytes: cython.longlong
    handed: cython.Py_ssize_t
    _order: list[Item]
    """All, oldest first, and some that are gone …"""
    _first: cython.Py_ssize_t
    """… of which so many lie before the oldest."""
    _ready: deque[Item]
    _aside: list[tuple[float, int, Item]]
    _row: cython.uint
    """Refusals in a row."""
    _open_at: float

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.count = self.bytes = 0
        self.handed = 0
        self._order = []
        self._first = 0
        self._ready = deque()
        self._aside = []
        self._row = 0
        self._open_at = 0.0

    def add(self, item: Item) -> int:
        """Appends an item; returns the bytes that it takes."""
        return self.add_all([item])

    @cython.ccall
    def add_all(self, items: list[Item]) -> cython.longlong:
        """``add`` for many items."""
        size: cython.longlong = 0
        item: Item
        for item in items:
            item.box = self
            size += len(item.data) + _ITEM_BYTES
        self.count += len(items)
        self.bytes += size
        self._order.extend(items)
        return size

    def ready(self, item: Item) -> None:
        """The item is durable: it may be handed over, after those that were ready before."""
        self.ready_all([item])

    @cython.ccall
    def ready_all(self, items: list[Item]) -> None:
        """``ready`` for many items."""
        fresh: list[Item] = []
        item: Item
        for item in items:
            if item.state == _UNSAFE:
                item.state = _READY
                fresh.append(item)
        self._ready.extend(fresh)

    def take(self, most: cython.Py_ssize_t, now: float) -> list[Item]:
        """The next items to hand over, at most ``most``; they count as handed until one of the calls below."""
        if self._row >= _ROW_MAX:
            if self.handed or now < self._open_at <= now + PAUSE_MAX_S:
                return []
            most = min(most, 1)
        taken: list[Item] = []
        ready = self._ready
        popleft = ready.popleft
        item: Item
        while ready and len(taken) < most:
            item = popleft()
            if item.state == _READY:
                item.state = _HANDED
                taken.append(item)
        self.handed += len(taken)
        return taken

    def back(self, items: Iterable[Item]) -> None:
        """Returns handed items whose bind is lost: they are sent again, before later items."""
        self._again([item for item in items if item.state == _HANDED])

    def _again(self, items: list[Item]) -> None:
        if not items:
            return
        for item in items:
            self.handed -= item.state == _HANDED
            item.state = _READY
        last, ready = max(items, key=_number).number, self._ready
        while ready and ready[0].number < last:
            items.append(ready.popleft())
        items.sort(key=_number, reverse=True)
        ready.extendleft(items)

    def set_aside(self, item: Item, now: float) -> None:
        """The provider refused this item temporarily: it waits while others are sent."""
        if item.state != _HANDED:
            return
        self.handed -= 1
        item.state = ASIDE
        wait_s = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** min(item.tries, 10))
        item.tries += 1
        heapq.heappush(self._aside, (now + wait_s, item.number, item))
        self._row += 1
        if self._row >= ROW_MAX:
            self._open_at = now + min(PAUSE_MAX_S, BACKOFF_S * 2 ** min(self._row - ROW_MAX, 10))

    @cython.ccall
    def note_success(self) -> None:
        """The provider accepted an item: it is not failing."""
        self._row = 0

    def wake(self, now: float, *, all_of_them: bool = False) -> None:
        """Makes items ready whose wait is over. A wait above the maximum means that the clock was set back: it is over too."""
        due: list[Item] = []
        aside = self._aside
        while aside and (all_of_them or not now < aside[0][0] <= now + BACKOFF_MAX_S):
            item = heapq.heappop(aside)[2]
            if item.state == ASIDE:
                due.append(item)
        self._again(due)
        if all_of_them:
            self._row = 0

    @property
    def waits(self) -> bool:
        """Whether time alone may make something ready."""
        return bool(self._aside) or self._row >= ROW_MAX

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    @cython.ccall
    def gone(self, item: Item) -> None:
        """Counts out a delivered or dropped item; ``remove_gone`` takes it off the deques."""
        self.handed -= item.state == _HANDED
        item.state = _GONE
        self.count -= 1
        self.bytes -= len(item.data) + _ITEM_BYTES
        item.data = b""

    @cython.ccall
    def remove_gone(self) -> None:
        """Removes gone items, at the latest when most items are gone."""
        order: list[Item] = self._order
        first: cython.Py_ssize_t = self._first
        item: Item
        while first < len(order):
            item = order[first]
            if item.state != _GONE:
                break
            first += 1
        self._first = first
        while self._ready:
            item = self._ready[0]
            if item.state != _GONE:
                break
            self._ready.popleft()
        if len(order) > 2 * self.count + _SLACK:
            self._order, self._first = [item for item in order if item.state != _GONE], 0
            self._ready = deque([item for item in self._ready if item.state == _READY])

    def items(self) -> list[Item]:
        """All items, oldest first."""
        return [item for item in self._order if item.state != _GONE]

    def oldest(self) -> Item | None:
        return self._order[self._first] if self._first < len(self._order) else None

    def age_s(self, now: float) -> float:
        """The age of the oldest item; 0 if none exists."""
        oldest = self.oldest()
        return max(0.0, now - oldest.at) if oldest is not None else 0.0

    def oldest_droppable(self) -> Item | None:
        """The item to drop from a full queue: the oldest; one that is handed to the provider only if there is no other."""
        first = self.oldest()
        if first is None or first.state != _HANDED:
            return first
        for item in self._ready:
            if item.state == _READY:  # else it was answered late, amid those that go again
                return item
        return next((item for item in self._order if item.state not in (_HANDED, _GONE)), first)  # what is not safe yet

    def empty_into(self, other: DeliverQueue) -> list[Item]:
        """Moves all items to another queue, in order; handed items count there when their bind is lost or answers."""
        moved = self.items()
        for item in moved:
            other.add(item)
            if item.state in (_READY, ASIDE):
                item.state = _READY
                other._ready.append(item)
        other.handed += self.handed
        self.count = self.bytes = self.handed = self._row = self._first = 0
        self._order.clear()
        self._ready.clear()
        self._aside.clear()
        return moved


@cython.final
@cython.freelist(1024)
@cython.cclass
class Item:
    """One deliver that waits for its provider."""

    number: cython.ulonglong
    """Of the journal record that holds it: the order, and the name, of items."""
    at: float
    kind: str
    """receipt | reply | optout"""
    data: bytes
    """The PDU as the provider will get it; empty once it is gone."""
    box: DeliverQueue
    state: cython.uint
    tries: cython.uint
    stored: cython.bint
    """Whether the checkpoint's file has it."""

    def __init__(self, number: int, at: float, kind: str, data: bytes, box: DeliverQueue) -> None:
        self.number = number
        self.at = at
        self.kind = kind
        self.data = data
        self.box = box
        self.state = _UNSAFE
        self.tries = 0
        self.stored = False


@cython.ccall
def new_item(at: float, kind: str, data: bytes, box: DeliverQueue) -> Item:
    """An Item that has no number yet, at a third of the cost."""
    item: Item = Item.__new__(Item)
    item.at, item.kind, item.data, item.box = at, kind, data, box
    item.number, item.state, item.tries, item.stored = 0, _UNSAFE, 0, False
    return item
