"""What the judge decides, said simply: each rule by itself, on lists of entries and of takes, with nothing remembered.

In: a message, a Past, rules, the time, PastCounts. Out: the breaches, the strictest first. Never: a cache, a packed record, speed.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.model.message import Breach, Facts, Message
from proxy.model.recipient import Entry, EntryFilter
from proxy.policy.condition import ask_person
from proxy.policy.evaluation_plan import Decision, Limited, strictness
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.limit import Limit
from proxy.policy.limit_counts import counter_key, counter_of, pick
from proxy.policy.ruleset import RuleSet


def breaches_of(message: Message, past: Past, rules: RuleSet, now: float, counts: PastCounts) -> tuple[Breach, ...]:
    """Of a message with a complete text that is not scheduled for later."""
    reading = rules.reader.read(message.content)
    facts = rules.facts(message.sender, reading.traits, now)
    held = rules.held(message.sender, message.recipient, reading.traits, now)
    decision = rules._program.decide(held, now, None, complete=True)
    found = [*decision.standing]
    found += [breach for ask, breach in decision.persons if ask_person(ask, message, past, facts, now)]
    by_rule: dict[int, Breach] = {}
    for one in _reached(decision, message, past, rules, facts, reading.template, now, counts):
        assert one.breach is not None
        breach = one.breach._replace(not_before=one.limit.window.end(now))
        before = by_rule.get(breach.number)
        if before is None or breach.outcome > before.outcome:  # of several limits of a rule the strictest stands for it
            by_rule[breach.number] = breach
    found += by_rule.values()
    spared = 0
    for ask, mask in decision.sparing:
        if ask_person(ask, message, past, facts, now):
            spared |= mask
    return tuple(sorted((one for one in found if not spared >> one.number & 1), key=strictness))


def _reached(
    decision: Decision,
    message: Message,
    past: Past,
    rules: RuleSet,
    facts: Facts,
    template: int,
    now: float,
    counts: PastCounts,
) -> Iterator[Limited]:
    fixed = [Limited(cap.ask, rules.rules[cap.breach.number], 0, cap.limit, cap.breach, False) for cap in decision.caps]
    for one in (*fixed, *decision.bound, *decision.counted):
        if one.breach is None or one.spared or (one.ask is not None and not ask_person(one.ask, message, past, facts, now)):
            continue
        if "recipient" in one.limit.keys:
            wanted = pick(one.limit, one.rule.only, facts, rules.registry)
            entries = [entry for entry in past.entries if _counts(entry, one.limit, wanted, message, template, now)]
            if len(entries) >= one.limit.most:
                yield one
        else:
            key = counter_key(one.rule.id, one.place, one.limit, facts, rules.registry)
            key = counter_of(key, one.limit, message, rules.regions.of(message.recipient)[0], template)
            if counts.count(key, one.limit.window.after(now)) >= one.limit.most:
                yield one


def _counts(entry: Entry, limit: Limit, wanted: EntryFilter, message: Message, template: int, now: float) -> bool:
    pairs = (
        (entry.category, wanted.categories), (entry.subcategory, wanted.subcategories), (entry.signature or entry.unsigned, wanted.signatures),
        (entry.provider, wanted.providers),
    )  # fmt: skip
    return (
        entry.time > limit.window.after(now)
        and all(values is None or value in values for value, values in pairs)
        and ("port" not in limit.keys or entry.port == message.sender.port_hash)
        and (limit.keys.isdisjoint(("template", "content")) or entry.template == template)
    )
