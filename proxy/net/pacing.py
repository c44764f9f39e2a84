"""Sends a lane's submits at the carrier's rate.

In: a rate, a ``flow``. Out: permission to hand n submits to links, no more than their windows take. Never: order (the lane's) or verdicts.

asyncio-throttle counts, once per grain of messages. At the end of a loop turn the pacer sends what the rate allows at once; one task per lane
waits for the rest. Many waiters on one throttler would burn a core and lose order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from asyncio_throttle.throttler import Throttler

PERIOD_S = 0.05
"""Longest window of the throttler, unless one message takes longer: a second's worth is never sent in one burst. The window is as long as a
whole number of grains takes: with rounding down to whole grains, 39 a second became 20."""
RETRY_S = 0.002
"""Retry interval of a full throttler. On average it is late by half of that, so its window is shorter by as much; below 1 ms uvloop would
spin."""
GRAINS_PER_S = 1000
"""Calls of the throttler a second, at most: above that rate one call covers several messages."""
SLOWER, FASTER = 0.7, 1.05
"""On the carrier's "throttled" the rate falls to 70 %, then climbs by 5 % of itself each ``RECOVER_S`` without one."""
RECOVER_S = 1.0
FLOOR = 0.05
"""A throttling carrier still gets this part of its agreed rate: otherwise its recovery would go unnoticed."""


class _Throttler(Throttler):
    def takes(self) -> bool:
        """``acquire`` without waiting: False if it would wait."""
        self.flush()  # type: ignore[no-untyped-call] # the library has no annotation here
        if len(self._task_logs) >= self.rate_limit:
            return False
        self._task_logs.append(time.monotonic())
        return True


class Pacer:
    def __init__(
        self,
        tps: float,
        flow: Callable[[int], int],
        flush: Callable[[], None],
        waiting: Callable[[], int],
        before_output: Callable[[Callable[[], None]], object],
    ) -> None:
        """``flow`` hands at most n submits to links and returns how many: fewer when the lane is empty or no link has window. ``waiting``: how
        many submits wait. ``before_output`` calls a function at the end of a loop turn, before output is written."""
        self.tps = tps
        self.rate = tps
        """Messages per second now: ``tps`` unless the carrier asked to slow down."""
        self._flow, self._flush, self._waiting, self._before_output = flow, flush, waiting, before_output
        self._scheduled = False
        self._credit = 0
        """Messages that the throttler has counted, not sent yet."""
        self._grain = max(1, round(tps / GRAINS_PER_S))
        self._throttler = _Throttler(1, period=PERIOD_S, retry_interval=RETRY_S)
        self._throttled = asyncio.Event()
        """Set while the task waits for the throttler."""
        self._slowed_at = 0.0
        self._apply()

    def _apply(self) -> None:
        grains_per_s = self.rate / self._grain
        at_once = max(1, int(grains_per_s * PERIOD_S + 1e-9))
        self._throttler.rate_limit = at_once
        self._throttler.period = at_once / grains_per_s - RETRY_S / 2

    def limit(self, tps: float) -> None:
        """Sets another rate; a slow-down that the carrier asked for stays in proportion."""
        if tps != self.tps:
            self.rate, self.tps = self.rate * tps / self.tps, tps
            self._grain = max(1, round(tps / GRAINS_PER_S))
            self._apply()

    def wake(self) -> None:
        """The lane has something, or a link has window again."""
        if not self._scheduled and self._waiting() and not self._throttled.is_set():
            self._scheduled = True
            self._before_output(self._send_at_once)

    def _send_at_once(self) -> None:
        """Sends what the rate allows now; leaves the rest to the task."""
        self._scheduled = False
        while (waiting := self._waiting()) > 0 and not self._throttled.is_set():
            if self._needs_credit(waiting):
                if not self._throttler.takes():
                    self._throttled.set()
                    return
                self._credit += self._grain
            if not self._send():
                return

    def _needs_credit(self, waiting: int) -> bool:
        """A remainder of a grain must not split a batch."""
        return self._credit < min(waiting, self._grain)

    def _send(self) -> bool:
        """Sends what is counted; returns whether there may be more: the lane is not empty, and links have window."""
        sent = self._flow(self._credit)
        self._credit -= sent
        return sent > 0 and not self._credit

    def throttled(self, now: float) -> None:
        """The carrier answered ESME_RTHROTTLED or ESME_RMSGQFUL (``now``: monotonic): slow down, once per period."""
        if now - self._slowed_at >= PERIOD_S:
            self._slowed_at = now
            self.rate = max(self.tps * FLOOR, self.rate * SLOWER)
            self._apply()

    def recover(self, now: float) -> None:
        """Called about once a second: climbs back while the carrier does not complain."""
        if self.rate < self.tps and now - self._slowed_at >= RECOVER_S:
            self.rate = min(self.tps, self.rate * FASTER + self.tps * 0.01)
            self._apply()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._throttled.wait()
            while (waiting := self._waiting()) > 0:
                if self._needs_credit(waiting):
                    await self._throttler.acquire()  # type: ignore[no-untyped-call] # the library has no annotation here
                    self._credit += self._grain
                more = self._send()
                self._flush()  # what has been sent so far need not wait for the throttler
                if not more:
                    break
            self._throttled.clear()
