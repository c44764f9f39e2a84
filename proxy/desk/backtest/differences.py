"""Counts messages that came out otherwise, with masked examples.

In: SubmitCases, in order. Out: counts by rule, provider, province, category and hour, which can be added to those of other processes. Never: a
whole number, a code, more examples than are read.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

from proxy.archive.otp_texts import may_be_code
from proxy.desk.backtest.environment import FULL, RuleIds
from proxy.desk.backtest.submit_case import NOT_STORED, SkippedVerdict, SubmitCase
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, requests
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.message import CATEGORY_WORDS, Category, Outcome
from proxy.model.number import mask, masked_repr
from proxy.model.reasons import RULE_REASONS
from proxy.model.redact import mask_digits, mask_numbers, printable
from proxy.policy.condition import Test, Tree, leaves
from proxy.policy.ruleset import RuleSet

EXAMPLES_MAX = 5
"""Of each kind of difference and rule."""
TEXT_SHOWN = 70
HOUR_S = 3600
REFUSED, ALLOWED, OTHERWISE = "newly_refused", "newly_allowed", "otherwise_refused"
KINDS = (REFUSED, ALLOWED, OTHERWISE)


class RuledOutcome(NamedTuple):
    """What became of a message, and by which rule."""

    outcome: str  # allow | defer | reject
    reason: str = ""
    rule: str = ""


PASSED = RuledOutcome("allow")


@masked_repr
class MaskedExample(NamedTuple):
    at: float
    provider: str
    port: str
    recipient: str  # masked
    province: str
    category: str
    text: str  # masked; empty where it is not shown
    then: RuledOutcome
    now: RuledOutcome


class DifferenceKey(NamedTuple):
    """Where a difference is counted."""

    rule: str  # that refuses: the one of now, or that of then for what passes now
    provider: str
    province: str
    category: str


class Differences:
    """The differences of one window, and what they are counted against."""

    def __init__(self, since: float, shown_until: float, revision: str = "", *, counts_repeats: bool = True) -> None:
        """``since``: older messages only build the records. ``shown_until``: texts of codes sent later are not shown. ``counts_repeats``: one
        of several processes does."""
        self.since, self.shown_until, self.revision = since, shown_until, revision
        self.messages = 0
        self.parts = 0
        """Parts beside the first of each long message."""
        self.first = self.last = 0.0
        self.hours: Counter[tuple[int, str, str]] = Counter()
        """By hour since 1970, then, now."""
        self.all: Counter[DifferenceKey] = Counter()
        """Messages, without a rule."""
        self.by_kind: dict[str, Counter[DifferenceKey]] = {kind: Counter() for kind in KINDS}
        self.examples: dict[tuple[str, str], list[MaskedExample]] = {}
        self.shadow: Counter[str] = Counter()
        """What passes now though a rule in shadow objects to it, by rule."""
        self.skipped: Counter[str] = Counter()
        """What was not judged again, by why."""
        self.repeated = 0
        """Repeats of refused submits that were answered as before."""
        self.needless = 0
        """Of those: repeats of messages that would have passed now, so that they would not have been repeated."""
        self.unexplained = 0
        """Differences though the same rules had decided: a fault of the journal or of the backtest, or changed settings."""
        self.on_paths: set[str] = set()
        """Rules that ask for the reply path of a port: here every path counts as proven."""
        self._counts_repeats = counts_repeats
        self._names = RuleIds()
        self._passed: set[int] = set()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._dice = random.Random(106)  # the same examples in every run

    # -- heard from the rerun

    def learn(self, rules: RuleSet) -> None:
        """A set by which the messages are judged."""
        self._names.learn(rules)
        self.on_paths.update(rule.id for rule in rules.rules if rule.mode != "off" and "path" in _scopes(rule.when))

    def note(self, item: JournalRecord) -> None:
        """Any record of the journal."""
        if item.kind in (messages.RULES, messages.ORDERED):
            self._names.note(item.kind, item.body)
        elif item.kind == messages.HEARD:
            replicated = unpack(ReplicatedRecord, item.body)
            if replicated.kind == messages.ORDERED:
                self._names.note(replicated.kind, replicated.body)
        elif item.kind == messages.REPEATED:
            again = unpack(requests.Repeated, item.body)
            if again.time >= self.since:
                self.repeated += sum(again.counts.values()) if self._counts_repeats else 0
                self.needless += sum(count for number, count in again.counts.items() if number in self._passed)

    def skip(self, skipped: SkippedVerdict) -> None:
        if skipped.journalled.time >= self.since:
            self.skipped[skipped.why] += 1

    def count(self, case: SubmitCase) -> None:
        submit = case.journalled
        if submit.time < self.since:
            return
        if not case.has_own_verdict:
            self.parts += 1
            return
        if submit.reason in FULL or submit.reason in NOT_STORED:
            self.skipped[submit.reason] += 1
            return
        verdict = case.verdict
        assert verdict is not None
        self.messages += 1
        self.first = self.first or submit.time
        self.last = submit.time
        then = PASSED if submit.entry is not None else self._then(submit)
        now = PASSED if case.lane is not None else _now(case)
        category = CATEGORY_WORDS[verdict.facts.category]
        self.hours[int(submit.time) // HOUR_S, then.outcome, now.outcome] += 1
        self.all[DifferenceKey("", submit.provider, verdict.province, category)] += 1
        if now is PASSED and verdict.breaches:
            self.shadow.update(one.rule for one in verdict.breaches if one.shadow and one.outcome is not Outcome.ALLOW)
        if then != now and not (then.rule.startswith("#") and then[:2] == now[:2]):  # a rule whose name is lost
            self._differs(case, then, now, DifferenceKey(now.rule or then.rule, submit.provider, verdict.province, category))

    def _differs(self, case: SubmitCase, then: RuledOutcome, now: RuledOutcome, place: DifferenceKey) -> None:
        kind = ALLOWED if now is PASSED else REFUSED if then is PASSED else OTHERWISE
        if kind == ALLOWED:
            self._passed.add(case.recorded)
        self.by_kind[kind][place] += 1
        self.unexplained += case.journalled.revision == self.revision and then.rule not in self.on_paths
        key = kind, place.rule
        self._seen[key] += 1
        held = self.examples.setdefault(key, [])
        if len(held) < EXAMPLES_MAX:
            held.append(self._example(case, then, now, place))
        elif (at := self._dice.randrange(self._seen[key])) < EXAMPLES_MAX:
            held[at] = self._example(case, then, now, place)

    def _then(self, submit: messages.VerdictRecord) -> RuledOutcome:
        """The reported rule is the first that objects so strictly; breaches stand in that order."""
        for number, outcome, shadow in submit.breaches:
            if not shadow and outcome is not Outcome.ALLOW:
                return RuledOutcome(outcome.word, submit.reason, self._names.of(submit.revision, number))
        return RuledOutcome(submit.outcome.word, submit.reason)

    def _example(self, case: SubmitCase, then: RuledOutcome, now: RuledOutcome, place: DifferenceKey) -> MaskedExample:
        submit, text, verdict = case.journalled, case.message.content.text, case.verdict
        assert verdict is not None
        code = Category.OTP in (verdict.facts.category, verdict.facts.classified, submit.category) or may_be_code(text)
        shown = "" if code and submit.time > self.shown_until else masked(text, code=code)
        return MaskedExample(
            submit.time, submit.provider, submit.port, mask(submit.recipient), place.province, place.category, shown, then, now
        )

    # -- with those of other processes

    def add(self, other: Differences) -> None:
        for name in ("messages", "parts", "repeated", "needless", "unexplained"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first = min(filter(None, (self.first, other.first)), default=0.0)
        self.last = max(self.last, other.last)
        for name in ("hours", "all", "skipped", "shadow"):
            getattr(self, name).update(getattr(other, name))
        for kind in KINDS:
            self.by_kind[kind].update(other.by_kind[kind])
        for key, examples in other.examples.items():
            self.examples[key] = sorted([*self.examples.get(key, ()), *examples])[:EXAMPLES_MAX]
        self.on_paths |= other.on_paths

    @property
    def total(self) -> int:
        """How many messages came out otherwise."""
        return sum(sum(counted.values()) for counted in self.by_kind.values())

    def by(self, kind: str, field: str) -> Counter[str]:
        """One kind of difference by a field of its key."""
        return _summed(self.by_kind[kind], field)

    def judged(self, field: str) -> Counter[str]:
        """All messages by provider, province or category."""
        return _summed(self.all, field)


def _summed(counted: Counter[DifferenceKey], field: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for place, count in counted.items():
        found[getattr(place, field)] += count
    return found


def _scopes(when: Tree) -> set[str]:
    return {leaf.scope for leaf in leaves(when) if isinstance(leaf, Test)}


def _now(case: SubmitCase) -> RuledOutcome:
    verdict = case.verdict
    assert verdict is not None
    outcome = verdict.outcome
    if outcome is Outcome.ALLOW:  # the gate itself objected
        outcome = Outcome.DEFER if case.reason == "outcome-unknown" else Outcome.REJECT
    return RuledOutcome(
        outcome.word, case.reason, verdict.rule if case.reason in RULE_REASONS or case.reason == "late-breach" else ""
    )


def masked(text: str, *, code: bool) -> str:
    """The beginning of a text as it may be shown: no number of anybody, of a code no digit at all, nothing a terminal obeys."""
    shown = printable(text)
    shown = mask_digits(shown) if code else mask_numbers(shown)
    return shown[:TEXT_SHOWN] + ("…" if len(text) > TEXT_SHOWN else "")
