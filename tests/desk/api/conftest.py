"""The API of a console that listens, before the gate of all tests of pages; and programs that ask it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.config import console_locations
from proxy.console.app import App
from proxy.console.gate_client import GateClient
from proxy.console.metric_sampling import Sampling
from proxy.operations.http_listener import Listener
from tests.console.world import World, token_of
from tests.e2e.gate import run


class Caller:
    """A program with somebody's token."""

    def __init__(self, world: World, name: str = "", token: str = "", address: str = "2001:db8:a::1") -> None:
        self.client = world.client(address)
        if name or token:
            self.client.headers["Authorization"] = f"Bearer {token or token_of(name)}"

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(f"/api/{path}", params=query or None)

    def post(self, path: str, **said: Any) -> Any:
        return self.client.post(f"/api/{path}", json=said)

    def send(self, path: str, file: bytes, **query: str) -> Any:
        return self.client.post(
            f"/api/{path}", content=file, params=query, headers={"Content-Type": "application/octet-stream"}
        )


@pytest.fixture
def program(world: World) -> Callable[..., Caller]:
    """``program("chen")``: one with her token."""

    def open_one(name: str = "", **how: str) -> Caller:
        return Caller(world, name, **how)

    return open_one


@pytest.fixture(scope="module")
def rolled(world: World) -> None:
    """There are tables of the journal, and keys, as with every gate that is older than an hour."""
    said = run("journal", "roll", "--config", world.gate.config)
    assert said.returncode == 0, said.stderr


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """Where a console listens, in a loop of its own."""
    opened, closing, ports = threading.Event(), asyncio.Event(), list[int]()
    loops = list[asyncio.AbstractEventLoop]()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        places = console_locations(world.gate.config)
        asking = GateClient(places, world.gate.config)
        listener = Listener(App(places.console, asking, Sampling(asking)).app(), "console")
        ports.append(await listener.start("127.0.0.1", 0))
        opened.set()
        await closing.wait()
        await listener.stop()
        asking.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert opened.wait(10)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loops[0].call_soon_threadsafe(closing.set)
        thread.join(10)
