"""Whether the port is registered in the name of the signature's advertiser.
``port_user: other``, by the column ``advertiser`` of ``registries/ports.csv``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import PORT_USERS

IN_RECORD = ""
HINT = "a record keeps the port as a whole: use port or provider"
CHINESE = (
    "端口实名: `own` 端口登记在签名的广告主(或其平台)名下; `other` 登记在别家名下; `none` 端口没有实名登记, 或短信没有签名"
)
MEND = Bilingual(
    "send from a port of this advertiser, or have the port registered in its name (registries/ports.csv)",
    "换用该广告主名下的端口, 或把端口登记到该广告主名下(registries/ports.csv)",
)
SHAPE = some(among(PORT_USERS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("port_user", frozenset(node.words("port_user", PORT_USERS)))
