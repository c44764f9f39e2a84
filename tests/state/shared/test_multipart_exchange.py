"""Sheets are stored with a record or not at all, encrypted, for a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.model.message import Category
from proxy.model.recipient import Entry
from proxy.state import open_store
from proxy.state.record import record
from proxy.state.record.record import EMPTY
from proxy.state.shared.connection import StoreDown
from proxy.state.shared.multipart_exchange import KEEP_S, KEYS_MAX
from proxy.state.shared.multipart_record import StoreGroup
from proxy.state.stores.valkey import ValkeyStore
from tests.needs import needs
from tests.valkey import SECRET, Cluster, Valkey

pytestmark = needs("valkey")
NOW, PERSON, OTHER = 1_700_000_000, 13800210500, 13800210501
LONG, ANOTHER = b"jia\x001069001\x007\x003", b"jia\x001069001\x008\x003"


def entries(*numbers: int) -> bytes:
    data = EMPTY
    for number in numbers:
        data = record.add(data, Entry(number, NOW, 0, 1, 1, Category.MARKETING, 0, 0, 0, 0), NOW, 86_400)
    return data


class Nodes:
    """Two nodes on one server."""

    def __init__(self, server: Valkey | Cluster) -> None:
        self.runner = asyncio.Runner()
        self.one, self.two = (self.runner.run(self._open(server, node)) for node in (1, 2))

    async def _open(self, server: Valkey | Cluster, node: int) -> ValkeyStore:
        store: ValkeyStore = open_store(server.url, local=None, secret=SECRET, node=node)
        await store.open()
        return store

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def load(self, store: ValkeyStore, *keys: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        found = self.run(store.multipart_exchange.load(keys))
        return [found[key] for key in keys]

    def version(self, store: ValkeyStore, person: int) -> int:
        found: int = self.run(store.load((person,)))[person][0]
        return found

    def close(self) -> None:
        async def end() -> None:
            self.one.close()
            self.two.close()

        self.run(end())
        self.runner.close()


async def left_ms(store: ValkeyStore, key: tuple[int, bytes]) -> int:
    found: int = await store._servers.call(store._keys.part(key[0]), "PTTL", store.multipart_exchange._name(key))
    return found


@pytest.fixture
def nodes(server: Valkey | Cluster) -> Iterator[Nodes]:
    for one in server.nodes if isinstance(server, Cluster) else [server]:
        one.cli("flushall")
    found = Nodes(server)
    yield found
    found.close()


def test_what_one_node_puts_up_the_other_reads_and_who_comes_second_with_an_old_version_changes_nothing(nodes: Nodes):
    assert nodes.load(nodes.one, (PERSON, LONG)) == [(0, b"")]
    assert nodes.run(nodes.one.multipart_exchange.swap([StoreGroup(None, (((PERSON, LONG), 0, b"first"),))])) == [True]
    version, data = nodes.load(nodes.two, (PERSON, LONG))[0]
    assert (version > 0, data) == (True, b"first")
    assert nodes.run(nodes.two.multipart_exchange.swap([StoreGroup(None, (((PERSON, LONG), 0, b"second"),))])) == [False]
    assert nodes.run(nodes.two.multipart_exchange.swap([StoreGroup(None, (((PERSON, LONG), version, b"second"),))])) == [True]
    after = nodes.load(nodes.one, (PERSON, LONG), (PERSON, ANOTHER))
    assert (after[0][0] > version, after[0][1], after[1]) == (True, b"second", (0, b""))


def test_a_record_and_its_sheets_are_stored_together_or_not_at_all(nodes: Nodes):
    both = StoreGroup((PERSON, 0, entries(1)), (((PERSON, LONG), 0, b"decided"), ((PERSON, ANOTHER), 0, b"too")))
    assert nodes.run(nodes.one.multipart_exchange.swap([both])) == [True]
    assert nodes.one.held(PERSON) != EMPTY, "the copy has it, too"
    version = nodes.version(nodes.two, PERSON)
    sheet = nodes.load(nodes.two, (PERSON, LONG))[0][0]
    stale_sheet = StoreGroup((PERSON, version, entries(1, 2)), (((PERSON, LONG), sheet - 1, b"mine"),))
    stale_record = StoreGroup((PERSON, version - 1, entries(1, 2)), (((PERSON, LONG), sheet, b"mine"),))
    assert nodes.run(nodes.two.multipart_exchange.swap([stale_sheet, stale_record])) == [False, False]
    assert nodes.version(nodes.one, PERSON) == version
    assert nodes.load(nodes.one, (PERSON, LONG)) == [(sheet, b"decided")]
    good = StoreGroup((PERSON, version, entries(1, 2)), (((PERSON, LONG), sheet, b"mine"),))
    assert nodes.run(nodes.two.multipart_exchange.swap([good])) == [True]
    found = nodes.run(nodes.one.load((PERSON,)))[PERSON][1]
    assert [one.id for one in record.entries(found)] == [1, 2]


def test_of_many_groups_in_one_call_each_stands_or_falls_by_itself(nodes: Nodes):
    people = range(PERSON, PERSON + KEYS_MAX)
    groups = [StoreGroup((person, 0, entries(1)), (((person, LONG), 0, b"%d" % person),)) for person in people]
    assert nodes.run(nodes.one.multipart_exchange.swap(groups)) == [True] * len(groups)
    again = [one._replace(record=(one.record[0], 0, EMPTY)) for one in groups[::2] if one.record is not None]
    fresh = [
        StoreGroup((person, 0, entries(1)), (((person, LONG), 0, b"new"),)) for person in range(OTHER + 1000, OTHER + 1010)
    ]
    mixed = [one for pair in zip(again, fresh, strict=False) for one in pair]
    assert nodes.run(nodes.two.multipart_exchange.swap(mixed)) == [False, True] * 10
    assert nodes.load(nodes.two, *((person, LONG) for person in people)) == [
        (version, b"%d" % person)
        for person, (version, _) in zip(people, nodes.load(nodes.one, *((person, LONG) for person in people)), strict=True)
    ]


def test_a_sheet_is_sealed_and_gone_after_a_minute(nodes: Nodes, server: Valkey | Cluster):
    words = b"jia\x00" + str(PERSON).encode()
    nodes.run(nodes.one.multipart_exchange.swap([StoreGroup(None, (((PERSON, words), 0, b"a text that nobody reads"),))]))
    everything = b""
    for one in server.primaries() if isinstance(server, Cluster) else [server]:
        everything += b"".join(file.read_bytes() for file in (one.folder / "appendonlydir").glob("*"))
    assert b":long:" in everything
    assert 0 < nodes.run(left_ms(nodes.one, (PERSON, words))) <= KEEP_S * 1000
    for secret in (b"a text that nobody reads", str(PERSON).encode(), b"jia\x00", PERSON.to_bytes(6, "big")):
        assert secret not in everything


def test_a_store_out_of_reach_says_so(nodes: Nodes, server: Valkey | Cluster):
    for one in server.nodes if isinstance(server, Cluster) else [server]:
        one.pause()
    try:
        with pytest.raises(StoreDown):
            nodes.load(nodes.one, (PERSON, LONG))
        assert nodes.run(
            nodes.one.multipart_exchange.swap([StoreGroup((PERSON, 0, entries(1)), (((PERSON, LONG), 0, b"x"),))])
        ) == [False]
    finally:
        for one in server.nodes if isinstance(server, Cluster) else [server]:
            one.go_on()
