"""Reads SMPP's absolute and relative times (SMPP 3.4 §7.1).

In: ``YYMMDDhhmmsstnnp``. Out: seconds since 1970, or seconds from now. Never: the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

YEAR_S, MONTH_S = 365 * 86_400, 30 * 86_400
"""A relative time counts years and months; the specification leaves their length to the SMSC, so they are nominal."""


class SmppTime(NamedTuple):
    seconds: float
    relative: bool

    def at(self, now: float) -> float:
        return now + self.seconds if self.relative else self.seconds


def read_time(spelling: bytes) -> SmppTime:
    """Reads 16 octets; ValueError says what is wrong."""
    digits, sign = spelling[:15], spelling[15:]
    if len(spelling) != 16 or not digits.isdigit():
        raise ValueError("not fifteen digits and one of + - R")
    year, month, day, hour, minute, second = (int(digits[place : place + 2]) for place in range(0, 12, 2))
    if sign == b"R":
        seconds = year * YEAR_S + month * MONTH_S + day * 86_400 + hour * 3600 + minute * 60 + second
        return SmppTime(float(seconds), True)
    quarters = int(digits[13:])
    if sign not in (b"+", b"-") or quarters > 48:
        raise ValueError("the difference from UTC must be 00 to 48 quarters of an hour, with + or -")
    local = datetime(2000 + year, month, day, hour, minute, second, int(digits[12:13]) * 100_000, tzinfo=UTC)
    ahead = timedelta(minutes=15 * quarters)
    return SmppTime((local - ahead if sign == b"+" else local + ahead).timestamp(), False)
