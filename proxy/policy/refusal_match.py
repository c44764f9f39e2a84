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
from typing import Any, TypeVar

import cython

from proxy.model.message import Facts, Message, Sender, hash48
from proxy.model.recipient import OptOut, RefusedText
from proxy.policy.registries.registry import Registry
from proxy.policy.renamed_senders import alike, kept_of, refused_by, same_contacts
from proxy.policy.text.folding import normal_signature

NAMES_MAX = 65_536
"""Refused ones, and senders, of which the names are remembered."""
_Names = frozenset[tuple[str, str | int]]
_Key = TypeVar("_Key")


@cython.final
@cython.cclass
class RefusalMatch:
    _registry: Registry
    similarity: float
    refused: dict[tuple[str, str], _Names]
    """Names of refused ones, by a refusal's scope and value; and of senders, by their signature."""
    senders: dict[int, _Names]

    def __init__(self, registry: Registry, similarity: float) -> None:
        """``similarity``: the lowest threshold of all rules that compare texts; 0: no rule does."""
        self._registry = registry
        self.similarity = similarity
        self.refused, self.senders = {}, {}

    def any(self, message: Message, opt_outs: Iterable[OptOut], texts: Sequence[RefusedText], facts: Facts) -> bool:
        about = any(self.is_about(one.scope, one.value, message, facts) for one in opt_outs)
        return about or any(self.is_like(text.text, message) for text in texts)

    @cython.ccall
    def is_about(self, scope: str, value: str, message: Message, facts: Facts) -> cython.bint:
        """Whether an opt-out may concern an advertisement."""
        sender: Sender = message.sender
        if scope == "provider":
            return value == sender.provider
        if scope == "port":
            return sender.port.startswith(value)
        if scope != "advertiser" and scope != "signature":  # compiled, two comparisons
            return True
        refused: Any = self.refused.get((scope, value))
        if refused is None:
            refused = self.meant(scope, value)
        own: Any = self.senders.get(facts.signature_hash)
        if own is None:
            own = self.sent_by(facts.signature_hash)
        return bool(facts.owners) or not own.isdisjoint(refused)

    @cython.ccall
    def is_like(self, refused_text: str, message: Message) -> cython.bint:
        """Whether an advertisement is similar to a refused text, as far as a rule asks for that."""
        return self.similarity != 0 and is_like(refused_text, kept_of(message.content.text), self.similarity)

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
            (scope, value),
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
