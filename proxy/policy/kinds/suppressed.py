"""suppressed: the person wants no marketing, by reply, complaint or list: ``suppressed: true``, or ``{scope: …, source: …, max_age: 180d}``.

Opt-outs cover marketing only: for any other category this never holds (use recipient_in for lists that mean everything).
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.message import Category, Facts, Message, OptOut, Recipient, Sender
from proxy.policy import moments
from proxy.policy.condition import Person, Tree
from proxy.policy.kinds import Context
from proxy.policy.problem import RuleFault
from proxy.policy.registry import Registry
from proxy.policy.source import Node

IN_RECORD = "person"
SCOPES = ("global", "advertiser", "signature", "provider", "category", "port")
SOURCES = ("reply", "complaint", "officer", "import")


class _Asked(NamedTuple):
    """Which refusals a rule means."""

    scopes: frozenset[str]
    sources: frozenset[str]
    max_age_s: int  # 0 = any
    lists: bool  # a list has no source and no age


def condition(node: Node, context: Context) -> Tree:
    asked = _asked(node)
    scopes, sources, max_age_s, _ = asked
    lists = tuple(one for one in context.lists.values() if asked.lists and one.scope in scopes)
    registry = context.registry

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        if facts.category is not Category.MARKETING:
            return False
        for one in lists:
            if message.recipient in one.numbers and covers(one.scope, one.value, message.sender, facts, registry):
                return True
        for refusal in record.opt_outs():
            if _in_force(refusal, now, max_age_s) and refusal.source in sources:
                scope = "global" if refusal.scope == "all" else refusal.scope
                if scope in scopes and covers(scope, refusal.value, message.sender, facts, registry):
                    return True
        return False

    told = "" if len(scopes) == len(SCOPES) else " (" + ", ".join(sorted(scopes)) + ")"
    return Person(holds, "the recipient refused such messages" + told, "suppressed", spares_bare=not lists)


def _asked(node: Node) -> _Asked:
    if not isinstance(node.value, dict):
        if not node.truth("suppressed"):
            raise RuleFault(node.line, "suppressed: false is no condition (write not: {suppressed: true})")
        return _Asked(frozenset(SCOPES), frozenset(SOURCES), 0, True)
    keys = node.mapping("suppressed", ("scope", "source", "max_age"))
    scopes = keys["scope"].words("suppressed: scope", SCOPES, "scope") if "scope" in keys else SCOPES
    sources = keys["source"].words("suppressed: source", SOURCES, "source") if "source" in keys else SOURCES
    max_age_s = _age(keys["max_age"]) if "max_age" in keys else 0
    return _Asked(frozenset(scopes), frozenset(sources), max_age_s, not keys.keys() & {"source", "max_age"})


def covers(scope: str, value: str, sender: Sender, facts: Facts, registry: Registry) -> bool:
    """Whether a refusal of this scope and value speaks of this message."""
    if scope == "global":
        return True
    if scope == "advertiser":
        return registry.same_advertiser(value, facts.signature_hash)
    if scope == "signature":
        return value in (facts.signature, f"{facts.signature_hash:012x}") and bool(facts.signature)
    if scope == "provider":
        return value == sender.provider
    if scope == "port":
        return sender.port.startswith(value)
    return value in (facts.category.word, facts.subcategory)


def _in_force(refusal: OptOut, now: float, max_age_s: int) -> bool:
    return not (0 < refusal.expiry <= now) and not (max_age_s and refusal.time <= now - max_age_s)


def _age(node: Node) -> int:
    try:
        return moments.duration(node.text("suppressed: max_age"))
    except ValueError as fault:
        raise RuleFault(node.line, f"suppressed: max_age: {fault}") from None
