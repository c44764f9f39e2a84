"""Batches on their way to a store: nobody is in two, few wait for more, nothing waits at rest."""

from __future__ import annotations

from typing import Any, cast

from proxy.underway import ENOUGH, LONG_S, UnderWay

NOW = 1_762_833_600.0
ANNA, BERT, CLARA = 13800210001, 13800210002, 13800210003


def test_at_rest_nothing_waits():
    under_way = UnderWay()
    assert not under_way.gathers(1, NOW)
    under_way.begins([ANNA], NOW)
    under_way.ends([ANNA])
    assert not under_way.gathers(1, NOW)


def test_few_wait_while_another_batch_is_on_its_way():
    under_way = UnderWay()
    under_way.begins([ANNA], NOW)
    assert under_way.gathers(ENOUGH - 1, NOW + LONG_S / 2)
    assert not under_way.gathers(ENOUGH, NOW + LONG_S / 2)


def test_a_store_that_is_far_away_is_asked_again_before_it_has_answered():
    under_way = UnderWay()
    under_way.begins([ANNA], NOW)
    assert not under_way.gathers(1, NOW + 2 * LONG_S)
    under_way.begins([BERT], NOW + 2 * LONG_S)
    assert under_way.gathers(1, NOW + 2 * LONG_S)


def test_a_clock_that_is_set_back_holds_nothing_up():
    under_way = UnderWay()
    under_way.begins([ANNA], NOW)
    assert not under_way.gathers(1, NOW - 3600)


def test_what_came_for_a_person_meanwhile_is_given_back_once_in_the_order_in_which_it_came():
    under_way = UnderWay()
    under_way.begins([ANNA, BERT], NOW)
    under_way.begins([CLARA], NOW)
    came: dict[int, Any] = {person: ([], [cast("Any", person)]) for person in (BERT, CLARA, ANNA)}
    under_way.behind.update(came)
    assert under_way.ends([ANNA, BERT]) == [came[BERT], came[ANNA]]
    assert under_way.people == {CLARA}
    assert under_way.ends([CLARA]) == [came[CLARA]]
    assert not under_way.behind
