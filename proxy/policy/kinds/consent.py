"""The recipient's consent to this advertiser, from register or import.
``consent: [absent, expired, revoked, unreviewed]``, ``granted``: by ``registries/consents.csv`` and by what was imported into the gate
(``gate106 consent list``), whichever is newer; ``asked``: this advertiser has asked the recipient already (the record knows, whatever the
answer). A refusal that covers the message takes back a consent given before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.i18n.phrases import Bilingual, any_of
from proxy.model.message import Facts, Message, Sender
from proxy.model.recipient import Consent, OptOut, Recipient
from proxy.policy.condition import AnyOf, RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.kinds.suppressed import covers
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.people import CONSENT_STATES, ConsentRow, state_of
from proxy.policy.registries.registry import Registry

IN_RECORD = "person"
WORDS = (*CONSENT_STATES, "asked")
CHINESE = "号码对该广告主的同意状态：已同意、没有、过期、撤销、证明没审；`asked` 已经问过"
MEND = Bilingual(
    "get this person's consent, with a proof that was looked at (registries/consents.csv, gate106 consent import)",
    "先取得该号码的同意，证明经过审核（登记在同意表，或由 gate106 consent import 导入）",
)
SHAPE = some(among(WORDS))


def refusal_since(time: float, refusals: Sequence[OptOut], sender: Sender, facts: Facts, registry: Registry) -> OptOut | None:
    """The first refusal on file, one that is over too, that is as new as a consent and covers the message."""
    for one in refusals:
        if one.time < time:
            continue
        if one.scope == "advertiser":
            if registry.same_advertiser(one.value, facts.signature_hash):
                return one
        elif covers("global" if one.scope == "all" else one.scope, one.value, sender, facts):
            return one
    return None


def condition(node: Node, context: KindContext) -> Tree:
    words = node.words("consent", WORDS, "state")
    states = frozenset(words) - {"asked"}
    registry, consents = context.registry, context.registry.consents

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        advertiser = registry.advertiser_of(facts.signature_hash)
        known = frozenset(("", advertiser, facts.signature))
        of = frozenset(("", facts.category.word, facts.subcategory))
        words: list[ConsentRow | Consent] = [*record.consents(known, of, now)]
        if (row := consents.newest(message.recipient, known, of, now)) is not None:
            words.append(row)
        # of two of one moment what was taken back counts
        newest = max(words, key=lambda one: (one.time, one.state == "revoked"), default=None)
        granted = newest if newest is not None and newest.state == "granted" else None
        if granted is not None and refusal_since(granted.time, record.opt_outs(), message.sender, facts, registry):
            return "revoked" in states
        return state_of(newest, max(now, message.content.scheduled or 0.0)) in states  # it must hold when the person gets it

    def asked(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        advertiser = registry.advertiser_of(facts.signature_hash)
        return bool(advertiser) and any(registry.advertiser_of(one) == advertiser for one in record.asked())

    parts: list[Tree] = []
    if states:
        named = any_of(sorted(states))
        parts.append(
            RecipientTest(holds, Bilingual(f"the recipient's consent is {named}", f"号码的同意状态是{named.zh}"), "consent")
        )
    if "asked" in words:
        said = Bilingual("this advertiser has asked the recipient already", "这个广告主已经向该号码征求过同意")
        parts.append(RecipientTest(asked, said, "consent", spares_bare=True))
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
