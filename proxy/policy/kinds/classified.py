"""classified: what the text itself says it is; no evidence reads as notice: ``classified: marketing``."""

from __future__ import annotations

from proxy.message import Category
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.source import Node

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"


def condition(node: Node, context: Context) -> Tree:
    return OneOf("classified", frozenset(node.words("classified", [category.word for category in Category], "category")))
