"""limit: no more than ``count`` per window for each value of the key: ``limit: {count: 3, per: day, key: [recipient]}``, or a list.

With ``recipient`` in the key the past is counted from the person's record, so a limit added at noon counts the morning's messages; without it
from a counter. ``per``: minute hour day week month (calendar, Asia/Shanghai, week from Monday) or 59s 24h 7d (rolling, (now−w, now]).
``then`` may differ per limit; ``then: throttle`` is for rates without recipient.

A record names texts by a fingerprint with digits masked: with ``recipient``, ``content`` and ``template`` are the same key.
"""

from __future__ import annotations

from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from proxy.message import Category, Facts, Message, Pick, Take, hash32, hash48
from proxy.policy import moments
from proxy.policy.category import SUBCATEGORIES, SUBCATEGORY_CODES
from proxy.policy.condition import All, Leaf, Not, OneOf, Tree, leaves
from proxy.policy.kinds import when_kinds
from proxy.policy.problem import RuleFault
from proxy.policy.registry import Registry
from proxy.policy.source import Node
from proxy.policy.text import normal_signature, text_key
from proxy.yamlfile import unknown

KEYS = (
    "recipient", "advertiser", "group", "signature", "category", "subcategory", "provider", "account", "port", "province",
    "content", "template",
)  # fmt: skip
LATE = frozenset(("account", "port", "province", "content", "template"))
"""Parts of a key that are put in per message: a plan is the same whatever they are."""
ENTRIES_KEPT = 64
"""A record keeps at most so many entries: a higher count could never be reached."""
COUNT_MAX = 10**12
THENS = ("reject", "defer", "tag", "throttle")


class Limit(NamedTuple):
    most: int
    window: moments.Window
    keys: frozenset[str]
    then: str  # empty = the rule's
    line: int

    def take(self, key: int) -> Take:
        """What a message takes from the counter ``key``. Grains divide calendar periods (which start on full hours of UTC), so those are
        exact; a rolling window may close a 128th of itself early."""
        unit, seconds = self.window
        width_s = max(1, seconds // 128) if unit == "rolling" else min(seconds, 3600)
        return Take(key, width_s, seconds + width_s)

    @property
    def words(self) -> str:
        keys = ", ".join(key for key in KEYS if key in self.keys)
        return f"{self.most} per {self.window} for each {keys}"


def read_limits(node: Node) -> tuple[Limit, ...]:
    """The limits of one rule; raises RuleFault."""
    found = tuple(_read(item) for item in node.items())
    if not found:
        raise RuleFault(node.line, "limit: an empty list limits nothing")
    return found


def _read(node: Node) -> Limit:
    keys = node.mapping("limit", ("count", "per", "key", "then"))
    for needed in ("count", "per", "key"):
        if needed not in keys:
            raise RuleFault(node.line, f"limit: '{needed}' is missing (like {{count: 3, per: day, key: [recipient]}})")
    count = keys["count"].integer("limit: count", 1, COUNT_MAX)
    window = _window(keys["per"])
    key = frozenset(keys["key"].words("limit: key", KEYS, "key"))
    then = keys["then"].word("limit: then", THENS) if "then" in keys else ""
    line = keys["count"].line
    if "recipient" in key:
        if count > ENTRIES_KEPT:
            raise RuleFault(
                line, f"limit: count {count} needs more history than is kept (at most {ENTRIES_KEPT} messages a person)"
            )
        if "account" in key:
            raise RuleFault(keys["key"].line, "limit: key: a record does not keep the account (use provider)")
    return Limit(count, window, key, then, line)


def _window(node: Node) -> moments.Window:
    written = node.text("limit: per", digits=True)
    if written in moments.CALENDAR_S:
        return moments.Window(written, moments.CALENDAR_S[written])
    try:
        seconds = moments.duration(written)
    except ValueError:
        what = unknown("window", written, moments.CALENDAR_S)
        raise RuleFault(node.line, f"limit: per: {what}, or a duration like 59s, 24h, 7d") from None
    if seconds > moments.WINDOW_MAX_S:
        raise RuleFault(node.line, f"limit: per: {written} needs more history than is kept (at most 366d)")
    return moments.Window("rolling", seconds)


# --- what of the past a limit counts


class Only(NamedTuple):
    """The part of ``when`` that entries of a record can be asked: None means any."""

    categories: frozenset[int] | None = None
    subcategories: frozenset[int] | None = None
    signatures: frozenset[int] | None = None
    providers: frozenset[int] | None = None


_CATEGORIES = frozenset(map(int, Category))
_SUBCATEGORIES = frozenset(range(len(SUBCATEGORIES)))
_PLACES = {"category": 0, "subcategory": 1, "signature": 2, "provider": 3}


def only(tree: Tree, registry: Registry, line: int) -> Only:
    """Which entries a limit with recipient counts; RuleFault when ``when`` reads what a record does not keep."""
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
        sets[place] = values if known is None else known & values
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


def _stored(leaf: OneOf, registry: Registry) -> frozenset[int]:
    """Words of a rule as the numbers an entry holds."""
    if leaf.field == "category":
        return frozenset(int(Category.of(word)) for word in leaf.values)
    if leaf.field == "subcategory":
        return frozenset(SUBCATEGORY_CODES.get(word, 0) for word in leaf.values)
    if leaf.field == "provider":
        return frozenset(map(hash32, leaf.values))
    if leaf.field == "signature":
        return frozenset(0 if word == "none" else hash48(normal_signature(word)) for word in leaf.values)
    return frozenset().union(*({0} if word == "none" else registry.signatures_by(leaf.field, word) for word in leaf.values))


def pick(limit: Limit, only: Only, facts: Facts, registry: Registry) -> Pick:
    """The entries that share this message's key, save what is ``LATE``."""
    categories, subcategories, signatures, providers = only
    keys = limit.keys
    if "category" in keys:
        categories = frozenset((int(facts.category),))
    if "subcategory" in keys:
        subcategories = frozenset((facts.subcategory_code,))
    for kind in ("advertiser", "group"):
        if kind in keys:
            same = registry.signatures_of(kind, facts.signature_hash)
            signatures = same if signatures is None else same & signatures
    if "signature" in keys:
        signatures = frozenset((facts.signature_hash,))
    if "provider" in keys:
        providers = frozenset((facts.sender.provider_hash,))
    return Pick(categories, subcategories, signatures, providers)


def counter_key(rule: str, place: int, limit: Limit, facts: Facts, registry: Registry) -> int:
    """The 64-bit name of a counter, the same on every node and after a reload: rule, limit, values of the key save what is ``LATE``."""
    values = {
        "advertiser": registry.advertiser_of(facts.signature_hash),
        "group": registry.group_of(facts.signature_hash),
        "signature": facts.signature,
        "category": facts.category.word,
        "subcategory": facts.subcategory,
        "provider": facts.sender.provider,
    }
    named = "\0".join(f"{key}={values[key]}" for key in sorted(limit.keys) if key in values)
    return xxh3_64_intdigest(f"{rule}\0{place}\0{limit.window}\0{named}".encode())


def counter_of(base: int, limit: Limit, message: Message, province: str, template: int) -> int:
    """The counter of one message: ``base`` with what is ``LATE``. The parts are 64-bit hashes of their own, so they may be mixed by xor."""
    keys = limit.keys
    if LATE.isdisjoint(keys):
        return base
    sender = message.sender
    if "template" in keys:
        base ^= template * 0x9E3779B97F4A7C15 & _MASK64
    if "content" in keys:
        base ^= text_key(message.content.text)
    if "port" in keys:
        base ^= text_key(f"port={sender.port}")
    if "account" in keys:
        base ^= text_key(f"account={sender.provider}/{sender.account}")
    if "province" in keys:
        base ^= text_key(f"province={province}")
    return base


_MASK64 = (1 << 64) - 1
