"""Tells quickly whether any refusal could concern a message.

In: the registry, refusals, refused texts, an advertisement. Out: False where no rule on refusals can hold; True proves nothing.
Never: a decision; a refusal's age or source: rules ask for these.

Most recipients with a refusal get messages from other senders. By the registry (renamed_senders.py) a refusal means a set of names,
computed once.
If none of them is a name of the sender, no rule on refusals can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from proxy.model.message import Facts, Message, hash48
from proxy.model.recipient import OptOut, RefusedText
from proxy.policy.registries.registry import Registry
from proxy.policy.renamed_senders import alike, kept_of, refused_by, same_contacts
from proxy.policy.text.folding import normal_signature

NAMES_MAX = 65_536
"""Refused ones, and senders, of which the names are remembered."""
_Names = frozenset[tuple[str, str | int]]
_Key = TypeVar("_Key")


class RefusalMatch:
    def __init__(self, registry: Registry, similarity: float) -> None:
        """``similarity``: the lowest threshold of all rules that compare texts; 0: no rule does."""
        self._registry = registry
        self.similarity = similarity
        self.refused: dict[bytes, _Names] = {}
        """Names of refused ones, by a refusal's scope and value as octets; and of senders, by their signature."""
        self.senders: dict[int, _Names] = {}

    def any(self, message: Message, opt_outs: Iterable[OptOut], texts: Sequence[RefusedText], facts: Facts) -> bool:
        sender = message.sender
        text = self.senders.get(facts.signature_hash)
        if text is None:
            text = self.sent_by(facts.signature_hash)
        for scope, value, _, _, _ in opt_outs:
            if scope == "provider":
                if value == sender.provider:
                    return True
            elif scope == "port":
                if sender.port.startswith(value):
                    return True
            elif scope in ("advertiser", "signature"):
                refused_texts = self.refused.get(f"{scope} {value}".encode()) or self.meant(scope, value)
                if facts.owners or not text.isdisjoint(refused_texts):
                    return True
            else:
                return True
        return self.sent_before(message, texts)

    def sent_before(self, message: Message, texts: Sequence[RefusedText]) -> bool:
        """Whether a refused sender has sent a similar text."""
        if not texts or not self.similarity:
            return False
        text = kept_of(message.content.text)
        return any(is_like(one.text, text, self.similarity) for one in texts)

    def sent_by(self, signature: int) -> _Names:
        names: _Names = frozenset()
        if signature:
            owner = self._registry.refused_as(signature)
            names = self._names(signature, owner, self._registry.group_of(signature))
            if platform := self._registry.platforms.stopped_with(owner):  # not the other way: a shop's refusal is no platform's
                names |= {("advertiser", platform)}
        return _remember(self.senders, signature, names)

    def meant(self, scope: str, value: str) -> _Names:
        one = refused_by(OptOut(scope, value, 0, "", 0), self._registry)
        names = self._names(one.signature, one.advertiser, self._registry.group_named(one.advertiser))
        return _remember(
            self.refused,
            f"{scope} {value}".encode(),
            names | {("advertiser", value), ("signature", hash48(normal_signature(value)))},
        )

    def _names(self, signature: int, advertiser: str, group: str) -> _Names:
        names: set[tuple[str, str | int]] = {("signature", signature), ("advertiser", advertiser), ("group", group)}
        if licence := self._registry.licence_of(advertiser):
            names.add(("licence", licence))
        return frozenset(names)


@lru_cache(maxsize=16_384)
def is_like(refused_text: str, text: str, similarity: float) -> bool:
    """Whether two kept texts are similar enough."""
    return bool(same_contacts(refused_text, text)) or alike(refused_text, text) >= similarity


def _remember(known: dict[_Key, _Names], key: _Key, names: _Names) -> _Names:
    if len(known) >= NAMES_MAX:
        known.clear()
    known[key] = names
    return names
