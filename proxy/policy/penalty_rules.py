"""Reads the ``penalties:`` and ``complaints:`` sections of rules files.

In: their Nodes. Out: Triggers (what is measured of a provider, from which value on which penalty follows, for how long); the complaint
deadlines in days; a RuleFault with the line of a mistake. Never: a measurement (desk/penalties/triggers.py), a penalty
(desk/penalties/book.py). ``judge`` knows nothing of these: they lead to dated orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from proxy.model.reasons import RULE_REASONS
from proxy.policy import time_windows
from proxy.policy.loading.source import Node
from proxy.policy.reply_paths import DEAD, SILENT
from proxy.policy.time_windows import Window

KEYS = (
    "id", "say", "basis", "note", "watch", "by", "reasons", "states", "per", "against", "least", "provider", "steps", "again",
    "approval", "lapses", "mode",
)  # fmt: skip
WATCHES = ("complaints", "optouts", "refusals", "spike", "reply-paths")
"""Valid complaints in a million messages · opt-outs for each marketing message · messages refused · marketing against the same time before ·
registered port prefixes whose replies do not arrive."""
REPLY_PATHS = WATCHES[-1]
PATH_STATES = (DEAD, SILENT)
"""States of a reply path that count against a provider."""
BY = PROVIDER, SIGNATURE, ADVERTISER = "provider", "signature", "advertiser"
"""Whose messages are counted together, and what a step is about: all of a provider's · what a provider sends under one signature, which is
a campaign: its texts differ in names and links · all of one advertiser's (registries/signatures.csv), whichever provider brings them."""
STEP_KEYS = ("above", "then", "to", "for")
AGAIN_KEYS = ("within", "then", "for")
LEAST_KEYS = ("sent", "count")
STEPS = ("warn", "throttle", "suspend-marketing", "suspend-all")
"""From mild to severe: the ladder."""
APPROVALS = ("second-person", "none")
LAPSES_S = 7 * time_windows.DAY_S
"""Default time after which an undecided proposal lapses: its evidence is old by then."""
MODES = ("enforce", "off")
COMPLAINTS_KEYS = ("forward", "answer")
FORWARD_DAYS, ANSWER_DAYS, DAYS_MAX = 5, 15, 60
TRIGGERS_MAX = 100
HOURS_KEPT = 62 * 24
"""Counts are kept so long: two months, so that a month can be measured against the one before."""
APART_DAYS = 7
APART_HOURS = APART_DAYS * 24
"""Of counts by signature: there may be thousands an hour."""
COUNT_MAX = 10_000_000_000
_HOUR_S = 3600


class Step(NamedTuple):
    above: float
    then: str
    to: float  # of a throttle: what is left of the provider's rate
    for_s: int


class RepeatPenalty(NamedTuple):
    """The step that follows if the last penalty of this rule ended within ``within_s``."""

    within_s: int
    then: str  # empty: the next step up the ladder
    for_s: int  # 0: as the step says


class Trigger(NamedTuple):
    id: str
    say: str
    basis: str
    watch: str
    reasons: tuple[str, ...]
    per: Window
    against_s: int
    least_sent: int
    least_count: int
    providers: tuple[str, ...]  # empty: every one
    steps: tuple[Step, ...]
    again: RepeatPenalty | None
    approval: bool
    lapses_s: int  # a proposal that waits so long lapses
    file: str
    line: int
    by: str = PROVIDER  # one of BY
    states: tuple[str, ...] = ()  # of reply paths that are counted


class DeskRules(NamedTuple):
    """The parts of rules files that do not judge messages: penalties and complaint deadlines."""

    triggers: tuple[Trigger, ...] = ()
    forward_days: int = FORWARD_DAYS
    answer_days: int = ANSWER_DAYS


def read_complaints(node: Node) -> tuple[int, int]:
    """``complaints: {forward: 5, answer: 15}``: working days."""
    keys = node.mapping("complaints", COMPLAINTS_KEYS)
    forward = keys["forward"].integer("complaints: forward", 1, DAYS_MAX) if "forward" in keys else FORWARD_DAYS
    answer = keys["answer"].integer("complaints: answer", 1, DAYS_MAX) if "answer" in keys else ANSWER_DAYS
    if forward > answer:
        raise node.fault(f"complaints: forwarded within {forward} working days, but answered within {answer}")
    return forward, answer


def read_trigger(node: Node, file: str) -> Trigger | None:
    """Reads one trigger; None if it is off."""
    keys = node.mapping("penalty", KEYS)
    for word in ("id", "watch", "per", "steps"):
        if word not in keys:
            raise node.fault(f"penalty: '{word}' is missing")
    name = keys["id"].text("id", digits=True)
    watch = keys["watch"].word("watch", WATCHES)
    per = _window(keys["per"], "per")
    by = keys["by"].word("by", BY) if "by" in keys else PROVIDER
    reasons = tuple(keys["reasons"].words("reasons", RULE_REASONS, "reason")) if "reasons" in keys else ()
    if (watch == "refusals") is not bool(reasons):
        raise node.fault("reasons: says which refusals are counted; watch: refusals needs it, others have none")
    if "states" in keys and watch != REPLY_PATHS:
        raise keys["states"].fault("states: says which reply paths are counted: only watch: reply-paths has it")
    states = tuple(keys["states"].words("states", PATH_STATES, "state")) if "states" in keys else PATH_STATES
    if (watch == "spike") is not ("against" in keys):
        raise node.fault("against: says with how long before a spike is compared; watch: spike needs it, others have none")
    against_s = _seconds(keys["against"], "against") if "against" in keys else 0
    if against_s and against_s <= per.seconds:
        raise keys["against"].fault("against: must be longer than per")
    approval = "approval" not in keys or keys["approval"].word("approval", APPROVALS) == "second-person"
    if "lapses" in keys and not approval:
        raise keys["lapses"].fault("lapses: with approval: none it waits for nobody")
    if by != PROVIDER and watch == REPLY_PATHS:
        raise keys["by"].fault(f"by: {by}: a port is its provider's: watch: reply-paths counts by provider")
    if by != PROVIDER:
        _apart(keys, by, max(per.seconds, against_s))
    least = keys["least"].mapping("least", LEAST_KEYS) if "least" in keys else {}
    counts = [least[word].integer(f"least: {word}", 1, COUNT_MAX) if word in least else 1 for word in LEAST_KEYS]
    trigger = Trigger(
        name,
        keys["say"].text("say", digits=True) if "say" in keys else "",
        keys["basis"].text("basis", digits=True) if "basis" in keys else "",
        watch, reasons, per, against_s, counts[0], counts[1],
        tuple(keys["provider"].texts("provider", digits=True)) if "provider" in keys else (),
        _steps(keys["steps"], per, by), _again(keys["again"]) if "again" in keys else None,
        approval, _seconds(keys["lapses"], "lapses") if "lapses" in keys else LAPSES_S, file, keys["id"].line, by,
        states if watch == REPLY_PATHS else (),
    )  # fmt: skip
    return trigger if "mode" not in keys or keys["mode"].word("mode", MODES, "mode") == "enforce" else None


def _apart(keys: Mapping[str, Node], by: str, longest_s: int) -> None:
    """Checks what cannot be counted by signature or advertiser."""
    if longest_s > APART_HOURS * _HOUR_S:
        raise keys["by"].fault(f"by: {by}: is counted over at most {APART_DAYS}d")
    if by == ADVERTISER and "provider" in keys:
        raise keys["provider"].fault("provider: by: advertiser counts over all providers")


def _steps(node: Node, per: Window, by: str) -> tuple[Step, ...]:
    found = []
    for item in node.items():
        keys = item.mapping("step", STEP_KEYS)
        for word in ("above", "then"):
            if word not in keys:
                raise item.fault(f"step: '{word}' is missing")
        above, then = keys["above"], keys["then"].word("then", STEPS)
        if isinstance(above.value, bool) or not isinstance(above.value, int | float) or not 0 <= above.value <= COUNT_MAX:
            raise above.fault(f"above: must be a number from 0 on, not {above.shape}")
        if (then == "throttle") is not ("to" in keys):
            raise item.fault("to: says what a throttle leaves of the provider's rate (to: 0.5), other steps have none")
        if (then == "warn") is ("for" in keys):
            raise item.fault("for: says how long (for: 30d); a warning has none, every other step needs it")
        if then == "throttle" and by != PROVIDER:
            raise item.fault(f"then: only all of a provider's messages have a rate to throttle: by: {by} warns or suspends")
        to = _share(keys["to"]) if "to" in keys else 1.0
        found.append(Step(float(above.value), then, to, _seconds(keys["for"], "for") if "for" in keys else per.seconds))
    if not found:
        raise node.fault("steps: an empty list penalizes nobody")
    for before, after in pairwise(found):
        if after.above <= before.above or STEPS.index(after.then) < STEPS.index(before.then):
            raise node.fault("steps: must go from a small measure to a greater, and from a mild step to a severe")
    return tuple(found)


def _again(node: Node) -> RepeatPenalty:
    keys = node.mapping("again", AGAIN_KEYS)
    if "within" not in keys:
        raise node.fault("again: 'within' is missing (like within: 90d)")
    then = keys["then"].word("again: then", STEPS[2:]) if "then" in keys else ""
    return RepeatPenalty(_seconds(keys["within"], "within"), then, _seconds(keys["for"], "for") if "for" in keys else 0)


def _share(node: Node) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float) or not 0.01 <= node.value < 1:
        raise node.fault(f"to: must be a share from 0.01 to 0.99, not {node.shape}")
    return float(node.value)


def _seconds(node: Node, what: str) -> int:
    seconds = node.parsed(what, time_windows.duration)
    if seconds > time_windows.WINDOW_MAX_S:
        raise node.fault(f"{what}: longer than {time_windows.WINDOW_MAX_S // time_windows.DAY_S}d")
    return seconds


def _window(node: Node, what: str) -> Window:
    """``day``, ``month``, or whole hours and days: counts are kept per hour."""
    written = node.text(what)
    if written in time_windows.CALENDAR_S and written != "minute":
        return Window(written, time_windows.CALENDAR_S[written])
    seconds = _seconds(node, what)
    if seconds % _HOUR_S or seconds > HOURS_KEPT // 2 * _HOUR_S:
        raise node.fault(f"{what}: must be whole hours, at most {HOURS_KEPT // 48}d: it is counted by the hour")
    return Window("rolling", seconds)
