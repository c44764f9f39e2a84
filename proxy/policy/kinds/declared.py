"""The category that the sender declared for the message.
``declared: [otp, notice]``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.model.message import CATEGORY_WORDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"
CHINESE = "发送方申报的类别：报备模板的类别，其次端口唯一登记的类别，其次设置里通道商的类别，都没有就算营销"
MEND = Bilingual(
    "declare it as what it is: the port, the template or the provider's category",
    "按实际类别申报（端口、模板或通道商默认类别）",
)
SHAPE = some(among(CATEGORY_WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("declared", frozenset(node.words("declared", CATEGORY_WORDS, "category")))
