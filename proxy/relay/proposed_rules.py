"""Judges messages by a proposed rule set beside the one in force.

In: judged messages and their verdicts. Out: counts of the verdicts that would differ. Never: a verdict for a provider, a change of a record or
a counter of the rules in force.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import cython

from proxy.model.counters import GateCounters
from proxy.model.message import Breach, Content, Counters, Message, Order, Outcome, Verdict
from proxy.model.recipient import Recipient
from proxy.policy.judge import judge
from proxy.policy.reply_paths import Paths
from proxy.policy.ruleset import RuleSet

NO_RULES: Mapping[str, float] = {}


@cython.final
@cython.cclass
class CandidateRules:
    rules: RuleSet
    base: RuleSet
    as_begun: Mapping[str, float]
    """Rules that are tried as if they decided already, each with the time from which it does."""
    judged: cython.longlong
    """Messages judged since it was proposed, or since the start."""
    stricter: cython.longlong
    """Of these: messages that it would stop, and that pass now."""
    milder: cython.longlong
    """Of these: messages that it would let pass, and that are stopped now."""
    errors: cython.longlong
    objections: Counter[str]
    """By rule: messages to which it would object, and to which no rule in force of that id does."""
    _tally: GateCounters

    def __init__(self, rules: RuleSet, tally: GateCounters, as_begun: Mapping[str, float] = NO_RULES) -> None:
        """``as_begun``: see there."""
        self.rules = self.base = rules.as_begun(as_begun) if as_begun else rules
        self.as_begun = as_begun
        self._tally = tally
        self.judged = self.stricter = self.milder = self.errors = 0
        self.objections = Counter[str]()

    def obey(self, orders: tuple[Order, ...], paths: Paths | None = None) -> None:
        """Applies the orders in force to this set, too, so that a stop makes no difference between the two."""
        self.rules = self.base.with_orders(orders, paths) if orders or paths is not None else self.base

    @cython.ccall
    def look(self, message: Message, person: Recipient, verdict: Verdict, at: cython.double, counters: Counters) -> None:
        """Judges one message that the set in force has just judged."""
        content: Content = message.content
        other: Verdict
        read = content.read_by, content.reading  # the reading by the set in force, put back below
        try:
            other = judge(message, person, self.rules, at, counters)
        except Exception:  # noqa: BLE001 # a set that is not in force must never disturb traffic
            self.errors += 1
            return
        finally:
            content.read_by, content.reading = read
        self.compare(verdict, other)

    @cython.ccall
    def compare(self, verdict: Verdict, other: Verdict) -> None:
        """Compares the verdict of the set in force with this set's."""
        self.judged += 1
        breaches: tuple[Breach, ...] = other.breaches
        if other.outcome is verdict.outcome and not breaches:
            return
        if other.outcome is not verdict.outcome:
            self.stricter += verdict.outcome is Outcome.ALLOW
            self.milder += other.outcome is Outcome.ALLOW
        if other.breaches:
            objected = {breach.rule for breach in verdict.breaches}
            for breach in other.breaches:
                if breach.rule not in objected:
                    self._tally.proposed[breach.rule, breach.outcome.word] += 1
                    self.objections[breach.rule] += 1
