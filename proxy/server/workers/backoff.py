"""Computes when to restart a worker that has ended.

In: how long it ran. Out: how long to wait. Never: a clock; giving up: what ended a worker may be over by the next time. Pure.
"""

from __future__ import annotations

FIRST_S, MOST_S = 0.5, 30.0
"""The first wait and the longest; each is twice the one before."""
STEADY_S = 60.0
"""After running for so long a worker's wait is the first one again."""


class Backoff:
    def __init__(self) -> None:
        self.wait_s = 0.0
        """The last wait; 0 before the first."""

    def ended(self, ran_s: float) -> float:
        """A worker ended after ``ran_s``; returns how long to wait before its restart."""
        if ran_s >= STEADY_S or not self.wait_s:
            self.wait_s = FIRST_S
        else:
            self.wait_s = min(MOST_S, self.wait_s * 2)
        return self.wait_s
