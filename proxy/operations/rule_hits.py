"""Counts rules' objections of the last day or minute, by province.

After a restart the counts begin anew, and ``since`` says so.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

from proxy.model.counters import GateCounters

HOUR_S = 3600.0
HOURS = 24
MINUTE_S, STEP_S = 60.0, 10.0

Counts = Mapping[tuple[str, ...], int]


class _CountsThen(NamedTuple):
    """All that had been counted at some moment."""

    at: float
    hits: Counts
    shadow: Counts


class Hits:
    """Looks once every step: a copy of a few thousand counts, of which there are 25 at most."""

    def __init__(self, tally: GateCounters, at: float, *, step_s: float = HOUR_S, kept_s: float = HOURS * HOUR_S) -> None:
        self._tally, self._step_s, self._kept_s = tally, step_s, kept_s
        self._seen: deque[_CountsThen] = deque([_CountsThen(at, {}, {})])

    def tick(self, now: float) -> None:
        """``now``: of the clock of ``at``."""
        if now - self._seen[-1].at < self._step_s:
            return
        self._seen.append(_CountsThen(now, dict(self._tally.rule_hits), dict(self._tally.shadow)))
        while len(self._seen) > 1 and self._seen[1].at <= now - self._kept_s:
            self._seen.popleft()

    @property
    def since(self) -> float:
        """From here on it is counted: up to a step more than is kept."""
        return self._seen[0].at

    def lately(self) -> dict[str, dict[str, int]]:
        """Objections of enforced rules: rule → province → messages."""
        return _by_rule(self._tally.rule_hits, self._seen[0].hits)

    def shadow_lately(self) -> dict[str, dict[str, int]]:
        """What shadow rules would have said: rule → verdict → messages."""
        return _by_rule(self._tally.shadow, self._seen[0].shadow)

    def totals(self) -> Counter[str]:
        """Objections, enforced or in shadow, by rule."""
        found: Counter[str] = Counter()
        for counted in (self.lately(), self.shadow_lately()):
            for rule, counts in counted.items():
                found[rule] += sum(counts.values())
        return found


def of_the_last_minute(tally: GateCounters) -> Hits:
    """To be ticked with the monotonic clock."""
    return Hits(tally, float("-inf"), step_s=STEP_S, kept_s=MINUTE_S)


def _by_rule(now: Counts, then: Counts) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, count in list(now.items()):
        if more := count - then.get(key, 0):
            found.setdefault(key[0], {})[key[1]] = more
    return found
