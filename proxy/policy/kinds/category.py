"""category: the effective category, the stricter of declared and classified: ``category: marketing``."""

from __future__ import annotations

from proxy.message import Category
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.source import Node

IN_RECORD = "category"


def condition(node: Node, context: Context) -> Tree:
    return OneOf("category", frozenset(node.words("category", [category.word for category in Category], "category")))
