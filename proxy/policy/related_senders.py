"""Groups senders that the rules of one set cannot tell apart.

In: Senders, the time, regions and the registry. Out: one RelatedSenders object per group, so that a decision for one of them holds for all;
what rules can tell of each place from there. Never: the text, the recipient.

Related senders have one provider, one of its prefixes and the same default category; the same conditions hold for them (port prefixes,
reply path, age, account where a rule names accounts); their ports are registered alike, and named alike by the registry of signatures. What
a limit counts by (port, account, province) is filled in per message and separates no senders.
"""

from __future__ import annotations

from proxy.model.message import Category, Sender
from proxy.policy.condition import Bits
from proxy.policy.generational_cache import Memo
from proxy.policy.places import Places
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.registry import PortRow, Registry
from proxy.policy.reply_paths import Paths, path_of

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
