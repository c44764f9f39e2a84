"""Whether the text can be read at all.
``text_state: [unreadable, compressed]``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node

IN_RECORD = ""
STATES = ("readable", "unreadable", "binary", "compressed", "wap-push", "empty")
CHINESE = "文本可读、读不出、二进制、压缩、WAP 推送、空"
MEND = Bilingual(
    "send a text that can be read: GSM 7-bit, Latin-1 or UCS-2, not compressed, without controls that change its order",
    "发送可读的文本（GSM 7位、Latin-1 或 UCS-2，不压缩，不含改变显示顺序的控制符）",
)
SHAPE = some(among(STATES))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("text_state", frozenset(node.words("text_state", STATES)))
