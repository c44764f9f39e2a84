"""The sub-category by the text: loan, estate, medical and others.
``subcategory: [loan, estate]``; ``none`` is a value.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.text.category import SUBCATEGORIES

IN_RECORD = "subcategory"
WORDS = (*SUBCATEGORIES[1:], "none")
CHINESE = "细分类别：贷款、房产、医美、博彩、荐股、招聘、催收、烟酒、游戏、征求同意；`none` 都不是"
MEND = Bilingual("take out what speaks of the subject (see what was found)", "去掉涉及该类的字词（见命中的字词）")
SHAPE = some(among(WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    return OneOf("subcategory", frozenset(node.words("subcategory", WORDS, "sub-category")))
