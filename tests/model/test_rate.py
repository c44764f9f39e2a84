"""A rate limits messages per second and allows bursts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.rate import Rate


def test_a_rested_sender_may_send_a_burst_and_then_one_per_interval():
    rate = Rate(10, 5)
    assert [rate.allow(100.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not rate.allow(100.05)
    assert rate.allow(100.1)
    assert not rate.allow(100.1)


@given(st.floats(0.5, 5000), st.integers(1, 200), st.lists(st.tuples(st.floats(0, 2), st.integers(1, 20)), max_size=60))
def test_no_window_holds_more_than_the_burst_and_what_its_length_allows(tps, burst, arrivals):
    rate, now, taken = Rate(tps, burst), 1000.0, []
    for wait, n in arrivals:
        now += wait
        if n <= burst and rate.allow(now, n):
            taken.append((now, n))
    for index, (start, _) in enumerate(taken):
        for end in range(index, len(taken)):
            span = taken[end][0] - start
            assert sum(n for _, n in taken[index : end + 1]) <= burst + span * tps + 1e-3


@given(st.floats(0.5, 5000), st.integers(1, 100))
def test_a_sender_who_keeps_to_the_rate_is_never_refused(tps, burst):
    rate = Rate(tps, burst)
    assert all(rate.allow(1000.0 + number / tps) for number in range(200))


def test_a_message_of_more_parts_than_the_burst_goes_once_the_sender_is_rested():
    rate = Rate(10, 5)
    assert rate.allow(0.0, 20)
    assert not rate.allow(1.59)
    assert rate.allow(1.61)


def test_a_message_is_never_taken_in_part():
    rate = Rate(10, 5)
    rate.allow(0.0, 3)
    assert not rate.allow(0.0, 3)
    assert rate.allow(0.0, 2)


def test_a_clock_set_back_an_hour_does_not_stop_the_sender_for_an_hour():
    rate = Rate(10, 5)
    for _ in range(5):
        rate.allow(10_000.0)
    assert rate.allow(6_400.0)


@pytest.mark.parametrize(("tps", "burst"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_rate_that_allows_nothing_is_an_error_of_the_settings(tps, burst):
    with pytest.raises(ValueError, match="a rate needs"):
        Rate(tps, burst)
