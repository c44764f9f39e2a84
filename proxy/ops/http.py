"""HTTP: /healthz, /readyz and /metrics, in the gate's own loop.

In: callables for metrics and readiness, the networks that may read metrics. Out: answers. Never: a signal handler, an exit, a
forwarded address believed, a connection or request without a bound.

Starlette answers, uvicorn's h11 protocol speaks; uvicorn's Server is left out on purpose: it takes the process's signals and may
exit it. Every connection has a deadline at every moment: for the head of a request, then for its answer.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from proxy.ops.metrics import CONTENT_TYPE

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONNECTIONS_MAX = 64  # Prometheus, probes, a few people; more are an attack, and traffic needs the descriptors
HEAD_BYTES_MAX = 16 * 1024
HEAD_S = 10.0
"""So long a connection may take to send (the rest of) a request, the next one too."""
ANSWER_S = 30.0
"""So long an answer may take, the reader's slowness included."""
STOP_S = 1.0

Metrics = Callable[[], bytes | Iterable[bytes]]


class HttpServer:
    def __init__(
        self,
        metrics: Metrics,
        not_ready: Callable[[], list[str]],
        metrics_allow: Sequence[Network],
        notes: Callable[[], list[str]] = list,
    ) -> None:
        """``not_ready`` says why traffic should go elsewhere, in words; an empty list means that it should come here. ``notes`` is
        what somebody should mend although traffic may come: a mistake in the rules must not take every node out of service."""
        self._metrics = metrics
        self._not_ready = not_ready
        self._notes = notes
        self._metrics_allow = tuple(metrics_allow)
        self.state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (a free one for 0). OSError says what is in the way."""
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a stranger's bad request is no line in our log
        config = Config(
            self.app(),
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
            raise OSError(error.errno, f"http: cannot listen on {host}:{port}: {error.strerror or error}") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the listener and idle connections; answers under way get a second."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        tasks = list(self.state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        for connection in list(self.state.connections):
            connection.transport.abort()
        self._server = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/healthz", _healthz), Route("/readyz", self._readyz), Route("/metrics", self._show_metrics)]
        )

    async def _readyz(self, _: Request) -> Response:
        why = self._not_ready()
        return JSONResponse({"ready": not why, "why": why, "notes": self._notes()}, status_code=503 if why else 200)

    async def _show_metrics(self, request: Request) -> Response:
        if not self._may_read_metrics(request.client.host if request.client else ""):
            return PlainTextResponse("not from this address (http.metrics_allow in the settings)\n", status_code=403)
        found = self._metrics()
        if isinstance(found, bytes):
            return Response(found, media_type=CONTENT_TYPE)
        return StreamingResponse(_taking_turns(found), media_type=CONTENT_TYPE)

    def _may_read_metrics(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._metrics_allow)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _taking_turns(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, with a turn of the loop for traffic after each."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


class _Connection(H11Protocol):
    """uvicorn's connection with a deadline and a bound on how many there are."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
            return
        self._expect(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._expect(ANSWER_S)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # may begin the next request of a pipeline
        self._expect(HEAD_S if self.cycle.response_complete else ANSWER_S)

    def _expect(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
