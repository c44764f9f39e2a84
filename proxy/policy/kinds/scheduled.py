"""The day of scheduled delivery, by schedule_delivery_time.
``scheduled: later`` (on a later day than today), ``today`` (later today), ``none`` (at once).
"""

from __future__ import annotations

from proxy.i18n.phrases import OR, Bilingual, joined
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy import time_windows
from proxy.policy.condition import RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, some
from proxy.policy.loading.source import Node

IN_RECORD = ""
HINT = "a record keeps when a message was sent: refuse what is scheduled in a rule of its own"
WORDS = {
    "none": Bilingual("at once", "立即"),
    "today": Bilingual("later today", "今天晚些时候"),
    "later": Bilingual("on a later day", "明天或以后"),
}
CHINESE = "定时下发：明天及以后 `later`、今天晚些时候 `today`、立即 `none`"
MEND = Bilingual(
    "ask for delivery at another time, or submit it on the day it is to be delivered",
    "改变要求的下发时间，或在要下发的当天再提交",
)
SHAPE = some(among(WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    words = frozenset(node.words("scheduled", WORDS))

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        return _word(message.content.scheduled, now) in words

    text = joined(OR, [spoken for word, spoken in WORDS.items() if word in words])
    return RecipientTest(holds, Bilingual(f"it is to be delivered {text}", f"要求{text.zh}下发"), "scheduled")


def _word(scheduled: float | None, now: float) -> str:
    if scheduled is None or scheduled <= now:
        return "none"
    return "today" if _day(scheduled) == _day(now) else "later"


def _day(time: float) -> int:
    """In China."""
    return (int(time) + time_windows.OFFSET_S) // time_windows.DAY_S
