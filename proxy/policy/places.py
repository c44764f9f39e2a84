"""Groups places that the rules of one set cannot tell apart.

In: the conditions about place that hold in each place; a set's rules; which other conditions hold. Out: groups of places: all rules that
may still hold treat a group as one place. Never: a recipient's number (the table of regions has its cell), a decision.

A rule for one province and one signature separates that province only for senders with that signature. So a few hundred rules that name every
province leave a text with one plan or two, as a few rules do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.policy.condition import Bits, Compiled, RecipientTest, leaves
from proxy.policy.memo import Memo
from proxy.policy.plan import Rule

SORTS_MAX = 64
"""Ways to sort the places, for each province a port may be at home in: some 3 KB each."""
TOLD_MAX = 4_096


class Sorts(NamedTuple):
    of: tuple[int, ...]
    """By the number a cell of the table of regions holds: the number of its sort …"""
    bits: tuple[int, ...]
    """… and by that what holds about place there, as far as it matters."""


class Places:
    """All places, as they are seen from ports at home in one province."""

    __slots__ = ("bits", "_sorts")

    def __init__(self, bits: tuple[int, ...]) -> None:
        self.bits = bits
        """By the number a cell of the table of regions holds: the bits of conditions about place."""
        self._sorts: Memo[int, Sorts] = Memo(SORTS_MAX)

    def sorted_by(self, matters: int) -> Sorts:
        """The places, where of all bits only these matter."""
        found = self._sorts.find(matters)
        if found is None:
            numbers: dict[int, int] = {}
            of = tuple(numbers.setdefault(bits & matters, len(numbers)) for bits in self.bits)
            found = self._sorts.put(matters, Sorts(of, tuple(numbers)))
        return found


class PlaceConditions:
    """Which conditions about place matter, by which others hold."""

    def __init__(self, rules: Iterable[Rule], bits: Bits) -> None:
        self._bits = bits
        words = (index for field in ("province", "city") for index in bits.fields.get(field, {}).values())
        place = 0
        for held in (*words, *(bit for bit, _ in bits.tests.get("place", ()))):
            place |= held
        asked: dict[tuple[int, int], int] = {}
        for rule in rules:
            wholes = [(whole, whole) for whole in rule.shares if whole is not None]
            for first, then in ((rule.compiled, rule.compiled), (rule.compiled, rule.refused), *wholes):
                if then is not None and (named := self._named(then) & place):
                    key = (first.need & ~place, first.forbid & ~place)
                    asked[key] = asked.get(key, 0) | named
        self._asked = [(need, forbid, named) for (need, forbid), named in asked.items()]
        """What must hold, and what must not, before these conditions are asked."""
        self.told: Memo[int, int] = Memo(TOLD_MAX)

    def _named(self, compiled: Compiled) -> int:
        """All bits that it asks."""
        need, forbid, rest = compiled
        named = need | forbid
        for part in rest:
            for leaf in leaves(part):
                if not isinstance(leaf, RecipientTest):
                    named |= self._bits.of(leaf)
        return named

    def matters(self, held: int) -> int:
        """The bits about place on which something may depend while these others hold: all of them, on time, sender and text."""
        found = self.told.find(held)
        if found is None:
            found = 0
            for need, forbid, named in self._asked:
                if held & need == need and not held & forbid:
                    found |= named
            self.told.put(held, found)
        return found
