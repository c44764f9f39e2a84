"""Forecasts the verdict on a text before it is sent.

In: a sender, a text, the time, perhaps recipients. Out: a Forecast (for every recipient, for some provinces, and what depends on the
recipient); a Count over recipients. Never: a second way to decide. Objections against every recipient are the rule set's own decision;
given recipients are judged as the gate judges them, by what the folder knows. A recipient's past (messages, refusals by reply) is not known
here, and the forecast says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Breach, Content, Message, Outcome, Sender
from proxy.model.number import Number
from proxy.model.reasons import RULE_REASONS
from proxy.policy.condition import RecipientTest, Tree, ask_person, leaves
from proxy.policy.evaluation_plan import Decision, strictness
from proxy.policy.explanation.explain import RulePart, explain, plainly
from proxy.policy.explanation.history import Past, PastCounts, note_sent
from proxy.policy.judge import judge
from proxy.policy.registries.regions import SEGMENT_FIRST, Regions
from proxy.policy.ruleset import RuleSet

SHOWN_MAX = 3
"""People of each reason who are shown, masked."""
TRIES_MAX = 1_000
UNTOLD = frozenset(reason.public for reason in RULE_REASONS.values() if reason.public != reason.name)
"""Reasons that would say something about a person: how many, not who."""


class TextObjection(NamedTuple):
    """A rule that objects to a text for every recipient, or for recipients in some places."""

    rule: str
    say: str
    reason: str  # what may be told outside
    outcome: Outcome
    change: Bilingual
    where: tuple[str, ...] = ()  # provinces, and cities of provinces that it is not about as a whole; empty: everywhere


class Depends(NamedTuple):
    """A rule that may be against it, and on what that rests."""

    rule: str
    reason: str
    on: Bilingual


class Forecast(NamedTuple):
    outcome: Outcome
    """For everybody: ALLOW where no rule is against it everywhere."""
    everywhere: tuple[TextObjection, ...]
    somewhere: tuple[TextObjection, ...]
    depends: tuple[Depends, ...]


@dataclass
class Count:
    """What would become of a text for some people."""

    total: int = 0
    allowed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the reason that may be told outside."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """Some refused recipients, masked, by reason; none where that would reveal something about them."""

    def add(self, reason: str, number: int) -> None:
        self.total += 1
        self.refused[reason] += 1
        if reason in UNTOLD:
            return
        people = self.shown.setdefault(reason, [])
        if len(people) < SHOWN_MAX:
            people.append(str(Number(number)))

    def as_dict(self) -> dict[str, Any]:
        return {"total": self.total, "allow": self.allowed, "refused": dict(self.refused), "shown": self.shown}


def forecast(rules: RuleSet, sender: Sender, content: Content, at: float) -> Forecast:
    """The forecast for a text, for any recipient. ``at``: seconds since 1970."""
    against: dict[str, Breach] = {}
    where: dict[str, set[int]] = {}
    asked: dict[str, Depends] = {}
    everywhere: set[int] = set()
    traits, message = rules.reader.read(content).traits, Message(sender, 0, content)
    for places, decision in rules.decisions(sender, traits, at):
        everywhere |= places
        spared = reduce(or_, (bits for _, bits in decision.sparing), 0)
        itself = [
            breach
            for ask, breach in decision.persons
            if _says_itself(ask) and ask_person(ask, message, Past(), rules.facts(sender, traits, at), at)
        ]
        for breach in (*decision.standing, *itself):
            if breach.outcome is Outcome.ALLOW or breach.shadow:
                continue
            if spared >> breach.number & 1:  # only for some: an exemption asks who it is
                asked.setdefault(breach.rule, Depends(breach.rule, breach.reason.public, EXEMPT))
                continue
            against[breach.rule] = breach
            where.setdefault(breach.rule, set()).update(places)
        for one in _depends(decision):
            asked.setdefault(one.rule, one)
    standing = sorted(against.values(), key=strictness)
    tell = _ObjectionFinder(rules, sender, content, at)
    found = [tell.objection(breach, where[breach.rule], everywhere) for breach in standing]
    general = tuple(one for one in found if not one.where)
    asked = {rule: one for rule, one in asked.items() if rule not in {objection.rule for objection in general}}
    outcome = max((one.outcome for one in general), default=Outcome.ALLOW)
    return Forecast(outcome, general, tuple(one for one in found if one.where), tuple(asked.values()))


EXEMPT = Bilingual("whether an exemption spares the recipient", "该号码是否在豁免之列")


def _says_itself(tree: Tree) -> bool:
    """Whether a condition left to ask per message is known for this text, for any recipient."""
    return all(isinstance(leaf, RecipientTest) and leaf.word == "scheduled" for leaf in leaves(tree))


def _depends(decision: Decision) -> Iterator[Depends]:
    asked = [(breach, plainly(ask)) for ask, breach in decision.persons if not _says_itself(ask)]
    asked += [(cap.breach, cap.limit.words) for cap in decision.caps]
    asked += [(one.breach, one.limit.words) for one in (*decision.bound, *decision.counted) if one.breach and not one.spared]
    for breach, on in asked:
        if breach.outcome is not Outcome.ALLOW and not breach.shadow:
            yield Depends(breach.rule, breach.reason.public, on)


class _ObjectionFinder:
    """Finds, with explain, the objections to a text for a recipient of a place."""

    def __init__(self, rules: RuleSet, sender: Sender, content: Content, at: float) -> None:
        self._rules, self._sender, self._content, self._at = rules, sender, content, at
        self._explained: dict[int, dict[str, RulePart]] = {}

    def objection(self, breach: Breach, places: set[int], everywhere: set[int]) -> TextObjection:
        part = self._parts(min(places))[breach.rule]
        where = () if places == everywhere else _named(places, self._rules.regions)
        return TextObjection(breach.rule, part.say, breach.reason.public, breach.outcome, part.change, where)

    def _parts(self, place: int) -> dict[str, RulePart]:
        if place not in self._explained:
            message = Message(self._sender, _somebody(self._rules, place), self._content)
            explanation = explain(message, Past(), self._rules, self._at, PastCounts())
            self._explained[place] = {part.rule: part for part in explanation.parts}
        return self._explained[place]


def _named(places: set[int], regions: Regions) -> tuple[str, ...]:
    """Names of places: a province if all its places are included, else each place: ``江苏``, ``江苏 南京``."""
    all_of: dict[str, set[int]] = {}
    for place, (province, _) in enumerate(regions.places):
        all_of.setdefault(province, set()).add(place)
    names: list[str] = []
    for province, its in all_of.items():
        if its <= places:
            names.append(province)
        else:
            names += sorted(" ".join(regions.places[place]) for place in its & places)
    return tuple(names)


def _somebody(rules: RuleSet, place: int) -> int:
    """A number of a place that is on no list."""
    first = (SEGMENT_FIRST + rules.cells.index(place)) * 10_000 if place in rules.cells else SEGMENT_FIRST * 10_000
    tries = (first + last for last in range(TRIES_MAX))
    return next((number for number in tries if not any(number in one.numbers for one in rules.lists.values())), first)


def count_over(
    rules: RuleSet,
    sender: Sender,
    content: Content,
    people: Iterable[int],
    at: float,
    pasts: dict[int, Past],
    counts: PastCounts,
) -> Count:
    """The outcome for given recipients, one after the other; ``pasts`` and ``counts``: what the campaign has sent before."""
    found = Count()
    for number in people:
        past = pasts.setdefault(number, Past())
        message = Message(sender, number, content)
        verdict = judge(message, past, rules, at, counts)
        if verdict.outcome is not Outcome.ALLOW:
            assert verdict.reason is not None
            found.add(verdict.reason.public, number)
            continue
        found.total += 1
        found.allowed += 1
        note_sent(past, counts, message, verdict, at)
    return found
