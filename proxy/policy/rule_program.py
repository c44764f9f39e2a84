"""Decides by all rules of a set, given the conditions that hold.

In: compiled rules, bits of conditions, the time. Out: a Decision: what stands against such messages; what must still be asked about the
recipient; which limits count. Never: a cache (ruleset.py has it), the recipient, facts.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.model.message import Breach, Outcome
from proxy.policy.condition import All, BitCondition, Bits, Test, Tree, leaves, of_bare, settle
from proxy.policy.evaluation_plan import Decision, Limited, Rule, by_window, cap_of, is_fixed, reported, strictness
from proxy.policy.incomplete_messages import at_once, left_over, undecided
from proxy.policy.operator_orders import Shadows
from proxy.policy.registries.registry import Registry
from proxy.policy.time_windows import NEVER
from proxy.runtime.yield_point import Rest, with_yield_points

NOT_BEFORE_STEPS = 64  # changes of time conditions looked ahead: a month of quiet hours


class Times:
    """The time conditions of a set of rules."""

    def __init__(self, bits: Bits) -> None:
        self._tests: list[tuple[int, Test]] = bits.tests.get("time", [])
        self.mask = sum(bit for bit, _ in self._tests)
        self._of_orders = sum(bit for bit, test in self._tests if test.word == "order")

    def held(self, at: float) -> int:
        """The bits of the conditions that hold at some time."""
        held = 0
        for bit, test in self._tests:
            if test.holds(at):
                held |= bit
        return held

    def of_orders(self, held: int) -> int:
        """Of ``held``, the bits of orders."""
        return held & self._of_orders

    def ordered(self, at: float) -> int:
        """The bits of the orders in force at some time."""
        return self.held(at) & self._of_orders if self._of_orders else 0

    def change(self, at: float) -> float:
        """When a condition next begins or ceases to hold."""
        return min((test.time.changes(at) for _, test in self._tests if test.time), default=NEVER)


class Validity:
    """The time span for which a decision may be cached."""

    __slots__ = ("day", "since", "until")

    def __init__(self, day: float) -> None:
        """``day``: see ``cap_of``."""
        self.day = day
        self.since, self.until = -NEVER, NEVER

    def narrow(self, since: float, until: float) -> None:
        self.since, self.until = max(self.since, since), min(self.until, until)


class RuleProgram:
    """The rules of a set, compiled for deciding; immutable."""

    def __init__(
        self, live: Sequence[Rule], bits: Bits, times: Times, shadows: Shadows, registry: Registry, rest: Rest
    ) -> None:
        self._bits, self._times, self._shadows, self._registry = bits, times, shadows, registry
        self._live = [rule for rule in live if not rule.exempt]
        self._exempt = [rule for rule in live if rule.exempt]
        # of a text of which parts are missing: what can be decided of it, what is asked when it is whole (incomplete_messages.py)
        self._early = [rule for rule in with_yield_points(self._live, rest) if not undecided(rule.when)]
        self._early_exempt = [rule for rule in self._exempt if not undecided(rule.when)]
        self._at_once = [found for rule in with_yield_points(self._live, rest) if (found := at_once(rule, self._exempt, bits))]
        self._left_over = [rule for rule in with_yield_points(self._live, rest) if left_over(rule)]
        self._shares = [
            (rule, place, limit, whole)
            for rule in self._live
            for place, (limit, whole) in enumerate(zip(rule.limits, rule.shares, strict=True))
            if whole is not None
        ]

    def decide(self, held: int, at: float, span: Validity | None, *, complete: bool) -> Decision:
        """``span``: narrowed to how long the decision holds; None if it is not cached. ``complete``: whether the text is complete."""
        if complete:
            return self._decide_by(self._live, self._exempt, held, at, span)
        return self._decide_by([*self._early, *self._found(held, at, span)], self._early_exempt, held, at, span)

    def decide_rest(self, held: int, at: float, *, complete: bool) -> Decision:
        """The rest of the decision on a message judged before its text was complete; not cached."""
        if complete:
            return self._decide_by(self._left_over, self._exempt, held, at, None)
        return self._decide_by(self._found(held, at, None), self._early_exempt, held, at, None)

    def _found(self, held: int, at: float, span: Validity | None) -> list[Rule]:
        """Rules asked of an incomplete text, if they are not in shadow by an order or on trial."""
        found = []
        for rule, as_ordered in zip(self._at_once, self._shadows.over(self._at_once, held), strict=True):
            if at < rule.trial_until:
                _holds_until(rule.trial_until, span)
            elif as_ordered is rule:
                found.append(rule)
        return found

    def _decide_by(self, rules: list[Rule], exempt: list[Rule], held: int, at: float, span: Validity | None) -> Decision:
        spared, day = 0, span.day if span is not None else None
        sparing: list[tuple[Tree, int]] = []
        for rule in exempt:
            answer = self._holds(rule.compiled, held)
            if not isinstance(answer, bool):
                sparing.append((answer, rule.spares))
            elif answer:
                spared |= rule.spares
        standing: list[Breach] = []
        persons: list[tuple[Tree, Breach]] = []
        limited: list[Limited] = []
        for rule in self._shadows.over(rules, held):
            need, forbid, _ = rule.compiled
            if held & need != need or held & forbid or (answer := self._holds(rule.compiled, held)) is False:
                continue
            ask = None if isinstance(answer, bool) else answer
            tried = at < rule.trial_until
            if tried:
                _holds_until(rule.trial_until, span)
            elif span is not None:  # nor does it hold before: the clock may go back over the end of a trial
                span.narrow(rule.trial_until, NEVER)
            if rule.limits:
                is_spared = bool(spared >> rule.number & 1)
                for place, (limit, breach) in enumerate(zip(rule.limits, rule.limit_breaches, strict=True)):
                    limited.append(
                        Limited(ask, rule, place, limit, breach._replace(shadow=True) if tried else breach, is_spared)
                    )
            elif not spared >> rule.number & 1:
                breach = self._breach(rule, held, at, span)
                breach = breach._replace(shadow=True) if tried else breach
                if ask is None:
                    standing.append(breach)
                else:
                    persons.append((ask, breach))
        limited += [
            Limited(None, rule, place, limit, None, spared=True)
            for rule, place, limit, whole in self._shares
            if self._holds(whole, held) is True
        ]
        standing.sort(key=strictness)
        caps = [one for one in limited if "recipient" in one.limit.keys and not one.spared]
        fixed = [
            cap_of(one.limit, one.rule, None, self._registry, day, one.ask, one.breach)
            for one in caps
            if is_fixed(one.limit) and one.breach is not None
        ]
        return Decision(
            *reported(tuple(standing)), tuple(standing), tuple(persons), by_window(fixed),
            tuple(one for one in caps if not is_fixed(one.limit)),
            tuple(one for one in limited if "recipient" not in one.limit.keys),
            tuple(sparing),
            tuple((left, breach) for ask, breach in persons if (left := of_bare(ask)) is not None),
            {},
            {},
        )  # fmt: skip

    def _breach(self, rule: Rule, held: int, at: float, span: Validity | None) -> Breach:
        """The breach of a rule without limits, with the time for a retry if it is known."""
        breach, again = rule.breach, rule.again
        assert breach is not None
        if rule.refused is not None and self._holds(rule.refused, held) is True:
            assert rule.reason is not None
            breach = breach._replace(reason=rule.reason)
        free = self._not_before(rule, held, at)
        if again is None:
            return breach._replace(not_before=free)
        free = again.after(at if free is None else free)
        if free <= at:
            return breach
        _holds_until(free, span)
        if again.most_s and free + again.spread_s - at > again.most_s:  # later it will be less
            assert rule.reason is not None
            _holds_until(free + again.spread_s - again.most_s, span)
            return breach._replace(outcome=Outcome.REJECT, reason=rule.reason, not_before=free)
        return breach._replace(not_before=free)

    def _not_before(self, rule: Rule, held: int, at: float) -> float | None:
        """When the rule's time conditions will let such a message pass; None if they never will."""
        tests = [leaf for leaf in leaves(rule.when) if isinstance(leaf, Test) and leaf.time]
        if not tests:
            return None
        for _ in range(NOT_BEFORE_STEPS):
            at = min(test.time.changes(at) for test in tests if test.time)
            if at == float("inf"):
                return None
            if self._holds(rule.compiled, held & ~self._times.mask | self._times.held(at)) is False:
                return at
        return None

    def _holds(self, compiled: BitCondition, held: int) -> bool | Tree:
        """True, False, or the conditions left to ask about the recipient."""
        need, forbid, rest = compiled
        if held & need != need or held & forbid:
            return False
        left: list[Tree] = []
        for part in rest:
            answer = settle(part, held, self._bits)
            if answer is False:
                return False
            if not isinstance(answer, bool):
                left.append(answer)
        return True if not left else left[0] if len(left) == 1 else All(tuple(left))


def _holds_until(moment: float, span: Validity | None) -> None:
    """Narrows the span of a cached decision to end at a moment."""
    if span is not None:
        span.narrow(span.day, moment)
