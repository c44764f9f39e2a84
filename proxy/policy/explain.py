"""explain: the verdict in words, with each rule's part in it.

In: what judge takes. Out: an Explanation (``as_dict`` for programs, ``as_text`` for people).
Never: another way to decide: the verdict is judge's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.message import Category, Content, Counters, Facts, Message, Outcome, Recipient, Sender, Verdict
from proxy.number import mask, recipient_of

from . import moments
from .category import LIKELY, SURELY
from .condition import All, AnyOf, Not, OneOf, Person, Test, Tree, ask_person
from .counted import counter_key, counter_of
from .evidence import Evidence, evidence
from .history import NOTHING, Past
from .judge import cap_used, judge
from .kinds.limit import Limit
from .partial import undecided
from .plan import Rule, cap_of
from .ruleset import RuleSet

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Part:
    """What one rule had to say."""

    rule: str
    say: str
    mode: str
    says: str  # refuses | would refuse | exempts | does not apply | is within | waits | off
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    verdict: Verdict
    province: str
    city: str
    evidence: Evidence
    parts: tuple[Part, ...]
    recipient: str  # masked
    number: int = 0

    def as_dict(self) -> dict[str, Any]:
        """What ``gate106 explain --json`` prints."""
        verdict = self.verdict
        facts = verdict.facts
        found = self.evidence.classified
        return {
            "verdict": verdict.outcome.word,
            "reason": verdict.reason.name if verdict.reason else None,
            "public_reason": verdict.reason.public if verdict.reason else None,
            "rule": verdict.rule or None,
            "province": self.province,
            "city": self.city,
            "category": facts.category.word,
            "declared": facts.declared.word,
            "classified": facts.classified.word,
            "subcategory": facts.subcategory or None,
            "signature": facts.signature or None,
            "keyword": facts.keyword or None,
            "marketing": {"band": found.band, "score": found.score, "likely_from": LIKELY, "surely_from": SURELY},
            "features": [feature.as_dict() for feature in self.evidence.features],
            "not_before": next(
                (moments.local(again) for b in verdict.breaches if (again := b.again(self.number)) and b.rule == verdict.rule),
                None,
            ),
            "rules": [{"rule": p.rule, "say": p.say, "mode": p.mode, "says": p.says, "why": p.why} for p in self.parts],
        }

    def as_text(self) -> str:
        """The same for a terminal; control characters of the text are not passed on."""
        told = self.as_dict()
        head = told["verdict"] + (f" ({told['reason']}, by rule {told['rule']})" if told["reason"] else "")
        lines = [
            f"{self.recipient}: {head}" + (f", not before {told['not_before']}" if told["not_before"] else ""),
            f"  region    {self.province} {self.city}",
            f"  category  {told['category']} (declared {told['declared']}, the text says {told['classified']})",
            f"  text      signature {told['signature'] or 'none'}, opt-out keyword {told['keyword'] or 'none'}",
        ]
        found = self.evidence.classified
        lines.append(f"  marketing {found.band} (score {found.score}; likely from {LIKELY}, surely from {SURELY})")
        lines += [f"  found     {feature}" for feature in self.evidence.features]
        lines += [f"  {part.says:<14} {part.rule}: {part.why}" for part in self.parts]
        return "\n".join(_UNSAFE.sub("", line) for line in lines)


def explain(message: Message, recipient: Recipient, rules: RuleSet, now: float, counters: Counters) -> Explanation:
    """The verdict on a message and each rule's part in it."""
    verdict = judge(message, recipient, rules, now, counters)
    province, city = rules.regions.of(message.recipient)
    telling = _Telling(message, recipient, rules, now, counters, verdict)
    return Explanation(
        verdict, province, city, evidence(rules.reader, message.content),
        tuple(telling.part(rule) for rule in (*rules.rules, *rules.ordered)), mask(message.recipient), message.recipient,
    )  # fmt: skip


def explain_text(
    rules: RuleSet, to: str, sender: str, text: str, provider: str, category: Category | None, at: float
) -> Explanation:
    """The same for a message nobody sent, to a person nobody has written to. NotARecipient when ``to`` is none."""
    content = Content(text, "readable" if text else "empty", b"")
    message = Message(Sender.of(provider, provider, sender, "", category), recipient_of(to), content)
    return explain(message, Past(), rules, at, NOTHING)


class _Telling:
    """One message, asked about rule by rule."""

    def __init__(
        self, message: Message, recipient: Recipient, rules: RuleSet, now: float, counters: Counters, verdict: Verdict
    ) -> None:
        self.message, self.recipient, self.rules, self.now, self.counters = message, recipient, rules, now, counters
        self.facts: Facts = verdict.facts
        self.breached = {breach.rule: breach for breach in verdict.breaches}
        scheduled = message.content.scheduled
        at = max(now, scheduled) if scheduled is not None else now
        traits = rules.reader.read(message.content).traits
        self.at = at
        self.held = rules.held(message.sender, message.recipient, traits, at) | rules.orders_at(now)
        self.template = verdict.template
        self.province = verdict.province

    def part(self, rule: Rule) -> Part:
        breach = self.breached.get(rule.id)
        if rule.mode == "off":
            return Part(rule.id, rule.say, rule.mode, "off", "the rule is switched off")
        if not self.message.content.complete and undecided(rule.when):
            return Part(rule.id, rule.say, rule.mode, "waits", "parts of the text are missing")
        unmet = list(self._unmet(rule.when))
        if unmet:
            return Part(rule.id, rule.say, rule.mode, "does not apply", "; ".join(unmet))
        if rule.exempt:
            return Part(rule.id, rule.say, rule.mode, "exempts", "all its conditions hold")
        counts = "; ".join(self._counts(rule))
        if breach is None:
            return Part(
                rule.id, rule.say, rule.mode, "is within" if counts else "is spared", counts or "an exemption switches it off"
            )
        said = {Outcome.REJECT: "refuse", Outcome.DEFER: "defer", Outcome.ALLOW: "tag"}[breach.outcome]
        says = f"would {said}" if breach.shadow else f"{said}s"
        why = "; ".join(filter(None, (counts, breach.evidence))) or "all its conditions hold"
        return Part(rule.id, rule.say, rule.mode, says, why)

    def _unmet(self, tree: Tree) -> Iterator[str]:
        """Conditions that keep a rule from applying, in words."""
        if isinstance(tree, All):
            for part in tree.parts:
                yield from self._unmet(part)
        elif not self._holds(tree):
            yield self._word(tree)

    def _holds(self, tree: Tree) -> bool:
        if isinstance(tree, (OneOf, Test)):
            return bool(self.held & self.rules.bits.of(tree))
        if isinstance(tree, Person):
            return ask_person(tree, self.message, self.recipient, self.facts, self.now)
        if isinstance(tree, Not):
            return not self._holds(tree.part)
        found = [self._holds(part) for part in tree.parts]
        return any(found) if isinstance(tree, AnyOf) else all(found)

    def _word(self, tree: Tree) -> str:
        if isinstance(tree, Not):
            return f"excluded: {self._plain(tree.part)}"
        if isinstance(tree, OneOf):
            return f"{tree.field} is {self.rules.field(tree.field, self.facts, self.message, self.at)}, not {' or '.join(sorted(tree.values))}"
        return f"not true: {self._plain(tree)}"

    def _plain(self, tree: Tree) -> str:
        if isinstance(tree, (OneOf, Test, Person)):
            return tree.words
        if isinstance(tree, Not):
            return f"not ({self._plain(tree.part)})"
        return (" or " if isinstance(tree, AnyOf) else " and ").join(f"({self._plain(part)})" for part in tree.parts)

    def _counts(self, rule: Rule) -> Iterator[str]:
        for place, (limit, breach) in enumerate(zip(rule.limits, rule.limit_breaches, strict=True)):
            if "recipient" in limit.keys:
                cap = cap_of(limit, rule, self.facts, self.rules.registry, None, None, breach)
                used = cap_used(cap, self.message, self.recipient, self.template, self.now)
            else:
                used = self._counted(counter_key(rule.id, place, limit, self.facts, self.rules.registry), limit)
                if limit.share:
                    total = self._counted(counter_key(f"{rule.id}\0of", place, limit, self.facts, self.rules.registry), limit)
                    yield f"{used} of {total} ({limit.words})"
                    continue
            yield f"{used} used of {limit.words}"

    def _counted(self, base: int, limit: Limit) -> int:
        key = counter_of(base, limit, self.message, self.province, self.template)
        return self.counters.count(key, limit.window.after(self.now))
