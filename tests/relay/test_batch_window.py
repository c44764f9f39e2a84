"""A recipient is in one batch at a time, small batches wait for more, nothing waits at rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import pytest

from proxy.relay.batch_window import (
    BATCH_FULL,
    BATCH_LARGE,
    BATCH_UNDER_LOAD,
    DECAY,
    GATHER_FULL_PER_S,
    NEARLY_ALL,
    RATE_S,
    SLOW_STORE_S,
    BatchWindow,
)

NOW = 1_762_833_600.0
ANNA, BERT, CLARA = 13800210001, 13800210002, 13800210003


def test_at_rest_nothing_waits():
    window = BatchWindow()
    assert not window.waits_for_more(1, 0, NOW)
    window.begin([ANNA], NOW)
    window.end([ANNA])
    assert not window.waits_for_more(1, 0, NOW)


def test_few_wait_while_another_batch_is_on_its_way():
    window = BatchWindow()
    window.begin([ANNA], NOW)
    assert window.waits_for_more(BATCH_FULL - 1, 0, NOW + SLOW_STORE_S / 2)
    assert not window.waits_for_more(BATCH_FULL, 0, NOW + SLOW_STORE_S / 2)


def test_a_store_that_is_far_away_is_asked_again_before_it_has_answered():
    window = BatchWindow()
    window.begin([ANNA], NOW)
    assert not window.waits_for_more(1, 0, NOW + 2 * SLOW_STORE_S)
    window.begin([BERT], NOW + 2 * SLOW_STORE_S)
    assert window.waits_for_more(1, 0, NOW + 2 * SLOW_STORE_S)


def test_a_clock_that_is_set_back_holds_nothing_up():
    window = BatchWindow()
    window.begin([ANNA], NOW)
    assert not window.waits_for_more(1, 0, NOW - 3600)


TOOK_S = SLOW_STORE_S / 4
CROWD = range(BERT, BERT + BATCH_UNDER_LOAD)


def after(people: Collection[int]) -> BatchWindow:
    """A batch has just ended that took ``TOOK_S``, and another turn."""
    window = BatchWindow()
    window.begin(people, NOW)
    window.waits_for_more(0, 0, NOW)
    window.end(people)
    return window


def test_behind_a_batch_that_ended_within_its_turn_nothing_waits():
    window = BatchWindow()
    window.begin(CROWD, NOW)
    window.end(CROWD)
    assert not window.waits_for_more(1, 160, NOW + TOOK_S)


def test_behind_a_batch_of_many_fewer_than_are_on_their_way_back_wait_as_long_as_it_took():
    window = after(CROWD)
    ended = NOW + TOOK_S
    assert window.waits_for_more(150, 160, ended)
    assert window.until == pytest.approx(ended + TOOK_S)
    assert window.waits_for_more(155, 160, ended + TOOK_S / 2)
    assert not window.waits_for_more(155, 160, ended + 1.1 * TOOK_S)
    assert not window.waits_for_more(1, 160, ended + 1.1 * TOOK_S), "once for each batch"


def test_as_many_as_are_on_their_way_back_go_at_once_where_they_are_not_few():
    window = after(CROWD)
    assert window.waits_for_more(BATCH_LARGE, BATCH_LARGE + 1, NOW + TOOK_S)
    assert not window.waits_for_more(BATCH_LARGE, BATCH_LARGE, NOW + TOOK_S)
    assert not window.until
    assert not after(CROWD).waits_for_more(BATCH_FULL, 10 * BATCH_FULL, NOW + TOOK_S)


def test_behind_a_batch_that_was_long_under_way_nothing_waits_longer_than_for_one():
    window = after(CROWD)
    ended = NOW + 100 * SLOW_STORE_S
    assert window.waits_for_more(50, 60, ended)
    assert window.until == pytest.approx(ended + SLOW_STORE_S)
    assert not window.waits_for_more(50, 60, ended + 1.1 * SLOW_STORE_S)


def test_few_wait_for_most_of_what_was_lately_on_its_way_though_it_is_with_its_senders():
    window = after(CROWD)
    assert window.waits_for_more(10, 90, NOW + TOOK_S)
    assert window.waits_for_more(79, 10, NOW + TOOK_S)
    assert not window.waits_for_more(round(NEARLY_ALL * 100), 0, NOW + TOOK_S)


def test_what_was_on_its_way_before_the_load_fell_is_forgotten():
    window, now, batches = after(CROWD), NOW, 0
    assert window.waits_for_more(0, BATCH_LARGE, now + TOOK_S)
    while window.waits_for_more(40, 0, now + TOOK_S) and batches < 100:
        now, batches = now + 1.0, batches + 1
        window.begin(CROWD, now)
        window.waits_for_more(0, 0, now)
        window.end(CROWD)
    assert NEARLY_ALL * BATCH_LARGE * DECAY**batches <= 40 < NEARLY_ALL * BATCH_LARGE * DECAY ** (batches - 1), batches


def test_behind_a_batch_of_few_nothing_waits():
    assert not after(CROWD[1:]).waits_for_more(1, 60, NOW + TOOK_S)


def test_nobody_waits_for_what_comes_after_a_lull():
    window = after(CROWD)
    assert window.waits_for_more(0, 60, NOW + TOOK_S), "the turn in which the batch has ended"
    assert not window.waits_for_more(1, 60, NOW + 1.0)


def test_a_clock_that_is_set_back_lets_go_of_what_waits_for_more():
    window = after(CROWD)
    assert window.waits_for_more(50, 60, NOW + TOOK_S)
    assert not window.waits_for_more(50, 60, NOW - 3600)


GATHER_S, STEP_S = 0.005, 0.001


def fed(per_s: float, seconds: float = 1.0, *, others: int = 100) -> tuple[BatchWindow, list[float], float]:
    """A window after submits at this rate, one turn a millisecond, each batch under way for one; when batches began, and the time."""
    window, begun, arrived, now = BatchWindow(), list[float](), 0.0, NOW
    window.gather_s = GATHER_S
    under_way = range(0)
    for _ in range(round(seconds / STEP_S)):
        now, arrived = now + STEP_S, arrived + per_s * STEP_S
        if under_way:
            window.end(under_way)
        waits, under_way = window.waits_for_more(int(arrived), others, now), range(0)
        if int(arrived) and not waits:
            under_way = range(int(arrived))
            window.begin(under_way, now)
            begun.append(now)
            arrived -= int(arrived)
    if under_way:
        window.end(under_way)
    return window, begun, now


@pytest.mark.parametrize(
    ("per_s", "apart_s"), [(GATHER_FULL_PER_S, GATHER_S), (3 * GATHER_FULL_PER_S, GATHER_S), (2200, 0.002_75)]
)
def test_under_load_batches_are_so_far_apart(per_s: float, apart_s: float):
    _, begun, _ = fed(per_s)
    steady = begun[len(begun) // 2 :]
    mean = (steady[-1] - steady[0]) / (len(steady) - 1)
    assert 0.95 * apart_s <= mean <= apart_s + 1.1 * STEP_S, "a turn later at most"


def test_at_a_low_rate_each_submit_goes_at_once():
    _, begun, _ = fed(GATHER_FULL_PER_S / 20)
    assert len(begun) == GATHER_FULL_PER_S / 20


def test_a_lone_submit_after_the_load_waits_for_nothing():
    window, _, now = fed(GATHER_FULL_PER_S)
    window.waits_for_more(0, 100, now)
    for later in (1.1 * RATE_S, 2 * RATE_S, 1.0):
        now += later
        assert not window.waits_for_more(1, 0, now)
        window.begin([ANNA], now)
        window.end([ANNA])
        assert not window.waits_for_more(1, 1, now + STEP_S)


def test_senders_that_wait_for_answers_are_not_held_up():
    """All that was in flight has arrived: no more comes before it is answered."""
    window, _, now = fed(GATHER_FULL_PER_S, others=0)
    assert window.waits_for_more(3, 30, now), "the others may still come"
    for _ in range(30):  # the load was higher before
        window.begin([ANNA], now)
        window.end([ANNA])
    assert not window.waits_for_more(3, 0, now)


def test_without_an_interval_nothing_gathers():
    window, _, now = fed(GATHER_FULL_PER_S)
    window.gather_s = 0.0
    window.begin(range(20), now)
    window.end(range(20))
    assert not window.waits_for_more(1, 100, now)


def test_a_clock_that_is_set_back_ends_the_interval():
    window, _, now = fed(GATHER_FULL_PER_S)
    window.begin(range(20), now)
    window.end(range(20))
    assert window.waits_for_more(1, 100, now)
    assert not window.waits_for_more(1, 100, now - 3600)
    window.begin([ANNA], now - 3600)
    window.end([ANNA])
    assert not window.waits_for_more(1, 100, now - 3600)


def test_what_came_for_a_person_meanwhile_is_given_back_once_in_the_order_in_which_it_came():
    window = BatchWindow()
    window.begin([ANNA, BERT], NOW)
    window.begin([CLARA], NOW)
    came: dict[int, Any] = {person: ([], [cast("Any", person)]) for person in (BERT, CLARA, ANNA)}
    window.waiting.update(came)
    assert window.end([ANNA, BERT]) == [came[BERT], came[ANNA]]
    assert window.busy == {CLARA}
    assert window.end([CLARA]) == [came[CLARA]]
    assert not window.waiting
