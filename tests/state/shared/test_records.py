"""A turn's records cost two writes to each primary of a cluster, and a key that has moved costs its own part alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import uvloop

from proxy.model.message import Category
from proxy.model.recipient import Entry, OptOut
from proxy.server.batches import Batches
from proxy.state import open_store
from proxy.state.record import record
from proxy.state.record.merging import NODE_SHIFT
from proxy.state.shared import records
from proxy.state.shared.connection import Connection
from proxy.state.shared.servers import slot_of
from proxy.state.stores import valkey as engine
from tests.needs import needs
from tests.valkey import SECRET, Cluster, Valkey

pytestmark = needs("valkey")
PERSONS = range(13_800_240_000, 13_800_240_060)
REFUSED = record.opt_out(record.EMPTY, OptOut("all", "", 1_764_000_000, "reply", 0))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"), 3, replicas=0)
    yield found
    found.kill()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    """No call but those of the test."""
    monkeypatch.setattr(engine, "HOLD_S", 3600.0)
    cluster.cli("flushall")


@asynccontextmanager
async def opened(cluster: Cluster | Valkey, node: int = 1) -> AsyncIterator[Any]:
    store = open_store(cluster.url, secret=SECRET, node=node, deadline_s=10.0)
    await store.open()
    await until(lambda: store.unwritten == 0)
    yield store
    store.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def within(doing: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(doing, 60)


def calls(cluster: Cluster) -> dict[str, int]:
    rows = [line.split(":calls=") for line in cluster.cli("info", "commandstats").splitlines() if ":calls=" in line]
    found: dict[str, int] = {}
    for name, figures in rows:
        found[name] = found.get(name, 0) + int(figures.split(",")[0])
    return found


async def turn(store: Any, data: bytes) -> None:
    found = await store.load(PERSONS)
    assert await store.swap([(person, found[person][0], data) for person in PERSONS]) == [True] * len(PERSONS)


REFUSED_AGAIN = record.opt_out(REFUSED, OptOut("all", "", 1_764_000_001, "reply", 0))


def test_a_turn_is_two_writes_to_each_primary_whatever_the_parts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with opened(cluster) as store:
            assert len({store._keys.part(person) for person in PERSONS}) > 3
            await turn(store, REFUSED)
            cluster.cli("config", "resetstat")
            pipeline, sent = Connection.pipeline, list[int]()

            def count_calls(at: Connection, calls: Sequence[bytes], answer: Any) -> None:
                sent.append(len(calls))
                pipeline(at, calls, answer)

            monkeypatch.setattr(Connection, "pipeline", count_calls)
            await turn(store, REFUSED_AGAIN)
            assert (len(sent), sum(sent)) == (6, 2 * len(PERSONS))
            assert (calls(cluster)["cmdstat_set"], calls(cluster)["cmdstat_get"]) == (len(PERSONS), len(PERSONS))
            assert "cmdstat_fcall" not in calls(cluster)

    asyncio.run(within(run()))


def test_a_server_that_compares_no_values_gets_a_function_for_each_record(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Valkey before 8.1 answers a syntax error to the option. From then on it is not asked so."""
    monkeypatch.setattr(records, "IF_EQUAL", b"IFLIKE")

    async def run() -> None:
        async with opened(cluster) as store:
            await turn(store, REFUSED)  # of persons who had no record
            assert store._records.compares
            cluster.cli("config", "resetstat")
            for data in (REFUSED_AGAIN, REFUSED):
                await turn(store, data)
                assert {found[7:] for _, found in (await store.load(PERSONS)).values()} == {data[7:]}
            assert calls(cluster)["cmdstat_fcall"] == 2 * len(PERSONS)
            assert calls(cluster)["cmdstat_set"] == 3 * len(PERSONS), "the refused ones, and those of functions"
            assert (store.up, store.unwritten) == (True, 0)

    asyncio.run(within(run()))


def test_nodes_that_compare_and_nodes_that_call_a_function_see_each_other(cluster: Cluster) -> None:
    """As while gates go to this version one by one: of two changes of one record the second one fails, whoever makes it."""

    async def run() -> None:
        async with opened(cluster) as one, opened(cluster, 2) as two:
            two._records.compares = False
            person = PERSONS[0]
            for first, second in ((one, two), (two, one)):
                for data in (REFUSED, REFUSED_AGAIN, record.EMPTY):
                    found = {store: (await store.load([person]))[person][0] for store in (one, two)}
                    assert await first.swap([(person, found[first], data)]) == [True]
                    assert await second.swap([(person, found[second], REFUSED)]) == [False]
                    assert (await second.load([person]))[person][1][7:] == data[7:]

    asyncio.run(within(run()))


def test_a_version_that_was_not_loaded_last_is_refused_unasked(cluster: Cluster) -> None:
    """Another task of this node has loaded the record since: what it saw is newer."""

    async def run() -> None:
        async with opened(cluster) as one, opened(cluster, 2) as two:
            (person, *_), times = PERSONS, count(1_764_000_002)
            versions = []
            for store in (one, two, one):
                versions.append((await store.load([person]))[person][0])
                data = record.opt_out(REFUSED, OptOut("all", "", next(times), "reply", 0))
                assert await store.swap([(person, versions[-1], data)]) == [True]
            assert versions == sorted(set(versions))
            await one.load([person])
            cluster.cli("config", "resetstat")
            assert await one.swap([(person, version, REFUSED) for version in versions]) == [False] * 3
            assert "cmdstat_set" not in calls(cluster)

    asyncio.run(within(run()))


def test_records_forgotten_before_their_swap_are_judged_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "ROWS_MAX", 10)

    async def run() -> None:
        async with opened(cluster) as store:
            await turn(store, REFUSED)
            found = await store.load(PERSONS[:20])
            await store.load(PERSONS[20:40])
            await store.load(PERSONS[40:])
            items = [(person, version, REFUSED_AGAIN) for person, (version, _) in found.items()]
            assert await store.swap(items) == [False] * 20
            found = await store.load(PERSONS[:20])
            assert await store.swap([(person, found[person][0], REFUSED_AGAIN) for person in found]) == [True] * 20

    asyncio.run(within(run()))


def test_the_servers_file_has_what_was_swapped(tmp_path: Any) -> None:
    """Records with facts have no expiry: the server writes such a change to its file, and to replicas, with the comparison."""
    server = Valkey(tmp_path)

    async def run() -> None:
        async with opened(server) as store:
            for data in (REFUSED, record.EMPTY, REFUSED, REFUSED_AGAIN):
                await turn(store, data)
            before = await store.load(PERSONS)
        server.kill()
        server.start()
        async with opened(server, 2) as store:
            assert await store.load(PERSONS) == before

    try:
        asyncio.run(within(run()))
    finally:
        server.kill()


def test_a_key_that_has_moved_is_asked_for_where_it_is_and_its_part_checked_there(cluster: Cluster) -> None:
    """The part's slots go to another primary, and back."""
    first, other = cluster.nodes[0], cluster.nodes[1]

    async def run() -> None:
        async with opened(cluster) as store:
            people = range(13_800_250_000, 13_800_260_000)
            moved = next(person for person in people if store._keys.part(person) == 0)
            stays = next(person for person in people if store._keys.part(person) == 1)
            assert await store.swap([(moved, 0, REFUSED), (stays, 0, REFUSED)]) == [True, True]
            cluster.reshard(64, first, other)
            found = await store.load([moved, stays])
            assert min(version for version, _ in found.values()) > 0, "none is the copy's"
            assert store.up
            assert store._servers._unchecked == {0}
            await until(lambda: not store._servers._unchecked and store.unwritten == 0)
            cluster.reshard(64, other, first)
            again = record.opt_out(REFUSED, OptOut("all", "", int(time.time()), "reply", 0))
            assert await store.swap([(person, found[person][0], again) for person in (moved, stays)]) == [True, True]
            assert store.up
            assert (await store.load([moved]))[moved][0] > found[moved][0]

    asyncio.run(within(run()))


def test_a_slot_that_a_server_emptied_gets_its_records_back_whatever_its_part(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valkey 8.1.1 was seen to delete the keys of one slot while it moved; the gate's connections stay, and so do its other parts."""
    monkeypatch.setattr(engine, "HOLD_S", 0.05)

    async def run() -> None:
        async with opened(cluster) as store:
            people = range(13_800_250_000, 13_800_260_000)
            part = len(store._servers.at) // 2 + 1
            assert store._servers.at[part - 1] is store._servers.at[part], "not the first of its server"
            lost, stays = (next(person for person in people if store._keys.part(person) == at) for at in (part, part - 1))
            assert await store.swap([(lost, 0, REFUSED), (stays, 0, REFUSED)]) == [True, True]
            connections = {*store._servers.at}
            slot = slot_of(store._servers.tags[part])
            node = next(node for node in cluster.nodes if slot in cluster.serves(node))
            begun = store._born[part]
            assert node.call("DEL", *node.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) >= 2
            await until(lambda: store._born[part] != begun and store.up and store.unwritten == 0)
            assert node.call("CLUSTER", "COUNTKEYSINSLOT", slot) >= 2
            found = await store.load([lost, stays])
            assert all(version > 0 and data[7:] == REFUSED[7:] for version, data in found.values())
            assert {*store._servers.at} == connections

    asyncio.run(within(run()))


@pytest.mark.parametrize("option", [b"IFEQ", b"IFLIKE"], ids=["servers that compare", "servers with functions alone"])
def test_while_a_slot_moves_all_nodes_go_on_with_its_records(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, option: bytes
) -> None:
    """Of records that are at the new server, still at the old one, or new; and no node falls back to its copy."""
    first, other = cluster.nodes[:2]
    monkeypatch.setattr(records, "IF_EQUAL", option)

    async def run() -> None:
        async with opened(cluster) as one, opened(cluster, 2) as two:
            lost: list[list[int]] = []
            for store in (one, two):
                store._servers._lost = lost.append
            people = [person for person in range(13_800_270_000, 13_800_280_000) if one._keys.part(person) == 0][:24]
            slot, times = slot_of(one._servers.tags[0]), count(1_764_000_000)

            async def both_write(people: list[int]) -> None:
                for store in (one, two, one):
                    found = await store.load(people)
                    data = record.opt_out(found[people[0]][1], OptOut("all", "", next(times), "reply", 0))
                    assert await store.swap([(person, found[person][0], data) for person in people]) == [True] * len(people)
                    assert {data[7:] for _, data in (await two.load(people)).values()} == {data[7:]}

            await both_write(people[:16])
            cluster.begin_move(slot, first, other)
            assert cluster.move_keys(slot, first, other, portion=0.5)
            await both_write(people)
            before = await two.load(people)
            cluster.move_keys(slot, first, other)
            await both_write(people)
            assert await two.swap([(person, before[person][0], REFUSED) for person in people]) == [False] * len(people), "old"
            cluster.end_move(slot, first, other)
            await both_write(people)
            assert not lost
            await until(lambda: not any(store._servers._unchecked or store.unwritten for store in (one, two)))
            cluster.reshard(64, other, first)

    asyncio.run(within(run()))


def test_a_slot_may_move_to_a_server_that_had_none_and_a_node_may_start_meanwhile(cluster: Cluster) -> None:
    """Nodes learn of the server, and prepare it, beside the traffic."""
    first, other = cluster.nodes[:2]

    async def run() -> None:
        async with opened(cluster) as one:
            person = next(person for person in range(13_800_280_000, 13_800_290_000) if one._keys.part(person) == 0)
            slot = slot_of(one._servers.tags[0])
            assert await one.swap([(person, 0, REFUSED)]) == [True]
            unknown = next(at for address, at in one._servers._made.items() if address.port == other.port)
            unknown.prepared = False
            cluster.begin_move(slot, first, other)
            cluster.move_keys(slot, first, other)
            assert (await one.load([person]))[person][0] < 0, "it is the copy's, until the server is prepared"
            await until(lambda: one.up)
            assert unknown.prepared
            assert (await one.load([person]))[person][0] > 0
            async with opened(cluster, 2) as two:
                assert (await two.load([person]))[person][1][7:] == REFUSED[7:]
            cluster.end_move(slot, first, other)
            cluster.reshard(64, other, first)

    asyncio.run(within(run()))


def test_what_a_swap_under_way_has_stored_is_not_taken_for_one_without_an_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy lacks the entry until the swap has its answer; meanwhile its part has another server, and the next batch loads."""

    async def run() -> None:
        async with opened(cluster) as store:
            person, now, stored, answered = 13_800_290_000, int(time.time()), asyncio.Event(), asyncio.Event()
            entry = Entry((1 << NODE_SHIFT) + 7, now, 1, 1, 1, Category.MARKETING, 0, 0, 0, 1)
            swap = store._records.swap

            async def slow(items: Sequence[Any]) -> list[bool]:
                done: list[bool] = await swap(items)
                stored.set()
                await answered.wait()
                return done

            monkeypatch.setattr(store._records, "swap", slow)
            swapping = asyncio.create_task(store.swap([(person, 0, record.add(record.EMPTY, entry, now, 86_400))]))
            await stored.wait()
            store._write_behind.lost(store._keys.part(person), now - 60)
            found = await store.load([person])
            assert [one.id for one in record.entries(found[person][1])] == [entry.id]
            answered.set()
            assert await swapping == [True]

    asyncio.run(within(run()))


def test_a_bounded_copy_drops_old_records_without_facts_and_the_store_keeps_them(cluster: Cluster) -> None:
    """Recent ones, and who has refused, stay whatever the bound."""
    now, people = [1_764_000_000.0], range(13_800_260_000, 13_800_260_300)
    refused = people[:20]

    async def run() -> None:
        options: dict[str, Any] = {"secret": SECRET, "node": 1, "deadline_s": 10.0, "persons_max": 100, "now": lambda: now[0]}
        store = open_store(cluster.url, **options)
        await store.open()
        await until(lambda: store.unwritten == 0)

        async def send(some: Sequence[int]) -> None:
            entry = Entry(int(now[0]), int(now[0]), 0, 1, 1, Category.MARKETING, 0, 0, 0, 0)
            found = await store.load(some)
            data = {key: record.add(found[key][1], entry, int(now[0]), 86_400) for key in some}
            assert all(await store.swap([(key, found[key][0], data[key]) for key in some]))

        opted_out = record.opt_out(record.EMPTY, OptOut("all", "", int(now[0]), "reply", 0))
        assert all(await store.swap([(key, 0, opted_out) for key in refused]))
        await send(people[20:200])
        assert len(store) == 200, "all are recent"
        now[0] += engine.START_S + 1
        for _ in range(store._table.buckets // 100 + 1):
            await send(people[200:])
        assert all(store.held(key) == record.EMPTY for key in people[20:200])
        assert all(store.held(key) != record.EMPTY for key in (*refused, *people[200:]))
        assert len(store) == 120
        found = await store.load(people)
        assert all(len(data) > len(record.EMPTY) for _, data in found.values()), "the store has them all"
        store.close()

    asyncio.run(within(run()))


def test_a_batch_in_the_gates_loop_ends_before_the_loop_goes_on(cluster: Cluster):
    async def conversation() -> None:
        async with opened(cluster) as store:
            said: list[Any] = []

            async def batch() -> None:
                said.append(await store.load(PERSONS))
                said.append(await store.swap([(person, said[0][person][0], REFUSED) for person in PERSONS]))
                said.append(await store.load(PERSONS))

            Batches(
                asyncio.get_running_loop(), lambda wait_ms: store.read_answers(10_000), lambda: False, lambda: None, lambda: 0.0
            ).spawn(batch())
            before, taken, after = said
            assert {data for _, data in before.values()} == {record.EMPTY}
            assert taken == [True] * len(PERSONS)
            assert {data[8:] for _, data in after.values()} == {REFUSED[8:]}

    uvloop.run(within(conversation()))
