"""The state of the signature's filing with the carrier, for the recipient's province.
``filing_state: [expired, refused]``, by ``registries/filings.csv``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, any_of
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy.condition import All, AnyOf, OneOf, RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.filings import BY_PLACE, FILING_WORDS

IN_RECORD = ""
HINT = "a record keeps the signature, not its filing then: use signature or advertiser"
CHINESE = (
    "签名在运营商、省份的报备状态(`registries/filings.csv`): 报备中 `pending`、已报备 `filed`、被驳回 `refused`、待复审 `review-due`、"
    "已到期 `expired`; `missing` 在该运营商或省份没有报备; `none` 该签名没有登记报备情况"
)
MEND = Bilingual(
    "have the signature filed with this carrier and province, or its filing renewed (registries/filings.csv)",
    "在该运营商、省份报备签名, 或办理续期、复审(registries/filings.csv)",
)
SHAPE = some(among(FILING_WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    states = frozenset(node.words("filing_state", FILING_WORDS))
    everywhere = OneOf("filing_state", states)
    registry, regions = context.registry, context.regions
    if not registry.filings.by_place:
        return everywhere

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        at = max(now, message.content.scheduled or 0.0)
        carrier = registry.carrier_of(message.sender.port, message.recipient) if registry.filings.names_carriers else ""
        return registry.filings.state_in(facts.signature, carrier, regions.of(message.recipient)[0], at) in states

    named = any_of(sorted(states))
    words = Bilingual(f"the filing for this carrier and province is {named}", f"签名在该运营商、省份的报备状态是{named.zh}")
    here = RecipientTest(holds, words, "filing_state", passing=True)
    return AnyOf((everywhere, All((OneOf("filing_state", frozenset((BY_PLACE,))), here))))
