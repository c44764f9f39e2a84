"""Holds a past and counters as plain lists, for rule tests.

In: entries, refusals, takes. Out: recipient.Recipient and message.Counters. Never: durable (the real record lies in state).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from proxy.model.message import Take
from proxy.model.recipient import CONSENT_REQUEST, Consent, Entry, EntryFilter, OptOut, RefusedText


class Past:
    """recipient.Recipient over a list of entries, oldest first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.refusals: list[OptOut] = []
        self.texts: list[RefusedText] = []

    def count(self, after: int, pick: EntryFilter, enough: int) -> int:
        return sum(entry.time > after and matches(entry, pick) for entry in self.entries)

    def may_hold(self, marks: Sequence[bytes], enough: int) -> bool:
        return True

    @property
    def held(self) -> int:
        return len(self.entries)

    @property
    def bare(self) -> bool:
        return not (self.refusals or self.texts or self.asked())

    def newest(self) -> int:
        return max((entry.time for entry in self.entries), default=0)

    def times(self) -> Sequence[int]:
        return sorted(entry.time for entry in self.entries)

    def opt_outs(self) -> Sequence[OptOut]:
        return self.refusals

    def asked(self) -> Sequence[int]:
        return [entry.signature for entry in self.entries if entry.subcategory == CONSENT_REQUEST]

    def refused_texts(self) -> Sequence[RefusedText]:
        return self.texts

    def consents(self, advertisers: frozenset[str], categories: frozenset[str], now: float) -> Sequence[Consent]:
        return ()


def matches(entry: Entry, pick: EntryFilter) -> bool:
    """Whether a cap counts an entry, apart from its time."""
    pairs = (
        (entry.category, pick.categories), (entry.subcategory, pick.subcategories), (entry.signature or entry.unsigned, pick.signatures),
        (entry.provider, pick.providers), (entry.port, pick.ports),
    )  # fmt: skip
    return all(wanted is None or value in wanted for value, wanted in pairs) and pick.template in (None, entry.template)


class PastCounts:
    """message.Counters over times of takes, exact to the second."""

    def __init__(self) -> None:
        self._times: defaultdict[int, list[int]] = defaultdict(list)

    def count(self, key: int, after: float, most: int = 0) -> int:
        return sum(time > after for time in self._times.get(key, ()))

    def take(self, take: Take, at: float) -> None:
        self._times[take.key].append(int(at))


NOTHING = PastCounts()
"""Empty counters."""
