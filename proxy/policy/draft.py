"""Draft: one rule as it stands in the file, checked word by word.

In: the Node of a rule. Out: a Draft, or a RuleFault with the line of the mistake. Never: other rules (loader.py puts them together).
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.message import RULE_REASONS, Reason

from . import moments
from .condition import All, AnyOf, Not, Tree
from .counted import Only, only
from .cutoff import read_cut_off
from .kinds import Context, when_kinds
from .kinds.limit import THENS, Limit, read_limits
from .problem import RuleFault
from .source import Node
from .spans import KEYS as AGAIN_KEYS
from .spans import Again, read_active, read_again, read_trial

RULE_KEYS = (
    "id", "say", "basis", "note", "when", "limit", "active", "then", "reason", "mode", "exempt", "skip", "keep", "trial", "defer_until",
    "jitter", "max_defer", "on_store_failure",
)  # fmt: skip
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
    trial_until: float = -moments.NEVER
    """Before it the rule is in shadow."""
    again: Again | None = None
    refused: Tree | None = None
    """Of a rule that asks for review: holds for texts that a clerk has refused."""
    on_store_failure: str = "local"


def read_draft(node: Node, file: str, context: Context) -> Draft:
    keys = node.mapping("rule", RULE_KEYS)
    if "id" not in keys:
        raise RuleFault(node.line, "rule: 'id' is missing")
    name = keys["id"].text("id", digits=True)
    exempt = "exempt" in keys and keys["exempt"].truth("exempt")
    mode = keys["mode"].word("mode", MODES, "mode") if "mode" in keys else "enforce"
    parts = [_when(keys["when"], context, 0)] if "when" in keys else []
    if "active" in keys:
        parts.append(read_active(keys["active"], context.registry))
    limits = read_limits(keys["limit"], lambda node: _when(node, context, 0)) if "limit" in keys else ()
    if exempt:
        _check_exempt(keys, mode)
    elif not parts and not limits:
        raise RuleFault(
            node.line, f"rule '{name}': neither when nor limit: it would refuse everything (say whom it is about in when)"
        )
    then, reason = ("", None) if exempt else _consequence(keys, node, name, limits)
    refused = None
    if then == "review":
        refused = context.registry.reviewed.tree("refused")
        if (released := context.registry.reviewed.tree("released")) is not None:
            parts.append(Not(released))
    when = All(tuple(parts))
    counted = [limit for limit in limits if "recipient" in limit.keys]
    kept = only(when, context.registry, keys["limit"].line) if counted else Only()
    listed = {word: keys[word].items() if word in keys else None for word in ("skip", "keep")}
    return Draft(
        file, keys["id"].line, name,
        keys["say"].text("say", digits=True) if "say" in keys else "",
        keys["basis"].text("basis", digits=True) if "basis" in keys else "",
        mode, when, then, reason, limits, kept, exempt, listed["skip"], listed["keep"],
        read_trial(keys["trial"]) if "trial" in keys else -moments.NEVER, read_again(keys, then, limited=bool(limits)), refused,
        read_cut_off(keys["on_store_failure"], limits) if "on_store_failure" in keys else "local",
    )  # fmt: skip


def _check_exempt(keys: dict[str, Node], mode: str) -> None:
    for word in ("then", "reason", "limit", "trial", "on_store_failure", *AGAIN_KEYS):
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
        then = keys["then"].word("then", THENS)
        if then == "review" and limits:
            raise RuleFault(keys["then"].line, "then: review is about what a text says: a limit refuses (reject) or defers")
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
