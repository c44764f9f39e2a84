"""Returns the verdict on one message. Same inputs, same verdict.

In: a message, the recipient's record, a rule set, the time, the counters. Out: a Verdict with every rule that objects.
Never: input or output, logging, changes to its arguments (the rule set caches texts and decisions, which changes no answer).

On the way: content → Reading (kept with the content); sender → RelatedSenders (cached); both with the text's traits → KnownFacts (cached)
and its Plan for the recipient's place. Per message there remains only what the record and the counters answer: suppression, lists, caps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cython

from proxy.model.message import Breach, Content, Counters, Facts, Message, Outcome, Take, Verdict
from proxy.model.recipient import ENTRY_BYTES, HEAD_BYTES, Recipient
from proxy.native.octet_runs import u32_in
from proxy.policy.condition import RecipientTest, ask_person, evidence_of
from proxy.policy.evaluation_plan import Cap, CounterLimit, Objected, Plan, reported, strictness
from proxy.policy.explanation.history import Past
from proxy.policy.limit import Limit, reached
from proxy.policy.limit_counts import counter_of
from proxy.policy.ruleset import KnownFacts, RuleSet
from proxy.policy.text_reader import Reader, Reading
from proxy.policy.time_windows import NEVER

_HEAD = cython.declare(cython.Py_ssize_t, HEAD_BYTES)
_ENTRY = cython.declare(cython.Py_ssize_t, ENTRY_BYTES)
_NO_TAKES: tuple[Take, ...] = ()
_ALLOW = Outcome.ALLOW  # an attribute of an enum costs more


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.ccall
def judge(message: Message, recipient: Recipient, rules: RuleSet, now: cython.double, counters: Counters) -> Verdict:
    """What becomes of ``message`` at ``now`` (seconds UTC). All rules are evaluated; the strictest that is enforced is reported."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    content: Content = message.content
    reader: Reader = rules.reader
    reading: Reading = content.reading if content.read_by is reader.mark else reader.read(content)
    cell: cython.Py_ssize_t = rules.cell(message.recipient)
    known: KnownFacts
    plan: Plan | None
    if content.scheduled is not None and content.scheduled > now:
        plan = rules.plan_at(message.sender, message.recipient, reading.traits, content.scheduled)
    else:
        known = rules.known_of(message.sender, reading.traits, now)
        group: cython.Py_ssize_t = known.groups[cell]
        plan = known.plans[group]
        if plan is None:
            plan = rules.plan(known, cell, now)
    template: cython.uint = reading.template
    province: str = rules.provinces[cell]
    takes: tuple[Take, ...] = _NO_TAKES
    found: list[int] | None = None
    if plan.asks:
        found = _objecting(plan, message, recipient, rules, template, now)
        if plan.counters:
            if found is None:
                found = []
            takes = _counted(plan, message, recipient, province, template, now, counters, found)
        if plan.sparing and (found or plan.breaches):
            if found is None:
                found = []
            _spare(plan, message, recipient, now, found)
        if found:
            return _refused(plan, message, recipient, province, template, now, found, takes)
    verdict: Verdict = Verdict.__new__(Verdict)  # at a third of the cost
    verdict.outcome, verdict.reason, verdict.rule, verdict.breaches = plan.outcome, plan.reason, plan.rule, plan.breaches
    verdict.facts, verdict.province, verdict.template, verdict.wants_a_word = plan.facts, province, template, plan.wants_a_word
    verdict.takes = takes if plan.outcome is _ALLOW else _NO_TAKES
    return verdict


# What objects is a list of places: of ``plan.caps``, then ``plan.persons``, ``plan.bare_persons``, ``plan.sparing``, ``plan.counters``.


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
def _objecting(
    plan: Plan, message: Message, recipient: Recipient, rules: RuleSet, template: cython.uint, now: cython.double
) -> list[int] | None:
    """The rules about the recipient that hold, and the caps that are reached; None where there is none."""
    found: list[int] | None = None
    caps: tuple[Cap, ...] = plan.caps
    persons: tuple[Any, ...] = plan.persons
    pair: tuple[Any, ...]
    cap: Cap
    place: cython.Py_ssize_t
    first: cython.Py_ssize_t = len(caps)
    if persons:
        if not recipient.bare:
            recipient.unconcerned = not recipient.concerns(rules.refusal_match, message, plan.facts)
        if recipient.bare or recipient.unconcerned:
            first += len(persons)
            persons = plan.bare_persons
        for place in range(len(persons)):
            pair = persons[place]
            if _holds(pair[0], message, recipient, plan.facts, now):
                if found is None:
                    found = []
                found.append(first + place)
    if not caps or recipient.held < plan.fewest:
        return found
    # no window can hold enough when the longest does not: one question instead of one per cap
    if u32_in(recipient.data, _HEAD + (recipient.held - plan.fewest) * _ENTRY + 16) > now - plan.oldest_s:
        for place in range(len(caps)):
            cap = caps[place]
            if cap.reached(recipient, message, template, now) and (
                cap.ask is None or _holds(cap.ask, message, recipient, plan.facts, now)
            ):
                if found is None:
                    found = []
                found.append(place)
    return found


@cython.cfunc
@cython.inline
def _holds(tree: Any, message: Message, recipient: Recipient, facts: Facts, now: cython.double) -> cython.bint:
    """``ask_person``, straight on for the usual tree."""
    test: RecipientTest
    if isinstance(tree, RecipientTest):
        test = tree
        if test.numbers is not None:
            return test.lists(message.recipient)
    return ask_person(tree, message, recipient, facts, now)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
def _counted(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    province: str,
    template: cython.uint,
    now: cython.double,
    counters: Counters,
    found: list[int],
) -> tuple[Take, ...]:
    """What this message takes from counters if it is sent; the limits that are used up are added to ``found``."""
    limits: tuple[CounterLimit, ...] = plan.counters
    counter: CounterLimit
    takes: list[Take] = []
    place: cython.Py_ssize_t
    first: cython.Py_ssize_t = len(plan.caps) + len(plan.persons) + len(plan.bare_persons) + len(plan.sparing)
    for place in range(len(limits)):
        counter = limits[place]
        if counter.ask is not None and not _holds(counter.ask, message, recipient, plan.facts, now):
            continue
        key, total, take = counter.key, counter.total, counter.take
        if counter.late:
            key = counter_of(key, counter.limit, message, province, template)
            take = take._replace(key=key)
            total = counter_of(total, counter.limit, message, province, template) if total else 0
        if counter.breach is not None and not counter.spared and reached(counter.limit, counters, key, total, now):
            found.append(first + place)
        if plan.takes is None:
            takes.append(take)
    return tuple(takes) if plan.takes is None else plan.takes


@cython.cfunc
def _spare(plan: Plan, message: Message, recipient: Recipient, now: cython.double, found: list[int]) -> None:
    """Adds the exemptions that hold."""
    place: cython.Py_ssize_t
    first: cython.Py_ssize_t = len(plan.caps) + len(plan.persons) + len(plan.bare_persons)
    for place in range(len(plan.sparing)):
        if _holds(plan.sparing[place][0], message, recipient, plan.facts, now):
            found.append(first + place)  # noqa: PERF401 # compiled, a generator costs more


@cython.cfunc
def _refused(
    plan: Plan,
    message: Message,
    recipient: Recipient,
    province: str,
    template: cython.uint,
    now: cython.double,
    found: list[int],
    takes: tuple[Take, ...],
) -> Verdict:
    """The verdict where these object, beside what stands against everybody."""
    key: Any = found[0] if len(found) == 1 else tuple(found)
    objected: Any = plan.objected.get(key)
    fields: tuple[Any, ...] = cython.cast(tuple, objected)  # an attribute of a NamedTuple costs more
    if objected is None or not fields[0] <= now < fields[1]:
        objected = _objected(plan, found, now)
        fields = cython.cast(tuple, objected)
        if len(plan.objected) >= OBJECTED_MAX:
            plan.objected.clear()
        plan.objected[key] = objected
    verdict: Verdict = Verdict.__new__(Verdict)
    verdict.outcome, verdict.reason, verdict.rule, verdict.breaches = fields[2], fields[3], fields[4], fields[5]
    verdict.facts, verdict.province, verdict.template, verdict.wants_a_word = plan.facts, province, template, fields[6]
    verdict.takes = takes if verdict.outcome is _ALLOW else _NO_TAKES
    test: RecipientTest
    place: cython.Py_ssize_t
    caps: cython.Py_ssize_t = len(plan.caps)
    persons: cython.Py_ssize_t = len(plan.persons)
    for place in found:
        place -= caps
        if not 0 <= place < persons + len(plan.bare_persons):
            continue
        ask, breach = plan.persons[place] if place < persons else plan.bare_persons[place - persons]
        if isinstance(ask, RecipientTest):
            test = ask
            if test.evidence is None:
                continue
        evidence = evidence_of(ask, message, recipient, plan.facts, now)
        if evidence:
            verdict.breaches = tuple([one._replace(evidence=evidence) if one == breach else one for one in verdict.breaches])
            verdict.wants_a_word = True
    return verdict


def takes_of(message: Message, recipient: Recipient, rules: RuleSet, now: float) -> tuple[Take, ...]:
    """What a message sent at ``now`` takes from counters, whatever the rules decide: for a later set of rules."""
    if not rules.since <= now < rules.until:
        rules.turn(now)
    reading = rules.reader.read(message.content)
    cell = rules.cell(message.recipient)
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


def _with(breaches: list[Breach] | None, breach: Breach, limit: Limit, now: float) -> list[Breach]:
    """Adds a breach. If several limits of a rule are reached, the strictest stands for the rule."""
    breach = breach._replace(not_before=limit.window.end(now))
    if not breaches:
        return [breach]
    if any(other.number == breach.number and other.outcome >= breach.outcome for other in breaches):
        return breaches
    return [*(other for other in breaches if other.number != breach.number), breach]


def _left(plan: Plan, breaches: Iterable[Breach], spared: int) -> tuple[Breach, ...]:
    """The breaches that are not spared, in order; ``spared``: bits by rule number."""
    return tuple(sorted((b for b in (*plan.breaches, *breaches) if not spared >> b.number & 1), key=strictness))


OBJECTED_MAX = 64
"""Remembered of one decision, some 400 bytes each: usually it is one or two caps that are reached, and seldom others."""


def _objected(plan: Plan, found: Iterable[int], now: float) -> Objected:
    """What becomes of a message where these object, besides the evidence."""
    caps = len(plan.caps)
    conditions = (*plan.persons, *plan.bare_persons)
    spares = caps + len(conditions)
    limits = spares + len(plan.sparing)
    counting: list[tuple[Limit, Breach]] = []
    breaches, spared = None, 0
    for place in found:
        if place < caps:
            counting.append((plan.caps[place].limit, plan.caps[place].breach))
        elif place < spares:
            breaches = [*(breaches or ()), conditions[place - caps][1]]
        elif place < limits:
            spared |= plan.sparing[place - spares][1]
        else:
            counter = plan.counters[place - limits]
            assert counter.breach is not None
            counting.append((counter.limit, counter.breach))
    since, until = -NEVER, NEVER
    for limit, breach in counting:
        breaches = _with(breaches, breach, limit, now)
        window = limit.window
        end = window.end(now)
        if end is not None:
            since, until = max(since, float(window.start(now))), min(until, float(end))
    left = _left(plan, breaches or (), spared)
    return Objected(since, until, *reported(left), left, any(one.wants_a_word for one in left))


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
