"""Drives the relay on the event loop: turns, batches, timers.

In: the relay, the deliver relay, the loop. Out: their turns taken, processing times counted. Never: a decision about a message.

Batches wait here for a store; timers end the wait for parts of long messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from proxy.model.counters import GateCounters
from proxy.relay.deliver import DeliverRelay
from proxy.relay.pending_submit import let_go, spent
from proxy.relay.submit import Relay

log = structlog.get_logger()

TIMER_S = 0.001
"""The loop's timers go by whole milliseconds: one that is early leads to a turn for nothing."""


class RelayTask:
    """What is done at the end of a turn of the loop in which something came."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        relay: Relay,
        way_back: DeliverRelay,
        tally: GateCounters,
        wake: Callable[[], None],
        look: Callable[[], None],
    ) -> None:
        """``wake``: there is to be a turn. ``look``: takes note of what has been synced meanwhile."""
        self._loop, self._relay, self._way_back, self._tally = loop, relay, way_back, tally
        self._wake, self._look = wake, look
        self._gathers = False  # whether a timer is set for what waits for more
        self._parts_due_s = 0.0  # when the timer for parts of long messages goes off, 0 if none is set
        self._parts_timer: asyncio.TimerHandle | None = None

    def turn(self) -> None:
        relay, now = self._relay, time.time()
        self._look()
        relay.turn(now)
        self._way_back.turn(now)
        handed, told = relay.handed, relay.told
        if handed or told:
            now_s = time.monotonic()  # the loop's own clock counts whole milliseconds
            self._tally.gate_seconds.observe_all(spent(handed, told, now_s))
            handed.clear()
            let_go(told)
        if relay.gathers_until and not self._gathers:
            self._gathers = True
            self._loop.call_later(relay.gathers_until - now + TIMER_S, self._gathered)
        self._time_parts()

    def _gathered(self) -> None:
        self._gathers = False
        if self._relay.gathers_until:  # else it has begun with as much as was to come
            self._wake()

    def _time_parts(self) -> None:
        """A timer for when parts of long messages have waited long enough. One that is early stays: most of these messages are whole by then,
        and a timer for each that is the oldest for a moment would go off several times a turn."""
        next_s, set_s = self._relay.parts.next_s, self._parts_due_s
        if next_s is None or (set_s and set_s <= next_s):
            return
        if self._parts_timer is not None:
            self._parts_timer.cancel()
        self._parts_due_s, self._parts_timer = next_s, self._loop.call_at(next_s, self._parts_are_due)

    def _parts_are_due(self) -> None:
        self._parts_due_s, self._parts_timer = 0.0, None
        self._relay.due(time.monotonic())
        self._time_parts()


class Batches:
    """The relay's, while they wait for the store, beside what comes meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: set[asyncio.Task[None]] = set()

    def spawn(self, batch: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(batch)
        self._waiting.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch failed: a fault of gate106, please report it", exc_info=error)


def drive(batch: Coroutine[Any, Any, None]) -> None:
    """Runs a batch to its end at once: the embedded store never waits."""
    try:
        batch.send(None)
    except StopIteration:
        return
    raise RuntimeError("the embedded store waited for something")
