"""Every pending call of a lost connection fails with the reason."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.state.shared.connection import Connection, ServerAddress, ServerLogin, StoreDown, StoreRefused, connect
from proxy.state.shared.servers import Servers


class Server(asyncio.Protocol):
    """Says the same to whatever it is asked."""

    def __init__(self, answers: bytes, left: asyncio.Future[None]) -> None:
        self.answers, self.left = answers, left

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answers)

    def connection_lost(self, exc: Exception | None) -> None:
        self.left.set_result(None)


def with_server(answers: bytes, talk: Callable[[Connection], Coroutine[Any, Any, None]]) -> list[str]:
    """``talk`` with a server that says this; what the loop calls a fault meanwhile."""
    faults: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: faults.append(told["message"]))
        left: asyncio.Future[None] = loop.create_future()
        server = await loop.create_server(lambda: Server(answers, left), "127.0.0.1", 0)
        made = await connect(ServerAddress(*server.sockets[0].getsockname()[:2]), ServerLogin(), 5.0, lambda _: None)
        await talk(made)
        made.end("over")
        await left
        server.close()
        gc.collect()  # what nobody looked at is told of when it goes

    asyncio.run(run())
    return faults


def test_who_does_not_ask_any_more_when_the_connection_ends_is_no_fault() -> None:
    async def talk(made: Connection) -> None:
        told, _ = made.call("PING"), made.call("PING")
        made.end("it was enough")
        with pytest.raises(StoreDown) as error:
            await told
        assert str(error.value) == "it was enough"
        made.call("PING")  # of one that has ended

    assert with_server(b"", talk) == []


def test_nor_is_who_had_gone_when_the_server_refused() -> None:
    async def talk(made: Connection) -> None:
        made.call("GET", "x")
        with pytest.raises(StoreRefused, match="NOPERM"):
            await made.call("GET", "x")

    assert with_server(b"-NOPERM no\r\n-NOPERM no\r\n", talk) == []


def test_however_often_it_is_tried_why_it_is_out_of_reach_is_said_once() -> None:
    async def run() -> str:
        async def reached(connection: Connection, parts: list[int]) -> None: ...

        nobody = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = ServerAddress(*nobody.sockets[0].getsockname()[:2])
        nobody.close()
        await nobody.wait_closed()
        servers = Servers(
            [address], ServerLogin(), cluster=False, parts=1, deadline_s=0.1, reached=reached, lost=lambda _: None
        )
        for _ in range(3):
            with pytest.raises(StoreDown) as error:
                await servers.open()
            servers.doubt(0, str(error.value))
            with pytest.raises(StoreDown):
                await servers.call(0, "PING")
        servers.close()
        assert servers.why.startswith(str(address))
        return servers.why

    why = asyncio.run(run())
    assert "Errno 0" not in why
