"""Groups places that the rules of one set cannot tell apart.

In: the conditions about place that hold in each place; a set's rules; which other conditions hold. Out: groups of places: all rules that
may still hold treat a group as one place. Never: a recipient's number (the table of regions has its cell), a decision.

A rule for one province and one signature separates that province only for senders with that signature. So a few hundred rules that name every
province leave a text with one plan or two, as a few rules do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.policy.condition import BitCondition, Bits, RecipientTest, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.generational_cache import Memo

GROUPINGS_MAX = 64
"""Groupings kept for each home province of a port: some 3 KB each."""
RELEVANT_MAX = 4_096


class PlaceGroups(NamedTuple):
    of: tuple[int, ...]
    """By place (the number in a cell of the table of regions): the number of its group …"""
    bits: tuple[int, ...]
    """… and by group: the bits of relevant place conditions that hold there."""


class Places:
    """All places, as they are seen from ports at home in one province."""

    __slots__ = ("bits", "_groupings")

    def __init__(self, bits: tuple[int, ...]) -> None:
        self.bits = bits
        """By place (the number in a cell of the table of regions): the bits of conditions about place."""
        self._groupings = Memo(GROUPINGS_MAX)

    def grouped_by(self, matters: int) -> PlaceGroups:
        """The places, grouped by these bits only."""
        found: PlaceGroups | None = self._groupings.find(matters)
        if found is None:
            numbers: dict[int, int] = {}
            of = tuple(numbers.setdefault(bits & matters, len(numbers)) for bits in self.bits)
            found = PlaceGroups(of, tuple(numbers))
            self._groupings.put(matters, found)
        return found


class PlaceConditions:
    """Tells which conditions about place are relevant, given the other conditions that hold."""

    def __init__(self, rules: Iterable[Rule], bits: Bits) -> None:
        self._bits = bits
        words = (index for field in ("province", "city") for index in bits.fields.get(field, {}).values())
        place = 0
        for held in (*words, *(bit for bit, _ in bits.tests.get("place", ()))):
            place |= held
        places: dict[tuple[int, int], int] = {}
        for rule in rules:
            wholes = [(whole, whole) for whole in rule.shares if whole is not None]
            for first, then in ((rule.compiled, rule.compiled), (rule.compiled, rule.refused), *wholes):
                if then is not None and (named := self._named(then) & place):
                    key = (first.need & ~place, first.forbid & ~place)
                    places[key] = places.get(key, 0) | named
        self._asked = [(need, forbid, named) for (need, forbid), named in places.items()]
        """(bits that must hold, bits that must not, place conditions that are asked then)."""
        self.relevant = Memo(RELEVANT_MAX)

    def _named(self, compiled: BitCondition) -> int:
        """All bits that a compiled condition asks."""
        need, forbid, rest = compiled
        named = need | forbid
        for part in rest:
            for leaf in leaves(part):
                if not isinstance(leaf, RecipientTest):
                    named |= self._bits.of(leaf)
        return named

    def matters(self, held: int) -> int:
        """The bits of relevant place conditions while ``held`` hold: all bits of time, sender and text."""
        found: int | None = self.relevant.find(held)
        if found is None:
            found = 0
            for need, forbid, named in self._asked:
                if held & need == need and not held & forbid:
                    found |= named
            self.relevant.put(held, found)
        return found
