"""Answers, for one message, whether single conditions and limits hold.

In: what judge takes, and its verdict. Out: whether a condition holds, and on which leaves that rests; how much of a limit is used, and when
it has room again; for a rule that objects, what to change so that it passes: any one suggestion suffices. Never: a decision; advice to
declare a message as what it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from proxy.i18n.phrases import Bilingual, joined
from proxy.model.message import Breach, Category, Counters, Facts, Message, Verdict
from proxy.model.recipient import Recipient
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, Leaf, Not, OneOf, RecipientTest, Test, Tree, ask_person
from proxy.policy.evaluation_plan import Rule, cap_of
from proxy.policy.kinds import when_kinds
from proxy.policy.limit import BURST_WINDOWS, Limit, reached
from proxy.policy.limit_counts import counter_key, counter_of
from proxy.policy.registries.template_variables import digits_masked
from proxy.policy.ruleset import RuleSet


class ConditionResults:
    """``now``: seconds since 1970."""

    def __init__(
        self, message: Message, recipient: Recipient, rules: RuleSet, now: float, counters: Counters, verdict: Verdict
    ) -> None:
        self.message, self.recipient, self.rules, self.now, self.counters = message, recipient, rules, now, counters
        self.facts: Facts = verdict.facts
        self.breached = {breach.rule: breach for breach in verdict.breaches}
        """What each rule objects, by its id."""
        scheduled = message.content.scheduled
        at = max(now, scheduled) if scheduled is not None else now
        traits = rules.reader.read(message.content).traits
        self.state = traits.state
        """Whether the text can be read, in every order in which it is shown."""
        self.at = at
        """The moment that conditions on time look at: of delivery, if that is later."""
        self.held = rules.held(message.sender, message.recipient, traits, at) | rules.orders_at(now)
        self.template = verdict.template
        self.province = verdict.province

    @cached_property
    def misfit(self) -> Bilingual | None:
        """How the text differs from the nearest template of its signature; None where it matches one, or there is none."""
        text, sender = self.message.content.text, self.message.sender
        templates, is_offer = self.rules.registry.templates, self.rules.reader.is_offer
        found = templates.misfit(self.facts.signature, text, sender.provider, is_offer)
        if found is None:
            return None
        is_code = Category.OTP in (self.facts.category, self.facts.declared)
        value = digits_masked(found.value) if is_code else found.value
        what, what_zh = (
            (f"{found.variable} '{value}' ", f"{found.variable} “{value}” ")
            if found.variable
            else (f"at '{value}' ", f"“{value}”处")
            if value
            else ("", "")
        )
        return Bilingual(f"template '{found.template}': {what}{found.why}", f"模板“{found.template}”：{what_zh}{found.why.zh}")

    # --- conditions

    def holds(self, tree: Tree) -> bool:
        if isinstance(tree, (OneOf, Test)):
            return bool(self.held & self.rules.bits.of(tree))
        if isinstance(tree, RecipientTest):
            return ask_person(tree, self.message, self.recipient, self.facts, self.now)
        if isinstance(tree, Not):
            return not self.holds(tree.part)
        found = [self.holds(part) for part in tree.parts]
        return any(found) if isinstance(tree, AnyOf) else all(found)

    def rests_on(self, tree: Tree, *, negated: bool = False) -> Iterator[tuple[Leaf, bool]]:
        """Leaves on which it rests that a condition holds, and whether it is by not holding. ``negated``: the condition must not hold, which
        rests on all its parts."""
        if isinstance(tree, (All, AnyOf)):
            for part in tree.parts:
                if negated or self.holds(part):
                    yield from self.rests_on(part, negated=negated)
        elif isinstance(tree, Not):
            yield from self.rests_on(tree.part, negated=not negated)
        else:
            yield tree, negated

    # --- limits

    def used(self, rule: Rule, place: int) -> int:
        """How much of a rule's limit is used now."""
        limit, key = rule.limits[place], self._key(rule, place)
        return self._cap_used(rule, place, self.now) if key is None else self.counters.count(key, limit.window.after(self.now))

    def whole(self, rule: Rule, place: int) -> int:
        """What a share is a part of, now."""
        limit = rule.limits[place]
        return self.counters.count(self._named(f"{rule.id}\0of", place, limit), limit.window.after(self.now))

    def room_at(self, rule: Rule, place: int) -> int | None:
        """From when on a limit that is reached has room again, if nothing else is sent; None where it is not reached. Not for shares."""
        limit, is_full = rule.limits[place], self._reached(rule, place)
        if not is_full(self.now):
            return None
        first = int(self.now)
        last = first + limit.window.seconds * (BURST_WINDOWS if limit.burst else 1) + 1
        while last - first > 1:  # windows only move on: what has left one does not come back
            middle = (first + last) // 2
            first, last = (middle, last) if is_full(middle) else (first, middle)
        return last

    def _reached(self, rule: Rule, place: int) -> Callable[[float], bool]:
        limit, key = rule.limits[place], self._key(rule, place)
        if key is None:
            return lambda at: self._cap_used(rule, place, at) >= limit.most
        return lambda at: reached(limit, self.counters, key, 0, at)

    def _key(self, rule: Rule, place: int) -> int | None:
        """The counter of a limit; None for one that the person's record answers."""
        limit = rule.limits[place]
        return None if "recipient" in limit.keys else self._named(rule.id, place, limit)

    def _named(self, name: str, place: int, limit: Limit) -> int:
        base = counter_key(name, place, limit, self.facts, self.rules.registry)
        return counter_of(base, limit, self.message, self.province, self.template)

    def _cap_used(self, rule: Rule, place: int, at: float) -> int:
        cap = cap_of(rule.limits[place], rule, self.facts, self.rules.registry, None, None, rule.limit_breaches[place])
        return cap.used(self.recipient, self.message, self.template, at, cap.most)


EITHER = Bilingual("; or ", "；或 ")
COLON = Bilingual(": ", "：")
NO_WAY = Bilingual("nothing that a sender could change", "发送方没有可改之处")
_KINDS = {
    "marketing": "classified", "signature_count": "signature",
    "filing_state": "filing", "licence_state": "filing", "port_user": "filing", "letter_state": "filing",
}  # fmt: skip
"""Words of leaves that are not their key in ``when``."""


def suggestion_for(standing: ConditionResults, rule: Rule, breach: Breach) -> Bilingual:
    found = dict.fromkeys(_options(standing, rule, breach))
    return joined(EITHER, (one for one in found if not any(_covers(other, one) for other in found))) or NO_WAY


def _covers(other: Bilingual, one: Bilingual) -> bool:
    """Whether ``other`` offers what ``one`` does, and more: 换一天或换一个时段发送 and 换一天发送."""
    return other != one and one.zh.removesuffix("发送") in other.zh


def _options(standing: ConditionResults, rule: Rule, breach: Breach) -> Iterator[Bilingual]:
    if any(limit.share for limit in rule.limits):
        yield Bilingual("send more of the other kind first", "先增加其他短信的占比")
    rooms = (standing.room_at(rule, place) for place, limit in enumerate(rule.limits) if not limit.share)
    if (room := max((one for one in rooms if one is not None), default=None)) is not None:  # all limits must have room
        at = time_windows.local(room)
        yield Bilingual(f"send it from {at} on, when the window has room", f"{at} 起再发（届时额度空出）")
    if rule in standing.rules.ordered:
        yield Bilingual(f"wait until {rule.id} ends or is lifted", f"等指令 {rule.id} 到期或解除")
    else:
        yield from _of_conditions(standing, rule)
    if rule.then == "review":
        yield Bilingual("have a clerk release the text (registries/reviewed.csv)", "由人工审核放行文案（登记在已审文案表）")
    if (again := breach.again(standing.message.recipient)) is not None and not rule.limits:
        yield Bilingual(f"send it from {time_windows.local(again)} on", f"{time_windows.local(again)} 起再发")


def _of_conditions(standing: ConditionResults, rule: Rule) -> Iterator[Bilingual]:
    kinds = when_kinds()
    for leaf, _ in standing.rests_on(rule.when):
        word = leaf.field if isinstance(leaf, OneOf) else leaf.word
        if word == "text_state" and standing.state == "readable":
            continue  # it can be read, and there are other reasons
        if word == "template" and standing.misfit is not None:
            yield joined(COLON, (kinds[word].mend, standing.misfit))
        elif kind := kinds.get(_KINDS.get(word, word)):
            yield kind.mend
