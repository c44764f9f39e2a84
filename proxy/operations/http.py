"""Serves /healthz, /readyz, /metrics and features' paths over HTTP.

Never: a forwarded address believed, a path without a declared permission.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.i18n.catalog import in_language
from proxy.i18n.phrases import LANGUAGES, TO_PROGRAMS, preferred
from proxy.model.log_setup import RateLimitedLog
from proxy.model.rate import Rate
from proxy.model.redact import as_json
from proxy.model.roles import PATHS, Asker, Permission, Role
from proxy.operations.http_auth import HttpAuth
from proxy.operations.http_listener import Listener
from proxy.operations.metrics import CONTENT_TYPE
from proxy.runtime.build_info import build_info

REFUSALS_S, REFUSALS_AT_ONCE = 0.1, 10.0
"""Log lines of refusals: a second, and in a burst."""
TRANSLATIONS_S, TRANSLATIONS_AT_ONCE = 0.5, 20.0
"""Refusals translated a second, and in a burst: a new one takes a thread some 20 ms, during which messages share the interpreter."""
PASSED_ON = frozenset(("content-type", "content-length", "idempotency-key", "accept", "accept-language"))
"""Headers that are passed on to an endpoint."""

Metrics = Callable[[], bytes | Iterable[bytes]]
Endpoint = Callable[[Request], Awaitable[Response]]


class HttpRoute(NamedTuple):
    """The method and handler of a path."""

    method: str
    endpoint: Endpoint


class HttpServer(Listener):
    def __init__(
        self, metrics: Metrics, not_ready: Callable[[], list[str]], guard: HttpAuth, notes: Callable[[], list[str]] = list,
        more: Mapping[str, HttpRoute] | None = None,
    ) -> None:  # fmt: skip
        """``not_ready``: why traffic should go elsewhere; an empty list: the gate is ready. ``notes``: what an operator should fix although
        it is ready: a mistake in the rules must not take every node out of service. ``more``: further paths."""
        self._guard = guard
        self._metrics = metrics
        self._not_ready = not_ready
        self._notes = notes
        self._extra_routes = dict(more or {})
        self._refusals = RateLimitedLog(REFUSALS_S, REFUSALS_AT_ONCE)
        self._translations = Rate(TRANSLATIONS_S, TRANSLATIONS_AT_ONCE)
        super().__init__(self.app(), "http")

    def app(self) -> Starlette:
        found = Starlette(
            routes=[Route(path, route.endpoint, methods=[route.method]) for path, route in self.paths().items()],
            middleware=[Middleware(_AuthMiddleware, self._authorize, self.translated)],
        )
        found.router.redirect_slashes = False
        return found

    def paths(self) -> dict[str, HttpRoute]:
        """All paths; model/roles.py says who may ask for each."""
        own = {"/healthz": _healthz, "/readyz": self._readyz, "/metrics": self._show_metrics}
        routes = {path: HttpRoute("GET", endpoint) for path, endpoint in own.items()} | self._extra_routes
        return {path: route._replace(endpoint=self._translating(route.endpoint)) for path, route in routes.items()}

    def _translating(self, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            return await self.translated(request, await endpoint(request))

        return answer

    async def translated(self, request: Request, answer: Response) -> Response:
        """Translates a refusal into the language asked for (``?lang=zh``, else Accept-Language); other answers stay as they are."""
        language = request.query_params.get("lang", "")
        language = language if language in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        refused = answer.status_code >= 400 and not isinstance(answer, StreamingResponse)
        if language == TO_PROGRAMS or not refused or not self._translations.allow(asyncio.get_running_loop().time()):
            return answer
        said = await asyncio.to_thread(_translated_body, language, answer)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return Response(said, answer.status_code, headers | {"Content-Language": language})

    async def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answers a request that the supervisor received and authorized; ``pack_request`` makes the argument, ``unpack_response`` reads the
        answer."""
        route = self.paths().get(asked["path"])
        if route is None or route.method != asked["method"]:
            return _pack_response(PlainTextResponse("Not Found", 404))
        body = base64.b64decode(asked["body"])

        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not coming:
                await asyncio.Event().wait()  # the supervisor does not say when the asker leaves
            return coming.pop()

        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked["headers"]]
        asker = Asker(asked["asker"], frozenset(Role(role) for role in asked["roles"]), by_token=True)
        scope = {"type": "http", "method": route.method, "path": asked["path"], "headers": headers, "asker": asker}
        scope["query_string"] = asked["query"].encode("latin-1")
        return _pack_response(await route.endpoint(Request(scope, receive)))

    def _authorize(self, request: Request) -> Asker | Response:
        """The asker of a protected path, or the refusal."""
        now, host, path = asyncio.get_running_loop().time(), request.client.host if request.client else "", request.url.path
        wanted = PATHS.get(path) or Permission.SEE
        asker = self._guard.asks(host, request.headers.get("authorization"), wanted, path, now, request.headers.get("host", ""))
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
        return StreamingResponse(_with_pauses(found), media_type=CONTENT_TYPE)


def _translated_body(language: str, answer: Response) -> bytes:
    """Translates a refusal's body: a line, or JSON with ``error`` and ``problems``."""
    body = bytes(answer.body)
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return (in_language(body.decode().rstrip("\n"), language) + "\n").encode()
    told = json.loads(body)
    if "error" in told:
        told["error"] = in_language(told["error"], language)
    if "problems" in told:
        told["problems"] = [in_language(one, language) for one in told["problems"]]
    return as_json(told, None).encode()


async def done_before_gone(request: Request, answer: asyncio.Future[Any]) -> bool:
    """Waits for an answer, or until its asker has left. The request's body was read."""

    async def leaves() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.ensure_future(leaves())
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    return answer.done()


async def body_of(request: Request, most: int, too_large: Exception) -> bytes:
    """The body; raises ``too_large`` where it has more than ``most`` octets."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large
    return bytes(body)


async def pack_request(request: Request, most: int) -> Mapping[str, Any]:
    """A request as ``HttpServer.answer`` takes it. ValueError where its body has more than ``most`` octets."""
    body = await body_of(request, most, ValueError(f"the body has more than {most} bytes"))
    asker: Asker = request.scope["asker"]
    return {
        "method": request.method, "path": request.url.path, "query": request.url.query,
        "headers": [(name, value) for name, value in request.headers.items() if name in PASSED_ON],
        "body": base64.b64encode(body).decode(), "asker": asker.name, "roles": [role.value for role in asker.roles],
    }  # fmt: skip


def unpack_response(told: Mapping[str, Any]) -> Response:
    """Makes a response of what ``HttpServer.answer`` returned."""
    return Response(base64.b64decode(told["body"]), told["status"], dict(told["headers"]))


def _pack_response(response: Response) -> Mapping[str, Any]:
    headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    return {"status": response.status_code, "headers": headers, "body": base64.b64encode(response.body).decode()}


async def _healthz(_: Request) -> Response:
    return PlainTextResponse(f"ok {build_info().name}\n")


async def _with_pauses(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, with a turn of the loop for traffic after each."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


class _AuthMiddleware:
    """Checks permission before routing: a stranger does not learn which paths exist."""

    def __init__(
        self, app: ASGIApp, asks: Callable[[Request], Asker | Response],
        translated: Callable[[Request, Response], Awaitable[Response]],
    ) -> None:  # fmt: skip
        self._app, self._authorize, self._translations = app, asks, translated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if PATHS.get(scope.get("path", ""), Permission.SEE) is None:
            await self._app(scope, receive, send)
            return
        asker = self._authorize(Request(scope))
        if isinstance(asker, Response):
            refused = await self._translations(Request(scope), asker)
            await refused(scope, receive, send)
            return
        scope["asker"] = asker
        with contextlib.suppress(ClientDisconnect):  # the client has disconnected: there is nobody to answer
            await self._app(scope, receive, send)
