"""The specification of portions of counters: what the store's functions must answer, in Python."""

from __future__ import annotations

from typing import NamedTuple

from proxy.state.counters.limit_portions import LEASE_MS, NOBODY, PARTS, PortionReport, PortionState


class Portion(NamedTuple):
    """What one node has of a counter."""

    life: int
    number: int  # of its last report
    left: int  # handed to it, and not reported as taken yet
    until_ms: int


class PortionBook:
    """One counter over all nodes."""

    def __init__(self) -> None:
        self.width_s, self.keep_s = 1, 0
        """How wide buckets are, and after how long a count no longer matters; 0 until a node has taken something and knows."""
        self.counts: dict[int, int] = {}
        """Start of a bucket → what was taken in it."""
        self.portions: dict[int, Portion] = {}

    def report(self, node: int, said: PortionReport, now_ms: int) -> PortionState:
        if said.keep_s:
            self.width_s, self.keep_s = said.width_s, said.keep_s
        self._forget(now_ms)
        held = self.portions.get(node)
        had, number, left = NOBODY, 0, 0
        if held is not None:
            if held.life == said.life:
                had, number, left = held.number, held.number, held.left
            else:  # whatever the one before held may have been taken
                had = 0
                start = self._start(min(held.until_ms, now_ms))
                self.counts[start] = self.counts.get(start, 0) + held.left
        if said.number > number:
            number = said.number
            for start, count in said.taken.items():
                before = self.counts.get(start, 0)
                self.counts[start] = after = max(0, before + count)
                left -= after - before
            left = max(0, left - said.back)
        nodes = 1 + sum(who != node and one.until_ms > now_ms for who, one in self.portions.items())
        room, counted = None, 0
        for limit in said.limits:
            inside = self.inside(limit.after_s, now_ms, node)
            if room is None or limit.most - inside < room:
                room, counted = limit.most - inside, inside
        if room is None:  # compared with nothing: nothing is to be handed out
            room, counted = 0, self.inside(float("-inf"), now_ms, node)
        else:
            room = max(0, room)
            if left < said.need:
                left = max(left, min(room, said.need))
            if left < said.need + said.spare:
                left = max(left, min(said.need + said.spare, left + (room - left) // (PARTS * nodes)))
        self.portions[node] = Portion(said.life, number, left, now_ms + LEASE_MS)
        return PortionState(counted, left, room, had)

    def inside(self, after_s: float, now_ms: int, but: int | None = None) -> int:
        """What was taken later than ``after_s`` (as proxy.state.counters.aggregates counts it) or is in the hands of any node ``but`` one."""
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
