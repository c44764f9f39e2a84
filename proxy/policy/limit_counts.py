"""Defines what a limit counts: record entries, or an aggregate counter.

In: a rule's conditions, a limit, facts. Out: a filter for entries (``Only``, message.Pick); the name of a counter.
Never: counting itself (judge.py does).

A text without a signature has no advertiser and no group, and its template belongs to its sender alone. A text that cannot be read has no
template and no content. Under a limit with such a key, it counts by the registered prefix of its port, else by its provider
(message.Facts.whose). So senders without a signature do not use up each other's limits, and another extension of a port does not start a
new count.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cython
from xxhash import xxh3_64_intdigest

from proxy.model.message import UNSIGNED, Category, Facts, Message, Sender, hash32, hash48
from proxy.model.recipient import EntryFilter
from proxy.policy.condition import All, Leaf, Not, OneOf, Tree, leaves
from proxy.policy.kinds import when_kinds
from proxy.policy.limit import LATE, Limit
from proxy.policy.loading.problem import RuleFault
from proxy.policy.registries.registry import Registry
from proxy.policy.text.category import SUBCATEGORIES, SUBCATEGORY_CODES
from proxy.policy.text.folding import normal_signature, text_key


class Only(NamedTuple):
    """The conditions of ``when`` that record entries can answer; None means any value."""

    categories: frozenset[int] | None = None
    subcategories: frozenset[int] | None = None
    signatures: frozenset[int] | None = None
    providers: frozenset[int] | None = None


class Unsigned(frozenset[int]):
    """Matches any entry without a signature: its field holds what it is counted by instead."""

    __slots__ = ()

    def __contains__(self, signature: object) -> bool:
        return signature == 0 or (isinstance(signature, int) and signature >= UNSIGNED) or super().__contains__(signature)


NAMES = frozenset(("signature", "advertiser", "group", "template"))
"""Parts of a key that a text without a signature has not; a template belongs to one sender, so it is not compared with those of others."""
TEXTS = frozenset(("template", "content"))
"""Parts of a key that a text has not which cannot be read."""


def falls_back(limit: Limit, facts: Facts) -> bool:
    """Whether a message lacks a part of a limit's key, so that it counts by ``facts.whose`` instead."""
    keys = limit.keys
    return not facts.signature_hash and (not keys.isdisjoint(NAMES) or (facts.textless and not keys.isdisjoint(TEXTS)))


_CATEGORIES = frozenset(map(int, Category))
_SUBCATEGORIES = frozenset(range(len(SUBCATEGORIES)))
_PLACES = {"category": 0, "subcategory": 1, "signature": 2, "provider": 3}


def only(tree: Tree, registry: Registry, line: int) -> Only:
    """The entries that a limit with ``recipient`` counts. Raises RuleFault if ``when`` uses what a record does not keep."""
    parts: list[Tree] = [tree]
    sets: list[frozenset[int] | None] = [None, None, None, None]
    while parts:
        part = parts.pop()
        if isinstance(part, All):
            parts.extend(part.parts)
            continue
        if all(_kept(leaf, line) in ("person", "time") for leaf in leaves(part)):
            continue  # true or false for all messages of the person alike, or about the moment of judging
        negated = isinstance(part, Not)
        leaf = part.part if isinstance(part, Not) else part
        if not isinstance(leaf, OneOf):
            raise RuleFault(
                line,
                "limit: a cap cannot count the past over 'any' or a compound 'not' of message facts: write a rule for each",
            )
        place = _PLACES[_kept(leaf, line)]
        values = _stored(leaf, registry)
        if negated:
            if place > 1:
                raise RuleFault(line, f"limit: a cap cannot count the past over 'not: {leaf.field}': name those it is for")
            values = (_CATEGORIES if place == 0 else _SUBCATEGORIES) - values
        known = sets[place]
        sets[place] = values if known is None else _both(known, values)
    return Only(*sets)


def _kept(leaf: Leaf, line: int) -> str:
    word = leaf.field if isinstance(leaf, OneOf) else leaf.word
    if word == "active":
        return "time"
    kind = when_kinds().get(word)
    if kind is None or not kind.in_record:
        hint = (kind.hint if kind else "") or "leave recipient out of the key, or drop the condition"
        raise RuleFault(
            line, f"limit: a record does not keep '{kind.word if kind else word}', so its past cannot be counted ({hint})"
        )
    return kind.in_record


@cython.annotation_typing(False)  # an Unsigned is no frozenset for Cython
def _stored(leaf: OneOf, registry: Registry) -> frozenset[int]:
    """A rule's words as the numbers in entries."""
    if leaf.field == "category":
        return frozenset(int(Category.of(word)) for word in leaf.values)
    if leaf.field == "subcategory":
        return frozenset(SUBCATEGORY_CODES.get(word, 0) for word in leaf.values)
    if leaf.field == "provider":
        return frozenset(map(hash32, leaf.values))
    words = leaf.values - {"none"}
    if leaf.field == "signature":
        found = frozenset(hash48(normal_signature(word)) for word in words)
    else:
        found = frozenset().union(*(registry.signatures_by(leaf.field, word) for word in words))
    return found if len(words) == len(leaf.values) else Unsigned(found)


@cython.annotation_typing(False)  # likewise
def _both(some: frozenset[int] | None, others: frozenset[int]) -> frozenset[int]:
    """The intersection; None means any."""
    if some is None:
        return others
    if type(some) is Unsigned and type(others) is Unsigned:
        return Unsigned(some & others)
    return frozenset((*(one for one in some if one in others), *(one for one in others if one in some)))


def pick(limit: Limit, only: Only, facts: Facts, registry: Registry) -> EntryFilter:
    """The entries that share this message's key, apart from its ``LATE`` parts."""
    categories, subcategories, signatures, providers = only
    keys = limit.keys
    if "category" in keys:
        categories = frozenset((int(facts.category),))
    if "subcategory" in keys:
        subcategories = frozenset((facts.subcategory_code,))
    if falls_back(limit, facts):
        signatures = frozenset((facts.counted_by,))
    elif facts.signature_hash:
        for kind in ("advertiser", "group"):
            if kind in keys:
                signatures = _both(signatures, registry.signatures_of(kind, facts.signature_hash))
        if "signature" in keys:
            signatures = frozenset((facts.signature_hash,))
    if "provider" in keys:
        providers = frozenset((facts.sender.provider_hash,))
    return EntryFilter(categories, subcategories, signatures, providers)


def counter_key(rule: str, place: int, limit: Limit, facts: Facts, registry: Registry) -> int:
    """The 64-bit key of a counter, the same on every node and after a reload: rule, limit, and the key's values apart from ``LATE`` ones."""
    values = {
        "advertiser": registry.advertiser_of(facts.signature_hash),
        "group": registry.group_of(facts.signature_hash),
        "signature": facts.signature,
        "category": facts.category.word,
        "subcategory": facts.subcategory,
        "provider": facts.sender.provider,
    }
    named = "\0".join(f"{key}={values[key]}" for key in sorted(limit.keys) if key in values)
    if falls_back(limit, facts):
        named += f"\0whose={facts.whose}"
    return xxh3_64_intdigest(f"{rule}\0{place}\0{limit.window}\0{named}".encode())


@cython.ccall
def counter_of(
    base: cython.ulonglong, limit: Limit, message: Message, province: str, template: cython.ulonglong
) -> cython.ulonglong:
    """The counter key of one message: ``base`` with the ``LATE`` parts. All are 64-bit hashes, so they may be mixed by xor."""
    keys: frozenset[str] = limit.keys
    if LATE.isdisjoint(keys):
        return base
    sender: Sender = message.sender
    if "template" in keys:
        base ^= template * 0x9E3779B97F4A7C15 & _MASK64
    if "content" in keys:
        base ^= part_key(message.content.text)
    if "port" in keys:
        base ^= part_key(f"port={sender.port}")
    if "account" in keys:
        base ^= part_key(f"account={sender.provider}/{sender.account}")
    if "province" in keys:
        base ^= part_key(f"province={province}")
    return base


PARTS_MAX = 16_384
"""Texts, ports, accounts and provinces whose keys are remembered."""
part_key = lru_cache(PARTS_MAX)(text_key)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
