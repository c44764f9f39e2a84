"""Counts submits and opt-outs by signature while a penalty rule needs them.

Penalty rules ask for it with ``by: signature`` or ``by: advertiser``. While no rule asks, nothing is counted.

In: increments. Out: sums since the last call of ``take``. Never: a file, a clock, a recipient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from proxy.model.message import Category

KEYS_MAX = 20_000
"""Distinct keys between two calls of ``taken``, about a minute: some 4 MB. Further keys are not counted; ``missed`` counts them."""


class SignatureCounters:
    def __init__(self) -> None:
        self.wanted = False
        self.missed = 0
        """Messages that were not counted because of KEYS_MAX."""
        self.submits: defaultdict[tuple[str, str, Category, str], int] = defaultdict(int)
        """(provider, signature, category, reason of the permanent refusal; empty: it was sent) → messages."""
        self.optouts: defaultdict[tuple[str, int], int] = defaultdict(int)
        """Opt-outs by reply: (provider, hash48 of the signature) → replies."""

    def judged(self, provider: str, signature: str, category: Category, reason: str) -> None:
        """Counts one message. Call it only while ``wanted``."""
        key = (provider, signature, category, reason)
        if len(self.submits) >= KEYS_MAX and key not in self.submits:
            self.missed += 1
        elif signature:
            self.submits[key] += 1

    def refused(self, provider: str, signature: int) -> None:
        """Counts an opt-out by reply for this signature."""
        if self.wanted and provider and len(self.optouts) < KEYS_MAX:
            self.optouts[provider, signature] += 1

    def taken(self) -> tuple[Mapping[tuple[str, str, Category, str], int], Mapping[tuple[str, int], int]]:
        """Returns the counts (submits, opt-outs) and starts again from zero."""
        counted = self.submits, self.optouts
        self.submits, self.optouts = defaultdict(int), defaultdict(int)
        return counted
