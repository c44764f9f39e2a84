"""Facts about recipients reach the store's records after an outage."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.recipient import OptOut
from proxy.state import open_store
from proxy.state.record import record
from proxy.state.record.record import EMPTY
from proxy.state.shared import write_behind as words_of
from proxy.state.shared.write_behind import PendingFacts
from tests.examples import examples
from tests.needs import needs
from tests.replicating_gates import PEOPLE, Clock, Node, words
from tests.valkey import SECRET, Valkey

WANG, LI = PEOPLE
SCOPES = (("all", ""), ("port", "1069001"))
WITHIN_S = 20.0


def refused(data: bytes) -> bytes:
    return record.opt_out(data, OptOut("all", "", 5, "reply", 0))


def taken_back(data: bytes) -> bytes:
    return record.restore(data, OptOut("all", "", 5, "reply", 0))


# -- by themselves


def test_a_record_that_says_all_of_it_is_the_very_same():
    said = PendingFacts()
    said.add(WANG, refused)
    data = said.apply(WANG, EMPTY)
    assert record.opt_outs(data)
    assert said.apply(WANG, data) is data
    assert said.apply(LI, EMPTY) is EMPTY


def test_what_comes_while_the_first_is_on_its_way_is_still_to_be_said():
    said = PendingFacts()
    said.add(WANG, refused)
    under_way = said.last
    said.add(WANG, taken_back)
    said.done(WANG, under_way)
    assert (WANG in said, list(said), len(said)) == (True, [WANG], 1)
    assert said.apply(WANG, refused(EMPTY)) == EMPTY
    said.done(WANG, said.last)
    assert (WANG in said, len(said)) == (False, 0)
    said.done(WANG, said.last)


def test_who_waits_the_longest_makes_room_and_that_is_told(monkeypatch):
    monkeypatch.setattr(words_of, "PERSONS_MAX", 2)
    said = PendingFacts()
    assert [said.add(person, refused) for person in (1, 2, 1, 3, 2)] == [None, None, None, 1, None]
    assert list(said) == [2, 3]


# -- in a real store


class Wire:
    """The way of one gate to the store, which can be cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port, self._cut = to_port, False
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._cut = True
        for one in self._writers:
            one.transport.abort()

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        onward, to_store = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers |= {writer, to_store}
        with contextlib.suppress(asyncio.CancelledError):  # the test is over
            await asyncio.gather(self._pass(reader, to_store), self._pass(onward, writer))
        self._writers -= {writer, to_store}

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Harness:
    """Gates on one store, each over a wire of its own."""

    def __init__(self, server: Valkey, count: int) -> None:
        self._server, self._count, self.clock = server, count, Clock()

    async def open(self, after: AsyncExitStack) -> Harness:
        self._server.cli("flushall")
        self.wires = [Wire(self._server.port) for _ in range(self._count)]
        self.nodes = []
        for number, wire in enumerate(self.wires, 1):
            await wire.open()
            after.callback(wire.close)
            file = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            after.callback(file.close)
            node = Node(partial(self._store, number, wire, file), self.clock)
            await node.store.open()
            after.callback(self._close, node)
            self.nodes.append(node)
        return self

    @staticmethod
    def _close(node: Node) -> None:
        node.store.close()

    def _store(self, number: int, wire: Wire, file: sqlite3.Connection) -> Any:
        url = f"valkey://127.0.0.1:{wire.port}/0"
        return open_store(url, connection=file, secret=SECRET, node=number, parts=1, now=self.clock, deadline_s=5.0)

    async def kill(self, who: int) -> None:
        """It begins anew, whether or not it is cut off."""
        self.nodes[who].kill()
        await self.nodes[who].store.open()

    async def cut(self, who: int) -> None:
        self.wires[who].cut()
        await until(lambda: not self.nodes[who].store.up)

    async def mend(self, who: int) -> None:
        self.wires[who].mend()
        await until(lambda: self.nodes[who].store.up)

    async def step(self, who: int, what: str, *about: Any) -> None:
        node = self.nodes[who]
        match what:
            case "add":
                person, (scope, value) = about
                await node.officer(person, (OptOut(scope, value, int(self.clock()), "officer", 0),))
            case "off":
                await node.officer(about[0], (), about[1])
            case "reply":
                await node.reply(*about)
            case "befalls":
                await node.befalls(*about)
            case "a second":
                self.clock.pass_a_second()
            case "written":
                node.hand_over()
            case "talks":
                node.hand_over()
                node.sync()
                await node.sharing.exchange()
            case "killed" | "cut" | "mended":
                await {"killed": self.kill, "cut": self.cut, "mended": self.mend}[what](who)

    async def rest(self) -> None:
        """All are in reach, all is told and heard, and nothing is owed."""
        for who, node in enumerate(self.nodes):
            await self.mend(who)
            node.hand_over()
            node.sync()
        for node in self.nodes * 2:
            await until(lambda node=node: node.store.up)
            await node.talk()
        await until(lambda: not any(node.store.unwritten for node in self.nodes))

    async def alike(self) -> None:
        """Who has heard all knows what the store's records say."""
        for person in PEOPLE:
            (_, data), *_ = (await self.nodes[0].store.load([person])).values()
            for node in self.nodes:
                assert words(node.store.held(person)) == words(data), node.store.node


async def until(look) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not look():  # noqa: ASYNC110 # the store's own tasks say nothing when they are done
            await asyncio.sleep(0.001)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    folder = Path(tempfile.mkdtemp(prefix="gate106-words-"))
    made = Valkey(folder)
    yield made
    made.kill()
    shutil.rmtree(folder)


async def told(server: Valkey, count: int, steps: list[tuple[int, tuple[Any, ...]]]) -> list[list[OptOut]]:
    """What LI refuses in the end, as each gate knows it."""
    async with AsyncExitStack() as after:
        harness = await Harness(server, count).open(after)
        for who, what in steps:
            await harness.step(who % count, *what)
        await harness.rest()
        await harness.alike()
        return [record.opt_outs(node.store.held(LI)) for node in harness.nodes]


ADD, OFF, TALKS = ("add", LI, SCOPES[0]), ("off", LI, "all"), ("talks",)
KNOWN: list[tuple[int, tuple[Any, ...]]] = [(0, ADD), (0, TALKS), (1, TALKS), (0, ("a second",))]


@needs("valkey")
@pytest.mark.parametrize(
    "steps",
    [
        [(0, ("cut",)), (0, OFF), (0, ("mended",))],
        [(0, ("cut",)), (0, OFF), (0, ("killed",))],
        [(0, ("cut",)), (1, OFF), (1, TALKS), (0, ("mended",))],
        [(0, ("cut",)), (0, ("befalls", LI, "erased")), (0, ("mended",))],
        [(1, OFF), (1, TALKS), (0, ("killed",))],
    ],
    ids=[
        "by who was cut off",
        "by who was cut off and killed",
        "while the other was cut off",
        "with all that is known of them",
        "while the other was dead",
    ],
)
def test_what_was_taken_back_is_gone_from_the_store_and_from_all_copies(server, steps):
    assert asyncio.run(told(server, 2, KNOWN + steps)) == [[], []]


@needs("valkey")
def test_what_was_refused_at_who_was_cut_off_is_in_the_store(server):
    (here, there) = asyncio.run(told(server, 2, [(0, ("cut",)), (0, ADD), (0, ("killed",))]))
    assert here == there != []


async def seen(server: Valkey, steps: list[tuple[int, tuple[Any, ...]]], by: int) -> list[OptOut]:
    """What LI refuses, as that gate loads it while the first one does what it does by itself; nobody tells or hears anything any more."""
    async with AsyncExitStack() as after:
        harness = await Harness(server, 2).open(after)
        for who, what in steps:
            await harness.step(who, *what)
        for _ in range(50):
            ((_, data),) = (await harness.nodes[by].store.load([LI])).values()
            if found := record.opt_outs(data):
                return found
        return []


@needs("valkey")
def test_who_was_cut_off_and_is_back_goes_by_what_was_said_before_anybody_is_told(server):
    assert asyncio.run(seen(server, [*KNOWN, (0, ("cut",)), (0, OFF), (0, ("written",)), (0, ("mended",))], by=0)) == []


@needs("valkey")
def test_who_has_not_heard_all_puts_nothing_back_that_another_may_have_taken_back(server):
    assert asyncio.run(seen(server, [*KNOWN, (1, OFF), (1, TALKS), (0, ("killed",))], by=1)) == []


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from(PEOPLE), st.sampled_from(SCOPES)),
            st.tuples(st.just("off"), st.sampled_from(PEOPLE), st.sampled_from([scope for scope, _ in SCOPES])),
            st.tuples(st.just("reply"), st.sampled_from(PEOPLE), st.sampled_from(["TD", "START"])),
            st.tuples(st.just("befalls"), st.sampled_from(PEOPLE), st.sampled_from(["withdrawn", "recycled", "erased"])),
            st.tuples(st.sampled_from(["a second", "talks", "talks", "cut", "mended", "killed"])),
        ),
    ),
    max_size=30,
)


@needs("valkey")
@settings(max_examples=examples(40))
@given(st.integers(2, 3), STEPS)
def test_whoever_is_cut_off_or_killed_the_stores_records_say_in_the_end_what_all_know(server, count, steps):
    asyncio.run(told(server, count, steps))
