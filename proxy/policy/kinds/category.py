"""The effective category: the stricter of declared and classified.
``category: marketing``.
"""

from __future__ import annotations

from proxy.i18n.phrases import NOTHING
from proxy.model.message import CATEGORY_WORDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node

IN_RECORD = "category"
CHINESE = "最终类别：验证码 `otp`、通知 `notice`、营销 `marketing`；取申报和内容判定里更严的一个，把广告报成通知没有用"
MEND = NOTHING
SHAPE = some(among(CATEGORY_WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("category", frozenset(node.words("category", CATEGORY_WORDS, "category")))
