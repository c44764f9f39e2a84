"""doors: what keeps one from opening is told in the words of the settings."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from proxy.fields import Address
from proxy.net.doors import Door


async def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        door = Door(lambda peer: asyncio.Protocol(), lambda why: None)
        with pytest.raises(
            OSError, match=re.escape(f"smpp: cannot listen on 127.0.0.1:{port}: Address already in use")
        ) as told:
            await door.open(Address("127.0.0.1", port))
    assert str(told.value).startswith("smpp: "), "without a number"
