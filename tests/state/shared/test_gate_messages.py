"""Log records reach other gates even if the sender's journal is replaced.

Nothing counts as sent because another record had its number. The tests use a real Valkey server and a cluster.
"""

from __future__ import annotations

import asyncio
import copy
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.journal.records import messages
from proxy.state import open_store
from tests.journal.memory_disk import MemoryDisk
from tests.needs import needs
from tests.replicating_gates import Clock, Node
from tests.valkey import SECRET, Cluster, Valkey

pytestmark = needs("valkey")

Story = Callable[["Gate", "Gate"], Awaitable[None]]


class Gate(Node):
    """On a real store. Whatever journal it is given it starts with, its losses accepted."""

    def __init__(self, server: Valkey | Cluster, number: int, clock: Clock) -> None:
        self._server, self._number = server, number
        self.file = _file()
        super().__init__(self._store, clock)

    def _store(self) -> Any:
        store: Any = open_store(
            self._server.url,
            connection=self.file,
            secret=SECRET,
            node=self._number,
            now=self.now,
            deadline_s=10.0,
            accept_loss=True,
        )
        store.belongs_to(self.disk)
        return store

    async def again(self, disk: MemoryDisk) -> None:
        """A life with that journal."""
        self.disk = disk
        self.kill()
        await self.store.open()

    def checkpoint(self) -> None:
        written = self.journal.written
        self.store.checkpoint_now(counted=written, open_from=written + 1, highest_id=0)

    def copied(self) -> tuple[MemoryDisk, sqlite3.Connection]:
        """Its folder: the journal, and the state."""
        self.checkpoint()
        file = _file()
        self.file.backup(file)
        return copy.deepcopy(self.disk), file

    async def orders(self, count: int) -> None:
        """Among what nobody else is told."""
        for _ in range(count):
            self.order()
            for _ in range(5):
                self.write(messages.ASKED, b"")
            self.sync()
        await self.talk()

    async def told(self) -> list[bytes]:
        """Its orders that are in the log."""
        found = self.store._log.parse_entries(await self.store._servers.call(0, *self.store._log.read_command((0, 0))))
        return [one.body for one in found if (one.node, one.kind) == (self._number, messages.ORDERED)]

    def end(self) -> None:
        self.store.close()
        self.file.close()


def _file() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def on(server: Valkey | Cluster, story: Story) -> None:
    async def run() -> None:
        clock = Clock()
        async with AsyncExitStack() as after:
            gates = [Gate(server, number, clock) for number in numbers()]
            for gate in gates:
                after.callback(gate.end)
                await gate.store.open()
                await gate.talk()
            await story(*gates)

    asyncio.run(run())


_numbers = iter(range(20, 200))


def numbers() -> tuple[int, int]:
    """Nodes that nobody was yet: the server is that of all tests here."""
    return next(_numbers), next(_numbers)


async def both_heard(one: Gate, other: Gate, orders: int) -> None:
    """All know of so many orders of the one, each of which was told once."""
    for gate in (one, other, one):
        gate.sync()
        await gate.talk()
    told = await one.told()
    assert len(told) == len(set(told)) == orders
    assert one.knows()["orders"] == other.knows()["orders"]
    assert set(told) <= set(other.knows()["orders"].values())


def test_a_gate_whose_older_copy_was_put_back_is_heard_and_hears_what_it_said_itself(server: Valkey | Cluster) -> None:
    async def story(one: Gate, other: Gate) -> None:
        await one.orders(2)
        await both_heard(one, other, 2)
        older, file = one.copied()
        await one.orders(5)
        await both_heard(one, other, 7)
        one.file.close()
        one.file = file
        await one.again(older)
        one.now.pass_a_second()
        await one.talk()
        assert one.knows()["orders"] == other.knows()["orders"], "also the one whose number START has now"
        await one.again(older)  # having told nothing: then what was told before the copy was made is not told again
        await both_heard(one, other, 7)
        await one.orders(1)
        await both_heard(one, other, 8)
        await one.again(older)
        await one.orders(1)
        await both_heard(one, other, 9)

    on(server, story)


@pytest.mark.parametrize("named", [False, True], ids=["gone", "gone but for its name"])
def test_a_gate_whose_journal_is_a_new_one_is_heard_however_late_it_tells(server: Valkey | Cluster, named: bool) -> None:
    async def story(one: Gate, other: Gate) -> None:
        await one.orders(5)
        await both_heard(one, other, 5)
        one.checkpoint()
        new = MemoryDisk()
        if named:
            new.identify(one.disk.identity())
        await one.again(new)
        one.now.pass_a_second()
        for _ in range(6):  # more than it had told
            one.order()
        one.sync()
        await one.again(new)
        await both_heard(one, other, 11)

    on(server, story)
