"""provider: the channel provider by its name in the settings: ``provider: [jia, yi]``."""

from __future__ import annotations

from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import NAME, some
from proxy.policy.source import Node

IN_RECORD = "provider"
SHAPE = some(NAME)


def condition(node: Node, context: Context) -> Tree:
    return OneOf("provider", frozenset(node.texts("provider", digits=True)))
