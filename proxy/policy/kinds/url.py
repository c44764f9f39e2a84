"""Links in the text.
``url: none``, ``present``, some of these (``url: ["t.cn"]``), or ``{outside: [...]}``: any that is not one of these;
``{outside: registered}``: any that is registered neither for the advertiser, nor for the provider, nor for everybody.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.source import Node
from proxy.policy.registries import registered_contacts

IN_RECORD = ""
CHINESE = "文中链接：指定域名、`outside` 之外的、`registered` 没登记的、`none` 没有、`present` 有"
MEND = Bilingual(
    "use only links that the rule allows, or have them registered (registries/contacts.csv)",
    "只用规则允许的链接，或先登记在联系方式表",
)
SHAPE = registered_contacts.SHAPES["url"]


def condition(node: Node, context: KindContext) -> Tree:
    return registered_contacts.condition("url", node, context.registry)
