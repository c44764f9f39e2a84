"""Telephone numbers in the text.
``contact: none``, ``present``, some of these (``contact: ["4008001234"]``), or ``{outside: [...]}``: any that is not one of these;
``{outside: registered}``: any that is registered neither for the advertiser, nor for the provider, nor for everybody.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.source import Node
from proxy.policy.registries import registered_contacts

IN_RECORD = ""
CHINESE = "文中电话, 写法同上"
MEND = Bilingual(
    "use only telephone numbers that the rule allows, or have them registered (registries/contacts.csv)",
    "只用规则允许的电话号码, 或先登记(registries/contacts.csv)",
)
SHAPE = registered_contacts.SHAPE


def condition(node: Node, context: KindContext) -> Tree:
    return registered_contacts.condition("contact", node, context.registry)
