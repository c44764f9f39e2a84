"""Draft: one rule as it stands in the file, checked word by word.

In: the Node of a rule. Out: a Draft, or a RuleFault with the line of the mistake. Never: other rules (loader.py puts them together).
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.message import RULE_REASONS, Reason

from . import moments
from .condition import All, AnyOf, Not, Test, Tree
from .kinds import NOT_YET, Context, when_kinds
from .kinds.limit import THENS, Limit, Only, only, read_limits
from .problem import RuleFault
from .source import Node

RULE_KEYS = ("id", "say", "basis", "note", "when", "limit", "active", "then", "reason", "mode", "exempt", "skip", "keep")
MODES = ("enforce", "shadow", "off")
DEPTH_MAX = 8  # of any/not inside each other


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


def read_draft(node: Node, file: str, context: Context) -> Draft:
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
            node.line, f"rule '{name}': neither when nor limit: it would refuse everything (say whom it is about in when)"
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
