"""declared: what the sender said the message is: ``declared: [otp, notice]``."""

from __future__ import annotations

from proxy.message import CATEGORY_WORDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import among, some
from proxy.policy.source import Node

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"
SHAPE = some(among(CATEGORY_WORDS))


def condition(node: Node, context: Context) -> Tree:
    return OneOf("declared", frozenset(node.words("declared", CATEGORY_WORDS, "category")))
