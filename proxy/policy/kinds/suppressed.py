"""The recipient refuses marketing: by reply, complaint or list.
``suppressed: true``, or ``{scope: …, source: …, max_age: 180d}``.

``marketing: likely`` asks of messages that are not marketing, but whose text likely is, and says how to refuse.

``match`` says by what a refused advertiser is known again (policy/renamed_senders.py): where nothing is said, by its signature and
by the registry.
Opt-outs cover marketing only: for any other category this never holds (use recipient_in for lists that mean everything).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from proxy.i18n.phrases import COMMA, NOTHING, OF_LIKELY, THEN, Bilingual, any_of, joined, term
from proxy.model.message import Category, Facts, Message, Sender
from proxy.model.recipient import OptOut, Recipient
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, OneOf, RecipientTest, Tree
from proxy.policy.kinds import KindContext, NumberList
from proxy.policy.kinds.notice import PRESENT
from proxy.policy.loading.schema_parts import DURATION, among, either, mapping, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import Registry
from proxy.policy.renamed_senders import SIMILARITY, WAYS, refused_by, ways
from proxy.policy.text.folding import normal_signature

IN_RECORD = "person"
SCOPES = ("global", "advertiser", "signature", "provider", "category", "port")
SOURCES = ("reply", "complaint", "officer", "import", "hotline", "doubtful")
"""A rule that means replies means doubtful ones, too: they hold until a person has decided."""

LIKELY = ("likely",)
_USUAL = frozenset(("signature", "advertiser", "platform"))
KEYS = ("scope", "source", "max_age", "match", "similarity", "marketing")
CHINESE = (
    "号码拒收这类短信（回复退订或名单），只对营销成立；可限定范围、来源、多久以内；`match` 说按什么认出换了名义的同一家；"
    "`marketing: likely` 管报成别的类别、内容却很可能是营销又写着怎样退订的"
)
MEND = Bilingual(
    "leave this person out: only they can take their refusal back (START, 取消退订)",
    "不发给该号码：只有本人能恢复（回复 START 或 取消退订）",
)
SHAPE = either(
    {"const": True},
    mapping(
        KEYS,
        {
            "scope": some(among(SCOPES)), "source": some(among(SOURCES)), "max_age": DURATION, "match": some(among(WAYS)),
            "similarity": {"type": "number", "minimum": 0.5, "maximum": 1}, "marketing": among(LIKELY),
        },
    ),
)  # fmt: skip


class _RefusalFilter(NamedTuple):
    """Which refusals a rule means."""

    scopes: frozenset[str]
    sources: frozenset[str]
    max_age_s: int  # 0 = any
    lists: bool  # a list is an import, and has no age
    ways: frozenset[str] = _USUAL
    similarity: float = SIMILARITY
    likely: bool = False
    """Of messages that are not marketing, but whose text likely is, and says how to refuse."""


def condition(node: Node, context: KindContext) -> Tree:
    refusal_filter = _asked(node)
    lists = tuple(one for one in context.lists.values() if refusal_filter.lists and one.scope in refusal_filter.scopes)
    registry = context.registry
    means = {"all" if one == "global" else one for one in refusal_filter.scopes}

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        if not lists:  # nearly always
            for one in record.opt_outs():
                if one.scope in means:
                    break
            else:
                return False
        return next(_found(refusal_filter, lists, message, record, facts, registry, now), None) is not None

    def evidence(message: Message, record: Recipient, facts: Facts, now: float) -> str:
        if not lists and not any(one.scope == "advertiser" for one in record.opt_outs()):
            return NOTHING  # of others nothing is to be shown
        found = _found(refusal_filter, lists, message, record, facts, registry, now)
        return joined(THEN, dict.fromkeys(words for _, words in found))

    owners = "owners " if refusal_filter.ways & {"domain", "phone", "handle"} else ""
    reads = owners + ("texts" if refusal_filter.ways & {"phone", "handle", "text"} else "")
    description = _description(refusal_filter)
    words = Bilingual(f"the recipient refused such messages{description}", f"号码拒收这类短信{description.zh}")
    everybody = [one for one in lists if one.scope == "global"]
    lists = tuple(one for one in lists if one.scope != "global" or refusal_filter.likely)
    similar = refusal_filter.similarity if refusal_filter.ways & {"phone", "handle", "text"} else 0.0
    spares_bare = not lists and not refusal_filter.likely  # the compiled judge takes messages that are no marketing for spared
    refused = RecipientTest(
        holds, words, "suppressed", spares_bare=spares_bare, reads=reads, similar=similar, evidence=evidence
    )
    if refusal_filter.likely:
        return All((OneOf("marketing", frozenset(LIKELY)), PRESENT, refused))
    return AnyOf((*map(_on_list, everybody), refused)) if everybody else refused


def _description(refusal_filter: _RefusalFilter) -> Bilingual:
    """Which refusals, in words: all that tells one condition from another."""
    parts: list[str] = []
    if len(refusal_filter.scopes) < len(SCOPES):
        parts.append(joined(COMMA, map(term, sorted(refusal_filter.scopes))))
    if len(refusal_filter.sources) < len(SOURCES):
        by = any_of(one for one in sorted(refusal_filter.sources) if one != "doubtful" or "reply" not in refusal_filter.sources)
        parts.append(Bilingual(f"by {by}", f"来自{by.zh}"))
    if refusal_filter.max_age_s:
        age, chinese = time_windows.spell(refusal_filter.max_age_s), time_windows.spell_in_chinese(refusal_filter.max_age_s)
        parts.append(Bilingual(f"in the last {age}", f"最近 {chinese}内"))
    if refusal_filter.ways != _USUAL:
        ways = joined(COMMA, (term(way) for way in WAYS if way in refusal_filter.ways))
        parts.append(Bilingual(f"known again by {ways}", f"按{ways.zh}认出"))
    if "text" in refusal_filter.ways:
        parts.append(Bilingual(f"from {refusal_filter.similarity:g} alike", f"相似度 {refusal_filter.similarity:g} 起"))
    if refusal_filter.likely:
        parts.append(OF_LIKELY)
    description = joined(THEN, parts)
    return Bilingual(f" ({description})", f"（{description.zh}）") if description else NOTHING


def _on_list(one: NumberList) -> Tree:
    """Holds for recipients on a list for all advertisers. Asked of every advertisement, so it is apart from refusals in few records."""
    numbers = one.numbers

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        return message.recipient in numbers

    words = Bilingual(f"the recipient is on the list {one.name}", f"号码在名单 {term(one.name).zh} 上")
    listed = RecipientTest(holds, words, "suppressed", numbers=numbers)
    return All((OneOf("category", frozenset(("marketing",))), listed))


def _found(
    refusal_filter: _RefusalFilter,
    lists: Sequence[NumberList],
    message: Message,
    record: Recipient,
    facts: Facts,
    registry: Registry,
    now: float,
) -> Iterator[tuple[str, str]]:
    """(way, what shows it) for each refusal in force that speaks of this message."""
    if (facts.category is Category.MARKETING) is refusal_filter.likely:
        return
    for one in lists:
        if message.recipient in one.numbers:
            refusal = OptOut(one.scope, one.value, 0, "import", 0)
            yield from _concerns(refusal_filter, refusal, message, record, facts, registry)
    for refusal in record.opt_outs():
        if _in_force(refusal, now, refusal_filter.max_age_s) and refusal.source in refusal_filter.sources:
            yield from _concerns(refusal_filter, refusal, message, record, facts, registry)


def _concerns(
    refusal_filter: _RefusalFilter, refusal: OptOut, message: Message, record: Recipient, facts: Facts, registry: Registry
) -> Iterator[tuple[str, str]]:
    scope = "global" if refusal.scope == "all" else refusal.scope
    if scope not in refusal_filter.scopes:
        return
    if scope != "advertiser":
        if covers(scope, refusal.value, message.sender, facts) and (scope != "signature" or "signature" in refusal_filter.ways):
            yield scope, ""
        return
    for way, words in ways(refused_by(refusal, registry), message, facts, record, registry, refusal_filter.similarity):
        if way in refusal_filter.ways:
            yield way, words


def _asked(node: Node) -> _RefusalFilter:
    if not isinstance(node.value, dict):
        if not node.truth("suppressed"):
            raise node.fault("suppressed: false is no condition (write not: {suppressed: true})")
        return _RefusalFilter(frozenset(SCOPES), frozenset(SOURCES), 0, True)
    keys = node.mapping("suppressed", KEYS)
    scopes = keys["scope"].words("suppressed: scope", SCOPES, "scope") if "scope" in keys else SCOPES
    sources = keys["source"].words("suppressed: source", SOURCES, "source") if "source" in keys else SOURCES
    if "reply" in sources:
        sources = [*sources, "doubtful"]
    max_age_s = keys["max_age"].parsed("suppressed: max_age", time_windows.duration) if "max_age" in keys else 0
    lists = "import" in sources and "max_age" not in keys
    match = frozenset(keys["match"].words("suppressed: match", WAYS)) if "match" in keys else _USUAL
    if "advertiser" in match:
        match |= {"platform"}  # the registry decides of shops
    if "marketing" in keys:
        keys["marketing"].word("suppressed: marketing", LIKELY)
    similarity = _similarity(keys["similarity"]) if "similarity" in keys else SIMILARITY
    return _RefusalFilter(frozenset(scopes), frozenset(sources), max_age_s, lists, match, similarity, "marketing" in keys)


def _similarity(node: Node) -> float:
    if not isinstance(node.value, float) or not 0.5 <= node.value <= 1:
        raise node.fault(f"suppressed: similarity: must be a number from 0.5 to 1.0 (0.85 is usual), not {node.shape}")
    return node.value


def covers(scope: str, value: str, sender: Sender, facts: Facts) -> bool:
    """Whether a refusal of this scope (any but advertiser) and value speaks of this message."""
    if scope == "global":
        return True
    if scope == "signature":
        return bool(facts.signature) and (value == f"{facts.signature_hash:012x}" or normal_signature(value) == facts.signature)
    if scope == "provider":
        return value == sender.provider
    if scope == "port":
        return sender.port.startswith(value)
    return value in (facts.category.word, facts.subcategory)


def _in_force(refusal: OptOut, now: float, max_age_s: int) -> bool:
    return not (0 < refusal.expiry <= now) and not (max_age_s and refusal.time <= now - max_age_s)
