"""Reads the conditions about a text's links (url) and other contacts (contact).

Registrations for everybody, or for the advertiser behind the text's own signature, depend on the text alone. Registrations for one provider
depend on the sender: so each such provider has a condition of its own, and the tree joins the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import NamedTuple

import cython

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual, any_of
from proxy.model.message import hash48
from proxy.policy.condition import All, AnyOf, Not, OneOf, Test, Tree, never
from proxy.policy.loading.schema_parts import among, either, mapping, some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import Registry
from proxy.policy.text import contacts, found_contacts
from proxy.policy.text.found_contacts import ALL_KINDS, Contact
from proxy.policy.text.sure_disguises import may_be_glued
from proxy.policy.text.text_analysis import TextAnalysis


@cython.final
@cython.cclass
class Outside:
    """Whether a text has a link (or other contact) that is registered neither for everybody, nor for its advertiser, nor for one provider."""

    reads: str
    registry: Registry
    provider: str
    disguised: cython.bint

    def __init__(self, reads: str, registry: Registry, provider: str, disguised: bool = True) -> None:
        """``reads``: ``links`` or ``contacts``. ``provider``: empty for none. ``disguised``: whether links count that are written otherwise."""
        self.reads = reads
        self.registry = registry
        self.provider = provider
        self.disguised = disguised

    def __call__(self, page: TextAnalysis) -> bool:
        return self.holds(page)

    @cython.ccall
    def holds(self, page: TextAnalysis) -> cython.bint:
        one: str
        if self.reads == "links" and (not self.disguised or not self._may_be_disguised(page)):
            for one in page.links:  # noqa: SIM110 # a generator would be an object
                if not self._is_owned(one, page) and not (self.disguised and found_contacts.is_file_name(one)):
                    return True
            return False
        return bool(self.outside(page))

    @cython.cfunc
    def _may_be_disguised(self, page: TextAnalysis) -> cython.bint:
        """Whether a link may be written otherwise, or be that of an e-mail address."""
        return page.domain_at >= 0 or "@" in page.folded or may_be_glued(page.folded)

    def outside(self, page: TextAnalysis) -> list[Contact]:
        """The contacts that are not registered."""
        found = found_contacts.found_links(page) if self.reads == "links" else found_contacts.found_contacts(page)
        return [
            one
            for one in found
            if not self._is_owned(one.key, page) and not (self.reads == "links" and self._is_of_email(one.key, page))
        ]

    def _is_of_email(self, domain: str, page: TextAnalysis) -> bool:
        """Whether a domain is that of an address, which is registered."""
        keys = [one.key for one in page.find_handles() if one.kind == "email"]
        return any(key.endswith(f"@{domain}") and self._is_owned(key, page) for key in keys)

    @cython.cfunc
    def _is_owned(self, contact: str, page: TextAnalysis) -> cython.bint:
        owners = self.registry.owners(contact)
        if owners is None:
            return len(contact) == 5 and contact.isdecimal() and contact[0] == "1"  # a public service, or a carrier
        if owners.everybody or self.provider in owners.providers:
            return True
        name: str = page.name
        if not name:
            return False
        advertiser = self.registry.advertiser_of(hash48(name))
        if advertiser in owners.advertisers:
            return True
        for use in owners.uses:
            fits = use.provider in ("", self.provider) and use.advertiser in ("", advertiser) and use.signature in ("", name)
            if fits and (not use.template or self._is_template(use.template, page)):
                return True
        return False

    def _is_template(self, template: str, page: TextAnalysis) -> bool:
        templates = self.registry.templates
        return any(templates.rows[fit.row].name == template for fit in templates.fitting(page.name, page.text) or ())


class _Sort(NamedTuple):
    """What one of the two conditions reads."""

    reads: str
    written: Callable[[str], str]
    chinese: str


_SORTS: Mapping[str, _Sort] = {
    "url": _Sort("links", contacts.written_domain, "链接"),
    "contact": _Sort("contacts", found_contacts.written_in_rule, "联系方式"),
}
KEYS = {"url": ("outside",), "contact": ("outside", "kind")}
_PARTS = {"outside": some(suggested(("registered",))), "kind": some(among(("any", *ALL_KINDS)))}
SHAPES = {
    word: either(some(suggested(("none", "present"))), mapping(keys, {key: _PARTS[key] for key in keys}))
    for word, keys in KEYS.items()
}


def condition(word: str, node: Node, registry: Registry) -> Tree:
    sort = _SORTS[word]
    outside = isinstance(node.value, dict)
    if outside:
        keys = node.mapping(word, KEYS[word])
        if "kind" in keys and "outside" not in keys:
            return _of_kinds(keys["kind"])
        if "kind" in keys:
            raise node.fault(f"{word}: outside or kind, not both (write two conditions)")
        node = keys.get("outside", node)
    names = node.texts(word + (": outside" if outside else ""), digits=True)
    if outside and names == ["registered"]:
        return outside_registered(word, registry)
    if not outside and names in (["none"], ["present"]):
        return _any(word, present=names == ["present"])
    try:
        known = tuple(map(sort.written, names))
    except contacts.NotAContact as fault:
        raise node.fault(f"{word}: {fault}") from None
    shown = ", ".join(names[:5])
    if not outside:  # answered by one look-up, however many rules name contacts
        words = Bilingual(f"a {word} of {shown}", f"文中有{sort.chinese} {shown}")
        return Test(sort.reads, never, words, word, vocabulary=known, finds=True)

    kinds = frozenset(one.partition(":")[0] for one in known if ":" in one)
    found = attrgetter(sort.reads)

    def is_known(one: str) -> bool:
        return any(one == name or one.endswith("." + name) for name in known)

    def holds(page: TextAnalysis) -> bool:
        if not all(map(is_known, found(page))):
            return True
        return bool(kinds) and not all(one.key in known for one in page.find_handles() if one.kind in kinds)

    more = f" … ({len(names)} of them)" if len(names) > 5 else ""
    words = Bilingual(f"a {word} other than {shown}{more}", f"文中有{sort.chinese}不是 {shown}{more}")
    return Test("text", holds, words, word, reads="handles" if kinds else sort.reads, vocabulary=known, finds=True)


def _of_kinds(node: Node) -> Test:
    """Some contact of these kinds."""
    named = node.texts("contact: kind")
    for one in named:
        if one != "any" and not found_contacts.kind_of(one):
            raise node.fault(f"contact: kind: {unknown('kind', one, ('any', *ALL_KINDS))}")
    return _test_of_kinds(frozenset(ALL_KINDS if "any" in named else map(found_contacts.kind_of, named)))


@cache
def _test_of_kinds(kinds: frozenset[str]) -> Test:
    shown = (
        any_of(one for one in ALL_KINDS if one in kinds) if len(kinds) < len(ALL_KINDS) else Bilingual("any kind", "任何种类")
    )
    words = Bilingual(f"a contact of kind {shown}", f"文中有联系方式：{shown.zh}")
    return Test(
        "text",
        lambda page: not kinds.isdisjoint(found_contacts.kinds_named(page)),
        words,
        "contact",
        reads="handles",
        finds=True,
    )


@cache
def _any(word: str, *, present: bool) -> Test:
    """Whether there are any; all rules that ask it share one condition."""
    sort = _SORTS[word]
    found = attrgetter(sort.reads)
    chinese = "电话号码" if word == "contact" else sort.chinese
    words = Bilingual(f"{word}: {'present' if present else 'none'}", f"文中{'' if present else '没'}有{chinese}")
    return Test(
        "text", lambda page: bool(found(page)) is present, words, word, reads=sort.reads, finds=present, every=not present
    )


def outside_registered(word: str, registry: Registry) -> Tree:
    """Some link (``url``) or other contact (``contact``) that is registered for nobody behind the message."""
    sort = _SORTS[word]

    def test(provider: str) -> Test:
        whose = f", provider {provider}" if provider else ""
        words = Bilingual(
            f"a {word} that is not registered for the advertiser{whose}",
            f"文中有{sort.chinese}没有为该广告主{f'、通道商 {provider} ' if provider else ''}登记",
        )
        return Test("text", Outside(sort.reads, registry, provider), words, word, reads="links" if word == "url" else "handles")

    own = sorted(registry.providers_with_contacts)
    if not own:
        return test("")
    spared = tuple(All((OneOf("provider", frozenset((one,))), Not(test(one)))) for one in own)
    return All((test(""), Not(AnyOf(spared) if len(spared) > 1 else spared[0])))
