"""port: the sender number begins with one of these prefixes: ``port: ["1062", "1063"]``."""

from __future__ import annotations

from proxy.message import Sender
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import Context
from proxy.policy.shape import NAME, some
from proxy.policy.source import Node
from proxy.policy.spoken import Said, as_written

IN_RECORD = ""
HINT = "a record keeps ports as a whole, not their prefixes: count with key: [recipient, port], or by provider"
CHINESE = "主叫号码的开头"
MEND = Said("send from another port", "换一个端口发送")
SHAPE = some(NAME)


def condition(node: Node, context: Context) -> Tree:
    prefixes = tuple(sorted(set(node.texts("port", digits=True))))

    def holds(sender: Sender) -> bool:
        return sender.port.startswith(prefixes)

    return Test(
        "sender", holds, Said("port begins with " + as_written(prefixes), "端口以" + as_written(prefixes).zh + "开头"), "port"
    )
