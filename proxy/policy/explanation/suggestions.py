"""Suggests what to change so that an objecting rule passes.

In: how a message stands to a rule. Out: words for people; any one suggestion suffices. Never: advice to declare a message as what it is not.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.i18n.phrases import Bilingual, joined
from proxy.model.message import Breach
from proxy.policy import time_windows
from proxy.policy.condition import OneOf
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.condition_results import ConditionResults
from proxy.policy.kinds import when_kinds

EITHER = Bilingual("; or ", "; 或 ")
NO_WAY = Bilingual("nothing that a sender could change", "发送方没有可改之处")
_KINDS = {"marketing": "classified", "signature_count": "signature"}
"""Words of leaves that are not their key in ``when``."""


def suggestion_for(standing: ConditionResults, rule: Rule, breach: Breach) -> Bilingual:
    return joined(EITHER, dict.fromkeys(_options(standing, rule, breach))) or NO_WAY


def _options(standing: ConditionResults, rule: Rule, breach: Breach) -> Iterator[Bilingual]:
    for place, limit in enumerate(rule.limits):
        if limit.share:
            yield Bilingual("send more of the other kind first", "先增加其他短信的占比")
        elif (room := standing.room_at(rule, place)) is not None:
            at = time_windows.local(room)
            yield Bilingual(f"send it from {at} on, when the window has room", f"{at} 起再发(届时额度空出)")
    if rule in standing.rules.ordered:
        yield Bilingual(f"wait until {rule.id} ends or is lifted", f"等指令 {rule.id} 到期或解除")
    else:
        yield from _of_conditions(standing, rule)
    if rule.then == "review":
        yield Bilingual(
            "have a clerk release the text (registries/reviewed.csv)", "由人工审核放行文案(registries/reviewed.csv)"
        )
    if (again := breach.again(standing.message.recipient)) is not None and not rule.limits:
        yield Bilingual(f"send it from {time_windows.local(again)} on", f"{time_windows.local(again)} 起再发")


def _of_conditions(standing: ConditionResults, rule: Rule) -> Iterator[Bilingual]:
    kinds = when_kinds()
    for leaf, _ in standing.rests_on(rule.when):
        word = leaf.field if isinstance(leaf, OneOf) else leaf.word
        if word == "text_state" and standing.state == "readable":
            continue  # it can be read, and there are other reasons
        if kind := kinds.get(_KINDS.get(word, word)):
            yield kind.mend
