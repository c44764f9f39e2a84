"""text_state: whether the text can be read at all: ``text_state: [unreadable, compressed]``."""

from __future__ import annotations

from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import among, some
from proxy.policy.source import Node

IN_RECORD = ""
STATES = ("readable", "unreadable", "binary", "compressed", "wap-push", "empty")
SHAPE = some(among(STATES))


def condition(node: Node, context: Context) -> Tree:
    return OneOf("text_state", frozenset(node.words("text_state", STATES)))
