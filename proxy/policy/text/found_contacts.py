"""Reads contacts of every kind, in texts and as officers write them.

In: a TextAnalysis; a word of a rule or a registry. Out: contacts, each with its kind, its normal form, and how it is written; NotAContact,
which says what to write. Never: who owns them (policy/registries/registered_contacts.py).

Of disguised contacts only those count here that surely are some (sure_disguises.py).
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from proxy.i18n.phrases import Bilingual, term
from proxy.policy.text.contacts import NotAContact, links, number_spans, written_domain, written_phone
from proxy.policy.text.disguised import plainer
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.handles import KINDS, plain_name
from proxy.policy.text.lazy_regex import lazy_regex
from proxy.policy.text.sure_disguises import Span, is_named_otherwise, may_be_glued, sure_domains, sure_numbers
from proxy.policy.text.text_analysis import TextAnalysis

_IS_BOTH = lazy_regex("同[号步]")
_CALLED = lazy_regex("电话|热线|客服|[拨致来]电|拨打?|联系|咨询|[详垂]询|请打|电\\s?:?\\d|☎|📞|(?<![a-z])tel")
_SERVICE = lazy_regex("(?:电话|热线|拨打?|致电|来电|客服)[^0-9a-z\u3400-\u9fff]{0,2}(1[02][0-9]{3})(?![0-9])")
"""Numbers of public services and carriers (电信网编号计划: 10xxx, 12xxx), where they are called so."""
_MASKED = lazy_regex(r"\*@([0-9a-z.\-]+)")
"""The domain of an address that is shown in part."""
_FILE = lazy_regex(r"\.(?:pdf|docx?|xlsx?|pptx?|jpe?g|png|gif|txt|csv|rar|mp[34])\Z")
ALL_KINDS = ("phone", "link", *KINDS)
NOWHERE = (0, 0)


class Contact(NamedTuple):
    kind: str
    key: str
    """The normal form: digits, a domain, or kind:name."""
    span: Span = NOWHERE
    """Its place in the squeezed text …"""
    in_folded: bool = False
    """… or in the folded one."""

    @property
    def value(self) -> str:
        return self.key if self.kind in ("phone", "link") else self.key.partition(":")[2]


def found_contacts(page: TextAnalysis) -> tuple[Contact, ...]:
    """Contacts other than links; kept with the page."""
    known: tuple[Contact, ...] | None = page.found
    if known is None:
        found: dict[str, Contact] = {one.key: Contact(one.kind, one.key, one.span) for one in page.find_handles()}
        taken = [one.span for one in found.values()]
        values = {one.value for one in found.values()}
        for number, start, end in number_spans(page.squeezed) if page.find_contacts() else ():
            free = not any(first < end and start < last for first, last in taken) or _IS_BOTH.search(
                page.squeezed, max(0, start - 8), end + 8
            )
            if free and _is_called(page.squeezed, number, start, end):
                found.setdefault(number, Contact("phone", number, (start, end)))
        if page.holds_number:
            for match in _SERVICE.finditer(page.squeezed):
                found.setdefault(match[1], Contact("phone", match[1], match.span(1)))
        for run in sure_numbers(page.folded, page.find_disguised_contacts()):
            if run.digits not in values:
                found.setdefault(run.digits, Contact("phone", run.digits, run.span, True))
        page.found = known = tuple(found.values())
    return known


def _is_called(text: str, number: str, start: int, end: int) -> bool:
    """Whether a number in its usual form is a telephone's: a short one where the text says so, another unless it says otherwise."""
    if is_named_otherwise(text, start, end):
        return False
    return (
        len(number) > 8
        or number.startswith("955")
        or _CALLED.search(text, max(0, start - 12), min(len(text), end + 8)) is not None
    )


def found_links(page: TextAnalysis) -> tuple[Contact, ...]:
    """Links, also disguised ones."""
    masked = _MASKED.findall(page.folded) if "@" in page.folded else ()
    found = {one: Contact("link", one) for one in page.links if one not in masked and not is_file_name(one)}
    if page.domain_at >= 0 or may_be_glued(page.folded):
        for name, span in sure_domains(page.folded):
            found.setdefault(name, Contact("link", name, span, True))
        if page.holds_codes and (text := plainer(page.folded)) != page.folded:
            for name in links(text):
                found.setdefault(name, Contact("link", name))
    for name in [one for one in found if "." not in one and any(other.startswith(f"{one}.") for other in found)]:
        del found[name]  # the beginning of a domain whose dot is in disguise
    return tuple(found.values())


def is_file_name(link: str) -> bool:
    """Whether what is written like a link is the name of a file: report.final.pdf."""
    return _FILE.search(link) is not None


def described(contact: Contact, page: TextAnalysis) -> Bilingual:
    """The kind, the normal form, and the text as written where it is another."""
    value, written = contact.value, as_written(contact, page)
    kind = Bilingual("", "") if contact.kind in ("phone", "link") else Bilingual(f"{contact.kind} ", term(contact.kind).zh)
    if written.lower() in ("", value):
        return Bilingual(f"{kind}{value}", f"{kind.zh}{value}")
    return Bilingual(f"{kind}{value} (written {written})", f"{kind.zh}{value}（原文：{written}）")


def as_written(contact: Contact, page: TextAnalysis) -> str:
    """The part of the text that is the contact, without line breaks; empty if no one part is."""
    start, end = contact.span
    if start == end:
        return ""
    places = [place for place, one in enumerate(page.text) for _ in fold(one)]  # of each character of the folded text
    if not contact.in_folded and page.squeezed is not page.folded:
        places = _without_marks(page.folded, page.squeezed, places)
    return " ".join(page.text[places[start] : places[end - 1] + 1].split())


def _without_marks(folded: str, squeezed: str, places: list[int]) -> list[int]:
    """Likewise for each character of the squeezed text, which lacks some of the folded one."""
    kept, at = [], 0
    for one in squeezed:
        while folded[at] != one:
            at += 1
        kept.append(places[at])
        at += 1
    return kept


# -- as officers write them

_KIND_WORDS = {
    "微信": "wechat", "微信号": "wechat", "公众号": "official", "小程序": "applet", "抖音": "douyin", "抖音号": "douyin", "淘口令": "taobao",
    "邮箱": "email", "电话": "phone", "链接": "link", "域名": "link",
} | {one: one for one in ALL_KINDS}  # fmt: skip
_SHAPES = {
    "wechat": (lazy_regex("[a-z][a-z0-9_-]{4,19}|[1-9][0-9]{4,11}"), "WeChat id (qinghe88)"),
    "qq": (lazy_regex("[1-9][0-9]{4,10}"), "number of QQ (100004030)"),
    "official": (lazy_regex(".{2,24}"), "name of an official account (2 to 24 characters)"),
    "applet": (lazy_regex(".{2,24}"), "name of a mini-program (2 to 24 characters)"),
    "douyin": (lazy_regex(".{2,24}"), "id or name of Douyin (2 to 24 characters)"),
    "taobao": (lazy_regex("[0-9a-z]{8,14}"), "code of Taobao (8 to 14 letters and digits)"),
    "email": (lazy_regex(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+"), "e-mail address (me@mail.example)"),
}


def kind_of(written: str) -> str:
    """The kind that a word names, in English or Chinese; empty for none."""
    return _KIND_WORDS.get(written.strip().lower(), "")


def written_contact(written: str, kind: str = "") -> str:
    """The normal form of a contact: of this kind, of that which stands before it with a colon (``wechat:qinghe88``), else an e-mail address, a
    telephone number or a domain."""
    before, colon, rest = unicodedata.normalize("NFKC", written).partition(":")
    if colon and kind_of(before) and kind in ("", kind_of(before)):
        kind, written = kind_of(before), rest
    elif not kind and "@" in written:
        kind = "email"
    if kind in _SHAPES:
        return _written_handle(written, kind)
    for one, read in (("phone", written_phone), ("link", written_domain)):
        if kind == one:
            return read(written)
        if not kind:
            try:
                return read(written)
            except NotAContact:
                continue
    raise NotAContact(
        f"'{written}' is neither a domain (example.com) nor a telephone number (400-800-1234), nor one of another kind (wechat:qinghe88)"
    )


def written_in_rule(written: str) -> str:
    """Likewise, where domains have a condition of their own."""
    named = kind_of(unicodedata.normalize("NFKC", written).partition(":")[0])
    if named == "link":
        raise NotAContact(f"'{written}' is a link: write url: [example.com]")
    return written_contact(written, "" if named or "@" in written else "phone")


def _written_handle(written: str, kind: str) -> str:
    name = plain_name(squeeze(fold(written)))
    if kind == "taobao":
        name = name.strip("¥$€£")
    shape, noun = _SHAPES[kind]
    if shape.fullmatch(name) is None:
        raise NotAContact(f"'{written}' is no {noun}")
    return f"{kind}:{name}"


def kinds_named(page: TextAnalysis) -> frozenset[str]:
    """The kinds of the contacts of a text."""
    return frozenset(one.kind for one in (*found_contacts(page), *found_links(page)))
