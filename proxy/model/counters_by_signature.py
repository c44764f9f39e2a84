"""Counts submits and opt-outs by signature while a penalty rule needs them.

Penalty rules ask for it with ``by: signature`` or ``by: advertiser``. While no rule asks, nothing is counted.

In: increments. Out: sums since the last call of ``take``. Never: a file, a clock, a recipient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from proxy.model.message import Category

KEYS_MAX = 20_000
"""Different sums between two looks, a minute: some 4 MB. What would be one more is not counted, and said (``missed``)."""


class SignatureCounters:
    def __init__(self) -> None:
        self.wanted = False
        self.missed = 0
        """Messages that were not counted, for lack of room."""
        self.submits: defaultdict[tuple[str, str, Category, str], int] = defaultdict(int)
        """Provider, signature, category, why it was refused for good (empty: it went out)."""
        self.optouts: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By reply: provider, the signature's hash (hash48)."""

    def judged(self, provider: str, signature: str, category: Category, reason: str) -> None:
        """One message. Asked only while it is ``wanted``."""
        key = (provider, signature, category, reason)
        if len(self.submits) >= KEYS_MAX and key not in self.submits:
            self.missed += 1
        elif signature:
            self.submits[key] += 1

    def refused(self, provider: str, signature: int) -> None:
        """A person refused by reply what stood under this signature."""
        if self.wanted and provider and len(self.optouts) < KEYS_MAX:
            self.optouts[provider, signature] += 1

    def taken(self) -> tuple[Mapping[tuple[str, str, Category, str], int], Mapping[tuple[str, int], int]]:
        """What was counted until now; from now on it is counted anew."""
        counted = self.submits, self.optouts
        self.submits, self.optouts = defaultdict(int), defaultdict(int)
        return counted
