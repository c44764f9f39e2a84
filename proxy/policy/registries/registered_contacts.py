"""Checks whether a text's links and numbers are registered for its sender.

In: an analysed text, the registry. Out: a condition. Never: a list of its own.

Registrations for everybody, or for the advertiser behind the text's own signature, depend on the text alone. Registrations for one provider
depend on the sender: so each such provider has a condition of its own, and the tree joins the two.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.model.message import hash48
from proxy.policy.condition import All, AnyOf, Not, OneOf, Test, Tree
from proxy.policy.registries.registry import Registry
from proxy.policy.text.text_analysis import TextAnalysis


class Outside:
    """Whether a text has some link (or number) that is registered neither for everybody, nor for the advertiser, nor for one provider."""

    __slots__ = ("reads", "registry", "provider")  # at fixed places, which the compiled reader uses

    def __init__(self, reads: str, registry: Registry, provider: str) -> None:
        """``reads``: ``links`` or ``contacts``. ``provider``: empty for none."""
        self.reads = reads
        self.registry = registry
        self.provider = provider

    def __call__(self, page: TextAnalysis) -> bool:
        found = page.links if self.reads == "links" else page.contacts
        return bool(found) and not all(self._is_owned(one, page) for one in found)

    def _is_owned(self, contact: str, page: TextAnalysis) -> bool:
        owners = self.registry.owners(contact)
        if owners is None:
            return False
        if owners.everybody or self.provider in owners.providers:
            return True
        name = page.signature.name
        return bool(name) and self.registry.advertiser_of(hash48(name)) in owners.advertisers


def outside_registered(word: str, registry: Registry) -> Tree:
    """Some link (``url``) or number (``contact``) that is registered neither for everybody, nor for the advertiser, nor for the provider."""

    def test(provider: str) -> Test:
        whose = f", provider {provider}" if provider else ""
        words = Bilingual(
            f"a {word} that is not registered for the advertiser{whose}",
            f"文中有{'链接' if word == 'url' else '电话号码'}没有为该广告主{f'、通道商 {provider} ' if provider else ''}登记",
        )
        return Test("text", Outside(_READS[word], registry, provider), words, word, reads=_READS[word])

    own = sorted(registry.providers_with_contacts)
    if not own:
        return test("")
    spared = tuple(All((OneOf("provider", frozenset((one,))), Not(test(one)))) for one in own)
    return All((test(""), Not(AnyOf(spared) if len(spared) > 1 else spared[0])))


_READS = {"url": "links", "contact": "contacts"}
