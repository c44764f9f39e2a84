"""Batches on their way to a store: nobody is in two, few wait for more, nothing waits at rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import pytest

from proxy.relay.batch_window import ENOUGH, FADES, LONG_S, MANY, MOST, WORTH, BatchWindow

NOW = 1_762_833_600.0
ANNA, BERT, CLARA = 13800210001, 13800210002, 13800210003


def test_at_rest_nothing_waits():
    under_way = BatchWindow()
    assert not under_way.gathers(1, 0, NOW)
    under_way.begins([ANNA], NOW)
    under_way.ends([ANNA])
    assert not under_way.gathers(1, 0, NOW)


def test_few_wait_while_another_batch_is_on_its_way():
    under_way = BatchWindow()
    under_way.begins([ANNA], NOW)
    assert under_way.gathers(ENOUGH - 1, 0, NOW + LONG_S / 2)
    assert not under_way.gathers(ENOUGH, 0, NOW + LONG_S / 2)


def test_a_store_that_is_far_away_is_asked_again_before_it_has_answered():
    under_way = BatchWindow()
    under_way.begins([ANNA], NOW)
    assert not under_way.gathers(1, 0, NOW + 2 * LONG_S)
    under_way.begins([BERT], NOW + 2 * LONG_S)
    assert under_way.gathers(1, 0, NOW + 2 * LONG_S)


def test_a_clock_that_is_set_back_holds_nothing_up():
    under_way = BatchWindow()
    under_way.begins([ANNA], NOW)
    assert not under_way.gathers(1, 0, NOW - 3600)


TOOK_S = LONG_S / 4
CROWD = range(BERT, BERT + MANY)


def after(people: Collection[int]) -> BatchWindow:
    """A batch has just ended that took ``TOOK_S``."""
    under_way = BatchWindow()
    under_way.begins(people, NOW)
    under_way.ends(people)
    return under_way


def test_behind_a_batch_of_many_fewer_than_are_on_their_way_back_wait_as_long_as_it_took():
    under_way = after(CROWD)
    ended = NOW + TOOK_S
    assert under_way.gathers(150, 160, ended)
    assert under_way.until == pytest.approx(ended + TOOK_S)
    assert under_way.gathers(155, 160, ended + TOOK_S / 2)
    assert not under_way.gathers(155, 160, ended + 1.1 * TOOK_S)
    assert not under_way.gathers(1, 160, ended + 1.1 * TOOK_S), "once for each batch"


def test_as_many_as_are_on_their_way_back_go_at_once_where_they_are_not_few():
    under_way = after(CROWD)
    assert under_way.gathers(WORTH, WORTH + 1, NOW + TOOK_S)
    assert not under_way.gathers(WORTH, WORTH, NOW + TOOK_S)
    assert not under_way.until
    assert not after(CROWD).gathers(ENOUGH, 10 * ENOUGH, NOW + TOOK_S)


def test_behind_a_batch_that_was_long_under_way_nothing_waits_longer_than_for_one():
    under_way = after(CROWD)
    ended = NOW + 100 * LONG_S
    assert under_way.gathers(50, 60, ended)
    assert under_way.until == pytest.approx(ended + LONG_S)
    assert not under_way.gathers(50, 60, ended + 1.1 * LONG_S)


def test_few_wait_for_most_of_what_was_lately_on_its_way_though_it_is_with_its_senders():
    under_way = after(CROWD)
    assert under_way.gathers(10, 90, NOW + TOOK_S)
    assert under_way.gathers(79, 10, NOW + TOOK_S)
    assert not under_way.gathers(round(MOST * 100), 0, NOW + TOOK_S)


def test_what_was_on_its_way_before_the_load_fell_is_forgotten():
    under_way, now, batches = after(CROWD), NOW, 0
    assert under_way.gathers(0, WORTH, now + TOOK_S)
    while under_way.gathers(40, 0, now + TOOK_S) and batches < 100:
        now, batches = now + 1.0, batches + 1
        under_way.begins(CROWD, now)
        under_way.ends(CROWD)
    assert MOST * WORTH * FADES**batches <= 40 < MOST * WORTH * FADES ** (batches - 1), batches


def test_behind_a_batch_of_few_nothing_waits():
    assert not after(CROWD[1:]).gathers(1, 60, NOW + TOOK_S)


def test_nobody_waits_for_what_comes_after_a_lull():
    under_way = after(CROWD)
    assert under_way.gathers(0, 60, NOW + TOOK_S), "the turn in which the batch has ended"
    assert not under_way.gathers(1, 60, NOW + 1.0)


def test_a_clock_that_is_set_back_lets_go_of_what_waits_for_more():
    under_way = after(CROWD)
    assert under_way.gathers(50, 60, NOW + TOOK_S)
    assert not under_way.gathers(50, 60, NOW - 3600)


def test_what_came_for_a_person_meanwhile_is_given_back_once_in_the_order_in_which_it_came():
    under_way = BatchWindow()
    under_way.begins([ANNA, BERT], NOW)
    under_way.begins([CLARA], NOW)
    came: dict[int, Any] = {person: ([], [cast("Any", person)]) for person in (BERT, CLARA, ANNA)}
    under_way.behind.update(came)
    assert under_way.ends([ANNA, BERT]) == [came[BERT], came[ANNA]]
    assert under_way.people == {CLARA}
    assert under_way.ends([CLARA]) == [came[CLARA]]
    assert not under_way.behind
