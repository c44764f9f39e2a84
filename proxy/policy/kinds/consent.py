"""consent: what the person agreed to, by ``registries/consents.csv``: ``consent: [absent, expired, revoked, unreviewed]``, ``granted``;
``asked``: this advertiser has asked them already (the person's record knows, whatever became of it).
"""

from __future__ import annotations

from proxy.message import Facts, Message, Recipient
from proxy.policy.condition import AnyOf, Person, Tree
from proxy.policy.kinds import Context
from proxy.policy.people import CONSENT_STATES, state_of
from proxy.policy.shape import among, some
from proxy.policy.source import Node
from proxy.policy.spoken import Said, any_of

IN_RECORD = "person"
WORDS = (*CONSENT_STATES, "asked")
CHINESE = "号码对该广告主的同意状态: 已同意、没有、过期、撤销、证明没审; `asked` 已经问过"
MEND = Said(
    "get this person's consent, with a proof that was looked at (registries/consents.csv)",
    "先取得该号码的同意, 证明经过审核(registries/consents.csv)",
)
SHAPE = some(among(WORDS))


def condition(node: Node, context: Context) -> Tree:
    words = node.words("consent", WORDS, "state")
    states = frozenset(words) - {"asked"}
    registry, consents = context.registry, context.registry.consents

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        mine = registry.advertiser_of(facts.signature_hash)
        known = frozenset(("", mine, facts.signature))
        of = frozenset(("", facts.category.word, facts.subcategory))
        return state_of(consents.newest(message.recipient, known, of, now), now) in states

    def asked(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        mine = registry.advertiser_of(facts.signature_hash)
        return bool(mine) and any(registry.advertiser_of(one) == mine for one in record.asked())

    parts: list[Tree] = []
    if states:
        parts.append(
            Person(
                holds,
                Said(f"the recipient's consent is {any_of(sorted(states))}", f"号码的同意状态是{any_of(sorted(states)).zh}"),
                "consent",
            )
        )
    if "asked" in words:
        parts.append(
            Person(
                asked,
                Said("this advertiser has asked the recipient already", "这个广告主已经向该号码征求过同意"),
                "consent",
                spares_bare=True,
            )
        )
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
