"""subcategory: loan, estate, medical … as the text says: ``subcategory: [loan, estate]``; ``none`` is a value."""

from __future__ import annotations

from proxy.policy.category import SUBCATEGORIES
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.source import Node

IN_RECORD = "subcategory"


def condition(node: Node, context: Context) -> Tree:
    return OneOf("subcategory", frozenset(node.words("subcategory", [*SUBCATEGORIES[1:], "none"], "sub-category")))
