"""Plan: what is known of a message before its person is asked: facts, what stands against it, what is left to ask.

In: a Decision and Facts. Out: Plans for judge.py to read, in the shape that costs least to read. Never: deciding (ruleset.py does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from proxy.message import Breach, Facts, Outcome, Pick, Reason

from .condition import Compiled, Tree
from .kinds.limit import Limit, Only, pick
from .registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    id: str
    number: int
    say: str
    basis: str
    mode: str  # enforce | shadow | off: the stricter of the rule's and the set's
    when: Tree  # with its active dates
    then: str  # reject | defer | tag | throttle | "" for an exemption
    reason: Reason | None
    limits: tuple[Limit, ...]
    only: Only
    exempt: bool
    spares: int  # for an exemption: bits (by rule number) of the rules it switches off
    file: str
    line: int
    compiled: Compiled
    breach: Breach | None
    limit_breaches: tuple[Breach, ...]


class Place:
    """Province and city as a key (compared by identity). One per province unless a rule reads cities."""

    __slots__ = ("province", "city")

    def __init__(self, province: str, city: str) -> None:
        self.province = province
        self.city = city


class Cap(NamedTuple):
    """A limit counted in the person's record."""

    most: int
    after: int
    """Start of a calendar day, week or month (less a second: it is exclusive) while the plan holds; 0 = see ``rolling_s``."""
    rolling_s: int
    pick: Pick
    by_template: bool
    ask: Tree | None
    limit: Limit
    breach: Breach

    def since(self, now: float) -> int:
        """Entries later than this count."""
        return self.after or (int(now) - self.rolling_s if self.rolling_s else self.limit.window.after(now))


class Counter(NamedTuple):
    """A limit counted in an aggregate."""

    ask: Tree | None
    limit: Limit
    key: int
    breach: Breach
    spared: bool


class Decision(NamedTuple):
    """What the rules make of one set of facts. ``ask`` of a pair is what is left to ask about the person."""

    standing: tuple[Breach, ...]
    persons: tuple[tuple[Tree, Breach], ...]
    limited: tuple[tuple[Tree | None, Rule], ...]
    spared: int
    sparing: tuple[tuple[Tree, int], ...]


class Plan:
    __slots__ = (
        "facts", "outcome", "reason", "rule", "breaches", "persons", "caps", "oldest_s", "fewest", "counters", "sparing", "asks",
    )  # fmt: skip

    def __init__(self, facts: Facts, decision: Decision, caps: tuple[Cap, ...], counters: tuple[Counter, ...]) -> None:
        self.facts = facts
        self.breaches = decision.standing
        self.outcome, self.reason, self.rule = reported(decision.standing)
        self.persons = decision.persons
        self.caps = caps
        self.oldest_s = max((cap.limit.window.seconds for cap in caps), default=0)
        self.fewest = min((cap.limit.most for cap in caps), default=0)
        self.counters = counters
        self.sparing = decision.sparing
        self.asks = bool(self.persons or caps or counters or (self.sparing and self.breaches))


def strictness(breach: Breach) -> tuple[int, int, str]:
    """Strictest first, among equals the order of the reason table, then the rule's id."""
    return (-breach.outcome, breach.reason.rank, breach.rule)


def reported(breaches: tuple[Breach, ...]) -> tuple[Outcome, Reason | None, str]:
    """Outcome, reason and rule of the strictest breach that is enforced. ``breaches`` are in order."""
    for breach in breaches:
        if not breach.shadow:
            if breach.outcome is Outcome.ALLOW:  # a tag: nothing stricter follows
                break
            return breach.outcome, breach.reason, breach.rule
    return Outcome.ALLOW, None, ""


def cap_of(
    limit: Limit, rule: Rule, facts: Facts, registry: Registry, now: float | None, ask: Tree | None, breach: Breach
) -> Cap:
    """A limit bound to a message's facts. ``now`` lies in the span the plan holds for, which no midnight interrupts."""
    unit, seconds = limit.window
    after = limit.window.after(now) if now is not None and unit in ("day", "week", "month") else 0
    by_template = "content" in limit.keys or "template" in limit.keys
    chosen = pick(limit, rule.only, facts, registry)
    return Cap(limit.most, after, seconds if unit == "rolling" else 0, chosen, by_template, ask, limit, breach)
