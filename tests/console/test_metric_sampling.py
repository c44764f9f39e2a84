"""Counts between two samples, also over a restart of the gate."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.console.metric_sampling import MINUTES_MAX, RECENT_MAX, Sampling

NOON = 1_762_833_600.0


def told(at: float, allow: int, reject: int = 0, life: str = "first") -> dict[str, Any]:
    return {"at": at, "lives": [[life, {"allow": allow, "reject": reject}]]}


@pytest.fixture
def sampling() -> Sampling:
    asking: Any = None
    return Sampling(asking)


async def test_rates_are_what_came_between_two_looks(sampling: Sampling) -> None:
    for second in range(0, 12, 2):
        sampling.take(told(NOON + second, 100 * second, 10 * second))
    assert {round(one.per_s["allow"]) for one in sampling.recent} == {100}
    assert round(sampling.per_s) == 110
    assert sampling.minutes[-1].counted == {"allow": 1000, "defer": 0, "reject": 100}


async def test_a_gate_that_started_again_counts_from_nothing(sampling: Sampling) -> None:
    sampling.take(told(NOON, 5000))
    sampling.take(told(NOON + 10, 30, life="second"))
    assert sampling.recent[-1].per_s["allow"] == 3
    assert all(number >= 0 for one in sampling.minutes for number in one.counted.values())


async def test_a_worker_that_ends_takes_nothing_with_it_and_one_that_comes_brings_only_its_own(sampling: Sampling) -> None:
    one, two, three = ([name, {"allow": count}] for name, count in (("one", 5000), ("two", 700), ("three", 20)))
    sampling.take({"at": NOON, "lives": [one, two]})
    sampling.take({"at": NOON + 10, "lives": [["one", {"allow": 5100}]]})
    assert sampling.recent[-1].per_s["allow"] == 10
    sampling.take({"at": NOON + 20, "lives": [["one", {"allow": 5100}], three]})
    assert sampling.recent[-1].per_s["allow"] == 2


async def test_a_clock_that_was_set_back_spoils_nothing(sampling: Sampling) -> None:
    sampling.take(told(NOON, 10))
    sampling.take(told(NOON - 60, 20))
    assert not sampling.recent
    sampling.take(told(NOON - 50, 30))
    assert sampling.recent[-1].per_s["allow"] == 1


async def test_what_is_kept_has_an_end(sampling: Sampling) -> None:
    for minute in range(MINUTES_MAX + 100):
        sampling.take(told(NOON + 60 * minute, minute))
    assert len(sampling.minutes) == MINUTES_MAX
    assert len(sampling.recent) == RECENT_MAX


async def test_with_nothing_known_nothing_is_claimed(sampling: Sampling) -> None:
    assert sampling.per_s == 0.0
    assert sampling.now == {}
