"""Queues submits to one carrier: bounded, by priority, fair between providers.

In: submits that the relay allowed. Out: the same, in the order in which they should leave: OTP before notice before marketing. Never:
sockets, the clock, rates (pacing.py). Pure.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import cython

from proxy.model.message import Category
from proxy.relay.pending_submit import PendingSubmit, Places, SubmitLane

WEIGHTS = {Category.OTP: 8, Category.NOTICE: 4, Category.MARKETING: 1}
"""Of 13 turns under full load (DESIGN §4): urgent classes go first, but marketing is never starved."""
SHARE = {Category.OTP: 1.0, Category.NOTICE: 0.8, Category.MARKETING: 0.6}
"""Up to which part of the lane's bound a class is still queued: advertisements leave room for codes."""
QUEUE_S = 1.0
"""Seconds of the carrier's rate that may wait here: a submit that would wait longer is better refused for a retry."""
QUEUE_MIN = 32
"""A slow carrier (a test line of 5/s) still gets a queue that holds one window of a client."""


def _cycle() -> tuple[Category, ...]:
    """The 13 turns, urgent classes spread evenly (smooth weighted round robin)."""
    credit = dict.fromkeys(WEIGHTS, 0)
    turns = []
    for _ in range(sum(WEIGHTS.values())):
        for category, weight in WEIGHTS.items():
            credit[category] += weight
        best = max(credit, key=lambda category: credit[category])
        credit[best] -= sum(WEIGHTS.values())
        turns.append(best)
    return tuple(turns)


CYCLE = _cycle()
_LAST = len(CYCLE) - 1
_MARKETING, _NOTICE = Category.MARKETING, Category.NOTICE  # an attribute of an enum costs more


class FairQueue:
    """One class: a queue per provider, served in turn."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[PendingSubmit]] = {}
        self._turns: deque[str] = deque()
        self.size = 0

    def put(self, provider: str, pending: PendingSubmit) -> None:
        queue = self._queues.get(provider)
        if queue is None:
            queue = self._queues[provider] = deque()
        if not queue:
            self._turns.append(provider)
        queue.append(pending)
        self.size += 1

    def take(self) -> PendingSubmit:
        provider = self._turns.popleft()
        queue = self._queues[provider]
        pending = queue.popleft()
        if queue:
            self._turns.append(provider)
        self.size -= 1
        return pending


class Lane(SubmitLane):
    """``hold`` reserves a place before the verdict is written; ``put`` fills it; ``take`` empties it.

    New submits wait unsorted: while the lane is emptied as fast as it fills, there is no contention and the queues stay unused.
    """

    def __init__(self, name: str, code: str, tps: float, wake: Callable[[], None]) -> None:
        self.name = name
        self.code = code
        self.up, self.apart, self.debt = False, 0, 0
        self.came = 0
        """Submits put so far."""
        self.places = Places()
        self.limit_to(tps)
        self._fresh: list[PendingSubmit] = []
        self._queues = [FairQueue() for _ in Category]
        self._queued = 0
        self._turn = 0
        self._wake = wake

    def limit_to(self, tps: float) -> None:
        """Sets the rate: a second of it may wait."""
        self.bound = max(QUEUE_MIN, round(tps * QUEUE_S))
        self.places.most = [self.bound * SHARE[category] for category in Category]

    @property
    def held(self) -> list[int]:
        """Places reserved or filled, by class."""
        return self.places.by_category

    @property
    def size(self) -> int:
        """Waiting submits, reserved places not included."""
        return self._queued + len(self._fresh)

    def waiting(self, category: Category) -> int:
        return self._queues[category].size + sum(pending.category == category for pending in self._fresh)

    def limit(self, category: Category) -> int:
        """From how many taken places on, of all classes, this class is refused."""
        return math.ceil(self.places.most[category])

    def put(self, pending: PendingSubmit) -> None:
        self._fresh.append(pending)
        self.came += 1
        if len(self._fresh) == 1:
            self._wake()

    def put_all(self, submits: list[PendingSubmit]) -> None:
        self._fresh += submits
        self.came += len(submits)
        self._wake()

    def take(self, most: int) -> list[PendingSubmit]:
        """The next submits to send, at most ``most``; frees their places."""
        fresh = self._fresh
        if not self._queued and len(fresh) <= most:
            taken, self._fresh = fresh, []
        else:
            taken = self._take_in_turn(most)
        self.places.total -= len(taken)
        return release_places(taken, self.places.by_category, taken is fresh)

    def _take_in_turn(self, most: int) -> list[PendingSubmit]:
        queues = self._queues
        for pending in self._fresh:
            queues[pending.category].put(pending.bind.access.provider.name, pending)
        waiting = self._queued + len(self._fresh)
        self._fresh = []
        count = min(most, waiting)
        self._queued = waiting - count
        return [queues[self._next_category()].take() for _ in range(count)]

    def _next_category(self) -> Category:
        queues, turn = self._queues, self._turn
        while not queues[CYCLE[turn]].size:
            turn = turn + 1 if turn < _LAST else 0
        category = CYCLE[turn]
        self._turn = turn + 1 if turn < _LAST else 0
        return category


@cython.ccall
def release_places(taken: list[PendingSubmit], held: list[int], sort: cython.bint) -> list[PendingSubmit]:
    """Frees the places of submits that leave; sorts them by urgency where they are unsorted."""
    pending: PendingSubmit
    place: cython.Py_ssize_t
    before: cython.Py_ssize_t = 0
    notices: cython.Py_ssize_t = 0
    marketing: cython.Py_ssize_t = 0
    sorted_already: cython.bint = True
    for pending in taken:
        if pending.category is _MARKETING:  # an enum costs more as a number
            place = 2
            marketing += 1
        elif pending.category is _NOTICE:
            place = 1
            notices += 1
        else:
            place = 0
        if place < before:
            sorted_already = False
        before = place
    held[0] -= len(taken) - notices - marketing
    held[1] -= notices
    held[2] -= marketing
    if not sort or sorted_already:
        return taken
    by_urgency: tuple[list[PendingSubmit], list[PendingSubmit], list[PendingSubmit]] = ([], [], [])
    for pending in taken:
        place = pending.category
        by_urgency[place].append(pending)
    return by_urgency[0] + by_urgency[1] + by_urgency[2]
