"""The state of the signature in the registry.
``signature_state: [unregistered, misused, expired]``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import STATE_WORDS

IN_RECORD = ""
HINT = "a record keeps the signature, not its state then: use signature or advertiser"
CHINESE = (
    "签名的报备状态：已提交、已报备、过期、撤销；`unregistered` 没报备；`misused` 报备给了别的通道商或端口；`none` 没"
    "有签名。宽窄、空格、大小写、形近字、繁体都算同一个签名"
)
MEND = Bilingual(
    "have the signature registered and approved for this provider and port (registries/signatures.csv)",
    "把签名报备给本通道商和端口并审核通过（登记在签名表）",
)
SHAPE = some(among(STATE_WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("signature_state", frozenset(node.words("signature_state", STATE_WORDS)))
