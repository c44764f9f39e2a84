"""Drives the relay on the event loop: turns, timers.

Timers end the wait for parts of long messages, for a provider's rate, and for more submits. Never: a decision about a message.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from proxy.model.counters import GateCounters
from proxy.relay.deliver import DeliverRelay
from proxy.relay.pending_submit import gate_seconds
from proxy.relay.submit import Relay

TIMER_S = 0.001  # the loop's timers count whole milliseconds: one that is early causes a useless turn


class RelayTask:
    """The relay's work at the end of a loop turn in which input arrived."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        relay: Relay,
        deliver_relay: DeliverRelay,
        tally: GateCounters,
        wake: Callable[[], None],
        look: Callable[[], None],
        begins: Callable[[int], bool] = lambda submits: False,
        flush: Callable[[], None] = lambda: None,
    ) -> None:
        """``wake`` schedules a turn. ``look`` processes the end of a sync. ``begins`` gets the number of submits that have arrived for each
        turn; it returns whether they wait for the next one. ``flush`` writes to every peer that has output."""
        self._loop, self._relay, self._way_back, self._tally = loop, relay, deliver_relay, tally
        self._wake, self._look, self._begins, self._flush = wake, look, begins, flush
        self._held = 0  # submits that arrived in turns before and wait for a batch
        self._gathering = False  # whether a timer is set for a batch that waits for more messages
        self._parts_timer = DueTimer(loop, lambda: relay.parts.next_s, relay.due)
        self._release_timer = DueTimer(loop, lambda: relay.release_s, relay.release, late_s=TIMER_S)
        relay.on_wait = self._release_timer.set  # so that it costs nothing while no submit waits for a rate

    def turn(self) -> None:
        relay, now = self._relay, time.time()
        self._look()
        relay.turn(now, self._begins(len(relay.batching.submits) - self._held))
        self._held = len(relay.batching.submits)
        self._way_back.turn(now)
        self._observe()
        if relay.batch_wait_until and not self._gathering:
            self._gathering = True
            self._loop.call_later(relay.batch_wait_until - now + TIMER_S, self._gather_ended)
        self._parts_timer.set()

    def answer_meanwhile(self) -> None:
        """While a batch of this turn waits for its store: the carriers' answers go to the providers."""
        if self._relay.commit.accepted:
            self._relay.release_answers(time.time())
            self._observe()
            self._flush()

    def _observe(self) -> None:
        handed, completed = self._relay.handed, self._relay.completed
        if handed or completed:
            now_s = time.monotonic()  # the loop's own clock counts whole milliseconds
            self._tally.gate_seconds.observe_all(gate_seconds(handed, completed, now_s))
            handed.clear()
            completed.clear()

    def _gather_ended(self) -> None:
        self._gathering = False
        if self._relay.batch_wait_until:  # otherwise the batch was full and has begun
            self._wake()


@dataclass(eq=False)
class DueTimer:
    """Calls ``due`` when the time comes that ``next_s`` says (monotonic); None: nothing waits.

    A timer that is early stays: most long messages are complete by then, and a new timer for each message that is the oldest for a moment
    would fire several times a turn.
    """

    loop: asyncio.AbstractEventLoop
    next_s: Callable[[], float | None]
    due: Callable[[float], None]
    late_s: float = 0.0
    _set_s: float = 0.0  # when the timer fires, 0 if none is set
    _timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Sets the timer, if it is not set already."""
        next_s, set_s = self.next_s(), self._set_s
        if next_s is None or (set_s and set_s <= next_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._set_s, self._timer = next_s, self.loop.call_at(next_s + self.late_s, self._fire)

    def _fire(self) -> None:
        self._set_s, self._timer = 0.0, None
        self.due(time.monotonic())
        self.set()
