"""Divides what a limit leaves into portions for several nodes.

In: the takes that nodes report and how many more they need, the time. Out: portions. Never: a clock, a request for each message,
a smaller portion than the node holds, unless it gave some back. It is pure.

The store keeps a book for each counter: takes in buckets of time, and for each node the portion that it has not reported as taken
yet. A portion counts as taken, so a limit is never exceeded, whatever is late, lost or repeated. A node asks when it has none
left for a message (which waits and is judged again), and now and then for the counters it uses. It gets what its messages need,
as far as there is any, and for future messages at most the fraction of the rest that PARTS sets. It gives back what it does not
use.

    limit 1,000 ── taken 900 ── handed out: 20 to node 1, 12 to node 2 ── left 68: at most 17 for future messages, with two nodes

A node that is silent for LEASE_MS no longer uses its portion. The portion counts as taken from then on, because nobody knows how
much of it was, and expires with the window. If the node was only suspended or cut off, its next report says how much it used. If
it died, a process that takes its number over has another ``life`` and none of the portion.

A store that lost its last writes, or all, is detected by the number of the last report that it has (``PortionState.had``): the
node reports again from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LEASE_MS = 3000
PARTS = 2
"""For future messages a node gets at most 1 / (PARTS × nodes) of what is left: the first of two nodes a quarter."""
NOBODY = -1
"""``PortionState.last_report`` if the store knew nothing of the node."""


class PortionLimit(NamedTuple):
    """A limit of a counter: no more than ``most`` takes later than ``after_s``."""

    most: int
    after_s: float


class PortionReport(NamedTuple):
    """A node's report about one counter."""

    life: int  # which of its lives speaks
    number: int  # from 1: no report counts twice
    taken: Mapping[int, int]  # by start of bucket, since the last report that was answered (negative: given back)
    back: int  # of what it holds, what it does not use any more
    need: int  # how many messages wait for this
    spare: int  # how many are likely to come before it asks again
    limits: tuple[PortionLimit, ...]
    width_s: int = 0  # of the counter; both are 0 where the node does not know them
    keep_s: int = 0


class Portion(NamedTuple):
    """One node's portion of a counter."""

    life: int
    number: int  # of its last report
    left: int  # handed to it, and not reported as taken yet
    until_ms: int


class PortionState(NamedTuple):
    """The store's answer to a report."""

    taken: int  # what counts after the tightest limit's ``after_s``, handed out to others included; not what it holds itself
    left: int  # what it holds itself
    room: int  # how much of that it may use: less than ``left`` where limits have become lower
    last_report: int  # the number of its last report that was known before this one


class PortionBook:
    """The book of one counter over all nodes."""

    def __init__(self) -> None:
        self.width_s, self.keep_s = 1, 0
        """The width of buckets, and how long counts are kept; ``keep_s`` is 0 until a node reports it with its first take."""
        self.counts: dict[int, int] = {}
        """Start of a bucket → takes in it."""
        self.portions: dict[int, Portion] = {}

    def report(self, node: int, node_report: PortionReport, now_ms: int) -> PortionState:
        if node_report.keep_s:
            self.width_s, self.keep_s = node_report.width_s, node_report.keep_s
        self._forget(now_ms)
        held = self.portions.get(node)
        had, number, left = NOBODY, 0, 0
        if held is not None:
            if held.life == node_report.life:
                had, number, left = held.number, held.number, held.left
            else:  # whatever the one before held may have been taken
                had = 0
                start = self._start(min(held.until_ms, now_ms))
                self.counts[start] = self.counts.get(start, 0) + held.left
        if node_report.number > number:
            number = node_report.number
            for start, count in node_report.taken.items():
                before = self.counts.get(start, 0)
                self.counts[start] = after = max(0, before + count)
                left -= after - before
            left = max(0, left - node_report.back)
        nodes = 1 + sum(who != node and one.until_ms > now_ms for who, one in self.portions.items())
        room, counted = None, 0
        for limit in node_report.limits:
            inside = self.inside(limit.after_s, now_ms, node)
            if room is None or limit.most - inside < room:
                room, counted = limit.most - inside, inside
        if room is None:  # compared with nothing: nothing is to be handed out
            room, counted = 0, self.inside(float("-inf"), now_ms, node)
        else:
            room = max(0, room)
            if left < node_report.need:
                left = max(left, min(room, node_report.need))
            if left < node_report.need + node_report.spare:
                left = max(left, min(node_report.need + node_report.spare, left + (room - left) // (PARTS * nodes)))
        self.portions[node] = Portion(node_report.life, number, left, now_ms + LEASE_MS)
        return PortionState(counted, left, room, had)

    def inside(self, after_s: float, now_ms: int, but: int | None = None) -> int:
        """The takes later than ``after_s`` (as aggregates.py counts them) plus the portions of all nodes ``but`` one."""
        latest = after_s + 1 - self.width_s
        found = sum(count for start, count in self.counts.items() if start > latest)
        for who, one in self.portions.items():
            if who != but and (one.until_ms > now_ms or self._start(one.until_ms) > latest):
                found += one.left
        return found

    def _start(self, at_ms: int) -> int:
        second = at_ms // 1000
        return second - second % self.width_s

    def _forget(self, now_ms: int) -> None:
        if not self.keep_s:
            return
        oldest = now_ms // 1000 - self.keep_s - self.width_s
        self.counts = {start: count for start, count in self.counts.items() if start >= oldest}
        self.portions = {who: one for who, one in self.portions.items() if one.until_ms // 1000 >= oldest}
