"""The channel provider, by its name in the settings.
``provider: [jia, yi]``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, some
from proxy.policy.loading.source import Node

IN_RECORD = "provider"
CHINESE = "由哪家通道商发来（设置里的名字）"
MEND = Bilingual("nothing in the message: the rule is about the provider", "短信本身改不了：规则针对通道商")
SHAPE = some(NAME)


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("provider", frozenset(node.texts("provider", digits=True)))
