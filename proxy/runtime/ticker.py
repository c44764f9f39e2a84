"""Beats: what tasks do many times a second they do at the same moments, so that a process with nothing to do wakes once for all.

In: the loop's time, how often. Out: how long until the next moment. Never: a clock, a sleep.

What they send to one server in one turn goes in one piece, and what it answers comes so.
"""

from __future__ import annotations


def until_beat(now_s: float, every_s: float) -> float:
    """Seconds until the next whole multiple of ``every_s`` that is no nearer than half of it: whoever is a little early has been there."""
    left_s = every_s - now_s % every_s
    return left_s if left_s >= every_s / 2 else left_s + every_s
