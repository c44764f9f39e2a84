"""Counts durations in buckets for ``/metrics``.

In: seconds. Out: counts by bucket, and the sum. Never: a label.
"""

from __future__ import annotations

from array import array

import cython

SECONDS_BUCKETS: tuple[float, ...] = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class Histogram:
    """Counts per bucket (not cumulative) and the sum; the last place is +Inf."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS_BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.sum += _count(self.buckets, (seconds,))

    def observe_all(self, seconds: array[float]) -> None:
        """Counts many values; one event-loop iteration brings about a hundred, nearly in order."""
        self.sum += _count(self.buckets, seconds)


@cython.cfunc
def _count(buckets: list[int], seconds: array[float] | tuple[float, ...]) -> float:
    """Counts each value in its bucket and returns the sum of all."""
    bounds: tuple[float, ...] = SECONDS_BUCKETS
    place: cython.Py_ssize_t = 0
    last: cython.Py_ssize_t = len(buckets) - 1
    total: float = 0.0
    for given in seconds:
        one: float = given
        total += one
        while place < last and one > bounds[place]:  # nearly always in the bucket of the value before, or next to it
            place += 1
        while place and one <= bounds[place - 1]:
            place -= 1
        buckets[place] += 1
    return total
