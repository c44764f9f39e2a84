"""Errors in opening a listener name the setting."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import cast

import pytest

from proxy.config.mapping_reader import Address
from proxy.net import listeners as doors
from proxy.net.listeners import (
    STORM_CONNECTIONS,
    VARIABLE,
    YIELD_S,
    YIELD_S_MAX,
    ProviderListener,
    inherited_sockets,
    yield_time_s,
)
from proxy.server.workers.supervisor import reserve


async def test_who_is_silent_for_longest_gives_way_to_who_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "WAITING_MAX", 3)
    served, failed = list[str](), list[str]()

    class Served(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast("asyncio.Transport", transport).write(b"hello")

    def serve(peer: str) -> asyncio.Protocol:
        served.append(peer)
        return Served()

    listener = ProviderListener(serve, failed.append, balancers=())
    port = await listener.open(Address("127.0.0.1", 0))
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    assert [await reader.read() for reader, _ in silent[:2]] == [b"", b""], "they have waited longest"
    assert failed == ["too-many-connections"] * 2
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 51342 2775\r\n")
    assert await reader.read(5) == b"hello"
    assert served == ["192.0.2.7"]
    for _, one in (*silent, (reader, writer)):
        one.close()
    await listener.close()


async def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener = ProviderListener(lambda peer: asyncio.Protocol(), lambda why: None)
        with pytest.raises(
            OSError, match=re.escape(f"smpp: cannot listen on 127.0.0.1:{port}: Address already in use")
        ) as on_readable:
            await listener.open(Address("127.0.0.1", port))
    assert str(on_readable.value).startswith("smpp: "), "without a number"


async def test_of_several_at_one_door_whoever_serves_fewer_takes_the_next() -> None:
    served: list[list[Greeter]] = [[], [], []]

    def serving(mine: list[Greeter]) -> Callable[[str], asyncio.Protocol]:
        def serve(peer: str) -> asyncio.Protocol:
            mine.append(Greeter())
            return mine[-1]

        return serve

    def counting(mine: list[Greeter], before: int) -> Callable[[], int]:
        return lambda: before + len(mine)

    with socket.create_server(("127.0.0.1", 0)) as shared:
        address = Address(*shared.getsockname())
        doors = [
            ProviderListener(serving(mine), lambda why: None, connections_held=counting(mine, before))
            for mine, before in zip(served, (25, 25, 0), strict=True)
        ]
        for listener in doors:
            assert await listener.open(address, shared.dup()) == address.port
        clients = [await _greeted(address.port) for _ in range(20)]
        assert len(served[2]) >= 14, "one that comes at once behind another may be his who waited for that"
        clients += await asyncio.gather(*(_greeted(address.port) for _ in range(3 * STORM_CONNECTIONS)))
        assert sum(map(len, served)) == 20 + 3 * STORM_CONNECTIONS
        assert min(map(len, served)) > STORM_CONNECTIONS // 2, "a storm is let in by all of them"
        for greeter in (greeter for mine in served for greeter in mine):
            greeter.transport.close()
        for writer in clients:
            writer.close()
            await writer.wait_closed()
        for listener in doors:
            await listener.close()


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"hello")


async def _greeted(port: int) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read(5) == b"hello"
    return writer


def test_who_serves_more_waits_longer_and_nobody_waits_long() -> None:
    waits = [yield_time_s(connections_held) for connections_held in range(1000)]
    assert waits[0] == 0
    assert waits == sorted(set(waits))
    assert waits[1] == pytest.approx(YIELD_S, rel=0.05)
    assert waits[-1] < YIELD_S_MAX


async def test_a_door_that_is_shut_for_all_lets_nobody_in_and_counts_nobody() -> None:
    failed = list[str]()
    with socket.create_server(("127.0.0.1", 0)) as shared:
        greeter = Greeter()
        listener = ProviderListener(lambda peer: greeter, failed.append, connections_held=lambda: 0)
        port = await listener.open(Address(*shared.getsockname()), shared.dup())
        writer = await _greeted(port)
        shared.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        greeter.transport.close()
        await listener.close()
    assert not failed


async def test_a_worker_whose_supervisor_hands_it_no_door_listens_beside_what_that_keeps() -> None:
    kept = reserve(Address("127.0.0.1", 0))
    greeter = Greeter()
    listener = ProviderListener(lambda peer: greeter, lambda why: None, connections_held=lambda: 0)
    port = await listener.open(Address(*kept.getsockname()), inherited_sockets({})[0])
    writer = await _greeted(port)
    writer.close()
    greeter.transport.close()
    await listener.close()
    kept.close()


def test_a_worker_finds_the_doors_that_it_is_handed_and_hands_them_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as shared:
        plain, tls = inherited_sockets({VARIABLE: str(file := shared.dup().detach())})
        assert plain is not None
        with plain:
            assert plain.getsockname() == shared.getsockname()
            assert plain.fileno() == file
            assert not plain.get_inheritable()
        assert tls is None
    assert inherited_sockets({}) == [None, None]
