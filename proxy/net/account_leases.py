"""Leases shares of rates, binds and links from the shared store.

In: accounts, links to carriers, a store's leases. Out: providers' rates and carriers' lanes limited to this node's share; binds and links
counted over all nodes. Never: a query per message; a decision about a message.

A few times a second the node asks for its shares. While the store cannot be reached, each node takes an equal part of every rate, for the
last known number of nodes. Binds and links that are up stay, and new ones are admitted by this node's own count.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog

from proxy.config import Worker
from proxy.net.carrier import CarrierAccount
from proxy.net.provider import Providers
from proxy.relay.account_access import Access
from proxy.state.counters.rate_shares import LeasedFlow
from proxy.state.shared.lease_requests import LeaseRequest, Leases
from proxy.state.shared.lease_rules import BEAT_S, RateRequest

log = structlog.get_logger()

STANDSTILL_TPS = 0.001
"""A pacer needs some rate: a message in 1,000 s while other nodes still have all of it."""


class LeaseClient:
    def __init__(self, leases: Leases, providers: Providers, accounts: Sequence[CarrierAccount], worker: Worker) -> None:
        """``worker``: says how many workers there will be, those included that have not started yet."""
        self._leases, self._providers, self._accounts = leases, providers, accounts
        self._asking: Counter[str] = Counter()
        """Binds that are being asked for, by name."""
        self._worker = worker
        self._quotas = [-(-account.carrier.links // worker.of) for account in accounts]
        """How many links of each account this node should hold."""
        self._lane_rates = [LeasedFlow(self._loop_s()) for _ in accounts]
        """The leased rate of each account: nothing before the store was asked."""
        self._leased_binds: set[str] = set()
        """Names of the binds that the store counts for this node."""

    def _loop_s(self) -> float:
        return self._providers.turns.loop.time()

    async def begin(self) -> None:
        """Gets the first shares, before any message is sent."""
        for account in self._accounts:
            account.hold(())
            account.pace(STANDSTILL_TPS)
        while await self._links():
            pass
        await self.beat()
        if not self._leases.up:  # without the store: an equal part
            for place, (account, quota) in enumerate(zip(self._accounts, self._quotas, strict=True)):
                account.hold(self._link_order(account)[:quota])
                self._lane_rates[place].alone(account.carrier.tps / self._worker.of)
                account.pace(self._lane_rates[place].pace)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self.beat()
            except Exception as error:  # whatever it is: the next beat must come
                log.error("lease shares not refreshed: a fault of gate106, please report it", exc_info=error)

    async def beat(self) -> None:
        await asyncio.gather(self._rates(), self._lanes(), self._binds(), self._links())

    # -- rates of providers

    async def _rates(self) -> None:
        directory = self._providers.directory
        held = directory.provider_binds
        busy = {f"p:{name}" for name, count in held.items() if count}
        busy |= {f"a:{one.account.system_id}" for one in directory.accesses.values() if one.binds}
        await self._grant([name for name, rate in directory.leased.items() if name in busy or rate.asked])

    async def _grant(self, names: Sequence[str]) -> None:
        if not names:
            return
        leased, now_s = self._providers.directory.leased, self._loop_s()
        asks = [(name, leased[name].ask(now_s)) for name in names]
        for _ in range(2):
            for (name, _), granted in zip(asks, await self._leases.shares(asks), strict=True):
                if granted is not None and name in leased:
                    leased[name].grant(self._loop_s(), granted, now_s)
            now_s = self._loop_s()
            asks = [(name, request) for name, _ in asks if name in leased and (request := leased[name].again()) is not None]
            if not asks:
                return

    # -- rates of carrier accounts

    async def _lanes(self) -> None:
        now_s, names = self._loop_s(), [f"c:{account.name}" for account in self._accounts]
        asks: list[tuple[int, RateRequest]] = []
        for place, (account, flow) in enumerate(zip(self._accounts, self._lane_rates, strict=True)):
            asks.append((place, flow.ask(now_s, account.carrier.tps, account.lane.came, account.lane.size)))
            self._apply_rate(place)
        for _ in range(2):
            for (place, _), granted in zip(
                asks, await self._leases.shares([(names[at], request) for at, request in asks]), strict=True
            ):
                if granted is not None:
                    self._lane_rates[place].grant(granted, now_s)
                    self._apply_rate(place)
            now_s = self._loop_s()
            asks = [(place, request) for place, _ in asks if (request := self._lane_rates[place].again()) is not None]
            if not asks:
                return

    def _apply_rate(self, place: int) -> None:
        account, flow = self._accounts[place], self._lane_rates[place]
        account.pace(max(flow.pace, STANDSTILL_TPS), account.carrier.tps / flow.nodes)

    # -- binds

    async def may_bind(self, access: Access) -> bool:
        """Whether one more bind is allowed over all nodes; also asks for the shares that its first messages need."""
        provider, account = access.provider, access.account
        asks = [self._request(f"p:{provider.name}", provider.binds, more=True)]
        if account.binds is not None:
            asks.append(self._request(f"a:{account.system_id}", account.binds, more=True))
        names = [ask.name for ask in asks]
        self._asking.update(names)
        rates = [name for name in (f"p:{provider.name}", f"a:{account.system_id}") if name in self._providers.directory.leased]
        try:
            granted, _ = await asyncio.gather(self._leases.places(asks), self._grant(rates))
        finally:
            self._asking.subtract(names)
        self._leased_binds.update(names)
        return all(one is None or one.given for one in granted)

    def _request(self, name: str, most: int, *, more: bool = False) -> LeaseRequest:
        return LeaseRequest(name, most, self._held(name) + self._asking[name], more)

    def _held(self, name: str) -> int:
        directory, (kind, _, party) = self._providers.directory, name.partition(":")
        if kind == "p":
            return directory.provider_binds.get(party, 0)
        access = directory.accesses.get(party)
        return access.binds if access is not None else 0

    async def _binds(self) -> None:
        """Reports the binds held; those that ended are reported once more, as 0."""
        names = sorted(self._leased_binds)
        self._leased_binds = {name for name in names if self._held(name) or self._asking[name]}
        await self._leases.places([self._request(name, 0) for name in names])

    # -- links

    async def _links(self) -> bool:
        """Takes one link more where one is free, gives one back above the quota; returns whether anything changed."""
        asks = [
            LeaseRequest(f"l:{account.name}", account.carrier.links, account.links_used, len(account.held_links) < quota)
            for account, quota in zip(self._accounts, self._quotas, strict=True)
        ]
        changed = False
        for place, granted in enumerate(await self._leases.places(asks)):
            if granted is None:
                continue
            account, links = self._accounts[place], list(self._accounts[place].held_links)
            alone = granted.nodes < self._worker.of  # the other workers are about to come
            each, over = divmod(account.carrier.links, self._worker.of if alone else granted.nodes)
            self._quotas[place] = each + ((self._worker.number - 1 if alone else granted.rank) < over)
            if granted.given:
                links.append(next(link for link in self._link_order(account) if link not in links))
            elif len(links) > self._quotas[place]:
                links.pop()
            changed |= len(links) != len(account.held_links)
            account.hold(links)
        return changed

    def _link_order(self, account: CarrierAccount) -> list[int]:
        """An account's links in the order in which this node takes them."""
        links, first = account.carrier.links, (self._worker.number - 1) * account.carrier.links // self._worker.of
        return [1 + (first + place) % links for place in range(links)]
