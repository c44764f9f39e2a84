"""Mix: whom providers write to, and how, while the gate is about to die.

In: a seeded random, what happened so far. Out: one thing more that a provider does. Never: what the gate should do.
"""

from __future__ import annotations

import itertools
import random

from tests.crash.evidence import Evidence, Submit
from tests.crash.harness import SMALL
from tests.crash.peers import REFUSES
from tests.crash.provider import Provider
from tests.e2e.pdus import CANCEL_SM, QUERY_SM

WAYS = ("together", "together", "apart", "late", "late")
BANNED = 0.25
"""So many long messages, and new texts of replaced ones, have a word that is refused."""
LATEST = 60
"""Providers ask about, cancel and replace what they sent this recently."""


class Mix:
    def __init__(self, evidence: Evidence, rng: random.Random) -> None:
        self.evidence = evidence
        self.rng = rng
        self._refusers = itertools.count()
        self._front = 0

    def begin(self, provider: Provider) -> None:
        """What takes its time comes first: long messages whose parts come late, with and without a word that is refused."""
        for banned in (True, False, True):
            provider.begin(self._somebody(), "late", banned=banned)

    def send(self, provider: Provider) -> None:
        """One thing more."""
        drawn = self.rng.random()
        if drawn < 0.70:
            provider.submit(self._person(provider))
        elif drawn < 0.84:
            banned = self.rng.random() < BANNED
            provider.begin(self._person(provider), self.rng.choice(WAYS), self.rng.choice((2, 2, 3)), banned=banned)
        elif drawn < 0.91:
            provider.submit_multi(sorted({self._person(provider) for _ in range(self.rng.randint(2, 4))}))
        elif latest := self._latest(provider):
            about = self.rng.choice(latest)
            if about.provider == provider.name and drawn < 0.96:
                provider.replace(about, banned=self.rng.random() < BANNED)
            else:
                provider.question(self.rng.choice((QUERY_SM, QUERY_SM, CANCEL_SM)), about)

    def _latest(self, provider: Provider) -> list[Submit]:
        """Messages whose id is told, most of them the provider's own."""
        serials = range(max(1, len(self.evidence.submits) - LATEST), len(self.evidence.submits) + 1)
        latest = [one for serial in serials if (one := self.evidence.submits[serial]).acknowledged and one.single]
        own = [one for one in latest if one.provider == provider.name]
        return own if self.rng.random() < 0.9 else latest

    def _person(self, provider: Provider) -> str:
        """Somebody new who will refuse, somebody who has refused, or somebody among the latest dozen."""
        drawn = self.rng.random()
        refused = [refusal for refusal in self.evidence.refusals.values() if refusal.provider == provider.name]
        if drawn < 0.12 and provider.name != SMALL:
            return f"{self.rng.choice(REFUSES)}0021{next(self._refusers):04d}"
        if drawn < 0.2 and refused and (refusal := self.rng.choice(refused)).acknowledged:
            return refusal.recipient
        return self._somebody()

    def _somebody(self) -> str:
        self._front += 1
        return f"1380021{self._front // 4 + self.rng.randrange(12):04d}"
