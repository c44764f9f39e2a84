"""The recipient's preferred times, by ``registries/preferences.csv``.
``preferences: against`` (they do not want such messages now), ``none`` (no preferences registered).
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy import time_windows
from proxy.policy.condition import AnyOf, RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.people import speaks_of

IN_RECORD = "person"
WORDS = ("against", "none")
CHINESE = "号码登记了此时不收这类短信；`none` 没登记"
MEND = Bilingual("leave this person out, or send when they want such messages", "不发给该号码，或在其愿意接收的时间发送")
SHAPE = some(among(WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    words = node.words("preferences", WORDS)
    wishes, holidays = context.registry.preferences, context.registry.holidays

    def against(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        rows = wishes.of(message.recipient)
        if not rows:
            return False
        at = max(now, message.content.scheduled or 0.0)
        holiday = holidays.is_a("holiday", (int(at) + time_windows.OFFSET_S) // time_windows.DAY_S)
        of = frozenset((facts.category.word, facts.subcategory))
        return any(speaks_of(row, of, at, holiday) for row in rows)

    def none(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        return not wishes.of(message.recipient)

    parts: list[Tree] = []
    if "against" in words:
        said = Bilingual("the recipient does not want such messages now", "该号码登记了此时不收这类短信")
        parts.append(RecipientTest(against, said, "preferences", passing=True))
    if "none" in words:
        said = Bilingual("the recipient has registered no wishes", "该号码没有登记接收偏好")
        parts.append(RecipientTest(none, said, "preferences"))
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
