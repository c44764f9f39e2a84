"""Lets input gather between event-loop turns while many submits arrive.

In: how many submits a turn had; the time. Out: how long the loop sleeps behind that turn. Never: an event loop; a clock or a sleep of its own.

A turn costs nearly as much for one submit as for five: each one reads and writes every socket by itself, writes one group to the journal and
syncs it. At 5,000 submits a second the loop would run three turns a submit. A short sleep lets the kernel gather what arrives meanwhile, and
the next turn processes it together. It must be the loop that sleeps: libuv's timers count milliseconds, and epoll wakes at the first octet.

Where submits gather for a batch anyway (relay/batch_window.py), the loop sleeps until its time.

Between two sleeps there is one turn; or, where carriers answer at once and submits are not many, there are two: one judges and sends what has
gathered, the other gives the carrier's answers to the providers. What arrives between the two is judged behind the next sleep, so each submit
waits for one sleep only, which may be twice as long, and fewer turns judge and sync.

    phase      the loop sleeps   until                        then
    ALONE      no                GLANCE_S                     PROBED, if submits arrive at LEAST_PER_S or more; else ALONE again
    PROBED     no                TRIAL_S                      after ALONE: TRIED
                                                              after SLEEPING: SLEEPING; or REFUSED, if they arrived faster in this phase, twice
    TRIED      yes               TRIAL_S                      SLEEPING; or REFUSED, if they arrived faster in the phase before, twice:
                                                              after GLANCE_S each, where that is clear by then
    SLEEPING   yes               PROBE_S                      PROBED
    REFUSED    no                HOLD_S, doubled each time    TRIED

A provider that sends the next submit when it gets an answer (a closed loop with a small window) is slowed down by each sleep, and then sends
faster in a phase without. One whose submits arrive by themselves sends alike in both. After GAP_S without a submit all begins again with
ALONE: a lone submit never meets a sleep.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from math import sqrt
from typing import Protocol

PERIOD_S = 0.001
"""From the end of one sleep to the end of the next, turn and sync included. A submit takes two turns, so it waits for a sleep twice …"""
PAIRED_S, PAIRED_BELOW_PER_S = 0.002_5, 6_000
"""… or once, with fewer submits a second, where carriers answer at once …"""
ANSWERS_S, ANSWERED_OF = 0.000_5, 4
"""… which is: within so long, their sync included. So many periods in which they do not, more than in which they do, end that until the next
phase."""
FEW_PER_S, LONGER_S = 3_000, 0.0013
PAIRED_LONGER_S = 0.002_7
"""With fewer submits a second, so long instead, where a submit waits twice, or once: in a millisecond hardly more than one arrives."""
LEAST_S = 0.000_05
"""A shorter sleep gathers nothing."""
SMALL_TURN = 48
"""A turn with fewer submits is small: in a larger one enough has gathered."""
FLOOD_S = 0.005
"""For so long after a large turn the loop neither sleeps nor syncs by itself: the small turns of a flood lie between large ones."""
LEAST_PER_S = 400
"""With fewer submits a second a turn rarely has more than one, whatever the loop does."""
GAP_S = 0.05
"""So long without a submit ends a phase: at LEAST_PER_S it is twenty submits that did not arrive."""
GLANCE_S, TRIAL_S, PROBE_S = 0.02, 0.05, 1.0
HOLD_S, HOLD_MAX_S = 1.0, 16.0
FASTER, SIGMAS = 1.15, 4.0
"""A phase has the faster rate of submits if its rate is higher by the factor FASTER and by SIGMAS standard deviations of a Poisson process."""


class Phase(Enum):
    ALONE = "few submits"
    TRIED = "sleeps are tried"
    SLEEPING = "the loop sleeps"
    PROBED = "without sleeps for a moment"
    REFUSED = "sleeps slow the senders down"


class Sleeps:
    """Decides for each turn how long the loop sleeps behind it."""

    def __init__(self) -> None:
        self.phase = Phase.ALONE
        self._begun_s = self._until_s = 0.0
        self._submits = 0  # of this phase
        self._arrived_s = 0.0  # when the last submits arrived
        self._compared: tuple[int, float] | None = None  # submits and seconds of the phase to compare with
        self._hold_s = HOLD_S
        self._doubted = False  # whether the comparison is made a second time
        self._period_s, self._paired_s = PERIOD_S, PAIRED_S
        self._woke_s = 0.0
        self._large_s = 0.0  # when the last large turn ended
        self._paired = False  # whether submits are few enough for two turns between sleeps
        self._at_once = 0  # periods in which carriers answered at once, less those in which they did not
        self._judged_s = 0.0
        self.answering = False
        """Whether the next turn is for the carriers' answers to what the last one judged."""
        self.flooded = False
        """Whether a large turn has just ended."""
        self.gather_s = 0.0
        """So long submits gather for a batch, at most."""

    @property
    def small_turn(self) -> float:
        """With fewer submits a turn is small."""
        return SMALL_TURN * max(1.0, self.gather_s / PERIOD_S)

    def loaded(self, now_s: float) -> bool:
        """Whether submits arrive at LEAST_PER_S or more."""
        return self.phase is not Phase.ALONE and now_s - self._arrived_s <= GAP_S

    def after_turn(self, submits: int, now_s: float, gathers_for_s: float = 0.0, unanswered: bool = False) -> float:
        """How long the loop sleeps, 0: not at all. Must be called for each turn; if it returns more than 0, then ``woke``.
        ``gathers_for_s``: for so long submits that have arrived wait for more. ``unanswered``: a submit that was judged has no answer yet."""
        if submits:
            if now_s - self._arrived_s > GAP_S:
                self._begin(Phase.ALONE, now_s, GLANCE_S)
            self._arrived_s = now_s
            self._submits += submits
        if now_s >= self._until_s:
            self._end_phase(now_s)
        if submits >= self.small_turn:
            self._large_s = now_s
        self.flooded = now_s < self._large_s + FLOOD_S
        if self.flooded or not (self.phase is Phase.SLEEPING or self.phase is Phase.TRIED):
            self.answering = False
            return 0.0
        paired = self._paired and self._at_once > -ANSWERED_OF and not self.gather_s
        if self.answering:
            if unanswered and self.holds(now_s):
                return 0.0
            self.answering = False
            self._at_once = min(self._at_once + 1, ANSWERED_OF) if not unanswered else self._at_once - 1
        elif paired and submits and unanswered:
            self.answering, self._judged_s = True, now_s
            return 0.0
        period_s = self._paired_s if paired else self._period_s
        sleep_s = max(self._woke_s + period_s - now_s, gathers_for_s)
        if LEAST_S <= sleep_s <= max(period_s, self.gather_s):
            return sleep_s
        self._woke_s = now_s
        return 0.0

    def holds(self, now_s: float) -> bool:
        """Whether submits that have arrived wait for the turn behind the next sleep."""
        return self.answering and now_s < self._judged_s + ANSWERS_S

    def woke(self, now_s: float) -> None:
        """A sleep has ended."""
        if not self.answering:
            self._woke_s = now_s

    def _begin(self, phase: Phase, now_s: float, lasts_s: float) -> None:
        self.phase, self._begun_s, self._until_s, self._submits = phase, now_s, now_s + lasts_s, 0

    def _end_phase(self, now_s: float) -> None:
        ended, phase, compared = (self._submits, now_s - self._begun_s), self.phase, self._compared
        self._paired, self._at_once = ended[0] < PAIRED_BELOW_PER_S * ended[1], 0
        few = ended[0] < FEW_PER_S * ended[1]
        self._period_s, self._paired_s = (LONGER_S, PAIRED_LONGER_S) if few else (PERIOD_S, PAIRED_S)
        if ended[0] < LEAST_PER_S * ended[1] and phase is not Phase.TRIED:  # sleeps may be what slows the senders down
            self._begin(Phase.ALONE, now_s, GLANCE_S)
        elif phase is Phase.ALONE or phase is Phase.SLEEPING:  # what arrived ALONE may have waited for the loop: it has no rate
            self._compared = ended if phase is Phase.SLEEPING else None
            self._begin(Phase.PROBED, now_s, TRIAL_S)
        elif phase is Phase.REFUSED or compared is None:
            self._compared = ended
            self._begin(Phase.TRIED, now_s, GLANCE_S)
        elif _is_faster(compared, ended) if phase is Phase.TRIED else _is_faster(ended, compared):
            self._doubted = not self._doubted
            if self._doubted:  # what was held up elsewhere and comes in a burst looks alike: once
                self._begin(phase, now_s, now_s - self._begun_s)
                return
            self._begin(Phase.REFUSED, now_s, self._hold_s)
            self._hold_s = min(2 * self._hold_s, HOLD_MAX_S)
        elif phase is Phase.TRIED and ended[1] < TRIAL_S:
            self._until_s = self._begun_s + TRIAL_S
        else:
            self._doubted = False
            self._begin(Phase.SLEEPING, now_s, PROBE_S)
            self._hold_s = HOLD_S


def _is_faster(first: tuple[int, float], second: tuple[int, float]) -> bool:
    """Whether submits arrived faster in the first of two phases, (submits, seconds) each."""
    scale = first[1] / second[1]
    expected = second[0] * scale
    more = first[0] - expected
    return more > (FASTER - 1) * expected and more > SIGMAS * sqrt(first[0] + expected * scale)


class LoopSyncer(Protocol):
    """What the end of a turn uses of journal_syncer.Syncer."""

    def turn_begins(self, small: bool) -> None:
        """A turn begins; ``small``: the loop may sync behind it."""

    def sync_behind_turn(self) -> bool:
        """Syncs what the turn has written, if the loop is to do that; whether it has."""

    def begin_before_sleep(self) -> None:
        """The loop sleeps now: a sync in the thread begins, if one is wanted."""


class TurnEnd:
    """Syncs and sleeps behind each turn, once its output is written."""

    def __init__(
        self,
        syncer: LoopSyncer,
        is_work_due: Callable[[], bool],
        answer_waits: Callable[[], bool],
        wake: Callable[[], None],
        gathers_for: Callable[[], float] = lambda: 0.0,
        unanswered: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``is_work_due``: whether there is work that a sleep would delay. ``answer_waits``: whether an answer waits for a sync. ``wake``: asks
        for a turn. ``gathers_for``: how long submits that have arrived wait for more, in seconds. ``unanswered``: whether a submit that
        was judged has no answer yet."""
        self._syncer, self._is_work_due, self._answer_waits, self._wake = syncer, is_work_due, answer_waits, wake
        self._gathers_for, self._unanswered, self._monotonic, self._sleep = gathers_for, unanswered, monotonic, sleep
        self._submits = self._held = 0
        self.sleeps = Sleeps()

    @property
    def loaded(self) -> bool:
        """Whether many submits arrive."""
        return self.sleeps.loaded(self._monotonic())

    def turn_begins(self, submits: int) -> bool:
        """A turn begins; ``submits``: how many have arrived for it. Returns whether they wait for the turn behind the next sleep."""
        submits += self._held
        holds = submits > 0 and self.sleeps.holds(self._monotonic())
        self._submits, self._held = (0, submits) if holds else (submits, 0)
        self._syncer.turn_begins(self._submits < self.sleeps.small_turn and not self.sleeps.flooded)
        return holds

    def turn_ended(self) -> None:
        """The turn's output is written."""
        synced = self._syncer.sync_behind_turn()
        if synced and self._answer_waits():
            self._wake()
        sleep_s = self.sleeps.after_turn(self._submits, self._monotonic(), self._gathers_for(), self._unanswered())
        self._submits = 0
        if self._held and self.sleeps.answering:
            sleep_s = LEAST_S  # then looks for the answers again, though nothing may arrive that ends the wait
        if sleep_s and not self._is_work_due():
            self._syncer.begin_before_sleep()
            self._sleep(sleep_s)
            self.sleeps.woke(self._monotonic())
        if self._held:
            self._wake()
