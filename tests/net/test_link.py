"""A link and its transport release everything when the connection ends."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop

from proxy.model.counters import GateCounters
from proxy.net.link import Turns
from proxy.net.provider_link import ProviderLink
from proxy.wire import Timers, enquire_link

CONNECTIONS = 20


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_a_connection_that_ends_is_freed_without_the_collector():
    assert uvloop.run(_connect_and_go()) == [None] * CONNECTIONS


async def _connect_and_go() -> list[Any]:
    loop = asyncio.get_running_loop()
    ended = asyncio.Semaphore(0)
    known: list[weakref.ref[ProviderLink]] = []
    providers = SimpleNamespace(
        timers=Timers(), turns=Turns(loop), links=set(), tally=GateCounters(), relay=None, connections_max=CONNECTIONS,
        deliver_relay=SimpleNamespace(lost=lambda tickets: loop.call_soon(ended.release)),
    )  # fmt: skip

    def accept() -> ProviderLink:
        link = ProviderLink(cast("Any", providers))
        known.append(weakref.ref(link))
        return link

    server = await loop.create_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(CONNECTIONS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(enquire_link(1) + b"\0\0\0")  # a request it may not make yet, and the beginning of another
        await reader.readexactly(16)
        writer.close()
        await writer.wait_closed()
        await ended.acquire()
    server.close()
    await server.wait_closed()
    return [link() for link in known]


async def test_a_turn_runs_what_comes_before_output_then_writes_then_ends() -> None:
    turns = Turns(asyncio.get_running_loop())
    done: list[str] = []
    ended = asyncio.Event()

    class Written:
        def flush(self) -> None:
            done.append("written")

    def again() -> None:
        done.append("again")
        turns.has_output(cast("Any", Written()))

    def once() -> None:
        done.append("before output")
        turns.before_output(again)

    def end() -> None:
        done.append("ended")
        ended.set()

    turns.work, turns.ended = lambda: done.append("work"), end
    turns.before_output(once)
    assert turns.coming, "it asks for a turn"
    await asyncio.wait_for(ended.wait(), 30)
    assert done == ["work", "before output", "again", "written", "ended"]
    assert not turns.coming
