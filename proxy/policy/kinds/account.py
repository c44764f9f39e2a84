"""The account (system_id) that submitted the message.
``account: jia-2``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, some
from proxy.policy.loading.source import Node

IN_RECORD = ""
HINT = "a record keeps the provider, not its account: use provider"
CHINESE = "从哪个账号（`system_id`）进来"
MEND = Bilingual("nothing in the message: the rule is about the account it comes from", "短信本身改不了：规则针对发送账号")
SHAPE = some(NAME)


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("account", frozenset(node.texts("account", digits=True)))
