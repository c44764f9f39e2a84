"""Tally: what became of millions of numbered messages, in two octets each.

In: a number, what happened to it. Out: how many are wrong, and how. Never: a list of objects that grows with the traffic: a soak that
fills its own memory finds nothing in another's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

ANSWERED, ACCEPTED, CUT, TAKEN, OWED, GOT, AGAIN, RESENT = (1 << bit for bit in range(8))
"""The provider had an answer · it was ESME_ROK · the bind was lost before it came · the carrier had the submit · and owes a receipt ·
the provider had it · more than once · the carrier sent it more than once, for a link was lost before it was acknowledged."""
STEP = 1 << 16


class Tally:
    """Numbers from 0 on, each with its owner (a small number) and flags."""

    def __init__(self) -> None:
        self.count = 0
        self.flags = bytearray()
        self.owners = bytearray()
        self.missing = 0
        """Owed and not there yet."""

    def add(self, owner: int, flags: int = 0) -> int:
        """The next number."""
        number = self.count
        if number >= len(self.flags):
            self.flags += bytes(STEP)
            self.owners += bytes(STEP)
        self.flags[number] = flags
        self.owners[number] = owner
        self.count += 1
        return number

    def owe(self, number: int) -> None:
        """The carrier has something for the provider."""
        self.flags[number] |= OWED
        self.missing += 1

    def got(self, number: int) -> None:
        """The provider had the receipt or reply."""
        flags = self.flags[number]
        self.missing -= (flags & (OWED | GOT)) == OWED
        self.flags[number] = flags | (AGAIN if flags & GOT else GOT)

    def kinds(self, restless: Iterable[int]) -> Counter[tuple[int, bool]]:
        """How many there are of each (flags, whether the owner is one of the restless)."""
        away = set(restless)
        found: Counter[tuple[int, int]] = Counter()
        for start in range(0, self.count, STEP):
            end = min(start + STEP, self.count)
            found.update(zip(self.flags[start:end], self.owners[start:end], strict=True))
        kinds: Counter[tuple[int, bool]] = Counter()
        for (flags, owner), count in found.items():
            kinds[flags, owner in away] += count
        return kinds
