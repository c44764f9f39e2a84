"""The time since the provider was taken on.
``provider_age: {below: 30d}`` or ``{above: 30d}``; unknown counts as old.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Sender
from proxy.policy import time_windows
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import DURATION, one_of
from proxy.policy.loading.source import Node

IN_RECORD = ""
HINT = "a record keeps the provider, not its age then: leave recipient out of the key"
KEYS = ("below", "above")
CHINESE = "通道商入网不满或已满多久；没写 `since` 算老的"
MEND = Bilingual(
    "nothing in the message: the rule is about how long the provider has been here", "短信本身改不了：规则针对通道商的入网时间"
)
SHAPE = one_of(KEYS, DURATION)


def condition(node: Node, context: KindContext) -> Tree:
    keys = node.mapping("provider_age", KEYS)
    if len(keys) != 1:
        raise node.fault("provider_age: say either below or above, with a duration like 30d")
    ((word, value),) = keys.items()
    written = value.text("provider_age")
    age_s = value.parsed("provider_age", time_windows.duration)
    young = word == "below"

    def holds(sender: Sender, now: float) -> bool:
        return (sender.since is not None and now < sender.since + age_s) is young

    def changes(sender: Sender, now: float) -> float:
        return sender.since + age_s if sender.since is not None and now < sender.since + age_s else time_windows.NEVER

    words = Bilingual(
        f"the provider is {'younger' if young else 'older'} than {written}",
        f"通道商入网{'不满' if young else '已满'} {time_windows.spell_in_chinese(int(age_s))}",
    )
    return Test("age", holds, words, "provider_age", changes=changes)
