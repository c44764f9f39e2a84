"""load: from the rules folder to a RuleSet, or to every problem there is.

In: a folder (all its YAML files are read together). Out: RuleSet, and the rule tests for check.py. Never: a rule set with a problem in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.message import GATE_REASONS, RULE_REASONS, Breach, Outcome, Reason
from proxy.yamlfile import unknown

from . import moments
from .condition import All, AnyOf, Bits, Not, Test, Tree, compile_tree
from .folder import Folder
from .kinds import NOT_YET, Context, NumberList, suppressed, when_kinds
from .kinds.limit import Limit, Only, only, read_limits
from .problem import Problem, RuleFault, RulesError
from .regions import Regions
from .ruleset import Rule, RuleSet
from .source import Node, read

TOP_KEYS = ("rules", "tests", "lists", "mode", "timezone", "version")
RULE_KEYS = ("id", "say", "basis", "note", "when", "limit", "active", "then", "reason", "mode", "exempt", "skip", "keep")
MODES = ("enforce", "shadow", "off")
THENS = ("reject", "defer", "tag", "throttle")
RULES_MAX = 10_000
DEPTH_MAX = 8  # of any/not inside each other
_OUTCOMES = {"reject": Outcome.REJECT, "defer": Outcome.DEFER, "throttle": Outcome.DEFER, "tag": Outcome.ALLOW}
_TEMPORARY = 0x14  # ESME_RMSGQFUL: what a deferred message is answered with (DESIGN §4)


@dataclass
class Draft:
    """A rule as it was read, before all rules are known."""

    file: str
    line: int
    id: str
    say: str
    basis: str
    mode: str
    when: Tree
    then: str
    reason: Reason | None
    limits: tuple[Limit, ...]
    only: Only
    exempt: bool
    skip: list[Node] | None
    keep: list[Node] | None


@dataclass
class Loaded:
    """A folder as read: the rules, and what check.py needs beside them."""

    rules: RuleSet
    tests: list[tuple[str, Node]]  # file label, test
    unused_lists: list[Problem]


def load(folder: Path, *, regions: Regions | None = None, category_tag: int | None = None) -> RuleSet:
    """The rules of a folder; raises RulesError with every problem. ``category_tag``: the optional parameter that declares a category."""
    return load_all(folder, regions=regions, category_tag=category_tag).rules


def load_all(folder: Path, *, regions: Regions | None = None, category_tag: int | None = None) -> Loaded:
    return _Loading(Folder(folder), regions, category_tag).loaded()


class _Loading:
    """One reading of one folder."""

    def __init__(self, folder: Folder, regions: Regions | None, category_tag: int | None) -> None:
        self.folder = folder
        self.problems = folder.problems
        self.category_tag = category_tag
        self.set_mode = "enforce"
        self.mode_said: tuple[str, int] | None = None
        self.drafts: list[Draft] = []
        self.tests: list[tuple[str, Node]] = []
        self.lists: dict[str, NumberList] = {}
        self.list_lines: dict[str, tuple[str, int]] = {}
        self.regions = regions

    def loaded(self) -> Loaded:
        folder = self.folder
        roots: list[tuple[str, dict[str, Node]]] = []
        for name in folder.yaml_files():
            label = folder.label(name)
            try:
                roots.append((label, read(folder.read(name), label).mapping("the file", TOP_KEYS)))
            except RulesError as error:
                self.problems += error.problems
            except RuleFault as fault:
                self.problems.append(Problem(label, fault.line, fault.text))
        try:
            regions, registry = self.regions or folder.regions(), folder.registry()
            for label, root in roots:
                self._lists(label, root)
        except RulesError as error:  # a file that is no text, or lies outside
            raise RulesError([*self.problems, *error.problems]) from None
        context = Context(regions, registry, self.lists, folder.word_file)
        for label, root in roots:
            self._file(label, root, context)
        rules, bits = self._rules()
        if self.problems:
            raise RulesError(self.problems)
        ruleset = RuleSet(folder.revision(), rules, bits, context.regions, context.registry, self.lists, self.category_tag)
        return Loaded(ruleset, self.tests, [])

    # --- files

    def _lists(self, label: str, root: dict[str, Node]) -> None:
        if "lists" not in root or root["lists"].value is None:
            return
        node = root["lists"]
        if not isinstance(node.value, dict):
            self.problems.append(Problem(label, node.line, f"lists: must be a mapping (name: {{file: …}}), not {node.shape}"))
            return
        for name, item in node.value.items():
            try:
                if name in self.lists:
                    raise RuleFault(item.line, f"lists: '{name}' is declared twice")
                keys = item.mapping(f"lists: {name}", ("file", "suppress"))
                if "file" not in keys:
                    raise RuleFault(item.line, f"lists: {name}: 'file' is missing")
                scope, value = self._suppress(keys.get("suppress"))
                self.lists[name] = NumberList(name, self.folder.people(keys["file"], "lists: file"), scope, value)
            except RuleFault as fault:
                self.problems.append(Problem(label, fault.line, fault.text))

    @staticmethod
    def _suppress(node: Node | None) -> tuple[str, str]:
        """``suppress: global``, or ``{scope: category, value: loan}``."""
        if node is None:
            return "", ""
        if not isinstance(node.value, dict):
            if (scope := node.word("suppress", suppressed.SCOPES, "scope")) != "global":
                raise RuleFault(node.line, f"suppress: {scope} needs a value (write {{scope: {scope}, value: …}})")
            return scope, ""
        keys = node.mapping("suppress", ("scope", "value"))
        if len(keys) != 2:
            raise RuleFault(node.line, "suppress: needs scope and value")
        return keys["scope"].word("suppress: scope", suppressed.SCOPES, "scope"), keys["value"].text(
            "suppress: value", digits=True
        )

    def _file(self, label: str, root: dict[str, Node], context: Context) -> None:
        try:
            if "timezone" in root:
                root["timezone"].word("timezone", ("Asia/Shanghai",), "zone")
            if "mode" in root:
                mode = root["mode"].word("mode", MODES, "mode")
                if self.mode_said and self.set_mode != mode:
                    where = f"{self.mode_said[0]}:{self.mode_said[1]}"
                    raise RuleFault(root["mode"].line, f"mode: {mode} here, {self.set_mode} in {where}: the set has one mode")
                self.set_mode, self.mode_said = mode, (label, root["mode"].line)
        except RuleFault as fault:
            self.problems.append(Problem(label, fault.line, fault.text))
        for key in ("rules", "tests"):
            node = root.get(key)
            if node is None or node.value is None:
                continue
            if not isinstance(node.value, list):
                self.problems.append(Problem(label, node.line, f"{key}: must be a list (- …), not {node.shape}"))
            elif key == "tests":
                self.tests += [(label, item) for item in node.value]
            else:
                for item in node.value:
                    try:
                        self.drafts.append(_draft(item, label, context))
                    except RuleFault as fault:
                        self.problems.append(Problem(label, fault.line, fault.text))

    # --- rules

    def _rules(self) -> tuple[tuple[Rule, ...], Bits]:
        seen: dict[str, Draft] = {}
        for draft in self.drafts:
            if draft.id in seen:
                first = seen[draft.id]
                where = f"{first.file}:{first.line}"
                self.problems.append(Problem(draft.file, draft.line, f"id: '{draft.id}' is taken already ({where})"))
            seen[draft.id] = draft
        if len(self.drafts) > RULES_MAX:
            raise RulesError([Problem(self.drafts[-1].file, self.drafts[-1].line, f"more than {RULES_MAX} rules")])
        bits = Bits()
        return tuple(self._rule(draft, number, bits) for number, draft in enumerate(self.drafts)), bits

    def _rule(self, draft: Draft, number: int, bits: Bits) -> Rule:
        mode = draft.mode
        if self.set_mode == "off" or (self.set_mode == "shadow" and mode == "enforce" and not draft.exempt):
            mode = self.set_mode
        spares = 0
        if draft.exempt:
            try:
                spares = self._named(draft.skip) if draft.skip else (1 << len(self.drafts)) - 1
                spares &= ~self._named(draft.keep) if draft.keep else -1
            except RuleFault as fault:
                self.problems.append(Problem(draft.file, fault.line, fault.text))
        shadow = mode == "shadow"
        breaches = tuple(_breach(draft, number, limit.then or draft.then, limit, shadow) for limit in draft.limits)
        breach = None if draft.exempt or draft.limits else _breach(draft, number, draft.then, None, shadow)
        # a rule that is off asks nothing: its conditions get no bits
        compiled = compile_tree(draft.when, bits if mode != "off" else Bits())
        return Rule(
            draft.id, number, draft.say, draft.basis, mode, draft.when, draft.then, draft.reason, draft.limits, draft.only,
            draft.exempt, spares, draft.file, draft.line, compiled, breach, breaches,
        )  # fmt: skip

    def _named(self, nodes: list[Node]) -> int:
        """Rules (as bits by number) that skip or keep names by id or by reason."""
        found = 0
        known = {draft.id for draft in self.drafts} | {draft.reason.name for draft in self.drafts if draft.reason}
        for node in nodes:
            name = node.text("exempt")
            if name not in known:
                raise RuleFault(node.line, f"exempt: {unknown('rule or reason', name, known)}")
            for number, draft in enumerate(self.drafts):
                if name == draft.id or (draft.reason and name == draft.reason.name):
                    found |= 1 << number
        return found


def _breach(draft: Draft, number: int, then: str, limit: Limit | None, shadow: bool) -> Breach:
    """The breach with the reason whose status the provider is answered with: deferring is never a vendor status."""
    if then == "throttle" and limit is not None:
        # RTHROTTLED makes clients stop a whole bind: only for the provider's own rate (DESIGN §4)
        reason = GATE_REASONS["rate-exceeded" if limit.keys & {"provider", "account"} else "queue-full"]
    else:
        assert draft.reason is not None
        reason = draft.reason
        if then == "defer":
            reason = Reason(reason.name, _TEMPORARY, reason.public, reason.rank)
    return Breach(draft.id, number, _OUTCOMES[then], reason, shadow)


def _draft(node: Node, file: str, context: Context) -> Draft:
    keys = node.mapping("rule", RULE_KEYS)
    if "id" not in keys:
        raise RuleFault(node.line, "rule: 'id' is missing")
    name = keys["id"].text("id", digits=True)
    exempt = "exempt" in keys and keys["exempt"].truth("exempt")
    mode = keys["mode"].word("mode", MODES, "mode") if "mode" in keys else "enforce"
    parts = [_when(keys["when"], context, 0)] if "when" in keys else []
    if "active" in keys:
        parts.append(_active(keys["active"]))
    when = All(tuple(parts))
    limits = read_limits(keys["limit"]) if "limit" in keys else ()
    if exempt:
        _check_exempt(keys, mode)
    elif not parts and not limits:
        raise RuleFault(
            node.line, f"rule '{name}': neither when nor limit: it would refuse everything (use mode: off, or gate106 stop)"
        )
    then, reason = ("", None) if exempt else _consequence(keys, node, name, limits)
    counted = [limit for limit in limits if "recipient" in limit.keys]
    kept = only(when, context.registry, keys["limit"].line) if counted else Only()
    listed = {word: keys[word].items() if word in keys else None for word in ("skip", "keep")}
    return Draft(
        file, keys["id"].line, name,
        keys["say"].text("say", digits=True) if "say" in keys else "",
        keys["basis"].text("basis", digits=True) if "basis" in keys else "",
        mode, when, then, reason, limits, kept, exempt, listed["skip"], listed["keep"],
    )  # fmt: skip


def _check_exempt(keys: dict[str, Node], mode: str) -> None:
    for word in ("then", "reason", "limit"):
        if word in keys:
            raise RuleFault(keys[word].line, f"exempt: an exemption has no '{word}' (it switches other rules off: skip, keep)")
    if mode == "shadow":
        raise RuleFault(keys["mode"].line, "mode: an exemption cannot be tried in shadow (enforce or off)")
    if "when" not in keys:
        raise RuleFault(keys["exempt"].line, "exempt: 'when' is missing: it would switch all rules off")


def _consequence(keys: dict[str, Node], node: Node, name: str, limits: tuple[Limit, ...]) -> tuple[str, Reason | None]:
    for word in ("skip", "keep"):
        if word in keys:
            raise RuleFault(keys[word].line, f"{word}: only an exemption has it (exempt: true)")
    thens = {limit.then for limit in limits} or {""}
    then = ""
    if "then" in keys:
        if keys["then"].value == "review":
            raise RuleFault(keys["then"].line, "then: review is not supported yet (use reject, or mode: shadow)")
        then = keys["then"].word("then", THENS)
    elif "" in thens:
        raise RuleFault(node.line, f"rule '{name}': 'then' is missing (one of {', '.join(THENS)})")
    thens = {one or then for one in thens}
    for limit in limits or (None,):
        if (limit.then if limit and limit.then else then) == "throttle" and (limit is None or "recipient" in limit.keys):
            line = limit.line if limit else keys["then"].line
            raise RuleFault(line, "then: throttle is for rates: a limit without recipient in its key")
    if "reason" in keys:
        return then, RULE_REASONS[keys["reason"].word("reason", RULE_REASONS, "reason")]
    if thens != {"throttle"}:
        raise RuleFault(node.line, f"rule '{name}': 'reason' is missing (like region-ban, recipient-cap, keyword)")
    return then, None


def _when(node: Node, context: Context, depth: int) -> Tree:
    """A mapping of which all keys hold."""
    if depth > DEPTH_MAX:
        raise RuleFault(node.line, f"when: any and not inside each other more than {DEPTH_MAX} deep")
    kinds = when_kinds()
    if isinstance(node.value, dict):
        for word in NOT_YET:
            if word in node.value:
                raise RuleFault(node.value[word].line, f"when: '{word}' is not supported yet")
    keys = node.mapping("when", [*kinds, "not", "any"])
    if not keys:
        raise RuleFault(node.line, "when: says nothing (leave it out, or say what it is about)")
    parts: list[Tree] = []
    for word, item in keys.items():
        if word == "not":
            parts.append(Not(_when(item, context, depth + 1)))
        elif word == "any":
            choices = [_when(choice, context, depth + 1) for choice in item.items()]
            if not choices:
                raise RuleFault(item.line, "any: an empty list matches nothing")
            parts.append(AnyOf(tuple(choices)))
        else:
            parts.append(kinds[word].condition(item, context))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _active(node: Node) -> Test:
    """Whole days, both included; with a time, ``to`` is excluded. A list: any of the spans."""
    spans: list[tuple[float, float]] = []
    words: list[str] = []
    for item in node.items():
        keys = item.mapping("active", ("from", "to"))
        if not keys:
            raise RuleFault(item.line, "active: says neither from nor to")
        first, last = -moments.NEVER, moments.NEVER
        try:
            if "from" in keys:
                first, _ = moments.moment(keys["from"].text("active: from"))
            if "to" in keys:
                last, timed = moments.moment(keys["to"].text("active: to"))
                last += 0 if timed else moments.DAY_S
        except ValueError as fault:
            raise RuleFault(item.line, f"active: {fault}") from None
        if last <= first:
            raise RuleFault(item.line, "active: to is before from")
        spans.append((first, last))
        words.append(" ".join(f"{word} {value.text('active')}" for word, value in keys.items()))
    test = moments.between(spans, "the rule is active " + " or ".join(words))
    return Test("time", test.holds, test.words, "active", time=test)
