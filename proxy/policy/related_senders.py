"""Groups senders, and places, that one rule set cannot tell apart.

In: Senders, the time, regions and the registry. Out: one RelatedSenders object per group, so that a decision for one of them holds for all;
what rules can tell of each place from there. Never: the text, the recipient.

Related senders have one provider, one of its prefixes and the same default category; the same conditions hold for them (port prefixes,
reply path, age, account where a rule names accounts); their ports are registered alike, and named alike by the registry of signatures. What
a limit counts by (port, account, province) is filled in per message and separates no senders.

All rules that may still hold treat a group of places as one place. A rule for one province and one signature separates that province only
for senders with that signature: so a few hundred rules that name every province leave a text with one plan or two, as a few rules do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.model.message import Category, Sender
from proxy.policy.condition import BitCondition, Bits, RecipientTest, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.generational_cache import Memo
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.registry import PortRow, Registry
from proxy.policy.reply_paths import Paths, path_of

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


GROUPS_MAX = 4_096
SENDERS_MAX = 131_072
"""Providers choose what stands behind their prefixes: one extension for each customer, or for each text. Some 60 bytes each."""


class RelatedSenders:
    """A group of senders that the rules cannot tell apart. Compared by identity, as part of a cache key."""

    __slots__ = ("sender", "bits", "port", "places")

    def __init__(self, sender: Sender, bits: int, port: PortRow | None, places: Places) -> None:
        self.sender = sender  # any one of them
        self.bits = bits
        self.port = port
        self.places = places


class SenderGroups:
    """All groups of senders of one set of rules."""

    def __init__(self, bits: Bits, regions: Regions, registry: Registry, paths: Paths | None = None) -> None:
        self._registry = registry
        self._providers = bits.fields.get("provider", {})
        self._accounts = bits.fields.get("account", {})
        self._reads_state = "signature_state" in bits.fields
        self._tests = bits.tests.get("sender", [])
        self.ages = bits.tests.get("age", [])
        self._path_tests = bits.tests.get("path", [])
        self._paths = paths
        self._provinces = [province for province, _ in regions.places]
        provinces, cities = bits.fields.get("province", {}), bits.fields.get("city", {})
        self._places = Places(tuple(provinces.get(province, 0) | cities.get(city, 0) for province, city in regions.places))
        self._place_tests = bits.tests.get("place", [])
        self._places_from: dict[str | None, Places] = {}  # by the province a port is registered for: some 36 at most
        self.senders = Memo(SENDERS_MAX)
        self._groups = Memo(GROUPS_MAX)

    def clear(self) -> None:
        """Drops what time may have changed."""
        self.senders.clear()
        self._groups.clear()

    def bits_of(self, sender: Sender, at: float) -> int:
        """The bits of conditions about the sender."""
        held = self._providers.get(sender.provider, 0) | self._accounts.get(sender.account, 0)
        for bit, test in self._tests:
            if test.holds(sender):
                held |= bit
        for bit, test in self.ages:
            if test.holds(sender, at):
                held |= bit
        if self._path_tests:
            path = path_of(sender, self._paths)
            for bit, test in self._path_tests:
                if test.holds(path):
                    held |= bit
        return held

    def of(self, sender: Sender, at: float) -> RelatedSenders:
        """The sender's group at some time. Cached by the group's properties, so calls for different times may be mixed."""
        port = self._registry.port(sender.port)
        bits = self.bits_of(sender, at)
        named = self._registry.named_port(sender.port) if self._reads_state else ""
        category: Category | None = sender.category
        key = (sender.provider, sender.prefix, category, bits, port, named)
        found: RelatedSenders | None = self._groups.find(key)
        if found is None:
            found = RelatedSenders(sender, bits, port, self._places_for(port))
            self._groups.put(key, found)
        return found

    def _places_for(self, port: PortRow | None) -> Places:
        if not self._place_tests:
            return self._places
        home = None if port is None else port.province
        places = self._places_from.get(home)
        if places is None:
            held = {
                province: sum(bit for bit, test in self._place_tests if test.holds(port, province))
                for province in set(self._provinces)
            }
            pairs = zip(self._places.bits, self._provinces, strict=True)
            places = self._places_from[home] = Places(tuple(bits | held[province] for bits, province in pairs))
        return places
