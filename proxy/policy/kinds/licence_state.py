"""The state of the licences of the signature's advertiser.
``licence_state: [expired, pending]``, by ``registries/licences.csv``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.filings import LICENCE_WORDS

IN_RECORD = ""
HINT = "a record keeps the signature, not its advertiser's licences then: use signature or advertiser"
CHINESE = "广告主的资质(`registries/licences.csv`): 每种许可证都有效 `valid`; 有一种已到期 `expired`; 尚未生效 `pending`; 没有登记 `none`"
MEND = Bilingual(
    "have the advertiser renew the licence and register it (registries/licences.csv)",
    "请广告主换证并登记新的有效期(registries/licences.csv)",
)
SHAPE = some(among(LICENCE_WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("licence_state", frozenset(node.words("licence_state", LICENCE_WORDS)))
