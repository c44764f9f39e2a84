"""The category by the text itself; no evidence reads as notice.
``classified: marketing``.

``classified: {marketing: likely}`` asks how surely a text is marketing: surely counts as marketing, likely is left to the rules.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.model.message import CATEGORY_WORDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, either, mapping, some
from proxy.policy.loading.source import Node
from proxy.policy.text.category import BANDS

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"
KEYS = ("marketing",)
CHINESE = "内容本身像什么；没有证据算通知。`{marketing: likely}` 问有多像营销：肯定、很可能、几乎不像"
MEND = Bilingual("take out what makes it read as it does (see what was found)", "去掉让内容这样判定的字词（见命中的字词）")
SHAPE = either(some(among(CATEGORY_WORDS)), mapping(KEYS, {"marketing": some(among(BANDS))}))


def condition(node: Node, context: KindContext) -> Tree:
    if not isinstance(node.value, dict):
        return OneOf("classified", frozenset(node.words("classified", CATEGORY_WORDS, "category")))
    keys = node.mapping("classified", KEYS)
    if not keys:
        raise node.fault(f"classified: says nothing (write {{marketing: …}}: one of {', '.join(BANDS)})")
    return OneOf("marketing", frozenset(keys["marketing"].words("classified: marketing", BANDS, "band")))
