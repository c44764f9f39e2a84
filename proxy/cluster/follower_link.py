"""Connects the journal to a follower on another machine.

In: the settings, a journal. Out: what follower_feed.py decides, over TCP or TLS. Never: a decision of its own but when to try again.

A follower that knows a newer epoch refuses: then this node was replaced, and stops.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, cast

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower_feed import FollowerFeed
from proxy.cluster.follower_protocol import FollowerFault
from proxy.config import Follower
from proxy.journal.write_ahead_log import Journal
from proxy.runtime.os_errors import in_words

CONTACT_S = 3.0  # how long a start waits for the follower: it may know that this node was replaced
RETRY_S = 0.2
PING_S = 0.5


class FollowerLink(FollowerFeed):
    def __init__(
        self,
        settings: Follower,
        journal: Journal,
        context: ssl.SSLContext | None,
        wake: Callable[[], None],
        stop: Callable[[str], None],
        node: int | None = None,
        gate: int | None = None,
    ) -> None:
        """The parameters are FollowerFeed's."""
        super().__init__(settings, journal, wake, stop, time.monotonic, node, gate)
        self._context = context
        self._task: asyncio.Task[None] | None = None

    async def contact(self) -> None:
        """Waits CONTACT_S for the follower. FollowerFault where it refuses this journal."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(first))
        await asyncio.wait([first], timeout=CONTACT_S)
        if first.done():
            first.result()

    async def close(self) -> None:
        self._journal.on_durable = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, first: asyncio.Future[None]) -> None:
        while True:
            why = "it has closed the connection"
            try:
                await self._connected(first)
            except FollowerFault as fault:
                why = f"follower at {self._where}: {fault}"
                if fault.fenced:
                    await asyncio.to_thread(protocol.fence, self._disk.path, why)
                if not first.done():
                    first.set_exception(FollowerFault(why, fenced=fault.fenced))
                    return
                if fault.fenced:
                    self.replaced(why)
                    return
            except TimeoutError:
                why = f"it has not answered for {self._settings.away_s:g} s"
            except OSError as error:
                why = in_words(error)
            self.disconnected(why)
            await asyncio.sleep(RETRY_S)

    async def _connected(self, first: asyncio.Future[None]) -> None:
        """From the connection's beginning to its end. FollowerFault, OSError, TimeoutError."""
        loop, settings = asyncio.get_running_loop(), self._settings
        async with asyncio.timeout(settings.away_s):
            transport, connection = await loop.create_connection(
                lambda: _Connection(self), *settings.address, ssl=self._context,
                server_hostname=(settings.tls_name or settings.address.host) if self._context is not None else None,
            )  # fmt: skip
        try:
            transport.write(self.hello(protocol.epoch_of(self._disk.path)))
            async with asyncio.timeout(settings.away_s + CONTACT_S):  # it reads a segment for the digest
                welcome = await connection.welcome
            position = await asyncio.to_thread(self.position_of, welcome, self._end)
            if not first.done():
                first.set_result(None)
            self.connected(position, transport.write, transport.abort)
            while not connection.ended.done():
                self.ping()
                await asyncio.wait([connection.ended], timeout=min(PING_S, settings.away_s / 3))
            connection.ended.result()
        finally:
            self._write = None
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, link: FollowerLink) -> None:
        loop = asyncio.get_running_loop()
        self._link, self._frames = link, protocol.Frames()
        self.welcome: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1 << 20)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                self._take(kind, body)
        except FollowerFault as fault:
            self._end(fault)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == protocol.ACK:
            self._link._acknowledge(protocol.count_of(body))  # a part of it
        elif kind == protocol.WELCOME and not self.welcome.done():
            self.welcome.set_result(protocol.content_of(body))
        elif kind == protocol.REFUSED:
            content = protocol.content_of(body)
            why = str(content.get("why"))
            passes = content.get("passes") is True
            self._end(ConnectionResetError(why) if passes else FollowerFault(why, fenced=content.get("fenced") is True))
        else:
            raise FollowerFault(protocol.NOT_OURS)

    def _end(self, error: Exception) -> None:
        for one in (self.welcome, self.ended):
            if not one.done():
                one.set_exception(error)
                one.exception()  # whoever awaits it gets it; nobody may
        assert self._transport is not None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.welcome.done():
            self.welcome.set_exception(exc or ConnectionResetError("it has closed the connection"))
            self.welcome.exception()
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._link._paused = True  # as above

    def resume_writing(self) -> None:
        self._link._paused = False  # as above
        self._link._send()  # as above
