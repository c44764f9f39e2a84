"""doors: what keeps one from opening is told in the words of the settings."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import cast

import pytest

from proxy.fields import Address
from proxy.net import doors
from proxy.net.doors import Door


async def test_who_is_silent_for_longest_gives_way_to_who_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "WAITING_MAX", 3)
    served, failed = list[str](), list[str]()

    class Served(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast("asyncio.Transport", transport).write(b"hello")

    def serve(peer: str) -> asyncio.Protocol:
        served.append(peer)
        return Served()

    door = Door(serve, failed.append, balancers=())
    port = await door.open(Address("127.0.0.1", 0))
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    assert [await reader.read() for reader, _ in silent[:2]] == [b"", b""], "they have waited longest"
    assert failed == ["too-many-connections"] * 2
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 51342 2775\r\n")
    assert await reader.read(5) == b"hello"
    assert served == ["192.0.2.7"]
    for _, one in (*silent, (reader, writer)):
        one.close()
    await door.close()


async def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        door = Door(lambda peer: asyncio.Protocol(), lambda why: None)
        with pytest.raises(
            OSError, match=re.escape(f"smpp: cannot listen on 127.0.0.1:{port}: Address already in use")
        ) as told:
            await door.open(Address("127.0.0.1", port))
    assert str(told.value).startswith("smpp: "), "without a number"
