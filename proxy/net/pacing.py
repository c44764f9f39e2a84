"""Sends a lane's submits at the carrier's rate.

In: a rate, a ``flow``. Out: permission to hand n submits to links, no more than their windows take. Never: order (the lane's) or verdicts.

One task per lane asks asyncio-throttle once per grain of messages: many waiters on one throttler burn a core and lose order.
"""

from __future__ import annotations

import asyncio
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


class Pacer:
    def __init__(self, tps: float, flow: Callable[[int], int], flush: Callable[[], None], waiting: Callable[[], int]) -> None:
        """``flow`` hands at most n submits to links and returns how many: fewer when the lane is empty or no link has window. ``waiting``: how
        many submits wait."""
        self.tps = tps
        self.rate = tps
        """Messages per second now: ``tps`` unless the carrier asked to slow down."""
        self._flow, self._flush, self._waiting = flow, flush, waiting
        self._grain = max(1, round(tps / GRAINS_PER_S))
        self._throttler = Throttler(1, period=PERIOD_S, retry_interval=RETRY_S)
        self._ready = asyncio.Event()
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
        if self._waiting():
            self._ready.set()

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
        credit = 0
        while True:
            await self._ready.wait()
            self._ready.clear()
            while (waiting := self._waiting()) > 0:
                if credit < min(waiting, self._grain):  # a remainder of a grain must not split a batch
                    await self._throttler.acquire()  # type: ignore[no-untyped-call] # the library has no annotation here
                    credit += self._grain
                sent = self._flow(credit)
                credit -= sent
                self._flush()  # what has been sent so far need not wait for the throttler
                if credit or not sent:  # the lane is empty, or no link has window
                    break
