"""Accepts HTTP connections within bounds, for any ASGI application.

In: an ASGI application, where to listen. Out: its answers. Never: a signal handler, an exit, a connection or request without a bound.

uvicorn's h11 protocol speaks; uvicorn's Server is left out on purpose: it takes the process's signals and may exit it. Every connection has
a deadline at every moment: for the head of a request, then for its answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

CONNECTIONS_MAX = 64  # Prometheus, probes, a few people; more are an attack, and traffic needs the descriptors
HEAD_BYTES_MAX = 16 * 1024
HEAD_S = 10.0
"""Time to send a request, or the next one."""
ANSWER_S = 30.0
"""Time for an answer, the reader's slowness included."""
UNREAD_S = 3.0
"""A client that reads nothing of an answer for so long is not a slow reader."""
STOP_S = 1.0


class Listener:
    def __init__(self, app: ASGIApp, called: str) -> None:
        """``called``: the section of the settings, for errors."""
        self._app, self._called = _LengthCheck(app), called
        self.state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (a free one for 0). OSError says what is in the way."""
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a stranger's bad request is no line in our log
        config = Config(
            self._app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            timeout_keep_alive=int(HEAD_S) + 1,  # ours comes first
        )
        config.load()
        loop = asyncio.get_running_loop()
        protocol = functools.partial(_Connection, config=config, server_state=self.state, app_state={}, _loop=loop)
        try:
            self._server = await loop.create_server(protocol, host, port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            raise OSError(f"{self._called}: cannot listen on {host}:{port}: {why}") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the listener and idle connections; answers under way get a second."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        if tasks := list(self.state.tasks):
            await asyncio.wait(tasks, timeout=STOP_S)
        for connection in list(self.state.connections):
            connection.transport.abort()
        self._server = None


class _LengthCheck:
    """Before the application: a request with both ``Content-Length`` and ``Transfer-Encoding`` is refused (RFC 9112 §6.1).

    A proxy before the gate that goes by the other of the two would see two requests where the gate sees one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = [name for name, _ in scope.get("headers", ())]
        if b"content-length" not in names or b"transfer-encoding" not in names:
            await self._app(scope, receive, send)
            return
        refused = PlainTextResponse(
            "Content-Length and Transfer-Encoding in one request: send one of them\n", 400, {"Connection": "close"}
        )
        await refused(scope, receive, send)


class _Connection(H11Protocol):
    """uvicorn's connection with a deadline and a bound on how many there are.

    When all are taken, the one gives way that has let us wait for its request the longest, else the one that has let an answer lie unread the
    longest: somebody who opens connections and says nothing, or asks and does not read, keeps no probe out, for a probe says what it wants at
    once and reads.
    """

    _deadline: asyncio.TimerHandle | None = None
    _waits_since: float | None = None
    _unread_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX and not self._close_longest_waiting():
            transport.abort()
            return
        self._set_deadline(HEAD_S)

    def _close_longest_waiting(self) -> bool:
        others, late = [one for one in self.connections if isinstance(one, _Connection)], self.loop.time() - UNREAD_S
        silent = [(one._waits_since, one) for one in others if one._waits_since is not None]
        unread = [(one._unread_since, one) for one in others if one._unread_since is not None and one._unread_since <= late]
        _, longest = min(silent or unread, key=lambda one: one[0], default=(0.0, None))
        if longest is None:
            return False
        longest._waits_since = longest._unread_since = None  # it is chosen once
        longest.transport.abort()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._set_deadline(ANSWER_S)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # may begin the next request of a pipeline
        self._set_deadline(HEAD_S if self.cycle.response_complete else ANSWER_S)

    def _set_deadline(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._waits_since = self.loop.time() if seconds == HEAD_S else None
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
