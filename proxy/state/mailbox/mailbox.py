"""Holds all deliver queues within bounds and saves them in checkpoints.

Each provider has one queue; one more holds delivers to ports without an owner.

In: items under the number of their journal record, the outcome of each, the time. Out: the items to hand over next, the items
that were dropped, rows for a checkpoint. Never: a bind, the journal, files, a clock.

An item is in the journal from before it is acknowledged to the carrier until its provider has acknowledged it. The checkpoint's
table holds the items that are older than its position and were still here then: items that came and went in between never touch
the file.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import cython

from proxy.state.mailbox.deliver_queue import GONE, HANDED, ITEM_BYTES, DeliverQueue, Item

_GONE = cython.declare(cython.uint, GONE)
_ITEM_BYTES = cython.declare(cython.Py_ssize_t, ITEM_BYTES)

UNOWNED = ""
"""The queue of ports without an owner; metrics call it ``unowned``."""
EXPIRED_MAX = 1000
"""Items dropped for their age in one check: about 1 ms."""
LOOK_S = 1.0
"""How often ages are checked."""
RENUMBERED = 1 << 62
"""Items whose journal is lost are numbered from here: no journal reaches this number, so none is given twice."""

_ROW = struct.Struct(">QBB")  # time in ms, bytes of the kind, bytes of the provider


class Bounds(NamedTuple):
    """``age_s``, ``messages`` and ``bytes`` of each queue (an item counts ITEM_BYTES beside its own bytes); ``total_bytes`` of all queues."""

    age_s: float = 72 * 3600.0
    messages: int = 100_000
    bytes: int = 64 << 20
    total_bytes: int = 512 << 20


class DroppedItem(NamedTuple):
    """An item that was removed undelivered."""

    number: int
    provider: str
    why: str  # expired | full | refused | returned


class Mailbox:
    def __init__(self) -> None:
        self.boxes: dict[str, DeliverQueue] = {}
        self.bytes = 0
        self.bounds: Bounds | None = None
        """None until ``open``: during replay no bounds apply."""
        self.dropped: list[DroppedItem] = []
        """Dropped items since ``take_fallen`` was called."""
        self._restored: dict[int, Item] = {}  # by number, until ``open``
        self._waiting: set[str] = set()  # boxes in which time alone may make something ready
        self._looked = 0.0
        self._new: dict[int, Item] = {}  # not in the checkpoint's file, or not as they are now
        self._old: list[int] = []  # gone, and still in the file
        self._collecting: dict[int, Item] = {}
        self._removing: list[int] = []
        self._collected: list[Item] = []
        self._removed: list[int] = []

    def box(self, provider: str) -> DeliverQueue:
        found = self.boxes.get(provider)
        if found is None:
            found = self.boxes[provider] = DeliverQueue(provider)
        return found

    # -- arrival

    def put(self, number: int, provider: str, at: float, kind: str, data: bytes) -> Item:
        """Adds an item; it is not handed over before ``ready`` says that it is durable. Older items may be dropped for it."""
        box = self.boxes.get(provider) or self.box(provider)
        item = Item(number, at, kind, data, box)
        box.add(item)
        self._new[number] = item
        self.bytes += len(data) + ITEM_BYTES
        bounds = self.bounds
        if bounds is None:
            self._restored[number] = item
        elif box.count > bounds.messages or box.bytes > bounds.bytes or self.bytes > bounds.total_bytes:
            self._make_room(box, bounds)
        return item

    def put_all(self, number: int, items: Sequence[Item]) -> None:
        """``put`` for many prepared items, with consecutive numbers from ``number`` on."""
        boxes, bounds = self._add_all(number, items), self.bounds
        if bounds is None:
            self._restored |= {item.number: item for item in items}
            return
        for box in boxes:
            if box.count > bounds.messages or box.bytes > bounds.bytes or self.bytes > bounds.total_bytes:
                self._make_room(box, bounds)

    def _add_all(self, number: cython.ulonglong, items: Sequence[Item]) -> list[DeliverQueue]:
        """Returns the queues of the items, each once."""
        new: dict[int, Item] = self._new
        boxes: dict[DeliverQueue, int] = {}
        box: DeliverQueue | None = None
        run: list[Item] = []
        item: Item
        for item in items:
            if item.box is not box:
                if box is not None:
                    self.bytes += box.add_all(run)
                box, run = item.box, []
                boxes[box] = 0
            item.number = number
            new[number] = item
            number += 1
            run.append(item)
        if box is not None:
            self.bytes += box.add_all(run)
        return list(boxes)

    def _make_room(self, box: DeliverQueue, bounds: Bounds) -> None:
        while box.count > bounds.messages or box.bytes > bounds.bytes:
            self._fall(box, "full")
        if self.bytes > bounds.total_bytes:
            largest = max(self.boxes.values(), key=lambda one: one.bytes)
            most = bounds.total_bytes - largest.bytes // 64  # a little more, or every further item would look for the largest
            while self.bytes > most and largest.count:
                self._fall(largest, "full")

    def _fall(self, box: DeliverQueue, why: str) -> None:
        item = box.oldest_droppable()
        assert item is not None
        assert item.state != GONE, "or there would never be room"
        self.drop(item, why)

    @staticmethod
    def ready(item: Item) -> None:
        """The item is durable: it is handed over in its turn."""
        item.box.ready(item)

    @staticmethod
    def ready_all(items: Iterable[Item]) -> dict[DeliverQueue, int]:
        """``ready`` for many items, in this order; returns their number by queue."""
        boxes: dict[DeliverQueue, int] = {}
        box: DeliverQueue | None = None
        run: list[Item] = []
        item: Item
        for item in items:
            if item.box is not box:
                if box is not None:
                    boxes[box] = boxes.get(box, 0) + len(run)
                    box.ready_all(run)
                box, run = item.box, []
            run.append(item)
        if box is not None:
            boxes[box] = boxes.get(box, 0) + len(run)
            box.ready_all(run)
        return boxes

    # -- handing over

    def has_ready(self, provider: str) -> bool:
        """Whether an item may be handed to the provider if it has room."""
        box = self.boxes.get(provider)
        return box is not None and box.has_ready

    def take(self, provider: str, most: int, now: float) -> list[Item]:
        """The next items for a provider whose binds have room for ``most``, in order."""
        box = self.boxes.get(provider)
        return box.take(most, now) if box is not None else []

    def delivered(self, item: Item) -> bool:
        """Removes an acknowledged item; False if it was removed before (a late answer to one of two hand-overs)."""
        return bool(self.delivered_all([item]))

    def delivered_all(self, items: Sequence[Item]) -> list[int]:
        """``delivered`` for many items; returns the numbers of those that were still here."""
        numbers: list[int] = []
        size: cython.longlong = 0
        new: dict[int, Item] = self._new
        collecting: dict[int, Item] = self._collecting
        box: DeliverQueue | None = None
        item: Item
        for item in items:
            if item.state == _GONE:
                continue
            if item.box is not box:
                if box is not None:
                    box.remove_gone()
                box = item.box
                box.note_success()
            size += len(item.data) + _ITEM_BYTES
            box.gone(item)
            number: int = item.number
            new.pop(number, None)
            if collecting:
                collecting.pop(number, None)
            if item.stored:
                self._old.append(number)
            numbers.append(number)
        if box is not None:
            box.remove_gone()
        self.bytes -= size
        return numbers

    def refused(self, item: Item, now: float) -> None:
        """The provider refused temporarily, or did not answer in time: the item is tried again later."""
        if item.state == HANDED:
            item.box.set_aside(item, now)
            self._waiting.add(item.box.provider)

    def back(self, items: Iterable[Item]) -> None:
        """The bind is lost: its unanswered items are sent again, in order, before all others."""
        by_box: dict[str, list[Item]] = {}
        for item in items:
            by_box.setdefault(item.box.provider, []).append(item)
        for provider, lost in by_box.items():
            self.boxes[provider].back(lost)

    def drop(self, item: Item, why: str) -> None:
        """Drops an item undelivered and notes it in ``fallen``."""
        if item.state != GONE:
            self.dropped.append(DroppedItem(item.number, item.box.provider, why))
            self._gone(item)

    def _gone(self, item: Item) -> None:
        number = item.number
        self.bytes -= len(item.data) + ITEM_BYTES
        item.box.gone(item)
        item.box.remove_gone()
        self._new.pop(number, None)
        self._collecting.pop(number, None)
        if item.stored:
            self._old.append(number)

    def take_dropped(self) -> list[DroppedItem]:
        """Returns the items dropped since the last call."""
        fallen, self.dropped = self.dropped, []
        return fallen

    # -- time, binds, settings

    def bound(self, provider: str) -> None:
        """A new bind: items that were set aside are tried again at once."""
        box = self.boxes.get(provider)
        if box is not None:
            box.wake(0.0, all_of_them=True)

    def tick(self, now: float, *, drops: bool = True) -> list[str]:
        """Drops items that are too old, if ``drops``; returns the providers for whom items may be ready again."""
        awake: list[str] = []
        for provider in list(self._waiting):
            box = self.boxes[provider]
            box.wake(now)
            if box.has_ready:
                awake.append(provider)
            if not box.waits:
                self._waiting.discard(provider)
        if drops and self.bounds is not None and not 0 <= now - self._looked < LOOK_S:
            self._looked = now
            self._expire(now - self.bounds.age_s)
        return awake

    def _expire(self, before: float) -> None:
        left = EXPIRED_MAX
        for box in self.boxes.values():
            while left and (item := box.oldest()) is not None and item.at < before and item.state != HANDED:
                self.drop(item, "expired")
                left -= 1

    def open(self, bounds: Bounds, providers: Collection[str]) -> list[str]:
        """Ends replay: restored items are ready, bounds apply from now on. Returns the providers that no longer exist (``disown``)."""
        for item in sorted(self._restored.values(), key=lambda one: one.number):
            item.box.ready(item)
        self._restored.clear()
        self.bounds = bounds
        gone = self.disown(providers)
        for box in list(self.boxes.values()):
            self._make_room(box, bounds)
        return gone

    def disown(self, providers: Collection[str]) -> list[str]:
        """Moves the items of providers that no longer exist to the queue without owner; returns those providers."""
        gone = [name for name, box in self.boxes.items() if box.count and name != UNOWNED and name not in providers]
        for name in gone:
            self.move(name)
        return gone

    def move(self, provider: str) -> None:
        """Moves all items of a provider to the queue without owner."""
        box = self.boxes.get(provider)
        if box is not None and provider != UNOWNED:
            for item in box.empty_into(self.box(UNOWNED)):
                self._new[item.number] = item

    @property
    def handed(self) -> int:
        """Items that providers have received and not answered."""
        return sum(box.handed for box in self.boxes.values())

    def items(self) -> Iterator[Item]:
        """All items, queue by queue, oldest first."""
        for box in self.boxes.values():
            yield from box.items()

    # -- restart

    def restore(self, number: int, packed: bytes) -> None:
        """Restores a row of the checkpoint."""
        time_ms, kind, provider = _ROW.unpack_from(packed)
        at = _ROW.size + kind
        words = packed[_ROW.size : at].decode(), packed[at : at + provider].decode()
        item = self.put(number, words[1], time_ms / 1000, words[0], packed[at + provider :])
        del self._new[number]
        item.stored = True

    def settle(self, numbers: Iterable[int]) -> None:
        """Removes items that have left according to the journal."""
        for number in numbers:
            item = self._restored.pop(number, None)
            if item is not None:
                self._gone(item)

    def renumber(self) -> None:
        """Renumbers items whose journal is lost, because a new journal counts from 1 again."""
        items = sorted(self._restored.values(), key=lambda one: (one.at, one.number))
        self._old += [item.number for item in items if item.stored]
        for place, item in enumerate(items):
            item.number, item.stored = RENUMBERED + place, False
        self._restored = {item.number: item for item in items}
        self._new = {}
        self._new.update(self._restored)

    # -- checkpoints

    def freeze(self) -> None:
        """Begins a checkpoint as of now: items that are not in the file will be collected, items that left will be removed from it."""
        self._collecting, self._new = self._new, {}
        self._removing, self._old = self._old, []

    def collect(self, most: int) -> list[tuple[int, bytes]]:
        """The next rows for the file, at most ``most``; empty bytes: remove. An empty list when all were collected."""
        rows: list[tuple[int, bytes]] = []
        while self._removing and len(rows) < most:
            number = self._removing.pop()
            self._removed.append(number)
            rows.append((number, b""))
        while self._collecting and len(rows) < most:
            number, item = self._collecting.popitem()
            item.stored = True
            self._collected.append(item)
            rows.append((number, _packed(item)))
        rows.sort()  # neighbours lie on one page of the file
        return rows

    def thaw(self, done: bool) -> None:
        """Ends a checkpoint; if it was not committed, its rows are collected again."""
        if not done:
            for item in self._collected:
                if item.state != GONE:
                    self._collecting[item.number] = item
            come, self._new = self._new, self._collecting
            self._new.update(come)
            self._old += self._removing + self._removed
        self._collecting, self._removing, self._collected, self._removed = {}, [], [], []


def _packed(item: Item) -> bytes:
    kind, provider = item.kind.encode(), item.box.provider.encode()
    return b"".join((_ROW.pack(int(item.at * 1000), len(kind), len(provider)), kind, provider, item.data))
