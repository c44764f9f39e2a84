"""Knows public holidays, worked weekends and working days (法定节假日与调休).

The State Council publishes them every year: there is no list here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_THURSDAY = 3  # 1970-01-01
KINDS = ("holiday", "workday")
"""What a row says of its days: off, or worked though they are a weekend's."""
WORDS = ("holiday", "workday", "makeup", "rest")
"""What ``calendar`` may ask, beside names: a registered day off; a day people work; a weekend that is worked; any day off."""


class HolidayRow(NamedTuple):
    first: int  # days since 1970, both included
    last: int
    name: str
    kind: str
    line: int = 0


class Holidays:
    def __init__(self, rows: Iterable[HolidayRow] = ()) -> None:
        self.rows = tuple(rows)
        self._off: dict[int, set[str]] = {}
        self._worked: set[int] = set()
        for row in self.rows:
            for day in range(row.first, row.last + 1):
                if row.kind == "holiday":
                    self._off.setdefault(day, set()).add(row.name)
                else:
                    self._worked.add(day)
        self.names = frozenset(row.name for row in self.rows if row.kind == "holiday" and row.name)

    def is_a(self, word: str, day: int) -> bool:
        """Whether a day matches a value of ``calendar``: one of WORDS, or the name of a holiday."""
        off, worked = day in self._off, day in self._worked
        weekend = (day + _THURSDAY) % 7 >= 5
        if word == "holiday":
            return off
        if word == "makeup":
            return worked
        if word in ("workday", "rest"):
            return (worked or not (off or weekend)) is (word == "workday")
        return word in self._off.get(day, ())

    def working_day_after(self, day: int, count: int) -> int:
        """The ``count``-th working day after this one: the last day of a deadline of so many working days. The day itself never counts."""
        left = count
        while left > 0:
            day += 1
            left -= self.is_a("workday", day)
        return day

    def working_days_left(self, day: int, last: int) -> int:
        """How many working days follow this one up to ``last`` (included). Below 0: how many have passed since ``last``, this one included.
        At most a year is counted."""
        if last < day:
            return -sum(self.is_a("workday", one) for one in range(max(last, day - 366) + 1, day + 1)) or -1
        return sum(self.is_a("workday", one) for one in range(day + 1, min(last, day + 366) + 1))
