"""Portions: counts that are about no single person, kept over several nodes: the budget that a limit leaves is handed out in portions. Pure.

In: what nodes have taken and how many more they need, the time. Out: portions. Never: a clock, a question for each message.

The book of a counter stands in the store: what was taken, in buckets of time, and what each node was handed and has not reported yet. What
is handed out counts as taken, so a limit is never passed, whatever is late, lost or repeated. A node asks when it has none left for a message
(which waits for that, and is judged again), and a few times a second for the counters it uses. A portion is what the node needs, at most the
part of what is left that PARTS says: near the limit portions shrink to single messages. What a node does not use it gives back.

    limit 1,000 ── taken 900 ── handed out: 20 to node 1, 12 to node 2 ── left 68: the next portion has 17 at most with two nodes

What a dead node was handed counts as taken when its LEASE_MS is over: nobody knows whether it was.
"""

from __future__ import annotations

from typing import NamedTuple

LEASE_MS = 3000
PARTS = 2
"""The next portion is at most one of so many parts of what is left for each node: the first of two nodes gets a quarter."""


class Limit(NamedTuple):
    """What a counter is compared with: no more than ``most`` after ``after_s``."""

    most: int
    after_s: float


class Portion(NamedTuple):
    """What one node has of a counter."""

    left: int  # handed to it, and not reported as taken yet
    until_ms: int
    report: int  # number of its last report, so that none counts twice


class Told(NamedTuple):
    """What a node learns."""

    taken: int  # what counts after the tightest limit's ``after_s``, handed out to others included; not what it holds itself
    left: int  # what it holds itself


class Book:
    """One counter over all nodes."""

    def __init__(self) -> None:
        self.width_s, self.keep_s = 1, 0
        """How wide buckets are, and after how long a count no longer matters; 0 until a node has taken something and knows."""
        self.counts: dict[int, int] = {}
        """Start of a bucket → what was taken in it."""
        self.portions: dict[int, Portion] = {}

    def report(
        self,
        node: int,
        number: int,
        taken: dict[int, int],
        wants: int,
        limits: tuple[Limit, ...],
        now_ms: int,
        width_s: int = 0,
        keep_s: int = 0,
    ) -> Told:
        """``taken``: by start of bucket, since the last report that was answered (negative: given back); ``wants``: how many more it
        wants to hold; 0: it gives back what it holds. ``width_s``, ``keep_s``: of the counter, 0 where the node does not know them."""
        if keep_s:
            self.width_s, self.keep_s = width_s, keep_s
        self._bury(now_ms)
        held = self.portions.get(node, Portion(0, 0, 0))
        left = held.left
        if number > held.report:
            for start, count in taken.items():
                self.counts[start] = max(0, self.counts.get(start, 0) + count)
                left -= count
            left = max(0, left)
        others = sum(one.left for who, one in self.portions.items() if who != node)
        nodes = len(self.portions) + (node not in self.portions)
        room, counted = None, 0
        for limit in limits:
            inside = self.count(limit.after_s) + others
            here = limit.most - inside
            if room is None or here < room:
                room, counted = here, inside
        if room is None:  # compared with nothing: nothing is to be handed out
            left, counted = 0, others + sum(self.counts.values())
        elif wants <= 0:
            left = 0
        else:
            room = max(0, room)
            if left > room:
                left = room
            elif left < wants:
                more = max(1, (room - left) // (PARTS * nodes))
                left = min(room, max(left, min(wants, left + more)))
        self.portions[node] = Portion(left, now_ms + LEASE_MS, max(number, held.report))
        return Told(counted, left)

    def count(self, after_s: float) -> int:
        """What was taken later than ``after_s``, as proxy.state.aggregates counts it."""
        latest = after_s + 1 - self.width_s
        return sum(count for start, count in self.counts.items() if start > latest)

    def _bury(self, now_ms: int) -> None:
        for node, one in [(node, one) for node, one in self.portions.items() if one.until_ms <= now_ms]:
            if one.left:
                second = one.until_ms // 1000
                start = second - second % self.width_s
                self.counts[start] = self.counts.get(start, 0) + one.left
            del self.portions[node]
        oldest = now_ms // 1000 - self.keep_s - self.width_s
        if not self.keep_s:
            return
        for start in [start for start in self.counts if start < oldest]:
            del self.counts[start]
