"""classified: what the text itself says it is; no evidence reads as notice: ``classified: marketing``.

``classified: {marketing: likely}`` asks how surely a text is marketing: surely counts as marketing, likely is left to the rules.
"""

from __future__ import annotations

from proxy.message import Category
from proxy.policy.category import BANDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Context
from proxy.policy.problem import RuleFault
from proxy.policy.source import Node

IN_RECORD = ""
HINT = "a record keeps the effective category: use category"


def condition(node: Node, context: Context) -> Tree:
    if not isinstance(node.value, dict):
        return OneOf("classified", frozenset(node.words("classified", [category.word for category in Category], "category")))
    keys = node.mapping("classified", ("marketing",))
    if not keys:
        raise RuleFault(node.line, f"classified: says nothing (write {{marketing: …}}: one of {', '.join(BANDS)})")
    return OneOf("marketing", frozenset(keys["marketing"].words("classified: marketing", BANDS, "band")))
