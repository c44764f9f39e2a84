"""Counts rules' objections of the last day, by rule and province.

After a restart the counts begin anew, and ``since`` says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from proxy.model.counters import GateCounters

HOUR_S = 3600.0
HOURS = 24

Counts = Mapping[tuple[str, ...], int]


class _CountsThen(NamedTuple):
    """All that had been counted at some moment."""

    at: float
    hits: Counts
    shadow: Counts


class Hits:
    """Looks once an hour: a copy of a few thousand counts, of which there are 25 at most."""

    def __init__(self, tally: GateCounters, at: float) -> None:
        self._tally = tally
        self._seen: deque[_CountsThen] = deque([_CountsThen(at, {}, {})])

    def tick(self, now: float) -> None:
        """``now``: the wall clock."""
        if now - self._seen[-1].at < HOUR_S:
            return
        self._seen.append(_CountsThen(now, dict(self._tally.rule_hits), dict(self._tally.shadow)))
        while len(self._seen) > 1 and self._seen[1].at <= now - HOURS * HOUR_S:
            self._seen.popleft()

    @property
    def since(self) -> float:
        """From here on it is counted: up to an hour more than a day ago."""
        return self._seen[0].at

    def lately(self) -> dict[str, dict[str, int]]:
        """Objections of enforced rules: rule → province → messages."""
        return _by_rule(self._tally.rule_hits, self._seen[0].hits)

    def shadow_lately(self) -> dict[str, dict[str, int]]:
        """What shadow rules, and a set that waits, would have said: rule → verdict → messages."""
        return _by_rule(self._tally.shadow, self._seen[0].shadow)


def _by_rule(now: Counts, then: Counts) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, count in list(now.items()):
        if more := count - then.get(key, 0):
            found.setdefault(key[0], {})[key[1]] = more
    return found
