"""provider_age: how long ago the provider was taken on: ``provider_age: {below: 30d}`` or ``{above: 30d}``; unknown counts as old."""

from __future__ import annotations

from proxy.message import Sender
from proxy.policy import moments
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import Context
from proxy.policy.problem import RuleFault
from proxy.policy.shape import DURATION, one_of
from proxy.policy.source import Node
from proxy.policy.spoken import Said

IN_RECORD = ""
HINT = "a record keeps the provider, not its age then: leave recipient out of the key"
KEYS = ("below", "above")
CHINESE = "通道商入网不满或已满多久; 没写 `since` 算老的"
MEND = Said(
    "nothing in the message: the rule is about how long the provider has been here", "短信本身改不了: 规则针对通道商的入网时间"
)
SHAPE = one_of(KEYS, DURATION)


def condition(node: Node, context: Context) -> Tree:
    keys = node.mapping("provider_age", KEYS)
    if len(keys) != 1:
        raise RuleFault(node.line, "provider_age: say either below or above, with a duration like 30d")
    ((word, value),) = keys.items()
    written = value.text("provider_age")
    try:
        age_s = moments.duration(written)
    except ValueError as fault:
        raise RuleFault(value.line, f"provider_age: {fault}") from None
    young = word == "below"

    def holds(sender: Sender, now: float) -> bool:
        return (sender.since is not None and now < sender.since + age_s) is young

    def changes(sender: Sender, now: float) -> float:
        return sender.since + age_s if sender.since is not None and now < sender.since + age_s else moments.NEVER

    return Test(
        "age",
        holds,
        Said(
            f"the provider is {'younger' if young else 'older'} than {written}",
            f"通道商入网{'不满' if young else '已满'} {written}",
        ),
        "provider_age",
        changes=changes,
    )
