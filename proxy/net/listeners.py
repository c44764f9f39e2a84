"""Accepts providers' connections over TCP, TLS and the PROXY protocol.

In: connections. Out: for each admitted one a protocol, with the peer's address. Never: a word of SMPP; a stranger who delays others
(handshakes are bounded in number and time).

A balancer's header (proxy_protocol.py) stands before everything else, TLS included: it is read off the socket before a transport is made.

Several processes of one gate accept on the same sockets, which they inherit. A process that serves many connections waits a little before
it takes one more. Binds last for weeks, and with the kernel alone (SO_REUSEPORT) one of two processes got six or more of eight binds in
three cases of ten.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from proxy.config import Settings
from proxy.config.fields import Address, Network, within
from proxy.net.proxy_protocol import HEADER_MAX, NotProxied, ProxyHeader, read_header

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
VARIABLE = "GATE106_DOORS"
"""Of a worker's environment: the numbers of the files that are its listeners: that of ``smpp.listen``, then that of ``smpp.tls.listen``."""
YIELD_S_MAX = 0.1
"""No process waits longer before it takes a connection that another may take …"""
YIELD_S = 0.004
"""… and about so long for each that it serves, while these are few: a busy loop may be some milliseconds late …"""
STORM = 32
"""… while fewer stand before the door than so many: else there is enough for all."""
UNACKED_AT = 24
"""Octets of the kernel's ``struct tcp_info`` before tcpi_unacked: eight of one octet, four of four."""

Serve = Callable[[str], asyncio.Protocol]
"""Makes the protocol of a connection, given its peer's address (empty: ask the transport)."""


class ProviderListener:
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
        crowd: Callable[[], int] | None = None,
    ) -> None:
        """``failed`` hears why somebody was turned away; ``balancers``: whose header is believed and asked for (none listed: anybody's),
        None where there is none; ``within_s``: how long header and handshake may take; ``strained``: whether most who come do no good;
        ``crowd``: how many connections this process serves, where others of this gate stand at the same door; None: it is alone."""
        self.context = context
        self._serve = serve
        self._failed = failed
        self._balancers = balancers
        self._within_s = within_s
        self._strained = strained
        self._crowd = crowd
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._waiting: OrderedDict[asyncio.Task[None], None] = OrderedDict()
        """Connections that have not said yet who they are, the eldest first."""

    async def open(self, address: Address, shared: socket.socket | None = None) -> int:
        """Listens; returns the port. OSError says what is in the way. ``shared``: bound to the address already, for all processes."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        where = address.host, address.port
        try:
            if shared is not None:
                listening = shared
                listening.listen(BACKLOG)
            else:  # a worker whose supervisor is of an older version has the kernel divide who comes
                listening = socket.create_server(where, family=family, backlog=BACKLOG, reuse_port=self._crowd is not None)
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
            await self._yield(listening)
            try:
                for _ in range(AT_ONCE):
                    connection, address = listening.accept()
                    self._accepted(loop, connection, str(address[0]))
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno == errno.EINVAL:  # the supervisor has shut the door for all
                    return
                self._failed("no-room")
                await asyncio.sleep(NO_ROOM_S)
            else:
                await asyncio.sleep(STRAINED_PAUSE_S if strained else PAUSE_S)

    async def _yield(self, listening: socket.socket) -> None:
        """Leaves who stands at the door to a process that serves fewer, as long as that is likely."""
        crowd = self._crowd() + len(self._waiting) if self._crowd is not None else 0
        left_s = yielding_s(crowd)
        while left_s > 0 and 0 < _standing(listening) < STORM:
            await asyncio.sleep(min(left_s, PAUSE_S))
            left_s -= PAUSE_S

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
        if self._balancers and not within(address, self._balancers):
            raise NotProxied("it comes from no balancer")
        header = await _header(loop, connection)
        connection.recv(header.octets)  # all of it has come
        return header.address or address


def yielding_s(crowd: int) -> float:
    """How long a process that serves so many leaves a connection to others: longer than any that serves fewer."""
    return YIELD_S_MAX * crowd / (crowd + YIELD_S_MAX / YIELD_S)


def _standing(listening: socket.socket) -> int:
    """How many connections wait to be accepted (tcp(7): of a listener TCP_INFO's tcpi_unacked tells that); 0 where the system
    does not say."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKED_AT + 4)
    return int(struct.unpack_from("=I", told, UNACKED_AT)[0]) if len(told) == UNACKED_AT + 4 else 0


def inherited(environment: Mapping[str, str]) -> list[socket.socket | None]:
    """The listeners that a supervisor has made for its workers, as the environment names them: the one for all, the one for TLS."""
    found = [socket.socket(fileno=int(file)) for file in environment.get(VARIABLE, "").split(",") if file]
    for one in found:
        one.set_inheritable(False)
    return [*found, None, None][:2]


async def _header(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> ProxyHeader:
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
    settings: Settings,
    serve: Serve,
    failed: Callable[[str], None],
    strained: Callable[[], bool],
    crowd: Callable[[], int] | None = None,
) -> tuple[ProviderListener, ProviderListener | None]:
    """The door for all, and the one for TLS if there is to be one; its context is to be set."""
    smpp = settings.smpp
    balancers = smpp.proxy_from if smpp.proxy_protocol else None

    def door() -> ProviderListener:
        return ProviderListener(
            serve, failed, balancers=balancers, within_s=settings.timers.bind_s, strained=strained, crowd=crowd
        )

    return door(), door() if smpp.tls is not None else None
