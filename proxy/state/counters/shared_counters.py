"""Counts a node's takes against portions of a shared limit.

In: takes, as aggregates.py has them; answers of the store (limit_portions.py). Out: counts; words for the next report. Never: a clock,
a wait. A counter without a portion for a message reports itself ``short``, and the message is judged again once the store has
been asked.

A portion is used until the store may consider its holder silent, and what is given back is not used from the moment of the
report. So every take stands in the store's book as this node's, whatever becomes of the answers.

The node's own takes are also counted here, and kept with its copy. While the store is out of reach, a portion in hand is used up;
after that the count is the node's own takes plus the last known takes of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import cython

from proxy.model.message import Take
from proxy.state.counters.aggregates import PART_SHIFT, PARTS, Aggregates
from proxy.state.counters.limit_portions import LEASE_MS, NOBODY, PortionLimit, PortionReport, PortionState
from proxy.state.shared.lease_functions import report_word

COUNT_S = 0.2
"""How often counters are checked for reports."""
REPORT_S = 1.0
"""Takes from a portion are reported so often, or when the portion runs low; the portion counts as taken in the store anyway."""
FRESH_S = 0.5
"""An exhausted counter is not requested again for so long."""
IDLE_S = 1.0
"""A node returns a portion that it has not used for so long."""
FORGET_S = LEASE_MS / 1000 + 1.0
"""A counter without a portion that was not used for so long is dropped here."""
SCANNED_MAX, REPORTED_MAX = 2048, 256
"""Counters scanned, and reported, in one step: it blocks the loop for a few ms at most."""
SPARE_BEATS = 3
"""Check intervals that a requested portion lasts at the present rate."""
LIMITS_MAX = 4
"""Limits of one counter at most: a limit and its burst, before and after a reload."""
ENDLESS = 10**12
"""A counter compared with this number is only read (for a share of a total); it is reported at each check."""
LOST_S = 10.0
"""A failing primary server has not lost reports older than this."""


class _Sent(NamedTuple):
    """The answered reports of one second."""

    second: int
    number: int  # of the last
    taken: dict[int, int]


@cython.final
@cython.no_gc
@cython.cclass
class _CounterState:
    """This node's view of one counter."""

    width_s: cython.longlong
    keep_s: cython.longlong
    """0, like the grain, until something is taken."""
    limits: dict[int, float]
    """Limits that it was compared with since the last report: most → after."""
    told_limits: dict[int, float]
    """Limits in the last answer of the store."""
    taken: cython.longlong
    room: cython.longlong
    """From the last answer: the counted takes; how much of its portion this node might have used."""
    left: cython.longlong
    surplus: cython.longlong
    """The portion: usable, and to be returned."""
    need: cython.longlong
    """Messages that wait for an answer."""
    used: dict[int, int]
    """Takes that are in no report yet, by start of bucket."""
    since: cython.longlong
    out: cython.longlong
    """Since the last answered report: takes less returns; the resulting change of ``left``."""
    asked_s: cython.double
    used_s: cython.double
    said_s: cython.double
    told_s: cython.double
    until_s: cython.double
    """When the portion expires."""
    report: PortionReport | None
    """The report that is sent or must be repeated."""
    reached: cython.bint
    exhausted: cython.bint
    """Whether the store had less than the messages needed."""
    answered: cython.longlong
    """The number of the last answered report."""
    sent: list[_Sent]
    """The latest answered reports."""

    def __init__(self) -> None:
        self.width_s = self.keep_s = 0
        self.limits, self.told_limits, self.used, self.sent = {}, {}, {}, []
        self.taken = self.room = self.left = self.surplus = self.need = self.since = self.out = self.answered = 0
        self.asked_s = self.used_s = 0.0
        self.said_s = self.told_s = self.until_s = float("-inf")
        self.report, self.reached, self.exhausted = None, True, False

    @cython.ccall
    def in_hand(self, now_s: cython.double) -> cython.longlong:
        """How much may be taken without a request."""
        return self.left if now_s < self.until_s else 0

    def note(self, report: PortionReport, now_s: float) -> None:
        """Keeps an answered report, in case the store loses it."""
        if not report.taken:
            return
        second, sent = int(now_s), self.sent
        if sent and sent[-1].second == second:
            for start, n in report.taken.items():
                sent[-1].taken[start] = sent[-1].taken.get(start, 0) + n
            sent[-1] = sent[-1]._replace(number=report.number)
        else:
            self.sent = [one for one in sent if one.second > now_s - LOST_S]
            self.sent.append(_Sent(second, report.number, dict(report.taken)))


@cython.cclass
class SharedCounters(Aggregates):
    """The counters of one node. ``on`` while any part of the store is reachable; the caller sets ``now_s`` (monotonic) before messages are
    judged."""

    on: cython.bint
    reported: cython.bint
    """Whether takes are to be reported, now or when the store is reachable again; False while a start replays the journal."""
    now_s: cython.double
    _held: tuple[dict[int, _CounterState], ...]
    """In parts, like the counts: a dictionary that grows copies all its keys at once."""
    _shared_count: cython.Py_ssize_t
    """Entries of ``_held``; ``len`` counts this node's own series."""
    _life: cython.longlong
    _number: cython.longlong
    _wanted: set[int]
    unreachable: set[int]
    """Counters whose last request failed."""

    def __init__(self, life: int) -> None:
        """``life``: when this life of the node began, in microseconds since 1970."""
        super().__init__()
        self.on = self.reported = False
        self.now_s = 0.0
        self._held = tuple([dict[int, _CounterState]() for _ in range(PARTS)])
        self._shared_count = 0
        self._life, self._number = life, 0
        self._wanted, self.unreachable = set(), set()

    @property
    def as_seen(self) -> Aggregates:
        return _ReadOnlyCounters(self)

    @cython.ccall
    def count(self, key: Any, after: cython.longlong, most: Any = 0) -> cython.longlong:
        own: cython.longlong = Aggregates.count(self, key, after)
        held: _CounterState | None = self._known(key)
        limit: cython.longlong = most
        if limit == 0:
            return max(own, held.taken + held.since) if held is not None and self.on else own
        if held is None:
            if not self.on or self._shared_count >= self.keys_max:
                return own
            held = self._add_counter(key)
        held.asked_s = self.now_s
        held.limits[most] = after
        if own >= limit:
            return own
        if held.in_hand(self.now_s) > 0 and most in held.told_limits:
            return max(own, min(limit - 1, held.taken + held.since))
        if not (self.on and held.reached):
            return max(own, _last_known_count(held, after, limit))
        if held.exhausted and self.now_s - held.told_s < FRESH_S and most in held.told_limits:
            return limit
        held.need += 1
        self.shortfalls += 1
        self._wanted.add(key)
        return limit

    @cython.ccall
    def take(self, take: Take, at: cython.double, n: cython.longlong = 1) -> None:
        Aggregates.take(self, take, at, n)
        self._spend(take, at, n)

    def give_back(self, take: Take, at: float, n: int = 1) -> None:
        super().give_back(take, at, n)
        self._spend(take, at, -n)

    @cython.cfunc
    def _spend(self, take: Take, at: cython.double, n: cython.longlong) -> None:
        if not self.reported:
            return
        held: _CounterState | None = self._known(take.key)
        if held is None:  # it is compared with nothing yet (of a rule in shadow, say), or was forgotten
            if self._shared_count >= self.keys_max:
                return
            held = self._add_counter(take.key)
        held.width_s, held.keep_s = take.width_s, take.keep_s
        second: cython.longlong = int(at)
        start: cython.longlong = second - second % held.width_s
        before = held.used.get(start, 0)
        held.used[start] = before + n
        held.since += n
        if n > 0:
            held.used_s = self.now_s
        elif before + n < 0:
            return  # what was reported is there again when the store says so: before that nothing stands for it
        held.left -= n
        held.out += n

    def in_hand(self, key: int) -> int:
        """How much this node may take of a counter without a request."""
        held = self._known(key)
        return held.in_hand(self.now_s) if held is not None else 0

    @cython.cfunc
    def _known(self, key: Any) -> _CounterState | None:
        part: dict[int, _CounterState] = self._held[key >> PART_SHIFT]
        return part.get(key)

    def _add_counter(self, key: int) -> _CounterState:
        held = self._held[key >> PART_SHIFT][key] = _CounterState()
        held.asked_s = self.now_s
        self._shared_count += 1
        return held

    # -- with the store

    @property
    def wants(self) -> bool:
        """Whether messages wait for portions."""
        return bool(self._wanted)

    def wanted(self) -> list[int]:
        """The counters that messages wait for, to be reported now; after their answers there may be more."""
        keys = [self._wanted.pop() for _ in range(min(REPORTED_MAX, len(self._wanted)))]
        return [key for key in keys if (held := self._known(key)) is not None and held.need]

    def due(self) -> Iterator[list[int]]:
        """One scan of all counters, in batches of keys to report: those that messages wait for, those with takes, and those with a portion to
        return. Report each batch before taking the next; a batch may be empty, so that other work can run between two."""
        while self._wanted:
            yield self.wanted()
        found: list[int] = []
        looked_at = 0
        for part in self._held:
            for key in list(part):
                looked_at += 1
                held = part.get(key)
                if held is None:
                    continue
                if self._is_due(held):
                    found.append(key)
                elif not held.used and held.left <= 0 and held.asked_s < self.now_s - FORGET_S:
                    del part[key]
                    self._shared_count -= 1
                if len(found) >= REPORTED_MAX or looked_at >= SCANNED_MAX:
                    yield found
                    found, looked_at = [], 0
        yield found

    def _is_due(self, held: _CounterState) -> bool:
        if held.report is not None or held.need or held.surplus:
            return True
        if not held.used:
            return held.left > 0 and held.used_s < self.now_s - IDLE_S
        waits = held.told_s > self.now_s - REPORT_S and held.told_limits and ENDLESS not in held.told_limits
        return not waits or (held.since > 1 and held.left <= held.since)

    def report_words(self, keys: Iterable[int]) -> list[str]:
        """The reports of these; until ``apply_answer`` or ``note_unanswered`` each is on its way."""
        return [report_word(self._report(self._held[key >> PART_SHIFT][key])) for key in keys]

    def _report(self, held: _CounterState) -> PortionReport:
        if held.report is None:
            self._number += 1
            taken, held.used, held.out = {start: n for start, n in held.used.items() if n}, {}, 0
            back, held.surplus = held.surplus, 0
            if not held.need and held.used_s < self.now_s - IDLE_S:
                back += max(0, held.left)
                held.left = min(0, held.left)
            limits = tuple(PortionLimit(most, after) for most, after in held.told_limits.items())
            held.report = PortionReport(self._life, self._number, taken, back, 0, 0, limits)
        lately = max(0, sum(held.report.taken.values())) * COUNT_S / max(COUNT_S, self.now_s - held.told_s)
        spare = round(SPARE_BEATS * lately) if held.need or held.used_s >= self.now_s - IDLE_S else 0
        limits = held.report.limits
        if held.limits:
            limits = tuple(PortionLimit(most, after) for most, after in list(held.limits.items())[-LIMITS_MAX:])
            held.limits = {}
        held.said_s = self.now_s
        held.report = held.report._replace(need=held.need, spare=spare, limits=limits, width_s=held.width_s, keep_s=held.keep_s)
        return held.report

    def apply_answer(self, key: int, answer: PortionState) -> None:
        held = self._held[key >> PART_SHIFT][key]
        report, held.report = held.report, None
        assert report is not None
        usable = min(answer.left, answer.room)
        held.taken, held.room, held.left, held.surplus = answer.taken, answer.room, usable - held.out, answer.left - usable
        held.since = sum(held.used.values())
        held.exhausted = usable < report.need
        held.need = max(0, held.need - report.need)
        held.told_limits = {limit.most: limit.after_s for limit in report.limits}
        held.told_s, held.until_s, held.reached = self.now_s, held.said_s + LEASE_MS / 1000, True
        self.unreachable.discard(key)
        if answer.last_report < held.answered or answer.last_report == NOBODY:
            self._repeat_lost_reports(key, held, report, answer)
        held.answered = report.number
        held.note(report, self.now_s)

    def _repeat_lost_reports(self, key: int, held: _CounterState, report: PortionReport, answer: PortionState) -> None:
        """Reports lost takes again: the store knows nothing of this node, or has lost its last reports, and may have handed out too much."""
        lost: dict[int, int] = {}
        if answer.last_report == NOBODY:
            series = self.held(key)
            if series is not None:
                lost = dict(zip(series.starts, series.counts, strict=True))
                for start, n in (*report.taken.items(), *held.used.items()):
                    lost[start] = lost.get(start, 0) - n
        else:
            for sent in held.sent:
                if sent.number > answer.last_report:
                    for start, n in sent.taken.items():
                        lost[start] = lost.get(start, 0) + n
        lost = {start: n for start, n in lost.items() if n > 0}
        if not lost:
            return
        for start, n in lost.items():
            held.used[start] = held.used.get(start, 0) + n
        held.left, held.surplus, held.exhausted = -held.out, answer.left, False

    def note_unanswered(self, key: int) -> None:
        """Notes a missing answer: the report may have been stored or not, so the same report is sent again."""
        held = self._held[key >> PART_SHIFT][key]
        held.need, held.reached = 0, False
        self.unreachable.add(key)

    def reconnect(self) -> None:
        """The store is reachable, for the first time or again: the next message of each unreachable counter requests a portion."""
        self.on = self.reported = True
        for key in self.unreachable:
            self._held[key >> PART_SHIFT][key].reached = True
        self.unreachable.clear()


def _last_known_count(held: _CounterState, after: float, most: int) -> int:
    """An estimate while the store is unreachable: as if the other nodes had used their whole part of the last answer, and nothing since. In a
    moving window that part expires."""
    then = held.told_limits.get(most)
    if then is None:
        return 0
    passed = min(1.0, max(0.0, after - then) / max(1, held.keep_s - held.width_s))
    return round(most - held.room - held.taken * passed) + held.since


@cython.cclass
class _ReadOnlyCounters(Aggregates):
    """A read-only view that requests no portions."""

    _counters: SharedCounters

    def __init__(self, counters: SharedCounters) -> None:
        super().__init__(0)
        self._counters = counters

    @cython.ccall
    def count(self, key: Any, after: cython.longlong, most: Any = 0) -> cython.longlong:
        return self._counters.count(key, after)
