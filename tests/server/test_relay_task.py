"""One timer at a time wakes the relay for parts that have waited long enough, another for submits that wait for a rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.server.relay_task import TIMER_S, RelayTask


class Loop:
    """Timers, and who has set them: nothing goes off by itself."""

    def __init__(self) -> None:
        self.set: list[Timer] = []

    def call_at(self, when: float, do: Callable[[], None]) -> Timer:
        self.set.append(Timer(when, do))
        return self.set[-1]

    @property
    def waiting(self) -> list[float]:
        return [one.when for one in self.set if not one.over]


class Timer:
    def __init__(self, when: float, do: Callable[[], None]) -> None:
        self.when, self._do, self.over = when, do, False

    def cancel(self) -> None:
        self.over = True

    def goes_off(self) -> None:
        self.over = True
        self._do()


class Relay:
    """As a turn asks of it: nothing has come but parts, of which the oldest are due at ``next_s``."""

    def __init__(self) -> None:
        self.parts = SimpleNamespace(next_s=None)
        self.batching = SimpleNamespace(submits=[])
        self.handed: list[Any] = []
        self.completed: list[Any] = []
        self.batch_wait_until = 0.0
        self.asked = 0
        self.release_s: float | None = None
        self.released = 0
        self.on_wait = lambda: None

    def turn(self, now: float, held: bool = False) -> None:
        pass

    def due(self, now_s: float) -> None:
        self.asked += 1

    def release(self, now_s: float) -> None:
        self.released += 1
        self.release_s = None


@pytest.fixture
def harness() -> tuple[RelayTask, Relay, Loop]:
    loop, relay = Loop(), Relay()
    deliver_relay = SimpleNamespace(turn=lambda now: None)
    stub = cast("Any", None)
    return (
        RelayTask(cast("Any", loop), cast("Any", relay), cast("Any", deliver_relay), stub, lambda: None, lambda: None),
        relay,
        loop,
    )


def test_no_timer_is_set_while_nothing_waits(harness: tuple[RelayTask, Relay, Loop]) -> None:
    relay_task, _, loop = harness
    relay_task.turn()
    assert loop.set == []


def test_while_the_oldest_changes_a_timer_that_is_early_stays(harness: tuple[RelayTask, Relay, Loop]) -> None:
    relay_task, relay, loop = harness
    for later in range(100):  # each is whole before it has waited long enough, and another is the oldest
        relay.parts.next_s = 10.0 + later
        relay_task.turn()
    assert loop.waiting == [10.0]
    loop.set[0].goes_off()
    assert relay.asked == 1
    assert loop.waiting == [109.0], "and the next is set for whoever is the oldest now"
    assert len(loop.set) == 2


def test_one_that_is_due_before_the_timer_gets_an_earlier_one(harness: tuple[RelayTask, Relay, Loop]) -> None:
    relay_task, relay, loop = harness
    relay.parts.next_s = 10.0
    relay_task.turn()
    relay.parts.next_s = 4.0
    relay_task.turn()
    assert loop.waiting == [4.0]


def test_after_all_are_whole_the_timer_goes_off_once_for_nothing(harness: tuple[RelayTask, Relay, Loop]) -> None:
    relay_task, relay, loop = harness
    relay.parts.next_s = 10.0
    relay_task.turn()
    relay.parts.next_s = None
    loop.set[0].goes_off()
    assert loop.waiting == []
    relay.parts.next_s = time.monotonic()
    relay_task.turn()
    assert loop.waiting == [relay.parts.next_s], "and what comes later gets its own"


def test_however_many_submits_wait_for_a_rate_there_is_one_timer_for_them(harness: tuple[RelayTask, Relay, Loop]) -> None:
    relay_task, relay, loop = harness
    for due_s in (10.0, 11.0, 12.0, 9.0):
        relay.release_s = due_s if due_s < 10 else 10.0
        relay.on_wait()
    relay_task.turn()
    assert loop.waiting == [9.0 + TIMER_S], "a timer that is early would find no room"
    loop.set[-1].goes_off()
    assert (relay.released, relay.asked, loop.waiting) == (1, 0, [])


def test_a_turn_counts_each_submit_once_however_long_it_waits_for_others() -> None:
    relay, begun = Relay(), list[int]()

    def begins(submits: int) -> bool:
        begun.append(submits)
        return False

    deliver_relay = SimpleNamespace(turn=lambda now: None)
    stub, nothing = cast("Any", None), lambda: None
    task = RelayTask(cast("Any", Loop()), cast("Any", relay), cast("Any", deliver_relay), stub, nothing, nothing, begins)
    for arrived in (2, 0, 3):  # they wait for a store
        relay.batching.submits += [None] * arrived
        task.turn()
    relay.turn = lambda now, held=False: relay.batching.submits.clear()  # type: ignore[method-assign] # their batch begins
    relay.batching.submits.append(None)
    task.turn()
    relay.batching.submits.append(None)
    task.turn()
    assert begun == [2, 0, 3, 1, 1]


def test_what_carriers_have_accepted_is_answered_while_a_batch_waits_and_else_nothing_is_written() -> None:
    done: list[str] = []
    relay: Any = Relay()
    relay.commit = SimpleNamespace(accepted=[])
    relay.release_answers = lambda now: done.append("answers released")
    stub = cast("Any", None)
    task = RelayTask(cast("Any", Loop()), relay, stub, stub, lambda: None, lambda: None, flush=lambda: done.append("written"))
    task.answer_meanwhile()
    assert done == []
    relay.commit.accepted.append("an answer")
    task.answer_meanwhile()
    assert done == ["answers released", "written"]
