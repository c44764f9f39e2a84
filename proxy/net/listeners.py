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
from proxy.config.mapping_reader import Address, Network, within
from proxy.net.proxy_protocol import HEADER_MAX, ProxyHeader, ProxyHeaderError, read_header

WAITING_MAX = 500
"""Connections without a complete header or handshake; beyond it the oldest is closed."""
BACKLOG = 1024
AT_ONCE, PAUSE_S, STRAINED_PAUSE_S = 1, 0.001, 0.008
"""AT_ONCE connections are accepted, then none for PAUSE_S: some 1,000 a second; 100 while many are refused or cut off. A storm of
connections waits in the kernel and delays nobody who is bound."""
KERNEL_BYTES = 64 * 1024
"""Kernel buffer of a connection in each direction (Linux takes twice that): 5,000 messages/s over a line of 50 ms."""
OWN_DESCRIPTORS = WAITING_MAX + 200
"""File descriptors reserved for the journal, the store, HTTP, carriers, and unfinished handshakes."""
AGAIN_S, AGAIN_S_MAX = 0.01, 0.5
"""Waits before a header that came in pieces is read again: the first and the longest."""
NO_ROOM_S = 0.1
"""Wait before the next accept when no file descriptor is left."""
VARIABLE = "GATE106_DOORS"
"""Environment variable of a worker: the file descriptors of its listeners, ``smpp.listen`` before ``smpp.tls.listen``."""
YIELD_S_MAX = 0.1
"""The longest wait before a process takes a connection that another may take."""
YIELD_S = 0.004
"""The wait for each connection that it serves, while these are few: a busy loop may be some milliseconds late."""
STORM_CONNECTIONS = 32
"""Queue of connections: long enough that no client waits."""
UNACKED_AT = 24
"""Octets of the kernel's ``struct tcp_info`` before tcpi_unacked: eight of one octet, four of four."""

Serve = Callable[[str], asyncio.Protocol]
"""Makes the protocol of a connection, given its peer's address (empty: ask the transport)."""


class ProviderListener:
    """One listener. ``context`` may be replaced at any time: the next connection uses the new one."""

    def __init__(
        self,
        serve: Serve,
        failed: Callable[[str], None],
        *,
        context: ssl.SSLContext | None = None,
        balancers: Sequence[Network] | None = None,
        within_s: float = 10.0,
        strained: Callable[[], bool] = lambda: False,
        connections_held: Callable[[], int] | None = None,
    ) -> None:
        """``failed`` is called with the cause when a connection is turned away. ``balancers``: addresses whose PROXY header is required and
        believed (empty: any); None: no header is expected. ``within_s``: time limit for header and handshake. ``strained``: whether most
        connections are refused or cut off. ``connections_held``: how many this process serves, where other processes of the gate accept on
        the same socket; None: it is alone."""
        self.context = context
        self._serve = serve
        self._failed = failed
        self._balancers = balancers
        self._within_s = within_s
        self._is_strained = strained
        self._connections_held = connections_held
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._waiting: OrderedDict[asyncio.Task[None], None] = OrderedDict()
        """Connections without a complete header or handshake, the oldest first."""

    async def open(self, address: Address, shared: socket.socket | None = None) -> int:
        """Listens; returns the port. OSError says why it cannot. ``shared``: a socket bound to the address for all processes."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        where = address.host, address.port
        try:
            if shared is not None:
                listening = shared
                listening.listen(BACKLOG)
            else:  # a worker under an older supervisor: the kernel distributes the connections
                listening = socket.create_server(
                    where, family=family, backlog=BACKLOG, reuse_port=self._connections_held is not None
                )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            raise OSError(f"smpp: cannot listen on {address.host}:{address.port}: {why}") from error
        for buffer in (
            socket.SO_RCVBUF,
            socket.SO_SNDBUF,
        ):  # connections inherit it; otherwise the kernel might buffer megabytes of each
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
            strained = self._is_strained()
            await self._yield(listening)
            try:
                for _ in range(AT_ONCE):
                    connection, address = listening.accept()
                    self._accepted(loop, connection, str(address[0]))
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno == errno.EINVAL:  # the supervisor has shut down the shared socket
                    return
                self._failed("no-room")
                await asyncio.sleep(NO_ROOM_S)
            else:
                await asyncio.sleep(STRAINED_PAUSE_S if strained else PAUSE_S)

    async def _yield(self, listening: socket.socket) -> None:
        """Leaves queued connections to a process that serves fewer, for a while."""
        connections_held = self._connections_held() + len(self._waiting) if self._connections_held is not None else 0
        left_s = yield_time_s(connections_held)
        while left_s > 0 and 0 < _queued_connections(listening) < STORM_CONNECTIONS:
            await asyncio.sleep(min(left_s, PAUSE_S))
            left_s -= PAUSE_S

    def _accepted(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._failed("too-many-connections")  # the oldest is closed: a silent stranger keeps nobody out
            self._waiting.popitem(last=False)[0].cancel()
        connection.setblocking(False)
        task = loop.create_task(self._serve_connection(loop, connection, address))
        self._waiting[task] = None
        task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def _serve_connection(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> None:
        """Reads the header and hands the socket to a transport, or closes it."""
        taken = False
        try:
            async with asyncio.timeout(self._within_s):
                peer = await self._peer(loop, connection, address)
                taken = True  # from here on the loop closes the socket
                if self.context is None:
                    await loop.connect_accepted_socket(lambda: self._serve(peer), connection)
                else:
                    await loop.connect_accepted_socket(
                        lambda: self._serve(peer), connection, ssl=self.context, ssl_handshake_timeout=self._within_s
                    )
        except ProxyHeaderError:
            self._failed("no-proxy-header")
        except (ssl.SSLError, OSError, TimeoutError):
            self._failed("tls-handshake" if taken else "no-proxy-header")
        finally:
            if not taken:
                connection.close()

    async def _peer(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, address: str) -> str:
        """The address of the connection's peer. Raises ProxyHeaderError, OSError."""
        if self._balancers is None:
            return address
        if self._balancers and not within(address, self._balancers):
            raise ProxyHeaderError("it comes from no balancer")
        header = await _header(loop, connection)
        connection.recv(header.octets)  # it has all arrived
        return header.address or address


def yield_time_s(connections_held: int) -> float:
    """How long a process that serves ``connections_held`` leaves a connection to others: the more it serves, the longer."""
    return YIELD_S_MAX * connections_held / (connections_held + YIELD_S_MAX / YIELD_S)


def _queued_connections(listening: socket.socket) -> int:
    """How many connections wait to be accepted (tcp(7): tcpi_unacked of a listener's TCP_INFO); 0 where the system does not say."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    on_readable = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKED_AT + 4)
    return int(struct.unpack_from("=I", on_readable, UNACKED_AT)[0]) if len(on_readable) == UNACKED_AT + 4 else 0


def inherited_sockets(environment: Mapping[str, str]) -> list[socket.socket | None]:
    """The sockets that the supervisor made for its workers, from the environment: the plain one, the TLS one."""
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
        if len(data) == seen:  # nothing new: the same piece again, or the end
            if not data:
                raise ProxyHeaderError("it ended before its header did")
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_S_MAX)
        seen = len(data)


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    ready = loop.create_future()

    def on_readable() -> None:
        loop.remove_reader(connection)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, on_readable)
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def allowed_connections(connections: int) -> int:
    """How many of these connections the file descriptors allow, after raising the soft limit to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # an endless hard limit, on some systems
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OWN_DESCRIPTORS))


def make_listeners(
    settings: Settings,
    serve: Serve,
    failed: Callable[[str], None],
    strained: Callable[[], bool],
    connections_held: Callable[[], int] | None = None,
) -> tuple[ProviderListener, ProviderListener | None]:
    """The plain listener, and the TLS one if it is configured; its context must still be set."""
    smpp = settings.smpp
    balancers = smpp.proxy_from if smpp.proxy_protocol else None

    def listener() -> ProviderListener:
        return ProviderListener(
            serve,
            failed,
            balancers=balancers,
            within_s=settings.timers.bind_s,
            strained=strained,
            connections_held=connections_held,
        )

    return listener(), listener() if smpp.tls is not None else None
