"""Returns the verdict on one message. Same inputs, same verdict.

In: a message, the recipient's record, a rule set, the time, the counters. Out: a Verdict with every rule that objects.
Never: input or output, logging, changes to its arguments (the rule set caches texts and decisions, which changes no answer).

On the way: content → Reading (kept with the content); sender → RelatedSenders (cached); both with the text's traits → KnownFacts (cached)
and its Plan for the recipient's place. Per message there remains only what the record and the counters answer: suppression, lists, caps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.model.message import Breach, Counters, Facts, Message, Outcome, Take, Verdict
from proxy.model.recipient import Recipient
from proxy.policy.condition import RecipientTest, ask_person, evidence_of
from proxy.policy.evaluation_plan import Cap, Objected, Plan, reported, strictness
from proxy.policy.explanation.history import Past
from proxy.policy.limit import Limit
from proxy.policy.limit_counts import counter_of
from proxy.policy.registries.regions import SEGMENT_FIRST
from proxy.policy.ruleset import RuleSet
from proxy.policy.text_reader import Reading
from proxy.policy.time_windows import NEVER

_NO_TAKES: tuple[Take, ...] = ()


def judge(message: Message, recipient: Recipient, rules: RuleSet, now: float, counters: Counters) -> Verdict:
    """What becomes of ``message`` at ``now`` (seconds UTC). All rules are evaluated; the strictest that is enforced is reported."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    content = message.content
    sender = message.sender
    number = message.recipient
    reader = rules.reader
    reading: Reading = content.reading if content.read_by is reader.mark else reader.read(content)
    cell = rules.cells[number // 10_000 - SEGMENT_FIRST]
    if content.scheduled is not None and content.scheduled > now:
        plan = rules.plan_at(sender, number, reading.traits, content.scheduled)
    else:
        related = rules.senders.young.get(sender) or rules.related(sender, now)
        known = rules.known.young.get((related, reading.traits)) or rules.know(related, reading.traits)
        plan = known.plans[known.groups[cell]] or rules.plan(known, cell, now)
    takes = _NO_TAKES
    if plan.asks:
        breaches: list[Breach] | None = None
        facts = plan.facts
        for ask, breach in () if not plan.persons else plan.bare_persons if recipient.bare else plan.persons:
            if (
                ask.holds(message, recipient, facts, now)
                if type(ask) is RecipientTest
                else ask_person(ask, message, recipient, facts, now)
            ):
                evidence = evidence_of(ask, message, recipient, facts, now)
                breaches = [*(breaches or ()), breach._replace(evidence=evidence) if evidence else breach]
        # no window can hold enough when the longest does not: one question instead of one per cap
        if plan.caps and recipient.held >= plan.fewest:
            times = recipient.times()
            if times[-plan.fewest] > now - plan.oldest_s:
                breaches = _over_caps(plan, message, recipient, reading.template, times, now, breaches)
        if plan.counters:
            takes, breaches = _over_counters(
                plan, message, recipient, rules.provinces[cell], reading.template, now, counters, breaches
            )
        if breaches or (plan.sparing and plan.breaches):
            return _refused(plan, message, recipient, rules.provinces[cell], reading.template, now, breaches or [], takes)
    if plan.outcome is not Outcome.ALLOW:
        takes = _NO_TAKES
    return Verdict(
        plan.outcome, plan.reason, plan.rule, plan.breaches, plan.facts, rules.provinces[cell], reading.template, takes
    )


def takes_of(message: Message, recipient: Recipient, rules: RuleSet, now: float) -> tuple[Take, ...]:
    """What a message sent at ``now`` takes from counters, whatever the rules decide: for a later set of rules."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    reading = rules.reader.read(message.content)
    cell = rules.cells[message.recipient // 10_000 - SEGMENT_FIRST]
    related = rules.related(message.sender, now)
    plan = rules.plan(rules.know(related, reading.traits), cell, now)
    return tuple(
        one.limit.take(counter_of(one.key, one.limit, message, rules.provinces[cell], reading.template))
        for one in plan.counters
        if one.ask is None or ask_person(one.ask, message, recipient, plan.facts, now)
    )


def facts(message: Message, rules: RuleSet, now: float) -> Facts:
    """The facts of a message before it is judged (its category chooses the lane)."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    return rules.facts(message.sender, rules.reader.read(message.content).traits, now)


def _over_caps(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    template: int,
    times: Sequence[int],
    now: float,
    breaches: list[Breach] | None,
) -> list[Breach] | None:
    second = int(now)
    held = len(times)
    for cap in plan.caps:
        if held < cap[0]:  # most of them need more than nearly all people have
            continue
        most, after, rolling_s, pick, late, ask, limit, breach, textual, marks, _ = cap
        if not after:
            after = second - rolling_s if rolling_s else limit.window.after(now)
        if times[-most] <= after:  # the window does not hold enough of any kind
            continue
        if textual:
            marks = (template.to_bytes(4, "big"),)
        if marks and not recipient.may_hold(marks, most):
            continue
        if late:
            pick = cap.pick_for(message, template)
        if recipient.count(after, pick, most) < most:
            continue
        if ask is None or ask_person(ask, message, recipient, plan.facts, now):
            breaches = _with(breaches, breach, limit, now)
    return breaches


def _with(breaches: list[Breach] | None, breach: Breach, limit: Limit, now: float) -> list[Breach]:
    """Adds a breach. If several limits of a rule are reached, the strictest stands for the rule."""
    breach = breach._replace(not_before=limit.window.end(now))
    if not breaches:
        return [breach]
    if any(other.number == breach.number and other.outcome >= breach.outcome for other in breaches):
        return breaches
    return [*(other for other in breaches if other.number != breach.number), breach]


def cap_used(cap: Cap, message: Message, recipient: Recipient, template: int, now: float) -> int:
    """How many of the recipient's messages count against a cap, for explain."""
    return recipient.count(cap.since(now), cap.pick_for(message, template), cap.most)


def _over_counters(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    province: str,
    template: int,
    now: float,
    counters: Counters,
    breaches: list[Breach] | None,
) -> tuple[tuple[Take, ...], list[Breach] | None]:
    """What this message takes from counters if it is sent, and the limits that are used up."""
    takes: list[Take] = []
    for ask, limit, key, breach, spared, total, take, late in plan.counters:
        if ask is not None and not ask_person(ask, message, recipient, plan.facts, now):
            continue
        if late:
            key = counter_of(key, limit, message, province, template)
            take = take._replace(key=key)
        if breach is not None and not spared:
            whole = counter_of(total, limit, message, province, template) if total else 0
            if limit.reached(counters.count, key, whole, now):
                breaches = _with(breaches, breach, limit, now)
        takes.append(take)
    return plan.takes or tuple(takes), breaches


def _refused(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    province: str,
    template: int,
    now: float,
    breaches: list[Breach],
    takes: tuple[Take, ...],
) -> Verdict:
    """The verdict on a refused message: the recipient's breaches and the standing ones, without those that an exemption spares."""
    spared = 0
    for ask, mask in plan.sparing:
        if ask_person(ask, message, recipient, plan.facts, now):
            spared |= mask
    if not spared and not breaches:  # nearly always where something stands against everybody
        kept = takes if plan.outcome is Outcome.ALLOW else _NO_TAKES
        return Verdict(plan.outcome, plan.reason, plan.rule, plan.breaches, plan.facts, province, template, kept)
    found = _left(plan, breaches, spared)
    outcome, reason, rule = reported(found)
    kept = takes if outcome is Outcome.ALLOW else _NO_TAKES
    return Verdict(outcome, reason, rule, found, plan.facts, province, template, kept)


def _left(plan: Plan, breaches: Iterable[Breach], spared: int) -> tuple[Breach, ...]:
    """The breaches that are not spared, in order; ``spared``: bits by rule number."""
    return tuple(sorted((b for b in (*plan.breaches, *breaches) if not spared >> b.number & 1), key=strictness))


OBJECTED_MAX = 64
"""Remembered of one decision, some 400 bytes each: usually it is one or two caps that are reached, and seldom others."""


def objected(plan: Plan, which: int, now: float) -> Objected:
    """What becomes of a message where these caps are reached, these rules about the person hold and these exemptions: for the compiled version,
    which counts and asks by itself. Remembered.

    ``which`` has a bit for each of ``plan.caps``, ``plan.persons``, ``plan.bare_persons``, ``plan.sparing`` and ``plan.counters``, in this
    order. What else is to be said of a rule about the person is not in it.
    """
    places = (place for place in range(which.bit_length()) if which >> place & 1)
    caps = len(plan.caps)
    conditions = (*plan.persons, *plan.bare_persons)
    spares = caps + len(conditions)
    limits = spares + len(plan.sparing)
    reached: list[tuple[Limit, Breach]] = []
    breaches, spared = None, 0
    for place in places:
        if place < caps:
            reached.append((plan.caps[place].limit, plan.caps[place].breach))
        elif place < spares:
            breaches = [*(breaches or ()), conditions[place - caps][1]]
        elif place < limits:
            spared |= plan.sparing[place - spares][1]
        else:
            counter = plan.counters[place - limits]
            assert counter.breach is not None
            reached.append((counter.limit, counter.breach))
    since, until = -NEVER, NEVER
    for limit, breach in reached:
        breaches = _with(breaches, breach, limit, now)
        window = limit.window
        end = window.end(now)
        if end is not None:
            since, until = max(since, float(window.start(now))), min(until, float(end))
    left = _left(plan, breaches or (), spared)
    found = Objected(since, until, *reported(left), left, any(one.wants_a_word for one in left))
    if len(plan.objected) >= OBJECTED_MAX:
        plan.objected.clear()
    plan.objected[which] = found
    return found


def judge_text(message: Message, rules: RuleSet, now: float, recipient: Recipient | None = None) -> Verdict:
    """The verdict of the rules that read text, on the joined text as far as it is known, after parts have arrived since it was judged;
    ``now``: when the message was judged (time conditions were decided then).

    ``recipient`` is asked only by rules that combine the text with something about the person.
    """
    reading = rules.reader.read(message.content)
    facts, decision = rules.whole_text(message, reading.traits, now)
    person = Past() if recipient is None else recipient
    found = [*decision.standing]
    found += [
        breach._replace(evidence=evidence_of(ask, message, person, facts, now))
        for ask, breach in decision.persons
        if ask_person(ask, message, person, facts, now)
    ]
    spared = 0
    for ask, mask in decision.sparing if found else ():
        if ask_person(ask, message, person, facts, now):
            spared |= mask
    breaches = tuple(sorted((one for one in found if not spared >> one.number & 1), key=strictness))
    outcome, reason, rule = reported(breaches)
    province, _ = rules.regions.of(message.recipient)
    return Verdict(outcome, reason, rule, breaches, facts, province, reading.template, ())
