"""The opt-out notice in the text.
``notice: missing``, ``present``, ``tail`` (at the end), or its wording, which must stand at the end: ``notice: 拒收请回复R``. A notice that
names a link or a telephone number is one, too.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import AnyOf, Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import TEXT, among, either, some
from proxy.policy.loading.source import Node
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.notices import body_tail
from proxy.policy.text.text_analysis import TextAnalysis, asking, at_tail, missing, present

IN_RECORD = ""
WORDS = ("missing", "present", "tail")
CHINESE = "退订方式：`missing` 没有、`present` 有、`tail` 在末尾；其他文字：末尾正是它"
MEND = Bilingual(
    "say at the end of the text how to opt out (拒收请回复R), as the rule asks", "按规则要求在末尾写明退订方式（拒收请回复R）"
)
SHAPE = some(either(among(WORDS), TEXT))


def condition(node: Node, context: KindContext) -> Tree:
    parts: list[Tree] = [_WORDS.get(word) or _wording(word) for word in node.texts("notice")]
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


PRESENT = Test("text", present, Bilingual("there is an opt-out notice", "有退订方式"), "notice", every=True)
_WORDS = {
    "missing": Test("text", missing, Bilingual("there is no opt-out notice", "没有退订方式"), "notice"),
    "present": PRESENT,
    "tail": Test("text", at_tail, Bilingual("an opt-out notice stands at the end", "末尾有退订方式"), "notice", every=True),
}


ASKS = Test("text", asking, Bilingual("it asks for an answer", "它要求回复"), "notice")
"""Whether a text asks for an answer that is no refusal: asked beside the rules, for the record."""


def _wording(written: str) -> Test:
    wanted = squeeze(fold(written)).strip()

    def holds(page: TextAnalysis) -> bool:
        return squeeze(body_tail(page.folded)).endswith(wanted)

    digits = any(character.isdigit() for character in wanted)
    words = Bilingual(f"the text ends with {written}", f"末尾是“{written}”")
    return Test("text", holds, words, "notice", reads="digits" if digits else "", every=True)
