"""Checks accounts: their ports, their rates, and who owns a port.

In: the settings. Out: an Access per system_id, a Sender per (account, source), the owner of a port. Never: sockets, the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.config import Account, Provider, Settings
from proxy.model.message import CATEGORY_WORDS, Sender, hash32
from proxy.model.octet_cache import OctetCache
from proxy.model.rate import Rate
from proxy.relay.submit_pacer import PacedRates, SubmitPacer
from proxy.state.counters.rate_shares import LeasedRate
from proxy.wire import source_of
from proxy.wire.reserved_values import ReservedFault, source_fault

EMPTY = "(empty)"
"""What the registered prefix of an empty source is called."""
SENDERS_MAX = 65_536
"""Sources remembered per account: extensions are the provider's to choose, so the memo is bounded (two generations)."""

RECENT_MAX = 64
"""Of these, the ones found without an object for their octets."""


class Access:
    """One account's rights, shared by all its binds."""

    rates: tuple[Rate | LeasedRate | PacedRates, ...]

    def __init__(self, provider: Provider, account: Account, rates: tuple[Rate | LeasedRate, ...], ports: PortTable) -> None:
        self.provider = provider
        self.account = account
        self.rates = rates
        self.paced: PacedRates | None = None
        """Its rates, if submits above them wait."""
        self.binds = 0
        """How many binds this account holds now; ``provider_binds`` of the directory counts the company's."""
        self.vendor_statuses = provider.statuses == "vendor"
        self.replaces = provider.replace
        self.refuses_reserved = provider.reserved_values == "refuse"
        self.detail = provider.status_detail == "tlv"
        self.label = (provider.name,)
        self.allowed = tuple((provider.name, category, "allow", "") for category in CATEGORY_WORDS)
        """Labels under which this account's messages are counted: made once, not once a message."""
        self._ports = ports
        self.recent = OctetCache(RECENT_MAX)
        """Senders that the account owns, by ``head`` within a frame."""
        self._young: dict[bytes, Sender] = {}
        self._old: dict[bytes, Sender] = {}
        self._new_ports: list[str] = []

    def sender(self, head: bytes) -> Sender:
        """The Sender of this account with the source in ``head`` (as wire.Submit has it: the raw spelling with type and plan, so that one
        dictionary look-up serves the usual message). Its ``prefix`` is empty if the account does not own the port, or may not use its
        type and plan."""
        found = self._young.get(head)
        if found is None:
            found = self._old.get(head) or self._make(source_of(head), self.fault_of(head) is None)
            if len(self._young) >= SENDERS_MAX:
                self._old, self._young, self.recent = self._young, {}, OctetCache(RECENT_MAX)
            self._young[head] = found
        return found

    def fault_of(self, head: bytes) -> ReservedFault | None:
        """The reserved value in the type and plan of a source, if the provider's settings refuse these."""
        kind = head.index(0) + 1
        return source_fault(head[kind], head[kind + 1]) if self.refuses_reserved else None

    def _make(self, source: str, usable: bool) -> Sender:
        prefix, owner = self._ports.longest(source)
        allowed = self.account.ports
        owned = usable and owner == self.provider.name and (allowed is None or any(covers(p, source) for p in allowed))
        provider = self.provider
        if owned and len(self._new_ports) < SENDERS_MAX:
            self._new_ports.append(source)
        return Sender.of(
            provider.name, self.account.system_id, source, prefix if owned else "", provider.category, provider.since
        )

    def take_new_ports(self) -> list[str]:
        """Ports that this account has used for the first time (or again after they were forgotten) since the last call."""
        found, self._new_ports = self._new_ports, []
        return found

    def takes(self, now: float) -> bool:
        """Whether one more message fits the rates of the account, then of its provider, at ``now`` (monotonic)."""
        for rate in self.rates:  # noqa: SIM110 # all() costs twice as much, and every message asks
            if not rate.allow(now):
                return False
        return True

    def owes(self, now: float) -> None:
        """Counts one more message against all rates even if they are used up: a rate never splits a long message."""
        for rate in self.rates:
            rate.owe(now)


def covers(prefix: str, source: str) -> bool:
    """Whether a registered port owns a source: digits by prefix; an empty or alphanumeric source only literally."""
    return source.startswith(prefix) if prefix.isdigit() and source.isdigit() else source == prefix


COUNTRY_CODES = ("+86", "0086", "86")
"""As carriers and handsets write them before a port."""


def without_code(port: str) -> str:
    """A port without the country's code, if anything is left of it."""
    for code in COUNTRY_CODES:
        if port.startswith(code) and port != code:
            return port[len(code) :]
    return port


class PortTable:
    """The longest-prefix table: port → (prefix, provider)."""

    def __init__(self, providers: tuple[Provider, ...]) -> None:
        self._owners = {prefix: provider.name for provider in providers for prefix in provider.ports}
        self.owners = {prefix or EMPTY: owner for prefix, owner in self._owners.items()}
        """Registered prefix → provider, as ``longest`` calls them."""
        digits = [len(prefix) for prefix in self._owners if prefix.isdigit()]
        self._lengths = sorted(set(digits), reverse=True)

    def longest(self, port: str) -> tuple[str, str]:
        """(prefix, provider) of the longest registered prefix; two empty strings if the port has no owner."""
        if port.isdigit():
            for length in self._lengths:
                owner = self._owners.get(port[:length]) if length <= len(port) else None
                if owner is not None:
                    return port[:length], owner
            return "", ""
        owner = self._owners.get(port)
        return ("", "") if owner is None else (port or EMPTY, owner)

    def national(self, port: str) -> str:
        """The port of a deliver as its owner writes it: without the country code, or with it where it is registered so. The longest
        registered prefix wins; among equals the port as it is. A port without an owner has no code."""
        bare = without_code(port)
        spelt = (port, bare, *(code + bare for code in COUNTRY_CODES))
        found = max(spelt, key=lambda one: len(without_code(self.longest(one)[0])))
        return found if self.longest(found)[1] else bare

    def near(self, port: str) -> frozenset[int]:
        """Providers (hash32) that own a prefix of this port, or ports that begin with it."""
        return frozenset(
            hash32(owner)
            for prefix, owner in self._owners.items()
            if prefix.isdigit() and (prefix.startswith(port) or port.startswith(prefix))
        )


class Directory:
    """All accounts of the settings. A reload makes a new Directory: it keeps the rates of remaining accounts and the binds of providers; the
    owner of the connections counts the binds of accounts anew."""

    def __init__(self, settings: Settings, before: Directory | None = None, *, shares: bool = False) -> None:
        """``shares``: rates are totals over several nodes, and net/account_leases.py leases this node's share of each."""
        self.shares: bool = before.shares if before else shares
        self.leased: dict[str, LeasedRate] = {}
        """Shared rates, by ``p:`` and the provider's name, or ``a:`` and the account's."""
        kept_rates = before.leased if before else {}
        self.ports = PortTable(settings.providers)
        self.providers = {provider.name: provider for provider in settings.providers}
        self.provider_binds: dict[str, int] = before.provider_binds if before else {}
        self.accesses: dict[str, Access] = {}
        self.limits: dict[str, float | None] = {provider.name: provider.tps for provider in settings.providers}
        """Messages a second that each provider may send now; None: no limit is set."""
        self._shares: dict[str, float] = {}
        self._full_tps = sum(carrier.tps for carrier in settings.carriers)
        self.pacers: dict[str, SubmitPacer[Any]] = {}
        """By provider, if its submits above the rate wait, or if some wait that no longer should."""
        for name, pacer in before.pacers.items() if before else ():
            pacer.paces = False
            if pacer.waiting:
                self.pacers[name] = pacer
        for provider in settings.providers:
            if provider.over_rate == "pace":
                self.pacers.setdefault(provider.name, SubmitPacer()).paces = True
            shared = self._rate(f"p:{provider.name}", provider.tps, kept_rates)
            for account in provider.accounts:
                access = self.accesses[account.system_id] = Access(provider, account, (), self.ports)
                self._limit(access, shared, kept_rates)

    def throttle(self, shares: Mapping[str, float]) -> None:
        """Applies penalties to providers' rates, from the next message on: 0.5 halves a rate. A provider without a rate of its own gets that
        share of the carriers' total rate. No submit above such a rate waits."""
        for name, provider in self.providers.items():
            share = shares.get(name, 1.0)
            if share == self._shares.get(name, 1.0):
                continue
            limit = provider.tps if share == 1.0 else (provider.tps or self._full_tps) * share
            self.limits[name] = limit
            if name in self.pacers:
                self.pacers[name].paces = share == 1.0 and provider.over_rate == "pace"
            shared = self._rate(f"p:{name}", limit, self.leased)
            for access in self.accesses.values():
                if access.provider.name == name:
                    self._limit(access, shared, self.leased)
        self._shares = dict(shares)

    def _limit(self, access: Access, shared: Rate | LeasedRate | None, kept: Mapping[str, LeasedRate]) -> None:
        """Limits an account to its own rate and to that of its provider."""
        own = self._rate(f"a:{access.account.system_id}", access.account.tps, kept)
        access.rates, access.paced = tuple(rate for rate in (own, shared) if rate is not None), None
        pacer = self.pacers.get(access.provider.name)
        if pacer is not None and pacer.paces:
            paced = pacer.account(access.account.system_id)
            paced.use(own, shared)
            if access.rates:
                access.rates, access.paced = (paced,), paced

    def _rate(self, name: str, tps: float | None, kept: Mapping[str, LeasedRate]) -> Rate | LeasedRate | None:
        if not tps:
            self.leased.pop(name, None)
            return None
        if not self.shares:
            return Rate(tps, max(1, round(tps)))
        found = self.leased[name] = kept.get(name) or LeasedRate(tps)
        found.over(tps)
        return found

    def owner(self, port: str) -> str:
        """Name of the provider that owns a port; empty if it has no owner."""
        return self.ports.longest(port)[1]
