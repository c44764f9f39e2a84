"""Defines how rules act while the shared store is out of reach.

    local    counts what this node knows: its own messages, and what it last knew of the others'
    allow    objects to nothing
    defer    asks to try again later, whatever was counted

Only limits on a recipient's messages need the store. Bans, suppression and everything else are judged as always, from what every node has.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.model.message import Breach, Outcome
from proxy.model.reasons import GATE_REASONS
from proxy.policy.evaluation_plan import Rule
from proxy.policy.limit import Limit
from proxy.policy.loading.source import Node

WORDS = ("local", "allow", "defer")


def read_cut_off(node: Node, limits: tuple[Limit, ...]) -> str:
    """Reads ``on_store_failure`` of a rule with these limits. Raises RuleFault."""
    word = node.word("on_store_failure", WORDS)
    if not limits or any("recipient" not in limit.keys for limit in limits):
        raise node.fault(
            "on_store_failure: is for limits on a person's messages (recipient in the key): no other rule needs the store"
        )
    return word


def cut_off(rule: Rule) -> Rule:
    """The rule while the store is out of reach; the same object if nothing changes."""
    if rule.on_store_failure == "local" or rule.mode == "off":
        return rule
    if rule.on_store_failure == "allow":
        return replace(rule, mode="off")
    breach = Breach(rule.id, rule.number, Outcome.DEFER, GATE_REASONS["store-down"], rule.mode == "shadow")
    return replace(rule, then="defer", limits=(), limit_breaches=(), shares=(), breach=breach)
