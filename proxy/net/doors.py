"""Doors: where providers come in: over plain TCP, over TLS, behind a balancer that says whom it speaks for.

In: connections. Out: for each that may go on a protocol, with the peer's address. Never: a word of SMPP; a stranger who keeps others
waiting (handshakes are bounded in number and time).

A balancer's header (proxied.py) stands before everything else, TLS too: it is read off the socket before a transport is made of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import resource
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence

from proxy.config import Settings
from proxy.fields import Address, Network
from proxy.net.proxied import HEADER_MAX, Header, NotProxied, read_header

WAITING_MAX = 500
"""Connections that have not said who they are, or have not shaken hands; more are turned away."""
BACKLOG = 1024
AT_ONCE, PAUSE_S, STRAINED_PAUSE_S = 1, 0.001, 0.008
"""So many connections are accepted together, then none for so long: some 1,000 a second; 100, while many are refused or cut off.
A storm of them then waits in the kernel, and holds up nobody who is bound."""
KERNEL_BYTES = 64 * 1024
"""What the kernel holds of a connection in each direction (Linux takes twice that): 5,000 messages/s over a line of 50 ms."""
OWN_DESCRIPTORS = WAITING_MAX + 200
"""Kept for the gate itself: the journal, the store, HTTP, carriers, and whoever has not shaken hands."""
AGAIN_S, AGAIN_S_MAX = 0.01, 0.5
"""A header that came in pieces is looked at again after so long."""
NO_ROOM_S = 0.1
"""Without a file descriptor left the next connection is tried after so long."""

Serve = Callable[[str], asyncio.Protocol]
"""Makes the protocol of a connection, given its peer's address (empty: ask the transport)."""


class Door:
    """One listener. ``context`` may be replaced at any time: who comes next sees the new one."""

    def __init__(
        self,
        serve: Serve,
        failed: Callable[[str], None],
        *,
        context: ssl.SSLContext | None = None,
        balancers: Sequence[Network] | None = None,
        within_s: float = 10.0,
        strained: Callable[[], bool] = lambda: False,
        shared: bool = False,
    ) -> None:
        """``failed`` hears why somebody was turned away; ``balancers``: whose header is believed and asked for (none listed: anybody's),
        None where there is none; ``within_s``: how long header and handshake may take; ``strained``: whether most who come do no good;
        ``shared``: other processes of this gate listen on the same port, and the kernel divides who comes among them (SO_REUSEPORT)."""
        self.context = context
        self._serve = serve
        self._failed = failed
        self._balancers = balancers
        self._within_s = within_s
        self._strained = strained
        self._shared = shared
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._waiting: OrderedDict[asyncio.Task[None], None] = OrderedDict()
        """Connections that have not said yet who they are, the eldest first."""

    async def open(self, address: Address) -> int:
        """Listens; returns the port. OSError says what is in the way."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        where = address.host, address.port
        try:
            listening = socket.create_server(where, family=family, backlog=BACKLOG, reuse_port=self._shared)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            raise OSError(f"smpp: cannot listen on {address.host}:{address.port}: {why}") from error
        for buffer in (
            socket.SO_RCVBUF,
            socket.SO_SNDBUF,
        ):  # connections inherit it; else the kernel might hold megabytes of each
            listening.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BYTES)
        listening.setblocking(False)
        self._socket = listening
        self._accepting = loop.create_task(self._accept(loop, listening))
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        if self._accepting is not None and self._socket is not None:
            self._accepting.cancel()
            for task in self._waiting:
                task.cancel()
            await asyncio.gather(self._accepting, *self._waiting, return_exceptions=True)
            self._socket.close()

    async def _accept(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        while True:
            await _readable(loop, listening)
            strained = self._strained()
            try:
                for _ in range(AT_ONCE):
                    connection, address = listening.accept()
                    self._accepted(loop, connection, str(address[0]))
            except BlockingIOError:
                continue
            except OSError:
                self._failed("no-room")
                await asyncio.sleep(NO_ROOM_S)
            else:
                await asyncio.sleep(STRAINED_PAUSE_S if strained else PAUSE_S)

    def _accepted(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._failed("too-many-connections")  # who has said nothing for longest: a stranger who is silent keeps nobody out
            self._waiting.popitem(last=False)[0].cancel()
        connection.setblocking(False)
        task = loop.create_task(self._let_in(loop, connection, address))
        self._waiting[task] = None
        task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def _let_in(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> None:
        """To the transport that takes the socket over, or to its end."""
        taken = False
        try:
            async with asyncio.timeout(self._within_s):
                peer = await self._peer(loop, connection, address)
                taken = True  # whatever becomes of it now, the loop closes the socket
                if self.context is None:
                    await loop.connect_accepted_socket(lambda: self._serve(peer), connection)
                else:
                    await loop.connect_accepted_socket(
                        lambda: self._serve(peer), connection, ssl=self.context, ssl_handshake_timeout=self._within_s
                    )
        except NotProxied:
            self._failed("no-proxy-header")
        except (ssl.SSLError, OSError, TimeoutError):
            self._failed("tls-handshake" if taken else "no-proxy-header")
        finally:
            if not taken:
                connection.close()

    async def _peer(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> str:
        """Whose connection it is. Raises NotProxied, OSError."""
        if self._balancers is None:
            return address
        if self._balancers and not any(ipaddress.ip_address(address) in network for network in self._balancers):
            raise NotProxied("it comes from no balancer")
        header = await _header(loop, connection)
        connection.recv(header.octets)  # all of it has come
        return header.address or address


async def _header(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> Header:
    seen, again_s = 0, AGAIN_S
    while True:
        await _readable(loop, connection)
        data = connection.recv(HEADER_MAX, socket.MSG_PEEK)
        header = read_header(data) if data else None
        if header is not None:
            return header
        if len(data) == seen:  # nothing new: it is the same piece again, or the end
            if not data:
                raise NotProxied("it ended before its header did")
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_S_MAX)
        seen = len(data)


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    ready = loop.create_future()

    def told() -> None:
        loop.remove_reader(connection)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, told)
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def room_for(connections: int) -> int:
    """How many of so many connections the process's file descriptors allow, once it has taken as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # an endless hard limit, on some systems
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OWN_DESCRIPTORS))


def doors_of(
    settings: Settings, serve: Serve, failed: Callable[[str], None], strained: Callable[[], bool], shared: bool = False
) -> tuple[Door, Door | None]:
    """The door for all, and the one for TLS if there is to be one; its context is to be set."""
    smpp = settings.smpp
    balancers = smpp.proxy_from if smpp.proxy_protocol else None

    def door() -> Door:
        return Door(serve, failed, balancers=balancers, within_s=settings.timers.bind_s, strained=strained, shared=shared)

    return door(), door() if smpp.tls is not None else None
