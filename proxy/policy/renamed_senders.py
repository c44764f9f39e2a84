"""Recognises a refused advertiser under another name (网络交易监督管理办法 16).

In: a refusal, a message with its facts, the registry, the refused texts. Out: the ways in which both are the same sender, in words.
Never: a decision (rules say which ways count).

    signature    it is the very signature that was refused (spellings of it are folded together)
    advertiser   the registry leads both signatures to one advertiser       platform  … the sender to a shop of the refused platform
    licence      … both to two with one business licence                    group     … to two of one group
    domain       a link in the text is the refused advertiser's             phone     a number is, or stood in what was refused
    handle       a contact of another kind is (WeChat, QQ …), or stood in what was refused
    text         it says what the refused one said

A contact that several advertisers share, or that is everybody's, proves nothing (registry.py, ``OwnerTable.proves``).
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
from proxy.policy.text.contacts import Names
from proxy.policy.text.folding import fold, normal_signature, squeeze, text_key
from proxy.policy.text.lazy_regex import lazy_regex
from proxy.policy.text.text_analysis import TextAnalysis, pages_of

WAYS = ("signature", "advertiser", "platform", "licence", "group", "domain", "phone", "handle", "text")
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
        evidence = Bilingual(f"signature {facts.signature} is of {owner}, too", f"签名 {facts.signature} 也属于 {owner}")
        yield "advertiser", evidence
    elif sender:
        if advertiser and platforms.stopped_with(owner) == advertiser:
            yield "platform", Bilingual(f"{owner} is a shop of {advertiser}", f"{owner} 是 {advertiser} 的店铺")
        licence = registry.licence_of(owner)
        if licence and licence == registry.licence_of(advertiser):
            english = f"{owner} and {advertiser} have one licence, {licence}"
            yield "licence", Bilingual(english, f"{owner} 与 {advertiser} 是同一营业执照 {licence}")
        if (group := registry.group_of(sender)) == registry.group_named(advertiser):
            english = f"{owner} and {advertiser} are of one group, {group}"
            yield "group", Bilingual(english, f"{owner} 与 {advertiser} 同属集团 {group}")
    kept_apart = platforms.keep_apart(advertiser, owner)
    if not (kept_apart and platforms.of(owner) == advertiser):  # a shop's text may lead to its platform
        yield from _by_contacts(advertiser, message, facts, registry)
    if not kept_apart:
        yield from _by_text(refused, message, record, registry, similarity)


def _by_contacts(advertiser: str, message: Message, facts: Facts, registry: Registry) -> Iterator[tuple[str, str]]:
    for way, whose in sorted(facts.owners):
        if whose != advertiser and (not advertiser or registry.platforms.stopped_with(whose) != advertiser):
            continue
        shown, word = _shown(message, way, whose, registry), {"domain": "链接", "phone": "电话"}.get(way, "账号")
        shop, chinese = ("", "") if whose == advertiser else (f", a shop of {advertiser}", f"（{advertiser} 的店铺）")
        yield way, Bilingual(f"{way} {shown} is of {whose}{shop}", f"{word} {shown} 是 {whose}{chinese} 的")


def _shown(message: Message, way: str, advertiser: str, registry: Registry) -> str:
    found = dict.fromkeys(one for page in pages_of(message.content) for one in _contacts(page, way))
    return ", ".join(one for one in found if (owners := registry.owners(one)) and advertiser in owners.proves)


def _contacts(page: TextAnalysis, way: str) -> Names:
    if way == "domain":
        return page.all_links
    return page.all_contacts if way == "phone" else tuple(one.key for one in page.find_handles())


def _by_text(
    refused: RefusedSender, message: Message, record: Recipient, registry: Registry, similarity: float
) -> Iterator[tuple[str, str]]:
    for one in record.refused_texts():
        if one.signature != refused.signature and registry.refused_as(one.signature) != refused.advertiser:
            continue
        text = kept_of(message.content.text)
        for way, shown in _same(same_contacts(one.text, text), message, refused.advertiser, registry):
            word = "电话" if way == "phone" else "账号"
            yield way, Bilingual(f"{way} {shown} stood in what was refused", f"{word} {shown} 出现在对方退订过的短信里")
        if (found := alike(one.text, text)) >= similarity:
            begins = _body(one.text)[:24]
            yield "text", Bilingual(f"{found:.0%} like what was refused: {begins}", f"与退订过的短信相似 {found:.0%}：{begins}")


def _same(kept: set[str], message: Message, advertiser: str, registry: Registry) -> Iterator[tuple[str, str]]:
    """(way, contacts) of those kept ones that are nobody's, or prove the refused advertiser."""
    pages = pages_of(message.content) if kept else []
    for way in ("phone", "handle"):
        found = dict.fromkeys(one for page in pages for one in _contacts(page, way) if _kept_contact(one) in kept)
        proven = [one for one in found if (owners := registry.owners(one)) is None or advertiser in owners.proves]
        if proven:
            yield way, ", ".join(sorted(proven))


def same_contacts(refused_text: str, text: str) -> set[str]:
    """Telephone numbers, and digests of other contacts, that two kept texts share."""
    return set(refused_text.rpartition(_BETWEEN)[0].split()) & set(text.rpartition(_BETWEEN)[0].split())


def alike(refused_text: str, text: str) -> float:
    """The similarity of two kept texts, from 0 to 1."""
    one, other = _body(refused_text), _body(text)
    return fuzz.ratio(one, other) / 100 if min(len(one), len(other)) >= COMPARED_LEAST else 0.0


def _body(kept: str) -> str:
    return kept.rpartition(_BETWEEN)[2]


@lru_cache(maxsize=4_096)
def kept_of(text: str) -> str:
    """The kept form of a refused text: telephone numbers and other contacts, then the beginning of its words without signature and notice,
    digits masked."""
    text = as_shown(text)
    page = TextAnalysis(Content(text, "readable", b""))
    contacts = dict.fromkeys(map(_kept_contact, (*page.all_contacts, *(one.key for one in page.find_handles()))))
    body = _TAIL.sub("", _EDGES.sub("", fold(text)).strip())
    plain = "".join(squeeze(masked(body).decode("utf-8", "replace")).split())
    return " ".join(islice(contacts, CONTACTS_KEPT)) + _BETWEEN + plain[:COMPARED_MAX]


def _kept_contact(contact: str) -> str:
    """A telephone number as it is; a contact of another kind as 8 letters: what a record keeps of a text has few octets."""
    return f"{text_key(contact) & 0xFFFFFFFF:08x}" if ":" in contact else contact


def refused_text(signature: int, template: int, text: str) -> RefusedText:
    """The record's RefusedText for a message of a refused sender."""
    return RefusedText(signature, template, kept_of(text))
