"""Weekdays or dates in the rules' time zone.
``day: weekend``, ``day: [sat, 2026-10-01]``, ``day: {from: 2027-03-03, to: 2027-03-15}``.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, any_of
from proxy.policy import time_windows
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import DATE, among, either, mapping, some
from proxy.policy.loading.source import Node, unknown_word

IN_RECORD = "time"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {"weekdays": range(5), "weekend": range(5, 7)}
_THURSDAY = 3  # 1970-01-01
KEYS = ("from", "to")
CHINESE = "星期几、工作日、周末、日期或日期段（含首尾）"
MEND = Bilingual("send on another day", "换一天发送")
SHAPE = some(either(among((*_WEEKDAYS, *_GROUPS)), DATE, mapping(KEYS, {"from": DATE, "to": DATE}, needs=KEYS)))


def condition(node: Node, context: KindContext) -> Tree:
    weekdays: set[int] = set()
    dates: list[tuple[int, int]] = []
    words: list[str] = []
    for item in node.items():
        if isinstance(item.value, dict):
            keys = item.mapping("day", KEYS)
            if len(keys) < 2:
                raise item.fault("day: needs both from and to (or a single date)")
            first, last = _date(keys["from"]), _date(keys["to"])
            if last < first:
                raise item.fault("day: to is before from (swap them)")
            dates.append((first, last))
            words.append(f"{keys['from'].text('day')} to {keys['to'].text('day')}")
            continue
        word = item.text("day")
        words.append(word)
        if word in _GROUPS:
            weekdays.update(_GROUPS[word])
        elif word in _WEEKDAYS:
            weekdays.add(_WEEKDAYS.index(word))
        elif word[:1].isdigit():
            dates.append((_date(item), _date(item)))
        else:
            raise item.fault(f"day: {unknown_word('day', word, [*_WEEKDAYS, *_GROUPS])}")
    if not words:
        node.texts("day")

    def holds(day: int) -> bool:
        return (day + _THURSDAY) % 7 in weekdays or any(first <= day <= last for first, last in dates)

    test = time_windows.by_day(holds, Bilingual("day is " + any_of(words), "当天是" + any_of(words).zh))
    return Test("time", test.holds, test.words, "day", time=test)


def _date(node: Node) -> int:
    at, has_time = node.parsed("day", time_windows.moment)
    if has_time:
        raise node.fault("day: takes whole days (use time for hours)")
    return (int(at) + time_windows.OFFSET_S) // time_windows.DAY_S
