"""Computes days, weeks, windows and dates in the rules' zone.

In: seconds since 1970 (UTC). Out: starts of calendar periods; windows; time conditions that know when they change next. Never: the clock.
The zone is Asia/Shanghai: UTC+8 with no summer time since 1991, so plain arithmetic is exact. Only times of day may use another zone.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import cython

from proxy.i18n.phrases import Bilingual

ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")
OFFSET_S = 8 * 3600
DAY_S = 86_400
WINDOW_MAX_S = 366 * DAY_S
"""No record keeps more than a year: a longer window is a mistake."""
NEVER = math.inf
_OFFSET_S = cython.declare(cython.longlong, OFFSET_S)
_DAY_S = cython.declare(cython.longlong, DAY_S)

CALENDAR_S = {"minute": 60, "hour": 3600, "day": DAY_S, "week": 7 * DAY_S, "month": 31 * DAY_S}
"""Calendar periods with their longest length."""

DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_IN_CHINESE = {"s": "秒", "m": "分钟", "h": "小时", "d": "天"}
_UNITS_SPOKEN = {"秒": "s", "分钟": "m", "分": "m", "小时": "h", "时": "h", "天": "d", "日": "d", "周": "w", "星期": "w"}
_SPOKEN = re.compile(rf"([1-9][0-9]{{0,8}})\s*个?({'|'.join(_UNITS_SPOKEN)})")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")
_OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
MONTH = re.compile("20[0-9]{2}-(?:0[1-9]|1[0-2])")
WHEN = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?")


class Window(NamedTuple):
    """What a limit counts over: a calendar period, or the last ``seconds`` (``unit`` rolling)."""

    unit: str
    seconds: int

    def after(self, now: float) -> int:
        """Entries later than this (exclusive, whole seconds) are inside: rolling is (now−w, now], a day starts at midnight."""
        return after(self, now)

    def start(self, now: float) -> int:
        """When the calendar period of ``now`` began."""
        local = int(now) + OFFSET_S
        if self.unit == "week":  # 1970-01-01 was a Thursday; weeks start on Monday
            day = local // DAY_S
            return (day - (day + 3) % 7) * DAY_S - OFFSET_S
        if self.unit == "month":
            moment = datetime.fromtimestamp(int(now), ZONE)
            return int(moment.replace(day=1, hour=0, minute=0, second=0).timestamp())
        return local // self.seconds * self.seconds - OFFSET_S

    def end(self, now: float) -> int | None:
        """When a calendar period ends; a rolling window ends when its oldest message leaves it, which is not known here."""
        if self.unit == "rolling":
            return None
        if self.unit == "month":
            return self.start(self.start(now) + 32 * DAY_S)
        return self.start(now) + self.seconds

    def __str__(self) -> str:
        return self.unit if self.unit != "rolling" else spell(self.seconds)


@cython.ccall
def after(window: Window, now: cython.double) -> cython.longlong:
    """``Window.after``."""
    fields: tuple[Any, ...] = cython.cast(tuple, window)  # an attribute of a NamedTuple costs more
    unit: str = fields[0]
    seconds: cython.longlong = fields[1]
    second: cython.longlong = int(now)
    if unit[0] == "r":  # rolling; compiled, one comparison of characters
        return second - seconds
    if seconds > _DAY_S:  # a week, a month
        return window.start(now) - 1
    return (second + _OFFSET_S) // seconds * seconds - _OFFSET_S - 1


def spell(seconds: int) -> str:
    """``7d``, ``59s``: the largest unit that divides."""
    for unit in ("d", "h", "m"):
        if seconds % _UNIT_S[unit] == 0:
            return f"{seconds // _UNIT_S[unit]}{unit}"
    return f"{seconds}s"


def spell_in_chinese(seconds: int) -> str:
    """``7 天``, ``59 秒``; a day is 24 小时, as it is not one of the calendar's."""
    spelt = spell(seconds) if seconds != DAY_S else f"{DAY_S // _UNIT_S['h']}h"
    return f"{spelt[:-1]} {_IN_CHINESE[spelt[-1]]}"


class ChineseDuration(ValueError):
    """A duration in Chinese, and as it is to be written."""

    def __init__(self, text: str, meant: str) -> None:
        super().__init__(f"'{text}' is no duration (write {meant})")
        self.meant = meant


def duration(text: str) -> int:
    """Seconds of ``59s 24h 7d``; ValueError otherwise."""
    match = DURATION.fullmatch(text)
    if not match:
        spoken = _SPOKEN.fullmatch(text)
        if spoken:
            raise ChineseDuration(text, spoken[1] + _UNITS_SPOKEN[spoken[2]])
        raise ValueError(f"'{text}' is no duration (like 59s, 30m, 24h, 7d)")
    return int(match[1]) * _UNIT_S[match[2]]


def moment(text: str) -> tuple[float, bool]:
    """A date, or date and time, as seconds and whether a time was said; local unless it names an offset."""
    match = WHEN.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is no date (like 2026-11-11, or 2026-11-11 21:00)")
    try:
        day = datetime.fromisoformat(match[1] + "T" + (match[2] or "00:00") + (match[3] or "").replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"'{text}' is no date of the calendar") from None
    return (day if day.tzinfo else day.replace(tzinfo=ZONE)).timestamp(), match[2] is not None


_DAY = r"(?:(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?|(\d{4})(\d{2})(\d{2}))"
_TIME = r"(?:(\d{1,2})\s*[:时点]\s*(\d{1,2})(?:[:分]\s*(\d{1,2})秒?(?:\.\d+)?)?分?|(\d{2})(\d{2})(\d{2})?)"
_IN_TABLES = re.compile(rf"{_DAY}(?:(?:[\sT]+|(?<=日)|(?<=\d{{8}})){_TIME}(?:\+08:00)?)?", re.ASCII)


_SERIAL = re.compile(r"[34567]\d{4}(?:\.0+)?", re.ASCII)
"""A day as spreadsheets count it, where a cell has lost its format."""


def table_moment(text: str) -> tuple[float, bool]:
    """The same of a cell of a table, in any usual spelling: 2027/6/30, 2027年6月30日 8点05分, 20270630."""
    if WHEN.fullmatch(text):
        return moment(text)
    written = unicodedata.normalize("NFKC", text).strip()
    if _SERIAL.fullmatch(written):
        return moment(str(date(1899, 12, 30) + timedelta(days=int(float(written)))))
    found = _IN_TABLES.fullmatch(written)
    if not found:
        return moment(written)
    year, month, day, *packed_day, hour, minute, second, packed_hour, packed_minute, packed_second = found.groups("")
    written_day = "-".join(packed_day) if not year else f"{year}-{month:0>2}-{day:0>2}"
    clock = [packed_hour, packed_minute, packed_second] if packed_hour else [hour, minute, second]
    return moment(f"{written_day} {':'.join(f'{part:0>2}' for part in clock)}" if any(clock) else written_day)


_WRITTEN = re.compile(r"(\d{4})\s*[-/.年]?\s*(\d{1,2})\s*(?:月|[-/.月]\s*(\d{1,2})日?|(\d{2}))?", re.ASCII)


def month_span(month: str) -> tuple[float, float]:
    """When a month (``2026-11``) begins and ends. ValueError."""
    if not MONTH.fullmatch(month):
        raise ValueError(f"'{month[:40]}' is no month (like 2026-11)")
    since = moment(f"{month}-01")[0]
    until = Window("month", 0).end(since)
    assert until is not None
    return since, float(until)


def iso_date(written: str) -> str:
    """A month or a day as tables write it (``2026/5``, ``20260503``, ``2026年5月3日``) as 2026-05 or 2026-05-03; other texts as they are."""
    found = _WRITTEN.fullmatch(written.strip())
    if found is None:
        return written
    day = found[3] or found[4]
    return f"{found[1]}-{int(found[2]):02}" + (f"-{int(day):02}" if day else "")


def local(at: float) -> str:
    """A moment as local time text."""
    return datetime.fromtimestamp(at, UTC).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def clock(text: str) -> int:
    """Seconds after midnight of ``21:00``; ValueError otherwise."""
    match = CLOCK.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is no time of day (like 08:00, two digits each)")
    return int(match[1] or match[3]) * 3600 + int(match[2] or match[4]) * 60


def two_digits(text: str) -> str:
    """``9:00-10:00`` as 09:00-10:00: a span of times of day with the digits that lack; empty where it is something else."""
    written = [f"{one.strip():0>5}" for one in text.split("-")]
    return "-".join(written) if all(map(CLOCK.fullmatch, written)) else ""


class TimeTest(NamedTuple):
    """A condition on a moment: whether it holds, and the next moment at which that may change."""

    holds: Callable[[float], bool]
    changes: Callable[[float], float]
    words: Bilingual


def between(spans: list[tuple[float, float]], words: Bilingual) -> TimeTest:
    """Holds from each first moment (included) to its last (excluded)."""

    def holds(at: float) -> bool:
        return any(first <= at < last for first, last in spans)

    def changes(at: float) -> float:
        return min((edge for span in spans for edge in span if edge > at), default=NEVER)

    return TimeTest(holds, changes, words)


def within(second: int, spans: list[tuple[int, int]]) -> bool:
    """Whether a second of the day lies in one of these; a span that ends before it starts passes midnight."""
    return any(a <= second < b if a < b else (second >= a or second < b) for a, b in spans)


def daily(spans: list[tuple[int, int]], words: Bilingual, zone: tzinfo = ZONE) -> TimeTest:
    """Holds between times of day in a zone."""
    fixed = zone.utcoffset(None)
    if fixed is None:
        return _daily_where_clocks_change(spans, words, zone)
    offset_s = int(fixed.total_seconds())
    edges = sorted({edge % DAY_S for span in spans for edge in span})

    def holds(at: float) -> bool:
        return within((int(at) + offset_s) % DAY_S, spans)

    def changes(at: float) -> float:
        whole = int(at) + offset_s
        midnight = whole // DAY_S * DAY_S
        later = [midnight + edge for edge in edges if midnight + edge > whole] or [midnight + DAY_S + edges[0]]
        return later[0] - offset_s

    return TimeTest(holds, changes, words)


def _daily_where_clocks_change(spans: list[tuple[int, int]], words: Bilingual, zone: tzinfo) -> TimeTest:
    """A zone with summer time: when the answer changes next is looked for minute by minute, for an hour."""

    def holds(at: float) -> bool:
        local = datetime.fromtimestamp(int(at), zone)
        return within(local.hour * 3600 + local.minute * 60 + local.second, spans)

    def changes(at: float) -> float:
        now, minute = holds(at), int(at) // 60 * 60
        return next((minute + later for later in range(60, 3600, 60) if holds(minute + later) != now), minute + 3600.0)

    return TimeTest(holds, changes, words)


def zone_of(written: str) -> tzinfo:
    """The zone a rule names: ``+06:00``, or ``America/New_York``; ValueError otherwise."""
    if match := _OFFSET.fullmatch(written):
        return timezone((-1 if match[1] == "-" else 1) * timedelta(hours=int(match[2]), minutes=int(match[3])))
    try:
        return ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{written}' is no zone (like +06:00, or America/New_York)") from None


def next_clock(second: int, at: float) -> float:
    """The first moment from ``at`` on that is this many seconds after midnight."""
    midnight = (int(at) + OFFSET_S) // DAY_S * DAY_S - OFFSET_S
    return midnight + second if midnight + second >= at else midnight + DAY_S + second


def by_day(holds_on: Callable[[int], bool], words: Bilingual) -> TimeTest:
    """Holds on some local days, given as days since 1970."""
    return TimeTest(lambda at: holds_on((int(at) + OFFSET_S) // DAY_S), next_midnight, words)


def next_midnight(at: float) -> float:
    return ((int(at) + OFFSET_S) // DAY_S + 1) * DAY_S - OFFSET_S
