"""The 【signature】 of the text, by name.
``signature: 京东``; ``none`` (no signature) and ``several`` (more than one) are values.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import AnyOf, OneOf, Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.text.folding import normal_signature
from proxy.policy.text.text_analysis import several

IN_RECORD = "signature"
CHINESE = "签名是【…】，在开头或末尾。`none` 没有；`several` 多于一个"
MEND = Bilingual(
    "begin the text with one 【signature】 of which the rule does not speak", "开头写一个规则不限制的【签名】，且只写一个"
)
SHAPE = some(suggested(("none", "several")))


SEVERAL = Test("text", several, Bilingual("there are several signatures", "有多个签名"), "signature_count")


def condition(node: Node, context: KindContext) -> Tree:
    words = {name.strip("【】") for name in node.texts("signature", digits=True)}
    parts: list[Tree] = [SEVERAL] if "several" in words else []
    names = frozenset(word if word == "none" else normal_signature(word) for word in words - {"several"})
    if names:
        parts.append(OneOf("signature", names))
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
