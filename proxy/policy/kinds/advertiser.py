"""The advertiser behind the signature, by registries/signatures.csv.
``advertiser: 某公司``; ``none`` without a signature.
"""

from __future__ import annotations

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import some, suggested
from proxy.policy.loading.source import Node

IN_RECORD = "signature"
CHINESE = "签名背后的公司（按报备表）；`none` 没有签名"
MEND = Bilingual("nothing in the message: the rule is about the advertiser", "短信本身改不了：规则针对广告主")
SHAPE = some(suggested(("none",)))


def condition(node: Node, context: KindContext) -> Tree:
    known = context.registry.advertisers
    for item in node.items():
        name = item.text("advertiser", digits=True)
        if name not in known and name != "none":
            raise item.fault(f"advertiser: {unknown('advertiser', name, known)}; registries/signatures.csv does not name it")
    return OneOf("advertiser", frozenset(node.texts("advertiser", digits=True)))
