"""subcategory: loan, estate, medical … as the text says: ``subcategory: [loan, estate]``; ``none`` is a value."""

from __future__ import annotations

from ..category import SUBCATEGORIES
from ..condition import OneOf, Tree
from ..source import Node
from . import Context

IN_RECORD = "subcategory"


def condition(node: Node, context: Context) -> Tree:
    return OneOf("subcategory", frozenset(node.words("subcategory", [*SUBCATEGORIES[1:], "none"], "sub-category")))
