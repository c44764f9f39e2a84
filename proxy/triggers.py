"""Triggers: what is measured of providers beside traffic, once a minute, and which penalties that asks for. Pure.

In: the tally's running counts, valid complaints, the rules' Triggers, penalties there were, the time. Out: hours of counts (as journal
records), proposals. Never: work for a message, the clock, a penalty put into force.

Counts are kept by the clock hour: ``3h`` is this hour and the two before. What came before the last penalty of a rule had ended is not
held against the provider again; while one is in force, or waits, only a severer step follows it. A proposal that lapsed settled nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from proxy.desk import entries
from proxy.desk.penalized import LADDER, LAPSED, UNSETTLED, Counts, Penalty, pack_hour, unpack_hour
from proxy.policy import moments
from proxy.policy.penalties import HOURS_KEPT, Step, Trigger
from proxy.policy.spoken import Said
from proxy.state.papers import Papers

HOUR_S = 3600
MILLION = 1_000_000
Valid = Callable[[str, float, float], int]
"""(provider, since, until) → valid complaints that came then."""


class Proposal(NamedTuple):
    """A penalty that a rule asks for."""

    trigger: Trigger
    provider: str
    step: Step
    figure: Said


class Hours:
    """What was counted, by hour and provider."""

    def __init__(self, papers: Papers, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        self._papers = papers
        self._write = write
        self._held = dict(unpack_hour(body) for _, body in sorted(papers.held.items()))
        self._seen: dict[str, Counts] = {}
        """What the tally had counted when it was last looked at: it begins anew with the process."""

    def take(self, submits: Mapping[tuple[str, ...], int], optouts: Mapping[tuple[str, ...], int], now: float) -> None:
        """What was counted since the last time, into this hour. JournalDown: then it is taken the next time."""
        running = _running(submits, optouts)
        more = {name: grown for name, counts in running.items() if (grown := _less(counts, self._seen.get(name, Counts())))}
        if not more:
            return
        start = int(now) // HOUR_S * HOUR_S
        hour = dict(self._held.get(start, {}))
        for name, counts in more.items():
            hour[name] = _added(hour.get(name, Counts()), counts)
        body = pack_hour(start, hour)
        self._write([(entries.COUNTED, body)])
        self._held[start] = hour
        self._papers.put(start // HOUR_S, body)
        self._seen = running
        for old in [one for one in self._held if one < start - HOURS_KEPT * HOUR_S]:
            del self._held[old]
            self._papers.drop(old // HOUR_S)

    def of(self, provider: str, since: float, until: float) -> Counts:
        """What it did in the hours that begin from ``since`` on and before ``until``."""
        total = Counts()
        for start in range(-(-int(since) // HOUR_S) * HOUR_S, math.ceil(until), HOUR_S):
            counts = self._held.get(start, {}).get(provider)
            if counts is not None:
                total = _added(total, counts)
        return total


def _running(submits: Mapping[tuple[str, ...], int], optouts: Mapping[tuple[str, ...], int]) -> dict[str, Counts]:
    sent: dict[str, int] = {}
    marketing: dict[str, int] = {}
    refused: dict[str, dict[str, int]] = {}
    for (provider, category, verdict, reason), count in submits.items():
        if verdict == "allow":
            sent[provider] = sent.get(provider, 0) + count
            if category == "marketing":
                marketing[provider] = marketing.get(provider, 0) + count
        elif verdict == "reject" and reason:
            by = refused.setdefault(provider, {})
            by[reason] = by.get(reason, 0) + count
    replied: dict[str, int] = {}
    for (source, _, provider), count in optouts.items():
        if source == "reply" and provider:
            replied[provider] = replied.get(provider, 0) + count
    names = sent.keys() | refused.keys() | replied.keys()
    return {
        name: Counts(sent.get(name, 0), marketing.get(name, 0), replied.get(name, 0), refused.get(name, {}))
        for name in sorted(names - {""})
    }


def _less(now: Counts, before: Counts) -> Counts | None:
    """What has been added; None if nothing."""
    if now == before:
        return None
    refused = {reason: more for reason, count in now.refused.items() if (more := count - before.refused.get(reason, 0))}
    return Counts(now.sent - before.sent, now.marketing - before.marketing, now.optouts - before.optouts, refused)


def _added(one: Counts, other: Counts) -> Counts:
    refused = dict(one.refused)
    for reason, count in other.refused.items():
        refused[reason] = refused.get(reason, 0) + count
    return Counts(one.sent + other.sent, one.marketing + other.marketing, one.optouts + other.optouts, refused)


# -- measured


class Measure(NamedTuple):
    value: float
    words: Said


def begins(trigger: Trigger, now: float) -> float:
    """From when on a trigger counts ``now``: a whole hour."""
    if trigger.per.unit == "rolling":
        return float(int(now) // HOUR_S * HOUR_S - trigger.per.seconds + HOUR_S)
    return float(trigger.per.start(now))


def measured(trigger: Trigger, provider: str, hours: Hours, valid: Valid, since: float, now: float) -> Measure | None:
    """None: too little happened to say anything."""
    counts = hours.of(provider, since, now + 1)
    within, begun = f"since {moments.local(since)}", f"自 {moments.local(since)} 起"
    if trigger.watch == "complaints":
        count = valid(provider, since, now + 1)
        if count < trigger.least_count or counts.sent < trigger.least_sent:
            return None
        rate = count * MILLION / counts.sent
        words = Said(
            f"{count} valid complaints in {counts.sent:,} messages {within}: {rate:.2f} in a million",
            f"{begun} {counts.sent:,} 条短信中有效投诉 {count} 件: 百万分之 {rate:.2f}",
        )
        return Measure(rate, words)
    if trigger.watch == "optouts":
        if counts.optouts < trigger.least_count or counts.marketing < trigger.least_sent:
            return None
        share = counts.optouts / counts.marketing
        words = Said(
            f"{counts.optouts} opt-outs by reply in {counts.marketing:,} marketing messages {within}: {share:.2%}",
            f"{begun} {counts.marketing:,} 条营销短信中回复退订 {counts.optouts} 次: {share:.2%}",
        )
        return Measure(share, words)
    if trigger.watch == "refusals":
        count = sum(counts.refused.get(reason, 0) for reason in trigger.reasons)
        if count < trigger.least_count:
            return None
        reasons = ", ".join(trigger.reasons)
        return Measure(
            count, Said(f"{count:,} messages refused ({reasons}) {within}", f"{begun}被拦下 {count:,} 条 ({reasons})")
        )
    before = hours.of(provider, since - trigger.against_s, since)
    usual = before.marketing * trigger.per.seconds / trigger.against_s
    if counts.marketing < trigger.least_sent or usual <= 0:
        return None
    times = counts.marketing / usual
    words = Said(
        f"{counts.marketing:,} marketing messages {within}: {times:.1f} times what was usual before",
        f"{begun}营销短信 {counts.marketing:,} 条: 是此前平时的 {times:.1f} 倍",
    )
    return Measure(times, words)


def due(
    triggers: Iterable[Trigger], providers: Iterable[str], hours: Hours, valid: Valid, held: Callable[[str, str], list[Penalty]],
    now: float,
) -> Iterator[Proposal | None]:  # fmt: skip
    """Penalties that are called for ``now`` and are not there; None between them, so that whoever asks can let others have their turn.
    ``held``: (provider, trigger) → those there were."""
    for trigger in triggers:
        for provider in providers:
            if not trigger.providers or provider in trigger.providers:
                yield _due(trigger, provider, hours, valid, held(provider, trigger.id), now)


def _due(trigger: Trigger, provider: str, hours: Hours, valid: Valid, held: list[Penalty], now: float) -> Proposal | None:
    pending = [one for one in held if one.state in UNSETTLED]
    decided = [one for one in held if one.state != LAPSED]
    since = begins(trigger, now)
    if not pending and decided:
        settled = max(one.ended for one in decided)
        since = max(since, float(-(-int(settled) // HOUR_S) * HOUR_S)) if settled > since else since
    if since > now:
        return None
    measure = measured(trigger, provider, hours, valid, since, now)
    if measure is None:
        return None
    reached = [step for step in trigger.steps if measure.value > step.above]
    if not reached:
        return None
    step = _again(trigger, reached[-1], held, now)
    if any(one.rung >= LADDER.index(step.then) for one in pending):
        return None
    return Proposal(trigger, provider, step, measure.words)


def _again(trigger: Trigger, step: Step, held: list[Penalty], now: float) -> Step:
    """A severer step where one had ended a little while ago."""
    again = trigger.again
    if again is None or step.then == "warn":
        return step
    borne = [one for one in held if one.since and one.ended and one.step != "warn"]
    if not any(now - one.ended <= again.within_s for one in borne):
        return step
    then = again.then or LADDER[min(LADDER.index(step.then) + 1, len(LADDER) - 1)]
    if LADDER.index(then) < LADDER.index(step.then):
        then = step.then
    return step._replace(then=then, for_s=again.for_s or step.for_s)
