"""Aligns periodic tasks to common ticks.

An idle process then wakes once for all its tasks. Requests that tasks send to one server in the same tick travel together, and so
do their answers.

In: the loop's time, the period. Out: seconds until the next tick. Never: a clock, a sleep.
"""

from __future__ import annotations


def seconds_until_tick(now_s: float, every_s: float) -> float:
    """Seconds until the next multiple of ``every_s``, at least half a period: a task that wakes a little early has had this tick already."""
    left_s = every_s - now_s % every_s
    return left_s if left_s >= every_s / 2 else left_s + every_s
