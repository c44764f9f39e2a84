"""Reference cycles are collected, and no collection stops a busy gate for long."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from proxy.runtime.gc_policy import COLLECT_EVERY, FREEZE_OBJECTS, FULL_COLLECT_LATEST_S, FULL_COLLECT_S, QUIET_S, GcPolicy

START_S = 100.0


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def _by_hand() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


ENOUGH = FREEZE_OBJECTS + 500
"""Python counts no object that it makes of one freed before (at most 80 lists), and takes off what another thread of the tests frees."""


def kept(many: int = ENOUGH) -> list[list[int]]:
    """As many objects as that, which stay."""
    return [[number] for number in range(many)]


def untied() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


def test_what_stays_is_set_aside_and_not_walked_again():
    garbage, before, stays = GcPolicy(START_S), gc.get_freeze_count(), kept()
    garbage.run(START_S + 1, came=1)
    assert gc.get_freeze_count() - before > len(stays) // 2  # others that were set aside before may have gone
    assert gc.get_count()[0] < FREEZE_OBJECTS // 2


def test_a_few_are_left_alone():
    garbage, few = GcPolicy(START_S), kept(FREEZE_OBJECTS // 2)
    garbage.run(START_S + 1, came=1)
    assert gc.get_count()[0] >= len(few), "neither walked nor set aside"


def test_while_rules_are_loaded_what_is_made_is_set_aside_without_a_look_which_comes_afterwards():
    garbage, stays = GcPolicy(START_S), []
    for number in range(2 * COLLECT_EVERY):
        stays.append(kept())
        knot = untied()
        garbage.run(START_S, came=number, loading=True)
        assert knot() is not None
        assert gc.get_count()[0] < FREEZE_OBJECTS // 2
    stays.append(kept())
    knot = untied()
    garbage.run(START_S, came=-1)
    assert knot() is None


def test_every_so_often_what_is_set_aside_is_looked_at_and_then_each_time_while_something_is_found():
    garbage, stays = GcPolicy(START_S), []
    for number in range(COLLECT_EVERY - 1):
        stays.append(kept())
        garbage.run(START_S, came=number)
    found = untied()
    stays.append(kept())
    garbage.run(START_S, came=99)
    assert found() is None, "the look of this round"
    for number in range(3):
        found = untied()
        stays.append(kept())
        garbage.run(START_S, came=number)
        assert found() is None, "after a find each is one"
    stays.append(kept())
    garbage.run(START_S, came=0)  # which finds nothing
    left = untied()
    stays.append(kept())
    garbage.run(START_S, came=1)
    assert left() is not None, "the next round"


def test_what_was_missed_is_found_in_the_first_quiet_second_after_an_hour():
    garbage, missed = GcPolicy(START_S), untied()
    stays = kept()
    garbage.run(START_S, came=1)  # set aside, unseen
    busy_s = START_S + FULL_COLLECT_S
    for come in range(100):
        garbage.run(busy_s + come * 0.1, came=come)
    assert missed() is not None, "while something comes nobody waits for a deep look"
    garbage.run(busy_s + 9.9 + QUIET_S, came=99)
    assert missed() is None
    assert len(stays) > FREEZE_OBJECTS


def test_a_gate_that_is_never_quiet_looks_at_all_once_a_day():
    garbage, missed = GcPolicy(START_S), untied()
    stays = kept()
    garbage.run(START_S, came=1)
    garbage.run(START_S + FULL_COLLECT_LATEST_S - 1, came=2)
    assert missed() is not None
    garbage.run(START_S + FULL_COLLECT_LATEST_S, came=3)
    assert missed() is None
    assert len(stays) > FREEZE_OBJECTS


def test_a_quiet_gate_does_not_look_at_all_for_ever():
    garbage = GcPolicy(START_S)
    garbage.run(START_S + FULL_COLLECT_S, came=0)
    missed = untied()
    garbage.run(START_S + FULL_COLLECT_S + 60, came=0)
    assert missed() is not None


def test_setting_aside_takes_no_time_however_much_there_is():
    garbage, stays = GcPolicy(START_S), kept(300_000)
    began_s = time.perf_counter()
    garbage.run(START_S, came=1)
    aside_s = time.perf_counter() - began_s
    gc.unfreeze()
    began_s = time.perf_counter()
    gc.collect()
    walked_s = time.perf_counter() - began_s
    assert aside_s * 10 < walked_s, f"{len(stays)} objects"
