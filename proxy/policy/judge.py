"""judge: the verdict on one message. A pure question with a typed answer: same inputs, same verdict.

In: a message, the person's record, a rule set, the time, the counters. Out: a Verdict holding every rule that objects.
Never: input or output, logging, changes to what was passed in (the rule set remembers texts and decisions, which changes nothing
it answers).

On the way: content → Reading (memo), sender + place + traits → Plan (memo); then per message only what the person's record and the counters
can answer: suppression, lists, caps.
"""

from __future__ import annotations

from proxy.message import Breach, Counters, Facts, Message, Outcome, Pick, Recipient, Take, Verdict

from .condition import ask_person
from .kinds.limit import Limit
from .plan import Cap, Plan, reported, strictness
from .regions import SEGMENT_FIRST
from .ruleset import RuleSet
from .text import text_key

_ANY = Pick()
_MASK64 = (1 << 64) - 1
_NO_TAKES: tuple[Take, ...] = ()


def judge(message: Message, recipient: Recipient, rules: RuleSet, now: float, counters: Counters) -> Verdict:
    """What becomes of ``message`` at ``now`` (seconds UTC). All rules are evaluated; the strictest that is enforced is reported."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    content = message.content
    sender = message.sender
    number = message.recipient
    reading = rules.reader.young.get(content)
    if reading is None:
        reading = rules.reader.read(content)
    if content.scheduled is not None and content.scheduled > now:
        plan = rules.plan_at(sender, number, reading.traits, content.scheduled)
    else:
        place = rules.places[rules.cells[number // 10_000 - SEGMENT_FIRST]]
        found = rules.plans.young.get((sender, place, reading.traits))
        plan = found if found is not None else rules.plan(sender, number, reading.traits)
    takes = _NO_TAKES
    if plan.asks:
        breaches: list[Breach] | None = None
        facts = plan.facts
        for ask, breach in plan.persons:
            if ask_person(ask, number, recipient, facts, now):
                breaches = [*(breaches or ()), breach]
        # no window can hold enough when the longest does not: one question instead of one per cap
        if plan.caps and recipient.count(int(now) - plan.oldest_s, _ANY, plan.fewest) >= plan.fewest:
            breaches = _over_caps(plan, message, recipient, reading.template, now, breaches)
        if plan.counters:
            takes, breaches = _over_counters(plan, message, recipient, reading.template, now, counters, breaches)
        if breaches or (plan.sparing and plan.breaches):
            return _refused(plan, message, recipient, reading.template, now, breaches or [], takes)
    if plan.outcome is not Outcome.ALLOW:
        takes = _NO_TAKES
    return Verdict(plan.outcome, plan.reason, plan.rule, plan.breaches, plan.facts, reading.template, takes)


def facts(message: Message, rules: RuleSet, now: float) -> Facts:
    """What rules can read of a message, before it is judged (its category chooses the lane)."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    return rules.plan(message.sender, message.recipient, rules.reader.read(message.content).traits).facts


def _over_caps(
    plan: Plan, message: Message, recipient: Recipient, template: int, now: float, breaches: list[Breach] | None
) -> list[Breach] | None:
    second = int(now)
    newest = recipient.newest()
    for cap in plan.caps:
        most, after, rolling_s, pick, by_template, ask, limit, breach = cap
        if not after:
            after = second - rolling_s if rolling_s else limit.window.after(now)
        if newest <= after:
            continue
        if by_template:  # a window that does not hold enough of any kind needs no pick made for it
            if recipient.count(after, _ANY, most) < most:
                continue
            pick = Pick(*pick[:5], template)
        if recipient.count(after, pick, most) < most:
            continue
        if breaches is not None and any(other.number == breach.number for other in breaches):
            continue  # another limit of the same rule is reached already
        if ask is None or ask_person(ask, message.recipient, recipient, plan.facts, now):
            breaches = [*(breaches or ()), breach._replace(not_before=limit.window.end(now))]
    return breaches


def cap_used(cap: Cap, recipient: Recipient, template: int, now: float) -> int:
    """How many messages of the person count against a cap already, for explain."""
    pick = cap.pick._replace(template=template) if cap.by_template else cap.pick
    return recipient.count(cap.since(now), pick, cap.most)


def _over_counters(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    template: int,
    now: float,
    counters: Counters,
    breaches: list[Breach] | None,
) -> tuple[tuple[Take, ...], list[Breach] | None]:
    """What this message takes from counters if it goes out, and the limits that are used up."""
    takes: list[Take] = []
    for ask, limit, base, breach, spared in plan.counters:
        if ask is not None and not ask_person(ask, message.recipient, recipient, plan.facts, now):
            continue
        key = counter_of(base, limit, template, message)
        used_up = not spared and counters.count(key, limit.window.after(now)) >= limit.most
        if used_up and all(other.number != breach.number for other in breaches or ()):
            breaches = [*(breaches or ()), breach._replace(not_before=limit.window.end(now))]
        takes.append(limit.take(key))
    return tuple(takes), breaches


def counter_of(base: int, limit: Limit, template: int, message: Message) -> int:
    """The counter's key; texts are part of it only where the limit's key says so."""
    if "template" in limit.keys:
        base ^= template * 0x9E3779B97F4A7C15 & _MASK64
    if "content" in limit.keys:
        base ^= text_key(message.content.text)
    return base


def _refused(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    template: int,
    now: float,
    breaches: list[Breach],
    takes: tuple[Take, ...],
) -> Verdict:
    """The person's own breaches beside those that stand anyway, less those an exemption for this person spares."""
    spared = 0
    for ask, mask in plan.sparing:
        if ask_person(ask, message.recipient, recipient, plan.facts, now):
            spared |= mask
    found = sorted((b for b in (*plan.breaches, *breaches) if not spared >> b.number & 1), key=strictness)
    outcome, reason, rule = reported(tuple(found))
    return Verdict(outcome, reason, rule, tuple(found), plan.facts, template, takes if outcome is Outcome.ALLOW else _NO_TAKES)
