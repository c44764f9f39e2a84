"""Totals of nodes on a real cluster survive the loss of a primary.

Counters lie in all shards; rates are shared.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from proxy.model.message import Take
from proxy.state.counters.shared_counters import REPORT_S
from proxy.state.shared.lease_rules import BEAT_S, LEASE_MS, RateRequest
from proxy.state.stores.valkey import ValkeyStore, open_url
from tests.needs import needs
from tests.valkey import SECRET, Cluster

pytestmark = needs("valkey")
NODES = 2
QUOTA = 300
HASHES = [xxh3_64_intdigest(b"%d" % number) for number in range(48)]
FIRST, CALM, EAGER = HASHES[:24], HASHES[24:36], HASHES[36:]
"""Counters, enough to have some in each shard."""
DAY_S, WIDTH_S = 86_400, 3600
NOW = time.time()  # the server goes by its own clock
TRIES = 6
TOTAL = 1000.0
RATES = [f"p:{number}" for number in range(12)]
WAIT_S = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    found = Cluster(folder)
    yield found
    found.kill()


class Harness:
    """Nodes on one cluster, in one loop."""

    def __init__(self, stores: list[ValkeyStore]) -> None:
        self.stores = stores
        self.passed: Counter[int] = Counter()
        self.using = [dict.fromkeys(RATES, 0.0) for _ in stores]
        self.most = dict.fromkeys(RATES, 0.0)
        """The largest sum of shares that were used at one moment."""
        self.over = False

    async def send(self, store: ValkeyStore, key: int) -> bool:
        """One message, judged as the relay does; whether it went out."""
        for _ in range(TRIES):
            await store.load(())
            totals = store.totals
            short = totals.shortfalls
            if totals.count(key, int(NOW - DAY_S), QUOTA) < QUOTA:
                totals.take(Take(key, WIDTH_S, DAY_S), NOW)
                self.passed[key] += 1
                return True
            if totals.shortfalls == short:
                return False
            await store.fill()
        return False

    async def send_each(self, keys: Sequence[int], count: int) -> int:
        """So many at each node of each counter, all counters together; how many went out."""

        async def some(store: ValkeyStore, key: int) -> int:
            return sum([await self.send(store, key) for _ in range(count)])

        return sum(await asyncio.gather(*(some(store, key) for key in keys for store in self.stores)))

    async def use_up(self, keys: Sequence[int]) -> None:
        async with asyncio.timeout(WAIT_S):
            while any(self.passed[key] < QUOTA for key in keys):
                if not await self.send_each(keys, 20):
                    await asyncio.sleep(0.1)

    async def share_on(self, node: int) -> None:
        """The load goes from one node to the other and back. A node that hears nothing keeps its share until its lease is over."""
        mine, turn, loop = self.using[node], 0, asyncio.get_running_loop()
        until_s = dict.fromkeys(RATES, 0.0)
        while not self.over:
            turn += 1
            asked_s = loop.time()
            demand = 2 * TOTAL if turn // 5 % NODES == node else 0.0
            told = await self.stores[node].leases.shares([(name, RateRequest(TOTAL, demand, mine[name])) for name in RATES])
            for name, one in zip(RATES, told, strict=True):
                if one is not None:
                    mine[name], until_s[name] = one.share, asked_s + LEASE_MS / 1000
                elif loop.time() >= until_s[name]:
                    mine[name] = 0.0  # it has none, and goes by an equal part of its own
                self.most[name] = max(self.most[name], sum(each[name] for each in self.using))
            await asyncio.sleep(BEAT_S / 4)

    async def until(self, *, up: bool) -> None:
        async with asyncio.timeout(WAIT_S):
            while not all(store.up is up for store in self.stores):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(url: str, nodes: range, deadline_s: float) -> AsyncIterator[Harness]:
    stores = [open_url(url, secret=SECRET, node=node, deadline_s=deadline_s) for node in nodes]
    try:
        for store in stores:
            await store.open()
        harness = Harness(stores)
        sharing = [asyncio.ensure_future(harness.share_on(node)) for node in range(len(stores))]
        yield harness
        harness.over = True
        await asyncio.gather(*sharing)
    finally:
        for store in stores:
            store.close()


def test_totals_hold_to_the_message_over_the_shards_of_a_cluster(cluster: Cluster):
    async def story() -> None:
        async with opened(cluster.url, range(NODES), deadline_s=10.0) as harness:
            await harness.use_up(FIRST)
            await asyncio.sleep(REPORT_S)
            assert await harness.send_each(FIRST, 5) == 0
        assert harness.passed == dict.fromkeys(FIRST, QUOTA)
        assert max(harness.most.values()) <= TOTAL + 1e-6
        assert min(harness.most.values()) == pytest.approx(TOTAL)

    asyncio.run(story())


def test_a_primary_that_dies_costs_at_most_what_was_left_of_a_quota_and_is_told_again(cluster: Cluster):
    """While it is away each node goes by what it heard last: what was left then may pass at each. Where less is asked for nothing passes."""
    left = 40

    async def story() -> None:
        async with opened(cluster.url, range(NODES, 2 * NODES), deadline_s=1.0) as harness:
            await harness.send_each(CALM, 50)
            await harness.send_each(EAGER, (QUOTA - left) // NODES)
            await asyncio.sleep(1.5 * REPORT_S)
            cluster.primaries()[0].kill()
            await harness.until(up=False)
            await harness.send_each(CALM, 25)
            assert [harness.passed[key] for key in CALM] == [2 * 75] * len(CALM), "nobody is refused who need not be"
            await harness.send_each(EAGER, 2 * left)
            await harness.until(up=True)
            await harness.use_up((*CALM, *EAGER))
            await asyncio.sleep(REPORT_S)
            assert await harness.send_each((*CALM, *EAGER), 5) == 0
        assert [harness.passed[key] for key in CALM] == [QUOTA] * len(CALM), "what was taken meanwhile counts"
        over = [harness.passed[key] - QUOTA for key in EAGER]
        assert 0 <= min(over) <= max(over) <= (NODES - 1) * left
        assert any(over), "it was asked for more than there was"
        assert max(harness.most.values()) <= TOTAL + 1e-6

    asyncio.run(story())
