"""A node joins a real Valkey server and a cluster.

Its number is its own: another node with the same number is refused however long the first runs. Facts from its embedded store
reach all nodes.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from proxy.model.message import Category
from proxy.model.recipient import Entry, OptOut
from proxy.state import StateError, open_store
from proxy.state.record import record
from proxy.state.record.merging import NODE_SHIFT
from proxy.state.stores import valkey as engine
from tests.needs import needs
from tests.valkey import SECRET, Cluster, Valkey

pytestmark = needs("valkey")


def keys(server: Valkey | Cluster) -> set[str]:
    """Which say whose number it is."""
    return set(server.cli("keys", "*:node:5").split())


def test_a_number_is_kept_where_it_was_taken(server: Valkey | Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HOLD_S", 0.01)
    servers = 3 if isinstance(server, Cluster) else 1

    async def run() -> None:
        one: Any = open_store(server.url, secret=SECRET, node=5, deadline_s=10.0)
        await one.open()
        taken, claim, renewed = keys(server), one._claim_node_number, asyncio.Semaphore(0)
        assert len(taken) == servers

        async def claims(*where: Any) -> None:
            await claim(*where)
            renewed.release()

        one._claim_node_number = claims
        for _ in range(3 * servers):
            await asyncio.wait_for(renewed.acquire(), 10)
        assert keys(server) == taken
        other: Any = open_store(server.url, secret=SECRET, node=5, deadline_s=10.0)
        with pytest.raises(StateError, match="node 5 is another gate"):
            await other.open()
        other.close()
        one.close()

    asyncio.run(run())


def test_what_was_known_while_the_store_was_an_embedded_one_stands_in_the_shared_one_then(
    server: Valkey | Cluster, tmp_path: Path
) -> None:
    """However long ago it was said."""
    file, now = tmp_path / "state.db", int(time.time())
    refusal = OptOut("all", "", now - 100 * 86_400, "reply", 0)
    entry = Entry((6 << NODE_SHIFT) + 7, now - 20 * 3600, 0, 1, 1, Category.MARKETING, 0, 0, 0, 0)
    refused, sent = range(13800210000, 13800210040), range(13800220000, 13800220040)
    embedded: Any = open_store(f"sqlite://{file}")
    for person in refused:
        embedded.update(person, lambda data: record.opt_out(data, refusal))
    for person in sent:
        embedded.update(person, lambda data: record.add(data, entry, now, 86_400))
    embedded.checkpoint_now(counted=0, open_from=1, highest_id=entry.id)
    embedded.close()

    async def run() -> None:
        one: Any = open_store(server.url, secret=SECRET, node=6, local=file, deadline_s=10.0)
        other: Any = open_store(server.url, secret=SECRET, node=7, local=tmp_path / "other.db", deadline_s=10.0)
        await one.open()
        await other.open()
        (at_once,) = (await one.load(refused[:1])).values()
        assert record.opt_outs(at_once[1]) == [refusal], "before it stands there"
        async with asyncio.timeout(20):
            while one.unwritten:  # noqa: ASYNC110 # it says so to nobody
                await asyncio.sleep(0)
        found = await other.load([*refused, *sent])
        assert [record.opt_outs(found[person][1]) for person in refused] == [[refusal]] * len(refused)
        assert [list(record.entries(found[person][1])) for person in sent] == [[entry]] * len(sent)
        for store in (one, other):
            store.close()

    asyncio.run(run())


def test_two_nodes_that_begin_on_copies_of_one_state_are_both_heard(server: Valkey | Cluster, tmp_path: Path) -> None:
    """Each goes on with a journal of its own, whose records have the same numbers."""
    embedded: Any = open_store(f"sqlite://{tmp_path / 'state.db'}")
    embedded._note({"journal": "0123456789abcdef" * 2})
    embedded.checkpoint_now(counted=0, open_from=1, highest_id=0)
    embedded.close()
    files = {node: tmp_path / f"state-{node}.db" for node in (8, 9, 10)}

    def opened(node: int) -> Any:
        return open_store(server.url, secret=SECRET, node=node, local=files[node], deadline_s=10.0)

    async def tells(store: Any, number: int) -> int:
        """The last of its numbers that is in the log then."""
        told: int = await store._servers.call(0, *store._log.append_command([(number, 3, b"said by node %d" % store.node)]))
        return told

    async def run() -> list[bytes]:
        said: list[Any] = []
        for node in (8, 9):
            shutil.copy(tmp_path / "state.db", files[node])
        for node in (8, 9):
            store = opened(node)
            await store.open()
            assert await tells(store, 12) == 12
            store.checkpoint_now(counted=0, open_from=1, highest_id=0)
            store.close()
        shutil.copy(files[9], files[10])  # of one that was with the others already
        for node, number in ((10, 12), (9, 12)):
            store = opened(node)
            await store.open()
            assert await tells(store, number) == 12
            said = store._log.parse_entries(await store._servers.call(0, *store._log.read_command((0, 0))))
            store.close()
        return [one.body for one in said]

    assert asyncio.run(run()) == [b"said by node 8", b"said by node 9", b"said by node 10"], (
        "and what node 9 had told once is not told again"
    )


def test_a_store_keeps_the_parts_and_the_form_that_it_was_made_with(
    server: Valkey | Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an earlier version: 16 parts of form 1. A node without a copy learns both from the store, also where part of it was lost."""
    file, person = tmp_path / "state.db", 13_800_230_000
    server.cli("flushall")

    def node(number: int, **more: Any) -> Any:
        return open_store(server.url, secret=SECRET, node=number, deadline_s=10.0, **more)

    async def layout(store: Any, held: bytes) -> str:
        await store.open()
        found = (await store.load([person]))[person]
        assert (found[1][7:] if found[0] > 0 else b"") == held
        said = f"{store._keys.form} {store._parts}"
        store.close()
        return said

    async def run() -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(engine, "FORM", 1)
            earlier.setattr(engine, "PARTS", 16)
            old = node(8, local=file)
            await old.open()
            refused = record.opt_out(record.EMPTY, OptOut("all", "", int(time.time()), "reply", 0))
            assert await old.swap([(person, 0, refused)]) == [True]
            old.checkpoint_now(counted=0, open_from=1, highest_id=1)
            old.close()
        assert await layout(node(9), refused[7:]) == "1 16"
        before = server.cli("dbsize")
        with pytest.raises(StateError, match=r"made with 16 parts, form 1: this node has 64 \(shared\.parts\)"):
            await node(9, parts=64).open()
        assert server.cli("dbsize") == before
        server.cli("del", "g106:{10}:born")
        assert await layout(node(10), refused[7:]) == "1 16"
        server.cli("flushall")
        assert await layout(node(8, local=file), b"") == "1 16"
        server.cli("flushall")
        assert await layout(node(8, local=tmp_path / "new.db"), b"") == "2 256"
        with pytest.raises(StateError, match=r"made with 256 parts, form 2: this node has 64 \(shared\.parts\)"):
            await node(8, local=file, parts=64).open()

    asyncio.run(run())
