"""Recognises a refused advertiser under another name (网络交易监督管理办法 16).

In: a refusal, a message with its facts, the registry, the refused texts. Out: the ways in which both are the same sender, in words.
Never: a decision (rules say which ways count).

    signature    it is the very signature that was refused (spellings of it are folded together)
    advertiser   the registry leads both signatures to one advertiser       platform  … the sender to a shop of the refused platform
    licence      … both to two with one business licence                    group     … to two of one group
    domain       a link in the text is the refused advertiser's             phone     a number is, or stood in what was refused
    text         it says what the refused one said
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from rapidfuzz import fuzz

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Content, Facts, Message, hash48
from proxy.model.recipient import OptOut, Recipient, RefusedText
from proxy.native.text_units import masked
from proxy.policy.registries.registry import Registry
from proxy.policy.text.bidi import as_shown
from proxy.policy.text.folding import fold, normal_signature, squeeze
from proxy.policy.text.lazy_regex import lazy_regex
from proxy.policy.text.text_analysis import TextAnalysis, pages_of

WAYS = ("signature", "advertiser", "platform", "licence", "group", "domain", "phone", "text")
SIMILARITY = 0.85
"""Where a rule says nothing: of two advertisements for different things in the same manner about 0.6 is the same."""
COMPARED_MAX = 64
"""Characters: what a reader sees first, and what a record keeps."""
COMPARED_LEAST = 12
"""Below it texts are alike by chance."""
CONTACTS_KEPT = 3
_HASH = lazy_regex(r"[0-9a-f]{12}")
_EDGES = lazy_regex(r"^\s*(?:【[^【】]*】)+|【[^【】]*】\s*$")
_TAIL = lazy_regex(r"[^一-鿿]?(?:退订|拒收|回复?[0-9a-z@#]|取消订阅|如需退订)[^。！!；;]{0,14}$")
_BETWEEN = "\x1f"


class RefusedSender(NamedTuple):
    """The sender that a refusal means, by the current registry."""

    signature: int  # hash48; 0 where an advertiser was refused by name
    advertiser: str


def refused_by(refusal: OptOut, registry: Registry) -> RefusedSender:
    """The signature and the advertiser of a refusal of scope advertiser or signature."""
    value = refusal.value
    if _HASH.fullmatch(value):
        number = int(value, 16)
        return RefusedSender(number, registry.refused_as(number))
    if refusal.scope == "advertiser" and value in registry.advertisers:
        return RefusedSender(0, value)
    number = hash48(normal_signature(value))
    return RefusedSender(number, registry.refused_as(number))


def ways(
    refused: RefusedSender, message: Message, facts: Facts, record: Recipient, registry: Registry, similarity: float
) -> Iterator[tuple[str, str]]:
    """(one of WAYS, the evidence) for each way in which the sender is the refused one."""
    sender, advertiser = facts.signature_hash, refused.advertiser
    if sender and sender == refused.signature:
        yield "signature", ""
        return
    owner, platforms = registry.refused_as(sender), registry.platforms
    if sender and owner == advertiser:
        yield (
            "advertiser",
            Bilingual(f"signature {facts.signature} is of {owner}, too", f"签名 {facts.signature} 也属于 {owner}"),
        )
    elif sender:
        if advertiser and platforms.stopped_with(owner) == advertiser:
            yield "platform", Bilingual(f"{owner} is a shop of {advertiser}", f"{owner} 是 {advertiser} 的店铺")
        licence = registry.licence_of(owner)
        if licence and licence == registry.licence_of(advertiser):
            yield (
                "licence",
                Bilingual(
                    f"{owner} and {advertiser} have one licence, {licence}", f"{owner} 与 {advertiser} 是同一营业执照 {licence}"
                ),
            )
        if registry.group_of(sender) == registry.group_named(advertiser):
            group = registry.group_of(sender)
            yield (
                "group",
                Bilingual(f"{owner} and {advertiser} are of one group, {group}", f"{owner} 与 {advertiser} 同属集团 {group}"),
            )
    kept_apart = platforms.keep_apart(advertiser, owner)
    if not (kept_apart and platforms.of(owner) == advertiser):  # a shop's text may lead to its platform
        yield from _by_contacts(advertiser, message, facts, registry)
    if not kept_apart:
        yield from _by_text(refused, message, record, registry, similarity)


def _by_contacts(advertiser: str, message: Message, facts: Facts, registry: Registry) -> Iterator[tuple[str, str]]:
    for way, whose in sorted(facts.owners):
        if whose != advertiser and (not advertiser or registry.platforms.stopped_with(whose) != advertiser):
            continue
        shown, word = _shown(message, way, whose, registry), "链接" if way == "domain" else "电话"
        shop, chinese = ("", "") if whose == advertiser else (f", a shop of {advertiser}", f"({advertiser} 的店铺)")
        yield way, Bilingual(f"{way} {shown} is of {whose}{shop}", f"{word} {shown} 是 {whose}{chinese} 的")


def _shown(message: Message, way: str, advertiser: str, registry: Registry) -> str:
    pages = pages_of(message.content)
    found = dict.fromkeys(one for page in pages for one in (page.all_links if way == "domain" else page.all_contacts))
    owned = [one for one in found if (owners := registry.owners(one)) and advertiser in owners.advertisers]
    return ", ".join(owned)


def _by_text(
    refused: RefusedSender, message: Message, record: Recipient, registry: Registry, similarity: float
) -> Iterator[tuple[str, str]]:
    for one in record.refused_texts():
        if one.signature != refused.signature and registry.refused_as(one.signature) != refused.advertiser:
            continue
        text = kept_of(message.content.text)
        if same := same_contacts(one.text, text):
            shown = ", ".join(sorted(same))
            yield "phone", Bilingual(f"phone {shown} stood in what was refused", f"电话 {shown} 出现在对方退订过的短信里")
        if (found := alike(one.text, text)) >= similarity:
            yield (
                "text",
                Bilingual(
                    f"{found:.0%} like what was refused: {_body(one.text)[:24]}",
                    f"与退订过的短信相似 {found:.0%}: {_body(one.text)[:24]}",
                ),
            )


def same_contacts(refused_text: str, text: str) -> set[str]:
    """Telephone numbers that two kept texts share."""
    return set(refused_text.rpartition(_BETWEEN)[0].split()) & set(text.rpartition(_BETWEEN)[0].split())


def alike(refused_text: str, text: str) -> float:
    """The similarity of two kept texts, from 0 to 1."""
    one, other = _body(refused_text), _body(text)
    return fuzz.ratio(one, other) / 100 if min(len(one), len(other)) >= COMPARED_LEAST else 0.0


def _body(kept: str) -> str:
    return kept.rpartition(_BETWEEN)[2]


@lru_cache(maxsize=4_096)
def kept_of(text: str) -> str:
    """The kept form of a refused text: telephone numbers, then the beginning of its words without signature and notice, digits masked."""
    text = as_shown(text)
    contacts = dict.fromkeys(TextAnalysis(Content(text, "readable", b"")).all_contacts)
    body = _TAIL.sub("", _EDGES.sub("", fold(text)).strip())
    plain = "".join(squeeze(masked(body).decode("utf-8", "replace")).split())
    return " ".join(islice(contacts, CONTACTS_KEPT)) + _BETWEEN + plain[:COMPARED_MAX]


def refused_text(signature: int, template: int, text: str) -> RefusedText:
    """The record's RefusedText for a message of a refused sender."""
    return RefusedText(signature, template, kept_of(text))
