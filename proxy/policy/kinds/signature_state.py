"""signature_state: how the signature stands in the registry: ``signature_state: [unregistered, misused, expired]``."""

from __future__ import annotations

from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.registry import STATE_WORDS
from proxy.policy.shape import among, some
from proxy.policy.source import Node
from proxy.policy.spoken import Said

IN_RECORD = ""
HINT = "a record keeps the signature, not its state then: use signature or advertiser"
MEND = Said(
    "have the signature registered and approved for this provider and port (registries/signatures.csv)",
    "把签名报备给本通道商和端口并审核通过(registries/signatures.csv)",
)
SHAPE = some(among(STATE_WORDS))


def condition(node: Node, context: Context) -> Tree:
    return OneOf("signature_state", frozenset(node.words("signature_state", STATE_WORDS)))
