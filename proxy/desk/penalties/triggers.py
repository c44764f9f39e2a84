"""Measures providers, signatures and advertisers, and proposes the penalties due.

In: hourly counts (hourly_counts.py), valid complaints, the rules' Triggers, past penalties, the time. Out: proposals. Never: work for a
message, the clock, a penalty put into force.

Counts are kept by the clock hour: ``3h`` is this hour and the two before. What happened before the end of a rule's last penalty does not count
again. While one is in force or proposed, only a severer step follows it. A proposal that lapsed settled nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from proxy.desk.penalties.hourly_counts import HOUR_S, ProviderHours, SignatureHours, Signed, hour_of, next_hour
from proxy.i18n.labels import reason_in_chinese
from proxy.i18n.phrases import Bilingual
from proxy.journal.records.penalties import LADDER, LAPSED, RAISED, UNSETTLED, HourCounts, Penalty, Subject
from proxy.model.message import hash48
from proxy.policy import time_windows
from proxy.policy.penalty_rules import ADVERTISER, PROVIDER, REPLY_PATHS, SIGNATURE, Step, Trigger
from proxy.policy.reply_paths import STATES

MILLION = 1_000_000
Valid = Callable[[Subject, float, float], int]
"""(subject, since, until) → valid complaints that came then."""
Counted = Callable[[float, float], HourCounts]
"""(since, until) → counts of one subject."""
PATHS_SHOWN = 5


class ProposedPenalty(NamedTuple):
    """A penalty that a rule asks for."""

    trigger: Trigger
    subject: Subject
    step: Step
    figure: Bilingual


# -- measured


class Measure(NamedTuple):
    value: float
    words: Bilingual


def begins(trigger: Trigger, now: float) -> float:
    """From when on a trigger counts ``now``: a whole hour."""
    if trigger.per.unit == "rolling":
        return float(hour_of(now) - trigger.per.seconds + HOUR_S)
    return float(trigger.per.start(now))


def measured(
    trigger: Trigger, counted: Counted, valid: Callable[[float, float], int], since: float, now: float,
    paths: Callable[[], Mapping[str, str]] = dict,
) -> Measure | None:  # fmt: skip
    """``counted``, ``valid``, ``paths``: of one subject. None: too little happened to say anything."""
    counts = counted(since, now + 1)
    within = f"since {time_windows.local(since)}"
    if trigger.watch == "complaints":
        count = valid(since, now + 1)
        if count < trigger.least_count or counts.sent < trigger.least_sent:
            return None
        rate = count * MILLION / counts.sent
        return Measure(rate, _words(f"{count} valid complaints in {counts.sent:,} messages {within}: {rate:.2f} in a million"))
    if trigger.watch == "optouts":
        if counts.optouts < trigger.least_count or counts.marketing < trigger.least_sent:
            return None
        share = counts.optouts / counts.marketing
        said = f"{counts.optouts} opt-outs by reply in {counts.marketing:,} marketing messages {within}: {share:.2%}"
        return Measure(share, _words(said))
    if trigger.watch == "refusals":
        count = sum(counts.refused.get(reason, 0) for reason in trigger.reasons)
        if count < trigger.least_count:
            return None
        return Measure(count, _words(f"{count:,} messages refused ({', '.join(trigger.reasons)}) {within}"))
    if trigger.watch == REPLY_PATHS:
        closed = {prefix: state for prefix, state in paths().items() if state in trigger.states}
        if len(closed) < trigger.least_count or counts.marketing < trigger.least_sent:
            return None
        return Measure(len(closed), _closed(closed, counts.marketing, within))
    before = counted(since - trigger.against_s, since)
    usual = before.marketing * trigger.per.seconds / trigger.against_s
    if counts.marketing < trigger.least_sent or usual <= 0:
        return None
    times = counts.marketing / usual
    return Measure(times, _words(f"{counts.marketing:,} marketing messages {within}: {times:.1f} times what was usual before"))


def _closed(closed: Mapping[str, str], marketing: int, within: str) -> Bilingual:
    some = sorted(closed.items(), key=lambda one: (STATES.index(one[1]), one[0]), reverse=True)[:PATHS_SHOWN]
    named = ", ".join(f"{prefix} {state}" for prefix, state in some) + (", …" if len(closed) > PATHS_SHOWN else "")
    return _words(
        f"replies to {len(closed)} registered port prefixes do not arrive ({named}); {marketing:,} marketing messages {within}"
    )


def _words(said: str) -> Bilingual:
    """What was measured: the Chinese is that of every place that shows it."""
    return Bilingual(said, reason_in_chinese(said))


class MeasureSource(NamedTuple):
    """Where counts are found."""

    hours: ProviderHours
    by_signature: SignatureHours
    valid: Valid
    advertiser_of: Callable[[int], str]
    """By a signature's hash; today's registry: it regroups what was counted before, too."""
    paths: Callable[[str], Mapping[str, str]] = lambda provider: {}
    """By provider: the state of the reply path of each of its registered port prefixes."""


def due(
    triggers: Iterable[Trigger], providers: Iterable[str], counting: MeasureSource, held: Callable[[Subject, str], list[Penalty]], now: float
) -> Iterator[ProposedPenalty | None]:  # fmt: skip
    """The penalties due now that are not proposed or in force; None in between, for the caller to yield. ``held``: (subject, trigger) → past
    penalties."""
    for trigger in triggers:
        for found in _subjects(trigger, providers, counting, now):
            yield None if found is None else _due(trigger, *found, counting, held(found[0], trigger.id), now)


def _subjects(
    trigger: Trigger, providers: Iterable[str], counting: MeasureSource, now: float
) -> Iterator[tuple[Subject, Counted] | None]:
    """The subjects of a trigger with their counts; of signatures and advertisers those that sent lately. None: the caller may yield."""
    covered = [one for one in providers if not trigger.providers or one in trigger.providers]
    if trigger.by == PROVIDER:
        yield from ((Subject(one), partial(counting.hours.of, one)) for one in covered)
        return
    together: dict[Subject, dict[Signed, None]] = {}
    for hour in counting.by_signature.signed(begins(trigger, now), now + 1):
        for signed in hour:
            if (subject := _subject(trigger, signed, covered, counting.advertiser_of)) is not None:
                together.setdefault(subject, {})[signed] = None
        yield None
    for subject, keys in together.items():
        yield subject, partial(counting.by_signature.sum_of, tuple(keys))


def _subject(trigger: Trigger, signed: Signed, covered: Collection[str], advertiser_of: Callable[[int], str]) -> Subject | None:
    """Whose messages those of a provider under a signature are to a trigger; None where it does not look at them."""
    provider, signature = signed
    if trigger.by == SIGNATURE:
        return Subject(provider, SIGNATURE, signature) if provider in covered else None
    who = advertiser_of(number := hash48(signature))
    registered = who != f"{number:012x}"  # else the signature stands for itself
    return Subject("", ADVERTISER, who) if registered else Subject("", SIGNATURE, signature)


def _due(
    trigger: Trigger, subject: Subject, counted: Counted, counting: MeasureSource, held: list[Penalty], now: float
) -> ProposedPenalty | None:
    pending = [one for one in held if one.state in UNSETTLED]
    decided = [one for one in held if one.state != LAPSED]
    since = begins(trigger, now)
    if not pending and decided:
        settled = max(one.ended for one in decided)
        since = max(since, next_hour(settled)) if settled > since else since
    if since > now:
        return None
    valid, paths = partial(counting.valid, subject), partial(counting.paths, subject.provider)
    measure = measured(trigger, counted, valid, since, now, paths)
    if measure is None:
        return None
    reached = [step for step in trigger.steps if measure.value > step.above]
    if not reached:
        return None
    step = _again(trigger, reached[-1], held, now)
    if any(one.rung >= LADDER.index(step.then) for one in pending):
        return None
    return ProposedPenalty(trigger, subject, step, measure.words)


def _again(trigger: Trigger, step: Step, held: list[Penalty], now: float) -> Step:
    """A severer step where one had ended a little while ago; one whose place a severer one took is of the same offence."""
    again = trigger.again
    if again is None or step.then == "warn":
        return step
    borne = [one for one in held if one.since and one.ended and one.step != "warn" and one.state != RAISED]
    if not any(now - one.ended <= again.within_s for one in borne):
        return step
    then = again.then or LADDER[min(LADDER.index(step.then) + 1, len(LADDER) - 1)]
    if LADDER.index(then) < LADDER.index(step.then):
        then = step.then
    return step._replace(then=then, for_s=again.for_s or step.for_s)
