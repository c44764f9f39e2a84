"""declared: what the sender said the message is: ``declared: [otp, notice]``."""

from __future__ import annotations

from proxy.message import Category
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.source import Node

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"


def condition(node: Node, context: Context) -> Tree:
    return OneOf("declared", frozenset(node.words("declared", [category.word for category in Category], "category")))
