"""The beginning of the sender number.
``port: ["1062", "1063"]``; ``binary``: the port is registered for data that no person reads.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, as_written
from proxy.model.message import Sender
from proxy.policy.condition import AnyOf, Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import BINARY

IN_RECORD = ""
HINT = "a record keeps ports as a whole, not their prefixes: count with key: [recipient, port], or by provider"
CHINESE = "主叫号码的开头；`binary` 端口登记为可发二进制数据"
MEND = Bilingual("send from another port", "换一个端口发送")
SHAPE = some(NAME)


def begins_with(prefixes: tuple[str, ...]) -> Test:
    def holds(sender: Sender) -> bool:
        return sender.port.startswith(prefixes)

    written = as_written(prefixes)
    return Test("sender", holds, Bilingual(f"port begins with {written}", f"端口以{written.zh}开头"), "port")


def condition(node: Node, context: KindContext) -> Tree:
    words = set(node.texts("port", digits=True))
    prefixes = tuple(sorted(words - {BINARY}))
    begins = begins_with(prefixes)
    if BINARY not in words:
        return begins
    for_binary = Test("sender", context.registry.sends_binary, _FOR_BINARY, "port")
    return AnyOf((begins, for_binary)) if prefixes else for_binary


_FOR_BINARY = Bilingual("the port is registered for binary data", "端口登记为可发二进制数据")
