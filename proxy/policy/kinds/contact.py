"""Telephone numbers in the text, and contacts of other kinds.
``contact: none`` and ``present`` mean telephone numbers. ``contact: ["4008001234", "wechat:qinghe88"]``: one of these.
``{outside: [...]}``: a telephone number, or a contact of a kind in the list, that is not one of these.
``{kind: [wechat, qq]}``: a contact of these kinds; ``any`` of them.
``{outside: registered}``: a contact of any kind but links that is registered neither for the advertiser (its signature, its template), nor for
the provider, nor for everybody.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.source import Node
from proxy.policy.registries import registered_contacts

IN_RECORD = ""
CHINESE = (
    "文中联系方式：指定的、`outside` 之外的、`registered` 没登记的（电话、微信、QQ、公众号、小程序、抖音、淘口令、邮箱都算）、"
    "`kind` 某些种类的；`none`、`present` 只管电话"
)
MEND = Bilingual(
    "use only contacts that the rule allows, or have them registered (registries/contacts.csv)",
    "只用规则允许的联系方式，或先登记在联系方式表",
)
SHAPE = registered_contacts.SHAPES["contact"]


def condition(node: Node, context: KindContext) -> Tree:
    return registered_contacts.condition("contact", node, context.registry)
