"""subcategory: loan, estate, medical … as the text says: ``subcategory: [loan, estate]``; ``none`` is a value."""

from __future__ import annotations

from proxy.policy.category import SUBCATEGORIES
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import among, some
from proxy.policy.source import Node

IN_RECORD = "subcategory"
WORDS = (*SUBCATEGORIES[1:], "none")
SHAPE = some(among(WORDS))


def condition(node: Node, context: Context) -> Tree:
    return OneOf("subcategory", frozenset(node.words("subcategory", WORDS, "sub-category")))
