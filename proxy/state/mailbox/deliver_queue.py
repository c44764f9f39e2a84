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

from proxy.native.loader import compiled

UNSAFE, READY, HANDED, ASIDE, GONE = range(5)

ITEM_BYTES = 400
"""Memory of an item beside its bytes. The bounds count it, otherwise a million empty items would be free."""
BACKOFF_S, BACKOFF_MAX_S = 1.0, 300.0
"""Wait after a temporary refusal of an item: doubled each time, up to the maximum."""
ROW_MAX = 8
"""Refusals in a row after which the provider counts as failing: items are then sent one at a time, after a pause ..."""
PAUSE_MAX_S = 60.0
"""... that grows up to this, until one is accepted."""
SLACK = 1024
"""Removed items (beyond the number of present ones) that may stay in the deque before it is rebuilt."""

_number = attrgetter("number")


class Item:
    """One deliver that waits for its provider."""

    __slots__ = ("number", "at", "kind", "data", "box", "state", "tries", "stored")

    def __init__(self, number: int, at: float, kind: str, data: bytes, box: DeliverQueue) -> None:
        self.number = number  # of the journal record that holds it: the order, and the name, of items
        self.at = at
        self.kind = kind  # receipt | reply | optout
        self.data = data  # the PDU as the provider will get it; empty once it is gone
        self.box = box
        self.state = UNSAFE
        self.tries = 0
        self.stored = False  # whether the checkpoint's file has it


@compiled("deliver_queue_take_ready")
def _take_ready(ready: deque[Item], most: int) -> list[Item]:
    taken: list[Item] = []
    while ready and len(taken) < most:
        item = ready.popleft()
        if item.state == READY:
            item.state = HANDED
            taken.append(item)
    return taken


class DeliverQueue:
    """The items of one provider."""

    __slots__ = ("provider", "count", "bytes", "handed", "_order", "_ready", "_aside", "_row", "_open_at")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.count = self.bytes = 0
        self.handed = 0
        self._order: deque[Item] = deque()  # all, oldest first; what is gone is passed over
        self._ready: deque[Item] = deque()
        self._aside: list[tuple[float, int, Item]] = []
        self._row = 0  # refusals in a row
        self._open_at = 0.0

    def add(self, item: Item) -> None:
        item.box = self
        self.count += 1
        self.bytes += len(item.data) + ITEM_BYTES
        self._order.append(item)

    def ready(self, item: Item) -> None:
        """The item is durable: it may be handed over, after those that were ready before."""
        if item.state == UNSAFE:
            item.state = READY
            self._ready.append(item)

    def take(self, most: int, now: float) -> list[Item]:
        """The next items to hand over, at most ``most``; they count as handed until one of the calls below."""
        if self._row >= ROW_MAX:
            if self.handed or now < self._open_at <= now + PAUSE_MAX_S:
                return []
            most = min(most, 1)
        taken = _take_ready(self._ready, most)
        self.handed += len(taken)
        return taken

    def back(self, items: Iterable[Item]) -> None:
        """Returns handed items whose bind is lost: they are sent again, before later items."""
        self._again([item for item in items if item.state == HANDED])

    def _again(self, items: list[Item]) -> None:
        if not items:
            return
        for item in items:
            self.handed -= item.state == HANDED
            item.state = READY
        last, ready = max(items, key=_number).number, self._ready
        while ready and ready[0].number < last:
            items.append(ready.popleft())
        items.sort(key=_number, reverse=True)
        ready.extendleft(items)

    def set_aside(self, item: Item, now: float) -> None:
        """The provider refused this item temporarily: it waits while others are sent."""
        if item.state != HANDED:
            return
        self.handed -= 1
        item.state = ASIDE
        wait_s = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** min(item.tries, 10))
        item.tries += 1
        heapq.heappush(self._aside, (now + wait_s, item.number, item))
        self._row += 1
        if self._row >= ROW_MAX:
            self._open_at = now + min(PAUSE_MAX_S, BACKOFF_S * 2 ** min(self._row - ROW_MAX, 10))

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

    def gone(self, item: Item) -> None:
        """Removes a delivered or dropped item."""
        self.handed -= item.state == HANDED
        item.state = GONE
        self.count -= 1
        self.bytes -= len(item.data) + ITEM_BYTES
        item.data = b""
        self.remove_gone()

    @compiled("deliver_queue_remove_gone")
    def remove_gone(self) -> None:
        """Removes gone items from the deques."""
        order, ready = self._order, self._ready
        while order and order[0].state == GONE:
            order.popleft()
        while ready and ready[0].state == GONE:
            ready.popleft()
        if len(order) > 2 * self.count + SLACK:
            self._order = deque([one for one in order if one.state != GONE])
            self._ready = deque([one for one in ready if one.state == READY])

    def items(self) -> list[Item]:
        """All items, oldest first."""
        return [item for item in self._order if item.state != GONE]

    def oldest(self) -> Item | None:
        return self._order[0] if self._order else None

    def age_s(self, now: float) -> float:
        """The age of the oldest item; 0 if none exists."""
        return max(0.0, now - self._order[0].at) if self._order else 0.0

    def oldest_droppable(self) -> Item | None:
        """The item to drop from a full queue: the oldest; one that is handed to the provider only if there is no other."""
        first = self.oldest()
        if first is None or first.state != HANDED:
            return first
        for item in self._ready:
            if item.state == READY:  # else it was answered late, amid those that go again
                return item
        return next((item for item in self._order if item.state not in (HANDED, GONE)), first)  # what is not safe yet

    def empty_into(self, other: DeliverQueue) -> list[Item]:
        """Moves all items to another queue, in order; handed items count there when their bind is lost or answers."""
        moved = self.items()
        for item in moved:
            other.add(item)
            if item.state in (READY, ASIDE):
                item.state = READY
                other._ready.append(item)
        other.handed += self.handed
        self.count = self.bytes = self.handed = self._row = 0
        self._order.clear()
        self._ready.clear()
        self._aside.clear()
        return moved
