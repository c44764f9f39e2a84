"""The group of the advertiser, by registries/signatures.csv.
``group: 某公司``; ``none`` without a signature.
"""

from __future__ import annotations

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import some, suggested
from proxy.policy.loading.source import Node

IN_RECORD = "signature"
CHINESE = "签名背后公司所属的集团"
MEND = Bilingual("nothing in the message: the rule is about the advertiser's group", "短信本身改不了：规则针对广告主所属集团")
SHAPE = some(suggested(("none",)))


def condition(node: Node, context: KindContext) -> Tree:
    known = context.registry.groups
    for item in node.items():
        name = item.text("group", digits=True)
        if name not in known and name != "none":
            raise item.fault(f"group: {unknown('group', name, known)}; registries/signatures.csv does not name it")
    return OneOf("group", frozenset(node.texts("group", digits=True)))
