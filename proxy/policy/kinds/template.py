"""The registered template of the text, by ``registries/templates.csv``.
``template:`` a template's name, ``matched`` (any), ``mismatched`` (its signature has templates, but none of them fits), ``unregistered`` (its
signature has none).
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import some, suggested
from proxy.policy.loading.source import Node

IN_RECORD = ""
HINT = "a record keeps the text's fingerprint: count with key: [recipient, template], or by signature"
WORDS = ("matched", "mismatched", "unregistered")
CHINESE = "是不是报备的模板：模板名；`matched` 是其中之一；`mismatched` 签名有模板但都对不上；`unregistered` 签名没有模板"
MEND = Bilingual(
    "send the text as it is registered, or have it registered (registries/templates.csv)",
    "按报备的模板发送，或先报备模板（登记在模板表）",
)
SHAPE = some(suggested(WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    names = context.registry.templates.names
    words = set(node.words("template", [*WORDS, *names], "template"))
    if "matched" in words:
        words |= names
    return OneOf("template", frozenset(words))
