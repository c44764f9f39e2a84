"""The city of the recipient's number (advisory).
``city: 南京``; short names such as 巴州 are understood.
"""

from __future__ import annotations

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import TEXT, some
from proxy.policy.loading.source import Node

IN_RECORD = "person"
CHINESE = "号码归属城市"
MEND = Bilingual("leave out people who live there", "不发给归属地在那里的号码")
SHAPE = some(TEXT)


def condition(node: Node, context: KindContext) -> Tree:
    names: set[str] = set()
    for item in node.items():
        written = item.text("city")
        found = context.regions.city_of(written)
        if found is None:
            raise item.fault(f"city: {unknown('city', written, context.regions.cities)}; no segment lies there")
        names.add(found)
    node.texts("city")
    return OneOf("city", frozenset(names))
