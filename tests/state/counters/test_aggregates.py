"""Counts of limits that belong to no single recipient."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Take
from proxy.state.counters import aggregates
from proxy.state.counters.aggregates import Aggregates

NOW = 1_700_000_040  # a multiple of 60
MINUTE = Take(7, 60, 3600)


def test_what_is_taken_is_counted_and_what_is_given_back_is_not():
    counts = Aggregates()
    counts.take(MINUTE, NOW)
    counts.take(MINUTE, NOW + 0.9, 2)
    assert counts.count(7, NOW - 1) == 3
    counts.give_back(MINUTE, NOW)
    assert counts.count(7, NOW - 1) == 2
    for _ in range(5):
        counts.give_back(MINUTE, NOW)
    assert counts.count(7, NOW - 1) == 0
    assert counts.count(8, 0) == 0


def test_a_calendar_window_counts_nothing_from_before_it_begins():
    counts = Aggregates()
    counts.take(MINUTE, NOW - 1)
    counts.take(MINUTE, NOW)
    assert counts.count(7, NOW - 1) == 1  # later than the last second of the minute before
    assert counts.count(7, NOW - 2) == 2


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.booleans()), max_size=40),
    st.integers(-10, 4000),
    st.sampled_from([1, 7, 60, 3600]),
)
def test_a_count_is_never_too_low_and_at_most_one_bucket_too_high(script, ago, width_s):
    counts, take = Aggregates(), Take(1, width_s, 3600)
    truth: list[int] = []
    for offset, back in sorted(script):
        if back and truth:
            counts.give_back(take, truth.pop())
        counts.take(take, NOW + offset)
        truth.append(NOW + offset)
    last = max(truth, default=NOW)
    after = max(last - 3600, last - ago)
    exact = sum(at > after for at in truth)
    with_grain = sum(at > after - width_s for at in truth)
    assert exact <= counts.count(1, after) <= with_grain


def fresh(counts: Aggregates) -> Aggregates:
    """The same takes, and nothing remembered of counts."""
    other = Aggregates()
    for key, series in counts.series():
        other.restore(key, series.pack())
    return other


@given(
    st.lists(st.tuples(st.integers(0, 900), st.sampled_from(["take", "back", "count", "count"])), min_size=20, max_size=120),
    st.sampled_from([Take(7, 1, 600), Take(7, 7, 300), MINUTE]),
)
def test_what_was_counted_before_changes_no_count(script, take):
    """Sums of many buckets are remembered from one count to the next."""
    often, once = Aggregates(), Aggregates()
    for at, what in script:
        if what == "count":
            assert often.count(7, NOW + at) == fresh(once).count(7, NOW + at)
            continue
        for counts in (often, once):
            (counts.take if what == "take" else counts.give_back)(take, NOW + at, at % 3 + 1)


@given(st.lists(st.integers(0, 3000), max_size=30), st.randoms())
def test_the_order_in_which_takes_are_replayed_does_not_matter(times, random):
    one, other = Aggregates(), Aggregates()
    for at in times:
        one.take(MINUTE, NOW + at)
    random.shuffle(times)
    for at in times:
        other.take(MINUTE, NOW + at)
    for after in range(-1, 3001, 60):
        assert one.count(7, NOW + after) == other.count(7, NOW + after)


def test_a_checkpoint_holds_each_count_as_it_was_when_it_began():
    counts = Aggregates()
    for key in range(6):
        counts.take(Take(key, 60, 3600), NOW)
    assert counts.freeze() == 6
    first = counts.collect(2)
    for key in range(8):
        counts.take(Take(key, 60, 3600), NOW, 10)
        counts.give_back(Take(key, 60, 3600), NOW)
    rows = first + counts.collect(100)
    assert counts.collect(100) == []
    counts.thaw()
    back = Aggregates()
    for key, packed in rows:
        back.restore(key, packed)
    assert [back.count(key, 0) for key in range(8)] == [1] * 6 + [0, 0]
    assert [counts.count(key, 0) for key in range(8)] == [10] * 6 + [9, 9]
    assert counts.freeze() == 8  # all that changed meanwhile is for the next one


def test_a_checkpoint_that_failed_leaves_everything_for_the_next():
    counts = Aggregates()
    for key in range(6):
        counts.take(Take(key, 60, 3600), NOW)
    counts.freeze()
    lost = [key for key, _ in counts.collect(4)]
    counts.thaw(lost)
    assert counts.freeze() == 6


def test_keys_that_no_longer_matter_are_swept_and_the_checkpoint_learns_it():
    counts = Aggregates()
    counts.take(Take(1, 60, 3600), NOW)
    counts.take(Take(2, 60, 3600), NOW + 3600)
    assert counts.sweep(NOW + 3600) == 0
    assert counts.sweep(NOW + 3721) == 1
    counts.freeze()
    assert dict(counts.collect(9))[1] == b""
    assert counts.count(2, NOW) == 1


def test_there_is_room_for_so_many_keys_and_the_oldest_gives_way():
    counts = Aggregates(keys_max=3)
    for key in range(5):
        counts.take(Take(key, 60, 3600), NOW)
    assert len(counts) == 3
    assert counts.dropped == 2
    assert [counts.count(key, 0) for key in range(5)] == [0, 0, 1, 1, 1]


def test_of_more_than_there_is_room_for_the_eldest_go_one_after_the_other(monkeypatch):
    monkeypatch.setattr(aggregates, "EVICTION_SAMPLE", 4)
    monkeypatch.setattr(aggregates, "EVICTION_SHARE", 4)
    counts = Aggregates(keys_max=10)
    for key in range(100):
        counts.take(Take(key, 60, 3600), NOW)
        counts.sweep(NOW, 2)
    assert (len(counts), counts.dropped) == (10, 90)
    assert [key for key in range(100) if counts.count(key, 0)] == list(range(90, 100))


@pytest.mark.parametrize(("quotas", "room"), [(1, 1000), (40, 1000), (400, 1000), (6000, 20_000)])
def test_nobody_gets_rid_of_a_count_by_texts_that_each_count_once(quotas, room):
    counts, random = Aggregates(keys_max=room), Random(quotas)
    held = [random.getrandbits(64) for _ in range(quotas)]
    for key in held:
        counts.take(Take(key, 60, 3600), NOW, 50)
    for _ in range(5 * room):
        counts.take(Take(random.getrandbits(64), 60, 3600), NOW)
    assert len(counts) == room
    assert counts.dropped >= 4 * room
    assert [counts.count(key, 0) for key in held] == [50] * quotas


def test_all_keys_are_looked_at_in_turn_whatever_they_begin_with():
    counts = Aggregates()
    keys = [number * 0x9E3779B97F4A7C15 & (1 << 64) - 1 for number in range(1000)]
    for key in keys:
        counts.take(Take(key, 60, 3600), NOW)
    for late in keys[::2]:
        counts.take(Take(late, 60, 3600), NOW + 7200)
    assert sum(counts.sweep(NOW + 7200, 50) for _ in range(25)) == 500
    assert sorted(key for key, _ in counts.series()) == sorted(keys[::2])
    assert len(counts) == 500


def test_old_buckets_are_forgotten():
    counts, take = Aggregates(), Take(1, 1, 10)
    for second in range(1000):
        counts.take(take, NOW + second)
    assert counts.count(1, 0) <= 12


@pytest.mark.parametrize("take", [Take(1, 0, 60), Take(1, 1, 86_400), Take(-1, 60, 60), Take(1 << 64, 60, 60)])
def test_a_take_nobody_could_keep_is_an_error(take):
    with pytest.raises(ValueError, match="aggregate"):
        Aggregates().take(take, NOW)


def test_what_was_taken_while_the_clock_was_ahead_pushes_out_nothing_that_counts_now() -> None:
    """For a moment it said four hours more; whoever got a message then is judged as of then for as long."""
    counts, take = Aggregates(), Take(7, 60, 3600)
    counts.now = NOW
    for at in (NOW, NOW + 60):
        counts.take(take, at)
    counts.now = NOW + 4 * 3600
    counts.take(take, NOW + 4 * 3600)
    counts.now = NOW + 120
    for at in (NOW + 120, NOW + 4 * 3600 + 60, NOW + 120):
        counts.take(take, at)
    assert counts.count(7, NOW + 60 - 1) == 4
    held = counts.held(7)
    assert held is not None
    assert held.starts == [NOW + 120, NOW + 4 * 3600, NOW + 4 * 3600 + 60], "what is over by both clocks is forgotten"
    counts.now = NOW + 9 * 3600
    counts.take(take, NOW + 9 * 3600)
    assert held.starts == [NOW + 9 * 3600]
