"""Reads one rule from its YAML node, key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.model.reasons import RULE_REASONS, Reason
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, Not, Tree
from proxy.policy.kinds import KindContext, when_kinds
from proxy.policy.limit import THENS, Limit, read_limits
from proxy.policy.limit_counts import Only, only
from proxy.policy.loading.problem import Faults, RuleFault, each
from proxy.policy.loading.source import Node
from proxy.policy.recipient_share import check_mode, check_share, read_share
from proxy.policy.rule_dates import KEYS as AGAIN_KEYS
from proxy.policy.rule_dates import RetryAfter, read_active, read_again, read_trial
from proxy.policy.store_failure import read_cut_off

RULE_KEYS = (
    "id", "say", "basis", "note", "when", "limit", "active", "then", "reason", "mode", "exempt", "skip", "keep", "trial", "defer_until",
    "jitter", "max_defer", "on_store_failure", "enforce",
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
    trial_until: float = -time_windows.NEVER
    """Before it the rule is in shadow."""
    again: RetryAfter | None = None
    refused: Tree | None = None
    """Of a rule that asks for review: holds for texts that a clerk has refused."""
    on_store_failure: str = "local"
    share_ppm: int = 0
    """Of recipients, for whom a rule in shadow is enforced."""


_PARTS: Mapping[str, Callable[[Node, KindContext], Any]] = {
    "id": lambda node, _: node.text("id", digits=True),
    "say": lambda node, _: node.text("say", digits=True),
    "basis": lambda node, _: node.text("basis", digits=True),
    "mode": lambda node, _: node.word("mode", MODES, "mode"),
    "exempt": lambda node, _: node.truth("exempt"),
    "when": lambda node, context: _when(node, context, 0),
    "active": lambda node, context: read_active(node, context.registry),
    "limit": lambda node, context: read_limits(node, lambda of: _when(of, context, 0)),
    "then": lambda node, _: node.word("then", THENS),
    "reason": lambda node, _: RULE_REASONS[node.word("reason", RULE_REASONS, "reason")],
    "trial": lambda node, _: read_trial(node),
    "enforce": lambda node, _: read_share(node),
}
"""What is read of a rule key by key, whatever its other keys say."""


def read_draft(node: Node, file: str, context: KindContext) -> Draft:
    """The rule; raises all that is wrong in its keys at once (RuleFault, or RulesError of a file it names), else the first that is wrong
    between them."""
    faults = Faults()
    keys = node.mapping("rule", RULE_KEYS, faults)
    fields: dict[str, Any] = {}
    for word, read in _PARTS.items():
        if word in keys:
            with faults:
                fields[word] = read(keys[word], context)
    with faults:
        if "id" not in keys:
            raise node.fault("rule: 'id' is missing")
    with faults:
        if "enforce" in keys and "exempt" not in keys:
            check_mode(keys["enforce"], fields.get("id", "?"), keys.get("mode"))
    faults.settle()
    return _draft(node, file, context, keys, fields)


def _draft(node: Node, file: str, context: KindContext, keys: dict[str, Node], fields: dict[str, Any]) -> Draft:
    """Puts together what a rule's keys say each; RuleFault where they do not go together."""
    name, mode, exempt = fields["id"], fields.get("mode", "enforce"), fields.get("exempt", False)
    parts = [fields[word] for word in ("when", "active") if word in fields]
    limits: tuple[Limit, ...] = fields.get("limit", ())
    if exempt:
        _check_exempt(keys, name, mode)
    elif not parts and not limits:
        raise node.fault(f"rule '{name}': neither when nor limit: it would refuse everything (say whom it is about in when)")
    then, reason = fields.get("then", ""), fields.get("reason")
    if not exempt:
        _check_consequence(keys, node, name, limits, then)
    refused = None
    if then == "review":
        refused = context.registry.reviewed.tree("refused")
        if (released := context.registry.reviewed.tree("released")) is not None:
            parts.append(Not(released))
    when = All(tuple(parts))
    if "enforce" in keys:
        check_share(keys["enforce"], name, when, limits, reason)
    counted = [limit for limit in limits if "recipient" in limit.keys]
    kept = only(when, context.registry, keys["limit"].line) if counted else Only()
    listed = {word: keys[word].items() if word in keys else None for word in ("skip", "keep")}
    return Draft(
        file, keys["id"].line, name, fields.get("say", ""), fields.get("basis", ""), mode, when, then, reason, limits, kept, exempt,
        listed["skip"], listed["keep"], fields.get("trial", -time_windows.NEVER), read_again(keys, then, limited=bool(limits)), refused,
        read_cut_off(keys["on_store_failure"], limits) if "on_store_failure" in keys else "local", fields.get("enforce", 0),
    )  # fmt: skip


def _check_exempt(keys: dict[str, Node], name: str, mode: str) -> None:
    if "enforce" in keys:
        raise keys["enforce"].fault(
            f"enforce: rule '{name}' is an exemption: it spares all that it is about, not a share of them (leave enforce out)"
        )
    for word in ("then", "reason", "limit", "trial", "on_store_failure", *AGAIN_KEYS):
        if word in keys:
            raise keys[word].fault(f"exempt: an exemption has no '{word}' (it switches other rules off: skip, keep)")
    if mode == "shadow":
        raise keys["mode"].fault("mode: an exemption cannot be tried in shadow (enforce or off)")
    if "when" not in keys:
        raise keys["exempt"].fault("exempt: 'when' is missing: it would switch all rules off")


def _check_consequence(keys: dict[str, Node], node: Node, name: str, limits: tuple[Limit, ...], then: str) -> None:
    for word in ("skip", "keep"):
        if word in keys:
            raise keys[word].fault(f"{word}: only an exemption has it (exempt: true)")
    if then == "review" and limits:
        raise keys["then"].fault("then: review is about what a text says: a limit refuses (reject) or defers")
    thens = {limit.then or then for limit in limits} or {then}
    if "" in thens:
        raise node.fault(f"rule '{name}': 'then' is missing (one of {', '.join(THENS)})")
    for limit in limits or (None,):
        if (limit.then if limit and limit.then else then) == "throttle" and (limit is None or "recipient" in limit.keys):
            line = limit.line if limit else keys["then"].line
            raise RuleFault(line, "then: throttle is for rates: a limit without recipient in its key")
    if "reason" not in keys and thens != {"throttle"}:
        raise node.fault(f"rule '{name}': 'reason' is missing (like region-ban, recipient-cap, keyword)")


def _when(node: Node, context: KindContext, depth: int) -> Tree:
    """A mapping of which all keys hold."""
    if depth > DEPTH_MAX:
        raise node.fault(f"when: any and not inside each other more than {DEPTH_MAX} deep")
    kinds = when_kinds()
    faults = Faults()
    keys = node.mapping("when", [*kinds, "not", "any"], faults)
    parts: list[Tree] = []
    for word, item in keys.items():
        with faults:
            if word == "not":
                parts.append(Not(_when(item, context, depth + 1)))
            elif word == "any":
                parts.append(_any(item, context, depth))
            else:
                parts.append(kinds[word].condition(item, context))
    faults.settle()
    if not parts:
        raise node.fault("when: says nothing (leave it out, or say what it is about)")
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _any(node: Node, context: KindContext, depth: int) -> Tree:
    """A list of mappings of which one holds."""
    choices = each(node.items(), lambda choice: _when(choice, context, depth + 1))
    if not choices:
        raise node.fault("any: an empty list matches nothing")
    return AnyOf(tuple(choices))
