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
from proxy.relay.access import Access
from proxy.state.counters.shares import LeasedFlow
from proxy.state.shared.leased import LeaseRequest, Leases
from proxy.state.shared.leases import BEAT_S, Ask

log = structlog.get_logger()

STANDSTILL = 0.001
"""A pacer needs some rate: a message in 1,000 s while others still have all of it."""


class LeaseClient:
    def __init__(self, leases: Leases, providers: Providers, houses: Sequence[CarrierAccount], worker: Worker) -> None:
        """``worker``: of how many, that others may be about to come."""
        self._leases, self._providers, self._houses = leases, providers, houses
        self._asking: Counter[str] = Counter()
        """Binds that are being asked for, by name."""
        self._worker = worker
        self._quotas = [-(-house.carrier.links // worker.of) for house in houses]
        """How many links of each account are ours in the end."""
        self._flows = [LeasedFlow(self._loop_s()) for _ in houses]
        """What flows at each: nothing before the store was asked."""
        self._known: set[str] = set()
        """Names of binds that the store counts for us."""

    def _loop_s(self) -> float:
        return self._providers.turns.loop.time()

    async def begin(self) -> None:
        """The first shares, before anything flows."""
        for house in self._houses:
            house.hold(())
            house.pace(STANDSTILL)
        while await self._links():
            pass
        await self.beat()
        if not self._leases.up:  # it goes by what it may have at most
            for place, (house, quota) in enumerate(zip(self._houses, self._quotas, strict=True)):
                house.hold(self._order(house)[:quota])
                self._flows[place].alone(house.carrier.tps / self._worker.of)
                house.pace(self._flows[place].pace)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self.beat()
            except Exception as error:  # whatever it is: the next beat must come
                log.error("shares not asked for: a fault of gate106, please report it", exc_info=error)

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
            for (name, _), told in zip(asks, await self._leases.shares(asks), strict=True):
                if told is not None and name in leased:
                    leased[name].grant(self._loop_s(), told, now_s)
            now_s = self._loop_s()
            asks = [(name, said) for name, _ in asks if name in leased and (said := leased[name].again()) is not None]
            if not asks:
                return

    # -- what carriers take

    async def _lanes(self) -> None:
        now_s, names = self._loop_s(), [f"c:{house.name}" for house in self._houses]
        asks: list[tuple[int, Ask]] = []
        for place, (house, flow) in enumerate(zip(self._houses, self._flows, strict=True)):
            asks.append((place, flow.ask(now_s, house.carrier.tps, house.lane.came, house.lane.size)))
            self._flow(place)
        for _ in range(2):
            for (place, _), told in zip(asks, await self._leases.shares([(names[at], said) for at, said in asks]), strict=True):
                if told is not None:
                    self._flows[place].grant(told, now_s)
                    self._flow(place)
            now_s = self._loop_s()
            asks = [(place, said) for place, _ in asks if (said := self._flows[place].again()) is not None]
            if not asks:
                return

    def _flow(self, place: int) -> None:
        house, flow = self._houses[place], self._flows[place]
        house.pace(max(flow.pace, STANDSTILL), house.carrier.tps / flow.nodes)

    # -- binds

    async def may_bind(self, access: Access) -> bool:
        """Whether one more bind is allowed over all nodes; also asks for the shares that its first messages need."""
        provider, account = access.provider, access.account
        asks = [self._wanted(f"p:{provider.name}", provider.binds, more=True)]
        if account.binds is not None:
            asks.append(self._wanted(f"a:{account.system_id}", account.binds, more=True))
        names = [ask.name for ask in asks]
        self._asking.update(names)
        rates = [name for name in (f"p:{provider.name}", f"a:{account.system_id}") if name in self._providers.directory.leased]
        try:
            told, _ = await asyncio.gather(self._leases.places(asks), self._grant(rates))
        finally:
            self._asking.subtract(names)
        self._known.update(names)
        return all(one is None or one.given for one in told)

    def _wanted(self, name: str, most: int, *, more: bool = False) -> LeaseRequest:
        return LeaseRequest(name, most, self._held(name) + self._asking[name], more)

    def _held(self, name: str) -> int:
        directory, (kind, _, whose) = self._providers.directory, name.partition(":")
        if kind == "p":
            return directory.provider_binds.get(whose, 0)
        access = directory.accesses.get(whose)
        return access.binds if access is not None else 0

    async def _binds(self) -> None:
        """Says what is held; what is not any more once."""
        names = sorted(self._known)
        self._known = {name for name in names if self._held(name) or self._asking[name]}
        await self._leases.places([self._wanted(name, 0) for name in names])

    # -- links

    async def _links(self) -> bool:
        """One link more where there is room, one less where others have fewer than an equal part; whether anything changed."""
        asks = [
            LeaseRequest(f"l:{house.name}", house.carrier.links, house.links_used, len(house.held_links) < quota)
            for house, quota in zip(self._houses, self._quotas, strict=True)
        ]
        changed = False
        for place, told in enumerate(await self._leases.places(asks)):
            if told is None:
                continue
            house, mine = self._houses[place], list(self._houses[place].held_links)
            alone = told.nodes < self._worker.of  # the other workers are about to come
            each, over = divmod(house.carrier.links, self._worker.of if alone else told.nodes)
            self._quotas[place] = each + ((self._worker.number - 1 if alone else told.rank) < over)
            if told.given:
                mine.append(next(link for link in self._order(house) if link not in mine))
            elif len(mine) > self._quotas[place]:
                mine.pop()
            changed |= len(mine) != len(house.held_links)
            house.hold(mine)
        return changed

    def _order(self, house: CarrierAccount) -> list[int]:
        """An account's links as this node chooses them."""
        links, first = house.carrier.links, (self._worker.number - 1) * house.carrier.links // self._worker.of
        return [1 + (first + place) % links for place in range(links)]
