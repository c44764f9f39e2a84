"""HTTP: /healthz, /readyz and /metrics, in the gate's own loop.

In: callables for metrics and readiness, who may read more than those two open paths. Out: answers. Never: a signal handler, an exit, a
forwarded address believed, a connection or request without a bound, a path for which nobody has decided who may read it.

Starlette answers, uvicorn's h11 protocol speaks; uvicorn's Server is left out on purpose: it takes the process's signals and may
exit it. Every connection has a deadline at every moment: for the head of a request, then for its answer.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from proxy.logs import Seldom
from proxy.ops.guard import Guard
from proxy.ops.metrics import CONTENT_TYPE
from proxy.roles import PATHS, Asker, Permission, Role
from proxy.shown import as_json

CONNECTIONS_MAX = 64  # Prometheus, probes, a few people; more are an attack, and traffic needs the descriptors
HEAD_BYTES_MAX = 16 * 1024
HEAD_S = 10.0
"""So long a connection may take to send (the rest of) a request, the next one too."""
ANSWER_S = 30.0
"""So long an answer may take, the reader's slowness included."""
STOP_S = 1.0
REFUSALS_S, REFUSALS_AT_ONCE = 0.1, 10.0
"""So many refusals a second are in the log, after so many at once."""
PASSED_ON = frozenset(("content-type", "content-length", "idempotency-key", "accept"))
"""Headers that an endpoint of ours may want to see."""

Metrics = Callable[[], bytes | Iterable[bytes]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Way(NamedTuple):
    """What may be asked for under a path."""

    method: str
    endpoint: Endpoint


class HttpServer:
    def __init__(
        self,
        metrics: Metrics,
        not_ready: Callable[[], list[str]],
        guard: Guard,
        notes: Callable[[], list[str]] = list,
        more: Mapping[str, Way] | None = None,
    ) -> None:
        """``not_ready`` says why traffic should go elsewhere, in words; an empty list means that it should come here. ``notes`` is
        what somebody should mend although traffic may come: a mistake in the rules must not take every node out of service. ``more``:
        paths of other files."""
        self._guard = guard
        self._metrics = metrics
        self._not_ready = not_ready
        self._notes = notes
        self._more = dict(more or {})
        self._refusals = Seldom(REFUSALS_S, REFUSALS_AT_ONCE)
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
        found = Starlette(
            routes=[Route(path, way.endpoint, methods=[way.method]) for path, way in self.paths().items()],
            middleware=[Middleware(_Watched, self._asks)],
        )
        found.router.redirect_slashes = False
        return found

    def paths(self) -> dict[str, Way]:
        """All there are; proxy/roles.py says who may ask for each."""
        own = {"/healthz": _healthz, "/readyz": self._readyz, "/metrics": self._show_metrics}
        return {path: Way("GET", endpoint) for path, endpoint in own.items()} | self._more

    async def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request that came in elsewhere, and whose asker is known there (a supervisor hands it to a worker): ``as_asked`` makes
        it, ``as_heard`` reads the answer."""
        way = self.paths().get(asked["path"])
        if way is None or way.method != asked["method"]:
            return _as_told(PlainTextResponse("Not Found", 404))
        body = base64.b64decode(asked["body"])

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked["headers"]]
        asker = Asker(asked["asker"], frozenset(Role(role) for role in asked["roles"]), by_token=True)
        scope = {"type": "http", "method": way.method, "path": asked["path"], "headers": headers, "asker": asker}
        scope["query_string"] = asked["query"].encode("latin-1")
        return _as_told(await way.endpoint(Request(scope, receive)))

    def _asks(self, request: Request) -> Asker | Response:
        """Who asks for more than is open, or what they are told who may not."""
        now, host, path = asyncio.get_running_loop().time(), request.client.host if request.client else "", request.url.path
        wanted = PATHS.get(path) or Permission.SEE
        asker = self._guard.asks(host, request.headers.get("authorization"), wanted, path, now)
        if isinstance(asker, Asker):
            return asker
        self._refusals.warning(now, "http refused", cause=asker.cause, peer=host)
        return PlainTextResponse(f"{asker.why}\n", asker.status, dict(asker.headers))

    async def _readyz(self, _: Request) -> Response:
        why = self._not_ready()
        told = as_json({"ready": not why, "why": why, "notes": self._notes()}, None)
        return Response(told, 503 if why else 200, media_type="application/json")

    async def _show_metrics(self, _: Request) -> Response:
        found = self._metrics()
        if isinstance(found, bytes):
            return Response(found, media_type=CONTENT_TYPE)
        return StreamingResponse(_taking_turns(found), media_type=CONTENT_TYPE)


async def as_asked(request: Request, most: int) -> Mapping[str, Any]:
    """A request as ``HttpServer.answer`` takes it. ValueError where its body has more than ``most`` octets."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise ValueError(f"the body has more than {most} bytes")
    asker: Asker = request.scope["asker"]
    return {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "headers": [(name, value) for name, value in request.headers.items() if name in PASSED_ON],
        "body": base64.b64encode(body).decode(),
        "asker": asker.name,
        "roles": [role.value for role in asker.roles],
    }


def as_heard(told: Mapping[str, Any]) -> Response:
    """What ``HttpServer.answer`` told, as a response."""
    return Response(base64.b64decode(told["body"]), told["status"], dict(told["headers"]))


def _as_told(response: Response) -> Mapping[str, Any]:
    headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    return {"status": response.status_code, "headers": headers, "body": base64.b64encode(response.body).decode()}


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _taking_turns(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, with a turn of the loop for traffic after each."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


class _Watched:
    """Stands before all that is routed, and before what is not: a stranger does not learn what is."""

    def __init__(self, app: ASGIApp, asks: Callable[[Request], Asker | Response]) -> None:
        self._app, self._asks = app, asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if PATHS.get(scope.get("path", ""), Permission.SEE) is None:
            await self._app(scope, receive, send)
            return
        asker = self._asks(Request(scope))
        if isinstance(asker, Response):
            await asker(scope, receive, send)
            return
        scope["asker"] = asker
        await self._app(scope, receive, send)


class _Connection(H11Protocol):
    """uvicorn's connection with a deadline and a bound on how many there are.

    When all are taken, the one gives way that has let us wait for its request the longest: somebody who opens connections and says nothing
    keeps no probe out, for a probe says what it wants at once.
    """

    _deadline: asyncio.TimerHandle | None = None
    _waits_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX and not self._make_way():
            transport.abort()
            return
        self._expect(HEAD_S)

    def _make_way(self) -> bool:
        waiting = [one for one in self.connections if isinstance(one, _Connection) and one._waits_since is not None]
        longest = min(waiting, key=lambda one: one._waits_since or 0.0, default=None)
        if longest is None:
            return False
        longest._waits_since = None  # it is chosen once
        longest.transport.abort()
        return True

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
        self._waits_since = self.loop.time() if seconds == HEAD_S else None
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
