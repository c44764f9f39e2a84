"""account: the account (system_id) it came in on: ``account: jia-2``."""

from __future__ import annotations

from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import NAME, some
from proxy.policy.source import Node

IN_RECORD = ""
HINT = "a record keeps the provider, not its account: use provider"
SHAPE = some(NAME)


def condition(node: Node, context: Context) -> Tree:
    return OneOf("account", frozenset(node.texts("account", digits=True)))
