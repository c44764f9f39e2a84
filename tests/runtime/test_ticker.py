"""Tasks with the same period, or multiples of it, wake together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.runtime.ticker import seconds_until_tick

MS = 0.001


def test_whoever_was_late_is_on_the_beat_again():
    assert seconds_until_tick(100.007, 0.05) == pytest.approx(0.043)


def test_whoever_wakes_a_little_early_does_not_come_twice():
    assert seconds_until_tick(99.999, 0.05) == pytest.approx(0.051)


def test_slower_tasks_wake_with_faster_ones():
    fast = {round((100.01 + seconds_until_tick(100.01, 0.05) + place * 0.05) / MS) for place in range(10)}
    assert round((100.02 + seconds_until_tick(100.02, 0.1)) / MS) in fast


@given(st.floats(0, 1e7), st.sampled_from((0.05, 0.1, 0.2, 2.0)))
def test_never_sooner_than_half_of_it_nor_later_than_half_of_the_next(now_s: float, every_s: float):
    assert 0.499 * every_s <= seconds_until_tick(now_s, every_s) <= 1.501 * every_s
