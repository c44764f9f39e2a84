"""recipient_in: the person is on a list of the rules folder: ``recipient_in: vip`` (see ``lists:``)."""

from __future__ import annotations

from proxy.message import Facts, Message, Recipient
from proxy.policy.condition import Person, Tree
from proxy.policy.kinds import Context
from proxy.policy.source import Node

IN_RECORD = "person"


def condition(node: Node, context: Context) -> Tree:
    names = node.words("recipient_in", context.lists, "list")
    sets = tuple(context.lists[name].numbers for name in names)

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        number = message.recipient
        return any(number in numbers for numbers in sets)

    return Person(holds, "the recipient is on " + " or ".join(names), "recipient_in")
