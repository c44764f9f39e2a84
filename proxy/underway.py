"""UnderWay: batches that are on their way to a store that waits: nobody is in two of them, and few do not go alone.

In: persons, how much has come, the time. Out: whether a batch may begin; what came for its persons meanwhile. Never: a store, a verdict.

A call of a few costs the gate and the store nearly as much as one of many. So what has come waits for more while another batch is on its
way: until there is enough, or that batch ends, or turns out to be a long way (the turns go on meanwhile). At rest nothing waits.
"""

from __future__ import annotations

from collections.abc import Collection

from proxy.changes import Change
from proxy.transit import Transit

ENOUGH = 256
"""So much begins at once: a call takes no more (state/records.py)."""
LONG_S = 0.01
"""Whoever is so far from the store does not wait for each answer."""

Chain = tuple[list[Change], list[Transit]]
"""What one turn brings for one person: changes, which come first, then submits in the order in which they came."""


class UnderWay:
    def __init__(self) -> None:
        self.people: set[int] = set()
        """Their records are being loaded or swapped …"""
        self.behind: dict[int, Chain] = {}
        """… and this came for them meanwhile."""
        self._batches, self._begun = 0, 0.0

    def gathers(self, count: int, now: float) -> bool:
        """Whether so much waits for more."""
        return self._batches > 0 and count < ENOUGH and abs(now - self._begun) < LONG_S

    def begins(self, people: Collection[int], now: float) -> None:
        self.people.update(people)
        self._batches += 1
        self._begun = now

    def ends(self, people: Collection[int]) -> list[Chain]:
        """What came for these people meanwhile."""
        self.people.difference_update(people)
        self._batches -= 1
        return [self.behind.pop(person) for person in [person for person in self.behind if person in people]]
