"""A recipient is in one batch at a time, small batches wait for more, nothing waits at rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import pytest

from proxy.relay.batch_window import BATCH_FULL, BATCH_LARGE, BATCH_UNDER_LOAD, DECAY, NEARLY_ALL, SLOW_STORE_S, BatchWindow

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
    """A batch has just ended that took ``TOOK_S``."""
    window = BatchWindow()
    window.begin(people, NOW)
    window.end(people)
    return window


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
