"""Knows registered consents and preferences of single recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from proxy.model.number import masked_repr
from proxy.model.recipient import Consent
from proxy.policy.time_windows import DAY_S, OFFSET_S, within

CONSENT_STATES = ("granted", "absent", "expired", "revoked", "unreviewed")
"""What the newest row that fits says; ``absent``: there is none."""
DAY_TYPES = ("weekdays", "weekend", "holiday")
ROWS_MAX = 1_000_000
"""Of each file: about 200 bytes a row in memory."""


@masked_repr
class ConsentRow(NamedTuple):
    recipient: int
    advertiser: str  # empty = any
    category: str  # marketing or a sub-category, empty = any
    state: str  # granted | revoked
    time: float
    until: float
    proof: str  # where it was given, and which version of the words
    reviewed_by: str  # who looked at the proof, empty = nobody yet
    line: int = 0
    said_any: bool = False  # any is written out

    @property
    def unsaid(self) -> bool:
        """Whether it is a consent to everybody's messages that may be a forgotten name."""
        return not self.advertiser and not self.said_any and self.state == "granted"


class Consents:
    def __init__(self, rows: Iterable[ConsentRow] = ()) -> None:
        self._by_person: dict[int, list[ConsentRow]] = {}
        for row in sorted(rows, key=lambda row: (row.time, row.line)):
            self._by_person.setdefault(row.recipient, []).append(row)

    def rows(self) -> Iterable[ConsentRow]:
        return (row for rows in self._by_person.values() for row in rows)

    def spelt(self, spell: Callable[[str], str]) -> Consents:
        """The same consents with advertisers in the form that messages use."""
        names = {name: spell(name) for name in {row.advertiser for row in self.rows()}}
        if all(name == spelt for name, spelt in names.items()):
            return self
        return Consents(row._replace(advertiser=names[row.advertiser]) for row in self.rows())

    def newest(self, recipient: int, advertisers: frozenset[str], categories: frozenset[str], now: float) -> ConsentRow | None:
        """A recipient's newest consent or withdrawal for this advertiser (under any of its names) and these categories."""
        for row in reversed(self._by_person.get(recipient, ())):
            if row.time <= now and row.advertiser in advertisers and row.category in categories:
                return row
        return None


def state_of(row: ConsentRow | Consent | None, now: float) -> str:
    """One of CONSENT_STATES."""
    if row is None:
        return "absent"
    if row.state == "revoked":
        return "revoked"
    if row.until <= now:
        return "expired"
    return "granted" if row.reviewed_by else "unreviewed"


@masked_repr
class PreferenceRow(NamedTuple):
    """What a recipient does not want; an empty field matches anything."""

    recipient: int
    category: str  # marketing or a sub-category
    hours: tuple[tuple[int, int], ...]  # seconds after midnight
    days: frozenset[str]  # of DAY_TYPES
    line: int = 0


class Preferences:
    def __init__(self, rows: Iterable[PreferenceRow] = ()) -> None:
        self._by_person: dict[int, list[PreferenceRow]] = {}
        for row in rows:
            self._by_person.setdefault(row.recipient, []).append(row)

    def of(self, recipient: int) -> list[PreferenceRow]:
        return self._by_person.get(recipient, [])

    def rows(self) -> Iterable[PreferenceRow]:
        return (row for rows in self._by_person.values() for row in rows)


def day_types(day: int, holiday: bool) -> frozenset[str]:
    """The types of a local day (days since 1970), in the words of preferences."""
    return frozenset(("weekend" if (day + 3) % 7 >= 5 else "weekdays", *(("holiday",) if holiday else ())))


def speaks_of(row: PreferenceRow, categories: frozenset[str], now: float, holiday: bool) -> bool:
    """Whether a preference is against a message of these categories at this moment."""
    if row.category and row.category not in categories:
        return False
    local = int(now) + OFFSET_S
    if row.hours and not within(local % DAY_S, list(row.hours)):
        return False
    return not row.days or not row.days.isdisjoint(day_types(local // DAY_S, holiday))
