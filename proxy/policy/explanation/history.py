"""Holds a past and counters as plain lists, for rule tests.

In: entries, refusals, takes. Out: recipient.Recipient and message.Counters. Never: durable (the real record lies in state).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from proxy.model.message import Counters, Message, Take, Verdict
from proxy.model.recipient import CONSENT_REQUEST, HEAD_BYTES, Consent, Entry, OptOut, Recipient, RefusedText


class Past(Recipient):
    """recipient.Recipient over entries that are added one by one, oldest first."""

    def __init__(self) -> None:
        self.data, self.held, self.bare, self.unconcerned = bytes(HEAD_BYTES), 0, False, False
        self.entries: list[Entry] = []
        self.refusals: list[OptOut] = []
        self.texts: list[RefusedText] = []

    def add(self, entry: Entry) -> None:
        """Adds a message that was sent."""
        self.entries.append(entry)
        self.data, self.held = self.data + entry.pack(), self.held + 1

    def opt_outs(self) -> Sequence[OptOut]:
        return self.refusals

    def asked(self) -> Sequence[int]:
        return [entry.signature for entry in self.entries if entry.subcategory == CONSENT_REQUEST]

    def refused_texts(self) -> Sequence[RefusedText]:
        return self.texts

    def consents(self, advertisers: frozenset[str], categories: frozenset[str], now: float) -> Sequence[Consent]:
        return ()


class PastCounts(Counters):
    """message.Counters over times of takes, exact to the second."""

    def __init__(self) -> None:
        self._times: defaultdict[int, list[int]] = defaultdict(list)

    def count(self, key: int, after: float, most: int = 0) -> int:
        return sum(time > after for time in self._times.get(key, ()))

    def take(self, take: Take, at: float) -> None:
        self._times[take.key].append(int(at))


def note_sent(past: Past, counts: PastCounts, message: Message, verdict: Verdict, now: float) -> None:
    """Adds an allowed message to its recipient's past and to the counters, as the gate would."""
    facts, sender = verdict.facts, message.sender
    past.add(
        Entry(
            len(past.entries) + 1, int(now), facts.signature_hash, sender.provider_hash, sender.port_hash,
            facts.category, facts.subcategory_code, verdict.template, facts.keyword_hash, 1,
            unsigned=0 if facts.signature else facts.counted_by,
        )
    )  # fmt: skip
    for take in verdict.takes:
        counts.take(take, now)


NOTHING = PastCounts()
"""Empty counters."""
