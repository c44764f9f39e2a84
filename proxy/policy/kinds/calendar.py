"""Holidays and working days, by ``registries/holidays.csv``.
``calendar: holiday``, ``workday``, ``makeup`` (a weekend that is worked), ``rest`` (any day off), or a holiday's name;
``{holiday: true, before: "10:00"}`` only a part of such a day.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, any_of
from proxy.policy import time_windows
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import CLOCK, NAME, TRUTH, either, mapping, some, suggested
from proxy.policy.loading.source import Node, unknown_word
from proxy.policy.registries.holidays import WORDS

IN_RECORD = "time"
KEYS = ("day", "holiday", "before", "after")
CHINESE = "按节假日表：节假日、上班日、调休上班的周末、休息日，或节日名；可以只管其中几点前后"
MEND = Bilingual("send on another day, or at another hour of it", "换一天或换一个时段发送")
SHAPE = either(some(suggested(WORDS)), mapping(KEYS, {"day": some(NAME), "holiday": TRUTH, "before": CLOCK, "after": CLOCK}))


def condition(node: Node, context: KindContext) -> Tree:
    first, last = 0, time_windows.DAY_S
    shown = shown_zh = ""
    if isinstance(node.value, dict):
        keys = node.mapping("calendar", KEYS)
        if len(keys.keys() & {"day", "holiday"}) != 1:
            raise node.fault("calendar: say which days: holiday: true, or day: (like day: 清明)")
        first = keys["after"].parsed("calendar", time_windows.clock) if "after" in keys else first
        last = keys["before"].parsed("calendar", time_windows.clock) if "before" in keys else last
        if last <= first:
            raise node.fault("calendar: before is not later than after")
        shown = " ".join(f" {word} {keys[word].value}" for word in ("after", "before") if word in keys)
        shown_zh = "".join(f" {keys[word].value} {zh}" for word, zh in (("after", "以后"), ("before", "以前")) if word in keys)
        words = _words(keys["day"], context) if "day" in keys else _holiday(keys["holiday"])
    else:
        words = _words(node, context)
    holidays, text = context.registry.holidays, any_of(words)

    def holds(at: float) -> bool:
        day, second = divmod(int(at) + time_windows.OFFSET_S, time_windows.DAY_S)
        return first <= second < last and any(holidays.is_a(word, day) for word in words)

    def changes(at: float) -> float:
        midnight = time_windows.next_midnight(at) - time_windows.DAY_S
        return min((midnight + edge for edge in (first, last) if midnight + edge > at), default=midnight + time_windows.DAY_S)

    test = time_windows.TimeTest(holds, changes, Bilingual(f"the day is {text}{shown}", f"当天是{text.zh}{shown_zh}"))
    return Test("time", test.holds, test.words, "calendar", time=test)


def _holiday(node: Node) -> list[str]:
    if not node.truth("calendar: holiday"):
        raise node.fault("calendar: holiday: false is no condition (write calendar: workday, or not: {calendar: holiday})")
    return ["holiday"]


def _words(node: Node, context: KindContext) -> list[str]:
    known = [*WORDS, *context.registry.holidays.names]
    words = node.texts("calendar")
    for item, word in zip(node.items(), words, strict=True):
        if word not in known:
            raise item.fault(f"calendar: {unknown_word('day', word, known)}; registries/holidays.csv has the names")
    return words
