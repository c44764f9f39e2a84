"""Reads the conditions about a text's links (url) and telephone numbers (contact).

Registrations for everybody, or for the advertiser behind the text's own signature, depend on the text alone. Registrations for one provider
depend on the sender: so each such provider has a condition of its own, and the tree joins the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter

import cython

from proxy.i18n.phrases import Bilingual
from proxy.model.message import hash48
from proxy.policy.condition import All, AnyOf, Not, OneOf, Test, Tree, never
from proxy.policy.loading.schema_parts import either, mapping, some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import Registry
from proxy.policy.text import contacts
from proxy.policy.text.text_analysis import TextAnalysis


@cython.final
@cython.cclass
class Outside:
    """Whether a text has some link (or number) that is registered neither for everybody, nor for the advertiser, nor for one provider."""

    reads: str
    registry: Registry
    provider: str

    def __init__(self, reads: str, registry: Registry, provider: str) -> None:
        """``reads``: ``links`` or ``contacts``. ``provider``: empty for none."""
        self.reads = reads
        self.registry = registry
        self.provider = provider

    def __call__(self, page: TextAnalysis) -> bool:
        return self.holds(page)

    @cython.ccall
    def holds(self, page: TextAnalysis) -> cython.bint:
        found: tuple[str, ...] = page.links if self.reads == "links" else page.find_contacts()
        for one in found:  # noqa: SIM110 # a generator would be an object
            if not self._is_owned(one, page):
                return True
        return False

    @cython.cfunc
    def _is_owned(self, contact: str, page: TextAnalysis) -> cython.bint:
        owners = self.registry.owners(contact)
        if owners is None:
            return False
        if owners.everybody or self.provider in owners.providers:
            return True
        name = page.signature.name
        return bool(name) and self.registry.advertiser_of(hash48(name)) in owners.advertisers


_SORTS: Mapping[str, tuple[str, Callable[[str], str], str]] = {
    "url": ("links", contacts.written_domain, "链接"),
    "contact": ("contacts", contacts.written_phone, "电话号码"),
}
"""Of each condition: what it reads of a text, how names in rules are read, its noun in Chinese."""
KEYS = ("outside",)
SHAPE = either(some(suggested(("none", "present"))), mapping(KEYS, {"outside": some(suggested(("registered",)))}))


def condition(word: str, node: Node, registry: Registry) -> Tree:
    reads, written, chinese = _SORTS[word]
    outside = isinstance(node.value, dict)
    if outside:
        node = node.mapping(word, KEYS).get("outside", node)
    names = node.texts(word + (": outside" if outside else ""), digits=True)
    if outside and names == ["registered"]:
        return outside_registered(word, registry)
    if not outside and names in (["none"], ["present"]):
        return _any(word, present=names == ["present"])
    try:
        known = tuple(map(written, names))
    except contacts.NotAContact as fault:
        raise node.fault(f"{word}: {fault}") from None
    shown = ", ".join(names[:5])
    if not outside:  # answered by one look-up, however many rules name links or numbers
        words = Bilingual(f"a {word} of {shown}", f"文中有{chinese} {shown}")
        return Test(reads, never, words, word, vocabulary=known, finds=True)

    found = attrgetter(reads)

    def is_known(one: str) -> bool:
        return any(one == name or one.endswith("." + name) for name in known)

    more = f" … ({len(names)} of them)" if len(names) > 5 else ""
    words = Bilingual(f"a {word} other than {shown}{more}", f"文中有{chinese}不是 {shown}{more}")
    return Test(
        "text", lambda page: not all(map(is_known, found(page))), words, word, reads=reads, vocabulary=known, finds=True
    )


@cache
def _any(word: str, *, present: bool) -> Test:
    """Whether there are any; all rules that ask it share one condition."""
    reads, _, chinese = _SORTS[word]
    found = attrgetter(reads)
    words = Bilingual(f"{word}: {'present' if present else 'none'}", f"文中{'' if present else '没'}有{chinese}")
    return Test("text", lambda page: bool(found(page)) is present, words, word, reads=reads, finds=present, every=not present)


def outside_registered(word: str, registry: Registry) -> Tree:
    """Some link (``url``) or number (``contact``) that is registered neither for everybody, nor for the advertiser, nor for the provider."""
    reads, _, chinese = _SORTS[word]

    def test(provider: str) -> Test:
        whose = f", provider {provider}" if provider else ""
        words = Bilingual(
            f"a {word} that is not registered for the advertiser{whose}",
            f"文中有{chinese}没有为该广告主{f'、通道商 {provider} ' if provider else ''}登记",
        )
        return Test("text", Outside(reads, registry, provider), words, word, reads=reads)

    own = sorted(registry.providers_with_contacts)
    if not own:
        return test("")
    spared = tuple(All((OneOf("provider", frozenset((one,))), Not(test(one)))) for one in own)
    return All((test(""), Not(AnyOf(spared) if len(spared) > 1 else spared[0])))
