"""Checks a rules folder: loading, registries against rules, rule tests.

In: a folder, perhaps the settings and the time. Out: a CheckReport with every Problem, and warnings. Never: the live store: each test
starts with an empty past.

A test is ``{note: …, messages: [step, …]}``. A step is a message (``at to from text`` and perhaps ``category provider account
repeat scheduled reply_path``) with what is wanted of it (``allow``, ``{reject: rule-id}``, ``{defer: rule-id}``), or a refusal by the
person (``at to optout: {scope: …, value: …}``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from proxy.config import Provider
from proxy.config.yaml_file import unknown
from proxy.model.message import Category, Content, Message, Outcome, Sender, Verdict
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import OptOut
from proxy.policy import time_windows
from proxy.policy.explanation.history import Past, PastCounts, note_sent
from proxy.policy.judge import judge
from proxy.policy.kinds import suppressed
from proxy.policy.kinds.fields import TEXT_STATES
from proxy.policy.kinds.reply_path import path_in
from proxy.policy.loading.crosscheck import both_ways, crosscheck, unowned_ports
from proxy.policy.loading.lint import lint
from proxy.policy.loading.load_rules import Loaded, load_all
from proxy.policy.loading.problem import Faults, Problem, RuleFault, RulesError, each
from proxy.policy.loading.source import Node
from proxy.policy.loading.warnings import find_warnings
from proxy.policy.renamed_senders import refused_by, refused_text
from proxy.policy.reply_paths import ReplyPath
from proxy.policy.ruleset import RuleSet

STEP_KEYS = (
    "at", "to", "from", "category", "text", "provider", "account", "repeat", "want", "note", "scheduled", "since", "state",
    "reply_path", "optout",
)  # fmt: skip
TEST_KEYS = ("note", "messages")
OPTOUT_KEYS = ("scope", "value", "source")
WANT_KEYS = ("reject", "defer")
REPEAT_MAX = 1_000


@dataclass
class CheckReport:
    problems: list[Problem]
    unknown_region: float | None = None
    """The share, from 0 to 1, of the segments in use whose province the table does not know; None if the folder does not load."""
    rules: int = 0
    tests: int = 0
    warnings: list[Problem] = field(default_factory=list)
    """What may be meant: a rule without a test, or whose days are over; a list that changes nothing; a shop in its platform's group; a consent
    request without a word to reply."""
    says: Mapping[str, str] = field(default_factory=dict)
    """Titles of rules, by id."""

    def as_dict(self) -> dict[str, Any]:
        """What ``gate106 check --json`` prints."""
        return {
            "rules": self.rules,
            "tests": self.tests,
            "unknown_region": None if self.unknown_region is None else round(self.unknown_region, 4),
            "problems": [problem._asdict() for problem in self.problems],
            "warnings": [doubt._asdict() for doubt in self.warnings],
        }


def check(folder: Path, providers: Iterable[Provider] | None = None, now: float | None = None) -> CheckReport:
    """Load the folder, compare its rules and registries and run its tests; an empty ``problems`` is what one wants. ``providers``: of the
    settings, to compare names and ports with; ``now``: to tell which rules are over."""
    try:
        loaded = load_all(folder)
    except RulesError as error:
        return CheckReport(error.problems)
    return check_loaded(loaded, folder, providers, now)


def check_loaded(
    loaded: Loaded, folder: Path, providers: Iterable[Provider] | None = None, now: float | None = None
) -> CheckReport:
    """The same of a folder that is read already, a draft of it perhaps."""
    rules, name = loaded.rules, folder.resolve().name
    problems = crosscheck(rules, name, providers) + lint(rules)
    found = find_warnings(rules, loaded.tests, now, loaded.lists, name)
    warnings = sorted([*found, *both_ways(rules.registry, name), *loaded.doubts])
    warnings += unowned_ports(rules.registry, name, providers) if providers is not None else []
    says = {rule.id: rule.say for rule in rules.rules if rule.say}
    report = CheckReport(problems, rules.regions.unknown_share(now), len(rules.rules), len(loaded.tests), warnings, says)
    whole = rules.for_everyone()
    for file, test in loaded.tests:
        report.problems += run_test(whole, file, test)
    report.problems.sort()
    return report


def run_test(rules: RuleSet, file: str, test: Node) -> list[Problem]:
    """One test on an empty past; all that is wrong in how it is written, else its first failing step."""
    try:
        keys = test.mapping("test", TEST_KEYS)
        if "messages" not in keys or not keys["messages"].items():
            raise test.fault("test: 'messages' is missing")
        test_run = _TestRun(rules)
        for step in each(keys["messages"].items(), lambda node: _step(node, rules)):
            test_run.take(step)
    except RuleFault as fault:
        return fault.problems(file)
    return []


class _Step(NamedTuple):
    """A step as it is written. A refusal by the person has no message."""

    line: int  # of its time
    at: float
    number: int
    refusal: OptOut | None = None
    message: Message | None = None
    path: ReplyPath | None = None
    repeat: int = 1
    want: tuple[str, str] = ("", "")  # the verdict, and the rule that decides it
    want_line: int = 0


def _step(node: Node, rules: RuleSet) -> _Step:
    """RuleFault with all that is wrong in it."""
    keys = node.mapping("test", STEP_KEYS)
    for needed in ("at", "to") if "optout" in keys else ("at", "to", "from", "want"):
        if needed not in keys:
            raise node.fault(f"test: '{needed}' is missing")
    faults = Faults()
    at, number = 0.0, 0
    with faults:
        at = _moment(keys["at"])
    with faults:
        number = _number(keys["to"])
    step = _Step(keys["at"].line, at, number)
    if "optout" in keys:
        with faults:
            step = step._replace(refusal=_refusal(keys["optout"], int(at)))
    else:
        with faults:
            step = step._replace(message=_message(keys, number))
        with faults:
            step = step._replace(path=path_in(keys["reply_path"]) if "reply_path" in keys else None)
        with faults:
            step = step._replace(want=_want(keys["want"], rules), want_line=keys["want"].line)
        with faults:
            step = step._replace(repeat=keys["repeat"].integer("test: repeat", 1, REPEAT_MAX) if "repeat" in keys else 1)
    faults.settle()
    return step


@dataclass
class _TestRun:
    rules: RuleSet
    people: defaultdict[int, Past] = field(default_factory=lambda: defaultdict(Past))
    counts: PastCounts = field(default_factory=PastCounts)
    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    now: float = 0.0

    def take(self, step: _Step) -> None:
        """RuleFault where it goes otherwise than the step wants."""
        if step.at < self.now:
            raise RuleFault(step.line, "test: at: steps go forward in time")
        self.now = step.at
        if step.refusal is not None:
            past = self.people[step.number]
            past.refusals.append(step.refusal)
            self._remember(past)
        if step.message is None:
            return
        rules = self.rules
        if step.path is not None:
            rules = rules.with_orders(rules.orders, {step.message.sender.prefix: step.path})
        for turn in range(step.repeat):
            verdict = self._send(step.message, rules)
            if fault := _differs(step.want, verdict):
                which = f" (message {turn + 1} of {step.repeat})" if step.repeat > 1 else ""
                raise RuleFault(step.want_line, f"test: {fault}{which}")

    def _remember(self, past: Past) -> None:
        """What those said who were refused, as the gate keeps it with a refusal."""
        refused = {refused_by(one, self.rules.registry).advertiser for one in past.refusals if one.scope == "advertiser"}
        for entry in past.entries:
            text = self.texts.get((entry.signature, entry.template), "")
            if text and self.rules.registry.refused_as(entry.signature) in refused:
                past.texts.append(refused_text(entry.signature, entry.template, text))

    def _send(self, message: Message, rules: RuleSet) -> Verdict:
        """Judge, and note what goes out as the gate would."""
        past = self.people[message.recipient]
        verdict = judge(message, past, rules, self.now, self.counts)
        if verdict.outcome is Outcome.ALLOW:
            self.texts[verdict.facts.signature_hash, verdict.template] = message.content.text
            note_sent(past, self.counts, message, verdict, self.now)
        return verdict


def _message(keys: dict[str, Node], number: int) -> Message:
    provider = keys["provider"].text("test: provider", digits=True) if "provider" in keys else "test"
    account = keys["account"].text("test: account", digits=True) if "account" in keys else provider
    category = None
    if "category" in keys:
        category = Category.of(keys["category"].word("test: category", [one.word for one in Category], "category"))
    since = _moment(keys["since"]) if "since" in keys else None
    text = keys["text"].text("test: text", digits=True) if "text" in keys and keys["text"].value != "" else ""
    state = keys["state"].word("test: state", TEXT_STATES, "state") if "state" in keys else "readable" if text else "empty"
    scheduled = _moment(keys["scheduled"]) if "scheduled" in keys else None
    sender = Sender.of(provider, account, keys["from"].text("test: from", digits=True), "", category, since)
    return Message(sender, number, Content(text, state, b"", scheduled=scheduled))


def _number(node: Node) -> int:
    try:
        return recipient_of(node.text("test: to", digits=True))
    except NotARecipient as refused:
        raise node.fault(f"test: to: {refused.why}") from None


def _moment(node: Node) -> float:
    try:
        return time_windows.moment(node.text("test: at"))[0]
    except ValueError as fault:
        raise node.fault(f"test: {fault}") from None


def _refusal(node: Node, time: int) -> OptOut:
    keys = node.mapping("test: optout", OPTOUT_KEYS)
    scope = keys["scope"].word("test: optout: scope", suppressed.SCOPES, "scope") if "scope" in keys else "global"
    value = keys["value"].text("test: optout: value", digits=True) if "value" in keys else ""
    source = keys["source"].word("test: optout: source", suppressed.SOURCES, "source") if "source" in keys else "reply"
    if scope != "global" and not value:
        raise node.fault(f"test: optout: scope {scope} needs a value")
    return OptOut("all" if scope == "global" else scope, value, time, source, 0)


def _want(node: Node, rules: RuleSet) -> tuple[str, str]:
    """What a step wants: the verdict's word, and the rule that decides it (empty where it is allowed)."""
    if not isinstance(node.value, dict):
        return node.word("test: want", ("allow",)), ""
    keys = node.mapping("test: want", WANT_KEYS)
    if len(keys) != 1:
        raise node.fault("test: want: allow, {reject: rule-id} or {defer: rule-id}")
    ((word, rule),) = keys.items()
    name = rule.text("test: want", digits=True)
    known = [one.id for one in rules.rules]
    if name not in known:
        raise rule.fault(f"test: want: {unknown('rule', name, known)}")
    return word, name


def _differs(want: tuple[str, str], verdict: Verdict) -> str:
    """How a verdict differs from what was wanted; empty if it does not."""
    word, name = want
    if verdict.outcome.word == word and (word == "allow" or verdict.rule == name):
        return ""
    got = verdict.outcome.word + (f" by '{verdict.rule}' ({verdict.reason.name})" if verdict.reason else "")
    return f"wanted {word} by '{name}', got {got}" if name else f"wanted allow, got {got}"
