"""Limits messages per second with the GCRA algorithm.

GCRA keeps one number per limit: no timer, no queue.

In: the time. Out: yes or no. Never: a clock, a delay.
"""

from __future__ import annotations

import cython


@cython.cclass
class MessageRate:
    """A limit of messages per second. ``has_room`` and ``count`` together are ``allow`` for one message."""

    @cython.ccall
    def has_room(self, now: float) -> bool:
        """Whether one more may go now. False also where only ``allow`` can decide."""
        raise NotImplementedError

    @cython.ccall
    def count(self, now: float) -> None:
        """Counts one message for which there was room."""
        raise NotImplementedError

    def wait_s(self, now: float, places: int) -> float:
        """Seconds until the last of this many messages may go, if they go one by one and no other does; 0: all may go now."""
        raise NotImplementedError

    def waits(self, more: int) -> None:
        """Adds ``more`` to the number of messages that wait for room; a negative number: they wait no longer."""


@cython.cclass
class Rate(MessageRate):
    """Allows ``tps`` messages a second on average and ``burst`` at once. Its state is one number: when the bucket will be full again."""

    tps: float
    burst: float
    _interval_s: float
    _slack_s: float
    _full_at: float

    def __init__(self, tps: float, burst: float) -> None:
        """ValueError when ``tps`` is not positive or ``burst`` is below 1."""
        if not tps > 0 or not burst >= 1:
            raise ValueError(f"a rate needs tps > 0 and burst >= 1, not {tps} and {burst}")
        self.tps = tps
        self.burst = burst
        self._interval_s = 1.0 / tps
        self._slack_s = (burst - 1.0) / tps + 1e-9  # a float's rounding must not cost the last one of a burst
        self._full_at = float("-inf")

    def allow(self, now: float, n: int = 1) -> bool:
        """Whether ``n`` more may go now; if so they are counted. ``n`` above the burst is allowed only while the bucket is full.

        ``now`` should be monotonic. If it goes back further than a burst takes, the debt is dropped.
        """
        full_at = self._full_at
        if full_at <= now:
            self._full_at = now + n * self._interval_s
            return True
        if full_at - now > self._slack_s - (n - 1) * self._interval_s:
            if full_at - now > 2.0 * (self._slack_s + self._interval_s) + 60.0:  # a clock set back
                self._full_at = now + n * self._interval_s
                return True
            return False
        self._full_at = full_at + n * self._interval_s
        return True

    @cython.ccall
    def has_room(self, now: float) -> bool:
        return self._full_at <= now or self._full_at - now <= self._slack_s

    @cython.ccall
    def count(self, now: float) -> None:
        self._full_at = max(self._full_at, now) + self._interval_s

    def owe(self, now: float) -> None:
        """Counts one message that is sent even above the rate: the next ones wait longer."""
        self.count(now)

    def wait_s(self, now: float, places: int) -> float:
        if self._full_at - now > 2.0 * (self._slack_s + self._interval_s) + 60.0:  # a clock set back, as in ``allow``
            self._full_at = now
        return max(0.0, max(self._full_at, now) - now + (places - 1) * self._interval_s - self._slack_s)
