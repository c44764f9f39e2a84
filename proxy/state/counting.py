"""Counting: a node's counters about no single person, where several nodes count together: what it takes it takes from portions that it holds.

In: takes, as proxy.state.aggregates has them; what the store told (portions.py). Out: counts; words for the next report. Never: a clock, a
wait: a counter that holds nothing for a message says that it is ``short``, and the message is judged again once the store has been asked.

What this node itself took is counted here as ever (and kept with its copy): by that it goes while the store is out of reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.message import Take
from proxy.state.aggregates import Aggregates
from proxy.state.leasing import report_word
from proxy.state.portions import LEASE_MS, Limit, Told

FRESH_S = 0.5
"""A counter of which the store said that nothing is left is not asked about again for so long."""
IDLE_S = 1.0
"""What a node holds and has not used for so long it gives back."""
FORGET_S = LEASE_MS / 1000 + 1.0
"""A counter that was not asked for so long, and holds nothing, is forgotten here."""
LIMITS_MAX = 4
"""What one counter is compared with at most: a limit and its burst, before and after a reload."""


class Report(NamedTuple):
    """What is on its way to the store."""

    number: int
    taken: dict[int, int]
    wants: int = 0


class _Held:
    """One counter, as this node knows it."""

    __slots__ = (
        "width_s", "keep_s", "limits", "taken", "left", "since", "wants", "portion", "used", "asked_s", "used_s", "told_s", "report",
        "exhausted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.width_s, self.keep_s = 0, 0  # until something is taken
        self.limits: dict[int, float] = {}
        self.taken = self.left = self.since = self.wants = self.portion = 0
        self.used: dict[int, int] = {}
        """Taken and not reported, by start of bucket."""
        self.asked_s = self.used_s = 0.0
        self.told_s = float("-inf")
        self.report: Report | None = None
        self.exhausted = False
        """The store said that nothing is left."""


class SharedCounters(Aggregates):
    """``on`` while the store is in reach; ``now_s`` is monotonic, and set by whoever runs it."""

    def __init__(self, first_number: int) -> None:
        """``first_number``: of reports, higher than all of this node's earlier lives."""
        super().__init__()
        self.on = self.reported = False
        """``reported``: what is taken is to be told to the others, now or when the store is back: not what a start replays."""
        self.now_s = 0.0
        self.short = 0
        self._held: dict[int, _Held] = {}
        self._number = first_number
        self._wanted: set[int] = set()

    @property
    def as_seen(self) -> Aggregates:
        return _AsSeen(self)

    def count(self, key: int, after: float, most: int = 0) -> int:
        own = super().count(key, after)
        if not self.on:
            return own
        held = self._held.get(key)
        if most == 0:
            return own if held is None else max(own, held.taken + held.since)
        if held is None:
            if len(self._held) >= self.keys_max:
                return own
            held = self._held[key] = _Held()
        held.asked_s = self.now_s
        held.limits.pop(most, None)
        held.limits[most] = after
        if held.left > 0:
            return min(most - 1, max(own, held.taken + held.since))
        if held.exhausted and self.now_s - held.told_s < FRESH_S:
            return max(most, own)
        held.wants += 1
        self.short += 1
        self._wanted.add(key)
        return max(most, own)

    def take(self, take: Take, at: float, n: int = 1) -> None:
        super().take(take, at, n)
        self._use(take, at, n)

    def give_back(self, take: Take, at: float, n: int = 1) -> None:
        super().give_back(take, at, n)
        self._use(take, at, -n)

    def _use(self, take: Take, at: float, n: int) -> None:
        if not self.reported:
            return
        held = self._held.get(take.key)
        if held is None and len(self._held) >= self.keys_max:
            return
        if held is None:  # it is compared with nothing yet (of a rule in shadow, say), or was forgotten
            held = self._held[take.key] = _Held()
            held.asked_s = self.now_s
        held.width_s, held.keep_s = take.width_s, take.keep_s
        second = int(at)
        start = second - second % take.width_s
        held.used[start] = held.used.get(start, 0) + n
        held.left -= n
        held.since += n
        held.used_s = self.now_s

    # -- with the store

    def due(self, *, all_used: bool) -> list[int]:
        """Counters to be reported: those that are short, or also what was used or is to be given back."""
        if not all_used:
            found, self._wanted = list(self._wanted), set()
            return found
        self._wanted.clear()
        idle_s, forget_s = self.now_s - IDLE_S, self.now_s - FORGET_S
        found = []
        for key, held in list(self._held.items()):
            if held.report is not None or held.used or held.wants or (held.left > 0 and held.used_s < idle_s):
                found.append(key)
            elif held.left <= 0 and held.asked_s < forget_s:
                del self._held[key]
        return found

    def words(self, keys: Iterable[int]) -> list[str]:
        """The reports of these; until ``told`` or ``lost`` each is on its way."""
        found = []
        for key in keys:
            held = self._held[key]
            if held.report is None:
                self._number += 1
                held.report = Report(self._number, {start: n for start, n in held.used.items() if n})
                held.used = {}
            taken = held.report.taken
            lately = max(0, sum(taken.values()))
            wants = held.wants + 2 * lately if held.wants or held.used_s >= self.now_s - IDLE_S else 0
            held.report = held.report._replace(wants=wants)
            limits = [Limit(most, after) for most, after in list(held.limits.items())[-LIMITS_MAX:]]
            found.append(report_word(held.report.number, wants, held.width_s, held.keep_s, limits, taken))
        return found

    def told(self, key: int, told: Told) -> None:
        held = self._held[key]
        since = sum(held.used.values())  # taken while the report was on its way
        held.exhausted = held.report is not None and held.report.wants > 0 and told.left <= 0
        held.report, held.wants, held.told_s = None, 0, self.now_s
        held.taken, held.left, held.since, held.portion = told.taken, told.left - since, since, told.left

    def lost(self, keys: Iterable[int]) -> None:
        """No answer came: nobody knows whether the report was taken, so the same goes again."""
        for key in keys:
            self._held[key].wants = 0

    def back(self) -> None:
        """The store is in reach, for the first time or again: what this node had been handed, if that was too long ago, counts there as
        taken by now."""
        self.on = self.reported = True
        for held in self._held.values():
            if self.now_s - held.told_s < LEASE_MS / 1000:
                continue
            covered, held.report, held.left, held.wants, held.told_s = held.portion, None, 0, 0, float("-inf")
            for start, n in list(held.used.items()):
                covered, held.used[start] = max(0, covered - n), max(0, n - covered)


class _AsSeen(Aggregates):
    """Counts, and asks for nothing."""

    def __init__(self, counters: SharedCounters) -> None:
        super().__init__()
        self._counters = counters

    def count(self, key: int, after: float, most: int = 0) -> int:
        return self._counters.count(key, after)
