"""The loop sleeps behind its turns while that costs nobody anything."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

import pytest

from proxy.net.coalescing import (
    ANSWERS_S,
    FLOOD_S,
    LEAST_S,
    LONGER_S,
    PAIRED_LONGER_S,
    PAIRED_S,
    PERIOD_S,
    PROBE_S,
    SMALL_TURN,
    TRIAL_S,
    Phase,
    Sleeps,
    TurnEnd,
)

TURN_S, SYNC_S, WIRE_S = 0.000_08, 0.000_15, 0.000_05
"""What a turn, a sync, and a carrier or a client take in the simulation."""


class Loop:
    """A gate, a carrier that answers after ``answers_s``, and submits: time passes where something takes time. ``thread``: it syncs, not the
    loop."""

    def __init__(self, sleeps: Sleeps | None = None, answers_s: float = WIRE_S, *, thread: bool = False) -> None:
        self.sleeps, self._answers_s, self._thread = sleeps, answers_s, thread
        self._unsynced: list[float] = []
        self.end = TurnEnd(
            self, lambda: self._due, bool, self._wake, float, lambda: self.unanswered > 0, self._now, self._sleep
        )
        self.end.sleeps = sleeps if sleeps is not None else Sleeps()
        self._held: list[float] = []
        self._due = self._judged = False
        self.unanswered = self.syncs = 0
        self.now_s = 100.0
        self.turns = self.slept = self.answered = 0
        self.longest_s = 0.0
        self.waited_s: list[float] = []
        self._events: list[
            tuple[float, bool, float]
        ] = []  # (when, whether it is an answer of the carrier, when the submit was sent)

    def send(self, at_s: float) -> None:
        heapq.heappush(self._events, (at_s, False, at_s))

    def run(self, seconds: float, arrivals: Iterator[float] | None = None) -> float:
        """Runs so long; returns answers a second. ``arrivals``: of an open loop; None: each answer is followed by a submit."""
        end_s, answered, begun_s = self.now_s + seconds, self.answered, self.now_s
        following = next(arrivals) if arrivals is not None else float("inf")
        while self.now_s < end_s:
            while following <= max(self.now_s, self._events[0][0] if self._events else following):
                self.send(following)
                following = next(arrivals) if arrivals is not None else float("inf")
            self._turn(closed=arrivals is None)
        return (self.answered - answered) / (self.now_s - begun_s)

    def send_alone(self) -> None:
        """One submit, until it is answered."""
        self._events = [(self.now_s, False, self.now_s)]
        while self._events:
            self._turn(closed=False)

    def _turn(self, *, closed: bool) -> None:
        if not self._due:
            self.begin_before_sleep()  # nor does the thread wait, once the loop is idle
            self.now_s = max(self.now_s, self._events[0][0])
        self._due = False
        submits, self._held = self._held, []
        answers: list[float] = []
        arrived = 0
        while self._events and self._events[0][0] <= self.now_s:
            _, answer, sent_s = heapq.heappop(self._events)
            (answers if answer else submits).append(sent_s)
            arrived += not answer
        if self.sleeps is not None and self.end.turn_begins(arrived):
            submits, self._held = [], submits
        self.turns += 1
        self.now_s += TURN_S + 0.000_01 * len(submits)
        self.unanswered += len(submits) - len(answers)
        for sent_s in answers:
            self.waited_s.append(self.now_s - sent_s)
            self.answered += 1
            if closed:
                self.send(self.now_s + WIRE_S)
        self._judged = bool(submits)
        if self._thread:
            self._unsynced += submits
        else:
            self._answer(submits, self._answers_s)
        if self.sleeps is not None:
            self.end.turn_ended()
        else:
            self.sync_behind_turn()

    def _wake(self) -> None:
        self._due = True

    def _now(self) -> float:
        return self.now_s

    def _sleep(self, seconds: float) -> None:
        assert 0.0 < seconds <= PAIRED_LONGER_S
        self.slept += 1
        self.longest_s = max(self.longest_s, seconds)
        self.now_s += seconds

    def _answer(self, submits: list[float], after_s: float) -> None:
        for sent_s in submits:
            heapq.heappush(self._events, (self.now_s + after_s, True, sent_s))

    def turn_begins(self, small: bool) -> None:
        pass

    def begin_before_sleep(self) -> None:
        if self._unsynced:
            self.syncs += 1
            self._answer(self._unsynced, max(SYNC_S, self._answers_s))
            self._unsynced = []

    def sync_behind_turn(self) -> bool:
        if self._thread:
            return False
        if self._judged:
            self.now_s += SYNC_S
            self.syncs += 1
        return self._judged


def every(interval_s: float, from_s: float = 100.0) -> Iterator[float]:
    number = 0
    while True:
        number += 1
        yield from_s + number * interval_s


def by_chance(rate: float, seed: int, from_s: float = 100.0) -> Iterator[float]:
    drawn = random.Random(seed)
    while True:
        from_s += drawn.expovariate(rate)
        yield from_s


def phase_of(sleeps: Sleeps) -> Phase:
    return sleeps.phase


def closed_loop(window: int, sleeps: Sleeps | None) -> Loop:
    loop = Loop(sleeps)
    for _ in range(window):
        loop.send(loop.now_s)
    return loop


PERIODS_S = {1_000: LONGER_S, 5_000: PERIOD_S, 20_000: PERIOD_S}
"""By submits a second, where carriers do not answer at once."""
LATE_S = 0.004
"""A carrier that does not answer at once."""


@pytest.mark.parametrize("rate", PERIODS_S)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_submits_that_arrive_by_themselves_share_turns_and_wait_for_two_sleeps_at_most(rate: int, seed: int):
    without, loop = Loop(None, LATE_S), Loop(Sleeps(), LATE_S)
    without.run(2.0, by_chance(rate, seed) if seed else every(1 / rate))
    loop.run(2.0, by_chance(rate, seed) if seed else every(1 / rate))
    assert loop.turns < 0.6 * without.turns
    assert loop.turns < 1.25 * 2.0 / PERIODS_S[rate]
    assert sorted(loop.waited_s)[int(len(loop.waited_s) * 0.99)] < LATE_S + 3 * PERIOD_S
    assert loop.sleeps is not None
    assert loop.sleeps.loaded(loop.now_s)


@pytest.mark.parametrize("rate", [1_000, 5_000])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("thread", [False, True])
def test_where_carriers_answer_at_once_fewer_turns_judge_and_none_waits_for_two_sleeps(rate: int, seed: int, *, thread: bool):
    late, loop = Loop(Sleeps(), LATE_S, thread=thread), Loop(sleeps := Sleeps(), thread=thread)
    for one in (late, loop):
        one.run(1.0, by_chance(rate, seed) if seed else every(1 / rate))
        one.syncs = 0
        one.waited_s.clear()
        one.run(4.0, by_chance(rate, seed, one.now_s) if seed else every(1 / rate, one.now_s))
    assert loop.syncs < 0.75 * late.syncs
    waited_s = sorted(loop.waited_s)
    assert waited_s[int(len(waited_s) * 0.99)] < PAIRED_S + 0.000_9
    assert phase_of(sleeps) in (Phase.SLEEPING, Phase.PROBED)


def test_where_a_carrier_answers_late_one_turn_lies_between_two_sleeps():
    loop = Loop(sleeps := Sleeps(), LATE_S)
    loop.run(0.5, every(1 / 5_000))
    assert phase_of(sleeps) is Phase.SLEEPING
    slept, turns = loop.slept, loop.turns
    loop.run(0.3, every(1 / 5_000, loop.now_s))
    assert loop.slept - slept == pytest.approx(0.3 / PERIOD_S, rel=0.05)
    assert loop.turns - turns == pytest.approx(loop.slept - slept, rel=0.05)


@pytest.mark.parametrize("window", [1, 4, 10, 40])
def test_a_sender_that_waits_for_answers_is_as_fast_as_without_sleeps(window: int):
    without, loop = closed_loop(window, None), closed_loop(window, Sleeps())
    fast, warm = without.run(6.0), loop.run(2.0)
    assert loop.run(6.0) > 0.98 * fast, "in the long run"
    assert warm > 0.93 * fast, "and while the loop finds out"


def test_a_sender_that_begins_to_wait_for_answers_is_slowed_down_for_a_second_at_most():
    loop = Loop(sleeps := Sleeps())
    loop.run(2.0, every(1 / 5_000))
    assert phase_of(sleeps) in (Phase.SLEEPING, Phase.PROBED)
    loop.send(loop.now_s)
    loop.run(PROBE_S + 3 * TRIAL_S)
    assert phase_of(sleeps) is Phase.REFUSED


def test_a_sender_that_no_longer_waits_for_answers_shares_turns_again():
    loop = closed_loop(10, sleeps := Sleeps())
    loop.run(1.5)
    assert phase_of(sleeps) is Phase.REFUSED
    loop.run(20.0, every(1 / 5_000, loop.now_s))
    assert phase_of(sleeps) in (Phase.SLEEPING, Phase.PROBED)


def test_a_lone_submit_after_a_silence_waits_for_nothing():
    loop = Loop(sleeps := Sleeps())
    loop.run(2.0, every(1 / 5_000))
    assert loop.slept > 700
    slept = loop.slept
    for _ in range(5):
        loop.now_s += 1.0
        assert not sleeps.loaded(loop.now_s)
        loop.send_alone()
        assert loop.slept == slept
        assert loop.waited_s[-1] < 0.001


def test_what_gathered_while_something_else_held_the_loop_tells_nothing_of_the_senders():
    loop = Loop(sleeps := Sleeps())
    arrivals = every(1 / 5_000)
    loop.run(0.5, arrivals)
    for _ in range(10):
        loop.now_s += 0.06
        loop.run(0.5, arrivals)
        assert phase_of(sleeps) is Phase.SLEEPING


def test_few_submits_never_wait():
    loop = Loop(sleeps := Sleeps())
    loop.run(5.0, every(1 / 100))
    assert loop.slept == 0
    assert not sleeps.loaded(loop.now_s)


def test_behind_a_large_turn_the_loop_does_not_sleep():
    loop = Loop(sleeps := Sleeps())
    loop.run(0.5, every(1 / 5_000))
    assert phase_of(sleeps) is Phase.SLEEPING
    sleeps.woke(loop.now_s)
    assert sleeps.after_turn(SMALL_TURN, loop.now_s) == 0.0
    assert sleeps.after_turn(1, loop.now_s + FLOOD_S / 2) == 0.0, "in a flood"
    later_s = loop.now_s + FLOOD_S + 0.000_1
    sleeps.woke(later_s - 0.000_1)
    assert sleeps.after_turn(SMALL_TURN - 1, later_s) == pytest.approx(PAIRED_S - 0.000_1)


@pytest.mark.parametrize(
    ("rate", "answered_s", "period_s"),
    [
        *((rate, LATE_S, period_s) for rate, period_s in PERIODS_S.items()),
        (1_000, WIRE_S, PAIRED_LONGER_S),
        (5_000, WIRE_S, PAIRED_S),
        (7_000, WIRE_S, PERIOD_S),
    ],
)
def test_the_fewer_submits_arrive_the_longer_the_loop_sleeps(rate: int, answered_s: float, period_s: float):
    loop = Loop(sleeps := Sleeps(), answered_s)
    loop.run(0.5, every(1 / rate))
    assert phase_of(sleeps) is Phase.SLEEPING
    sleeps.woke(loop.now_s)
    assert sleeps.after_turn(0, loop.now_s + 0.000_1) == pytest.approx(period_s - 0.000_1)


class Turn:
    """Stands for the syncer and for what has arrived."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.told: list[str] = []
        self.syncs = self.coming = self.waits = self.unanswered = False
        self.gathers_for = 0.0
        self.end = TurnEnd(
            self,
            lambda: self.coming,
            lambda: self.waits,
            lambda: self.told.append("wake"),
            lambda: self.gathers_for,
            lambda: self.unanswered,
            lambda: self.now_s,
            self.sleep,
        )

    def turn_begins(self, small: bool) -> None:
        self.told.append("small" if small else "large")

    def sync_behind_turn(self) -> bool:
        return self.syncs

    def begin_before_sleep(self) -> None:
        self.told.append("begin")

    def sleep(self, seconds: float) -> None:
        assert self.told[-1] == "begin", "the thread syncs while the loop sleeps"
        self.told.append("sleep")
        self.now_s += seconds

    def turn(self, submits: int = 1) -> list[str]:
        self.told = []
        self.now_s += 0.000_2
        self.end.turn_begins(submits)
        self.end.turn_ended()
        return self.told


def test_the_loop_sleeps_behind_turns_but_not_while_one_is_due():
    turn = Turn()
    while "sleep" not in turn.turn():
        assert turn.now_s < 101.0
    assert turn.end.loaded
    turn.coming = True
    for _ in range(20):
        assert turn.turn() == ["small"]
    assert turn.turn(SMALL_TURN) == ["large"]
    assert turn.turn() == ["large"], "the thread syncs in a flood"
    turn.now_s += FLOOD_S
    turn.turn()
    assert turn.turn() == ["small"]


def test_an_answer_that_waited_for_the_sync_gets_a_turn_at_once():
    turn = Turn()
    turn.syncs = True
    assert turn.turn() == ["small"]
    turn.waits = True
    assert turn.turn() == ["small", "wake"]
    turn.syncs = False
    assert turn.turn() == ["small"], "that answer waits for the thread"


def test_while_submits_gather_for_a_batch_the_loop_sleeps_until_its_time():
    turn = Turn()
    turn.end.sleeps.gather_s = 0.005
    while "sleep" not in turn.turn():
        assert turn.now_s < 101.0
    turn.gathers_for = 0.004
    begun_s = turn.now_s + 0.000_2
    assert turn.turn() == ["small", "begin", "sleep"]
    assert turn.now_s == pytest.approx(begun_s + 0.004)
    turn.gathers_for = 0.0
    assert turn.turn(4 * SMALL_TURN) == ["small", "begin", "sleep"], "in 5 ms many arrive"
    assert turn.now_s - begun_s < 0.006
    assert turn.turn(5 * SMALL_TURN) == ["large"]


def paired() -> Turn:
    """Behind a turn that judged: the carrier has not answered yet."""
    turn = Turn()
    turn.syncs = True
    while "sleep" not in turn.turn():
        assert turn.now_s < 101.0
    turn.unanswered = True
    assert turn.turn() == ["small"], "the loop waits for the answers"
    assert turn.end.sleeps.answering
    return turn


def test_a_submit_that_arrives_beside_the_answers_is_judged_behind_the_next_sleep():
    turn = paired()
    turn.unanswered = False
    turn.told = []
    assert turn.end.turn_begins(1)
    turn.end.turn_ended()
    assert turn.told == ["small", "begin", "sleep", "wake"]
    assert not turn.end.turn_begins(0)
    turn.unanswered = True
    turn.end.turn_ended()
    assert turn.end.sleeps.answering, "it counts as a submit of this turn"


def test_a_submit_waits_for_answers_that_do_not_come_half_a_millisecond_at_most():
    turn = paired()
    judged_s = turn.now_s
    turn.told = []
    assert turn.end.turn_begins(1)
    turn.end.turn_ended()
    assert turn.told == ["small", "begin", "sleep", "wake"]
    assert turn.now_s == pytest.approx(judged_s + LEAST_S), "nothing else may end the wait"
    while turn.end.turn_begins(0):
        turn.end.turn_ended()
    assert turn.now_s < judged_s + ANSWERS_S + 2 * LEAST_S, "it is judged in this turn"
    turn.end.turn_ended()
    assert not turn.end.sleeps.answering


@pytest.mark.parametrize("load_s", [0.06, 0.1, 0.5, 1.13, 2.0])
def test_a_lone_submit_waits_for_nothing_though_the_last_one_was_never_answered(load_s: float):
    loop = Loop(sleeps := Sleeps())
    loop.run(load_s, every(1 / 5_000))
    loop._answers_s = 1_000.0
    while not sleeps.answering and loop.now_s < 110.0:
        loop.run(0.001, every(1 / 5_000, loop.now_s))
    assert sleeps.answering
    loop.now_s += 1.0
    loop._answers_s, loop._held, loop._due, slept, turns = WIRE_S, [], False, loop.slept, loop.turns
    loop.send_alone()
    assert (loop.slept - slept, loop.turns - turns) == (0, 2)
