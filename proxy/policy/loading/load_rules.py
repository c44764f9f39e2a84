"""Loads a rules folder into a RuleSet, or reports every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.model.message import Breach, Outcome
from proxy.model.reasons import GATE_REASONS, RULE_REASONS, Reason
from proxy.policy.condition import All, Bits, RecipientTest, compile_tree, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.kinds import KindContext, NumberList, suppressed
from proxy.policy.limit import Limit
from proxy.policy.loading.digests import Contents, contents_of
from proxy.policy.loading.draft import MODES, Draft, read_draft
from proxy.policy.loading.folder import NOTHING, RulesFolder
from proxy.policy.loading.problem import Faults, Problem, RuleFault, RulesError, each
from proxy.policy.loading.source import Node, read
from proxy.policy.penalty_rules import TRIGGERS_MAX, DeskRules, Trigger, read_complaints, read_trigger
from proxy.policy.registries.regions import Regions
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.lazy_regex import compile_all
from proxy.runtime.yield_point import Rest, no_yield

TOP_KEYS = ("rules", "tests", "lists", "penalties", "complaints", "mode", "timezone", "version")
LIST_KEYS = ("file", "suppress")
SUPPRESS_KEYS = ("scope", "value")
ZONES = ("Asia/Shanghai",)
RULES_MAX = 10_000
_OUTCOMES = {
    "reject": Outcome.REJECT,
    "review": Outcome.REJECT,
    "defer": Outcome.DEFER,
    "throttle": Outcome.DEFER,
    "tag": Outcome.ALLOW,
}
_TEMPORARY = 0x14  # ESME_RMSGQFUL: what a deferred message is answered with (DESIGN §4)


@dataclass(eq=False, slots=True)
class Loaded:
    """A folder as read: the rules, and what check.py needs beside them."""

    rules: RuleSet
    tests: list[tuple[str, Node]]  # file label, test
    lists: dict[str, tuple[str, int]]  # name → file label, line
    files: Mapping[str, bytes]
    """All that was read, by its name inside the folder: enough to load the same revision again."""
    contents: Contents
    """What to compare it with another set by."""
    doubts: Sequence[Problem] = ()
    """What its lists hold that is not read."""


def load(folder: Path, *, regions: Regions | None = None, category_tag: int | None = None) -> RuleSet:
    """The rules of a folder; raises RulesError with every problem. ``category_tag``: the optional parameter that declares a category."""
    return load_all(folder, regions=regions, category_tag=category_tag).rules


def load_all(
    folder: Path,
    *,
    regions: Regions | None = None,
    category_tag: int | None = None,
    before: RuleSet | None = None,
    rest: Rest = no_yield,
    instead: Mapping[str, bytes] = NOTHING,
) -> Loaded:
    """The same with what else was read. Beside traffic, in a thread: ``before`` is the set in force meanwhile, ``rest`` is called every
    few milliseconds of work. ``instead``: rules files of a draft, by name."""
    compile_all()  # before the first message
    return _Loading(RulesFolder(folder, rest, instead), regions, category_tag, before, rest).loaded()


class _Loading:
    """One reading of one folder."""

    def __init__(
        self, folder: RulesFolder, regions: Regions | None, category_tag: int | None, before: RuleSet | None, rest: Rest
    ) -> None:
        self.folder = folder
        self.before, self.rest = before, rest
        self.problems = folder.problems
        self.category_tag = category_tag
        self.set_mode = "enforce"
        self.mode_place: tuple[str, int] | None = None
        self.drafts: list[Draft] = []
        self.written: list[tuple[str, Node]] = []
        """Rules as they stand in the files, by id."""
        self.unread: dict[str, set[str]] = {"id": set(), "reason": set()}
        """What rules with mistakes are called, and their reasons."""
        self.tests: list[tuple[str, Node]] = []
        self.lists: dict[str, NumberList] = {}
        self.list_lines: dict[str, tuple[str, int]] = {}
        self.regions = regions
        self.triggers: list[Trigger] = []
        self.due: tuple[int, int] | None = None
        self.due_place = ""

    def loaded(self) -> Loaded:
        folder = self.folder
        roots: list[tuple[str, dict[str, Node]]] = []
        for name in folder.yaml_files():
            self.rest()
            label = folder.label(name)
            try:
                roots.append((label, read(folder.read(name), label, self.rest).mapping("the file", TOP_KEYS)))
            except RulesError as error:
                self.problems += error.problems
            except RuleFault as fault:
                self.problems += fault.problems(label)
        try:
            regions, registry, lexicon = self.regions or folder.regions(), folder.registry(), folder.lexicon()
            for label, root in roots:
                self._lists(label, root)
        except RulesError as error:  # a file that is no text, or lies outside
            raise RulesError([*self.problems, *error.problems]) from None
        context = KindContext(regions, registry, self.lists, folder.word_file, self.rest)
        for label, root in roots:
            self._file(label, root, context)
        rules, bits = self._rules()
        if self.problems:
            raise RulesError(self.problems)
        ruleset = RuleSet(
            folder.revision(), rules, bits, context.regions, context.registry, self.lists, lexicon, self.category_tag,
            before=self.before, rest=self.rest, desk=DeskRules(tuple(self.triggers), *(self.due or ())),
        )  # fmt: skip
        contents = contents_of(self.written, folder.files, self.rest)._replace(
            enforced={rule.id: rule.enforced_ppm for rule in rules}
        )
        roots.clear()
        for read_ in (self.drafts, self.written):  # they go one by one: freed at once they would hold everybody up
            while read_:
                read_.pop()
                self.rest()
        return Loaded(ruleset, self.tests, self.list_lines, folder.files, contents, folder.doubts)

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
                    raise item.fault(f"lists: '{name}' is declared twice")
                self.list_lines[name] = (label, item.line)
                self.lists[name] = NumberList(name, frozenset(), "", "")  # is declared, whatever its file holds
                keys = item.mapping(f"lists: {name}", LIST_KEYS)
                if "file" not in keys:
                    raise item.fault(f"lists: {name}: 'file' is missing")
                scope, value = self._suppress(keys.get("suppress"))
                self.lists[name] = NumberList(name, self.folder.people(keys["file"], "lists: file"), scope, value)
            except RuleFault as fault:
                self.problems += fault.problems(label)
            except RulesError as error:  # of the file
                self.problems += error.problems

    @staticmethod
    def _suppress(node: Node | None) -> tuple[str, str]:
        """``suppress: global``, or ``{scope: category, value: loan}``."""
        if node is None:
            return "", ""
        if not isinstance(node.value, dict):
            if (scope := node.word("suppress", suppressed.SCOPES, "scope")) != "global":
                raise node.fault(f"suppress: {scope} needs a value (write {{scope: {scope}, value: …}})")
            return scope, ""
        keys = node.mapping("suppress", SUPPRESS_KEYS)
        if len(keys) != 2:
            raise node.fault("suppress: needs scope and value")
        return keys["scope"].word("suppress: scope", suppressed.SCOPES, "scope"), keys["value"].text(
            "suppress: value", digits=True
        )

    def _file(self, label: str, root: dict[str, Node], context: KindContext) -> None:
        try:
            if "timezone" in root:
                root["timezone"].word("timezone", ZONES, "zone")
            if "mode" in root:
                mode = root["mode"].word("mode", MODES, "mode")
                if self.mode_place and self.set_mode != mode:
                    where = f"{self.mode_place[0]}:{self.mode_place[1]}"
                    raise root["mode"].fault(f"mode: {mode} here, {self.set_mode} in {where}: the set has one mode")
                self.set_mode, self.mode_place = mode, (label, root["mode"].line)
            self._desk(label, root)
        except RuleFault as fault:
            self.problems += fault.problems(label)
        for key in ("rules", "tests"):
            node = root.get(key)
            if node is None or node.value is None:
                continue
            if not isinstance(node.value, list):
                dash = isinstance(node.value, dict) and any(word.startswith("-") for word in node.value)
                problem = "write a space behind each -" if dash else f"must be a list (- …), not {node.shape}"
                self.problems.append(Problem(label, node.line, f"{key}: {problem}"))
            elif key == "tests":
                self.tests += [(label, item) for item in node.value]
            else:
                for item in node.value:
                    self.rest()
                    try:
                        self.drafts.append(read_draft(item, label, context))
                        self.written.append((self.drafts[-1].id, item))
                    except RuleFault as fault:
                        self._unread(item, fault.problems(label))
                    except RulesError as error:  # a file that the rule names
                        self._unread(item, error.problems)

    def _unread(self, item: Node, problems: Iterable[Problem]) -> None:
        """A rule with mistakes: exemptions may name it all the same."""
        self.problems += problems
        for word, names in self.unread.items():
            if isinstance(item.value, dict) and word in item.value and isinstance(name := item.value[word].value, str):
                names.add(name)

    def _desk(self, label: str, root: dict[str, Node]) -> None:
        """What the file says to the desk: RuleFault at the first mistake of ``complaints``, every one of ``penalties`` is noted."""
        penalties = root.get("penalties")
        for item in penalties.items() if penalties is not None and penalties.value is not None else ():
            try:
                self._trigger(item, label)
            except RuleFault as fault:
                self.problems += fault.problems(label)
        if "complaints" in root:
            due = read_complaints(root["complaints"])
            if self.due is not None and due != self.due:
                raise root["complaints"].fault(f"complaints: {self.due_place} says other days: the set has one clock")
            self.due, self.due_place = due, f"{label}:{root['complaints'].line}"

    def _trigger(self, item: Node, label: str) -> None:
        trigger = read_trigger(item, label)
        if trigger is None:
            return
        for other in self.triggers:
            if other.id == trigger.id:
                raise RuleFault(trigger.line, f"id: '{trigger.id}' is taken already ({other.file}:{other.line})")
        if len(self.triggers) >= TRIGGERS_MAX:
            raise RuleFault(trigger.line, f"penalties: more than {TRIGGERS_MAX}")
        self.triggers.append(trigger)
        self.written.append((trigger.id, item))

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
        rules: list[Rule] = []
        for number, draft in enumerate(self.drafts):
            self.rest()
            rules.append(self._rule(draft, number, bits))
        return tuple(rules), bits

    def _rule(self, draft: Draft, number: int, bits: Bits) -> Rule:
        mode = draft.mode
        if self.set_mode == "off" or (self.set_mode == "shadow" and mode == "enforce" and not draft.exempt):
            mode = self.set_mode
        spares = 0
        if draft.exempt:
            try:
                spares = self._spares(draft)
            except RuleFault as fault:
                self.problems += fault.problems(draft.file)
        shadow = mode == "shadow"
        breaches = tuple(_breach(draft, number, limit.then or draft.then, limit, shadow) for limit in draft.limits)
        breach = None if draft.exempt or draft.limits else _breach(draft, number, draft.then, None, shadow)
        # a rule that is off asks nothing: its conditions get no bits
        bits = bits if mode != "off" else Bits()
        return Rule(
            draft.id, number, draft.say, draft.basis, mode, draft.when, draft.then, draft.reason, draft.limits, draft.only,
            draft.exempt, spares, draft.file, draft.line, compile_tree(draft.when, bits), breach, breaches,
            tuple(compile_tree(limit.of or All(()), bits) if limit.share else None for limit in draft.limits),
            draft.trial_until, draft.again, compile_tree(draft.refused, bits) if draft.refused else None,
            any(isinstance(leaf, RecipientTest) and leaf.passing for leaf in leaves(draft.when)), draft.on_store_failure,
            draft.share_ppm if self.set_mode == "enforce" else 0,
        )  # fmt: skip

    def _spares(self, draft: Draft) -> int:
        """Rules (as bits by number) that an exemption switches off."""
        faults = Faults()
        skip, keep = (1 << len(self.drafts)) - 1, 0
        with faults:
            skip = self._named(draft.skip) if draft.skip else skip
        with faults:
            keep = self._named(draft.keep) if draft.keep else 0
        faults.settle()
        return skip & ~keep

    def _named(self, nodes: list[Node]) -> int:
        """Rules (as bits by number) that skip or keep names by id or by reason."""
        found = 0
        reasons = {draft.reason.name for draft in self.drafts if draft.reason}
        reasons |= self.unread["reason"] & RULE_REASONS.keys()
        known = sorted({draft.id for draft in self.drafts} | self.unread["id"] | reasons)
        for name in each(nodes, lambda node: node.word("exempt", known, "rule or reason")):
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
        reason = RULE_REASONS["in-review"] if then == "review" else draft.reason
        if then == "defer":
            reason = Reason(reason.name, _TEMPORARY, reason.public, reason.rank)
    return Breach(draft.id, number, _OUTCOMES[then], reason, shadow, spread_s=draft.again.spread_s if draft.again else 0)
