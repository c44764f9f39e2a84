"""Serves login, logout, the choice of language and static files.

In: requests without a session. Out: forms, cookies, the session's end. Never: a redirect to another site; a cookie that a script can read.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from proxy.console.gate_client import CannotAsk
from proxy.console.login import Login, TooManyAttempts
from proxy.console.render import FILES, STATIC
from proxy.console.request_guard import FormRejected, form_of
from proxy.console.sessions import LIFE_S, LoginSession
from proxy.console.translations import LANGUAGE, LANGUAGES, Translator, language_of

LANGUAGE_S = 365 * 86_400
MARK = "gate106-login"
LOGIN_BYTES_MAX = 4096
FOREVER = "public, max-age=31536000, immutable"


class LoginHost(Protocol):
    """What the login pages use of the application."""

    @property
    def login(self) -> Login: ...
    @property
    def common(self) -> Mapping[str, Translator]: ...
    def session_of(self, request: Request) -> LoginSession | None: ...
    def close(self, request: Request) -> None: ...
    def common_page(self, request: Request, template: str, status: int, **values: Any) -> Response: ...


class LoginPages:
    def __init__(self, host: LoginHost, cookie: str, secure: bool) -> None:
        """``cookie``: the session's name; ``secure``: whether browsers come over TLS."""
        self._host, self._cookie = host, cookie
        self._flags: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": secure}

    def routes(self) -> list[Route]:
        return [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/language", self._choose_language, methods=["GET"]),
            Route("/static/{name}", _file, methods=["GET"]),
            Route("/favicon.ico", _no_icon, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        return self._form(request)

    def _form(self, request: Request, problem: str = "", status: int = 200, name: str = "") -> Response:
        cookie, mark = self._host.login.mark()
        to = request.query_params.get("to", "")
        answer = self._host.common_page(request, "login.html", status, mark=mark, problem=problem, name=name, to=to)
        answer.set_cookie(MARK, cookie, path="/login", **self._flags)
        return answer

    async def _log_in(self, request: Request) -> Response:
        t = self._host.common[language_of(request)]
        try:
            form = await form_of(request, LOGIN_BYTES_MAX)
        except FormRejected:
            return self._form(request, t("login.wrong"), 413)
        name, token, mark = (
            value.strip() if isinstance(value := form.get(one, ""), str) else "" for one in ("name", "token", "mark")
        )
        if not self._host.login.is_marked(request.cookies.get(MARK, ""), mark):
            return self._form(request, t("login.again"), 403, name)
        try:
            cookie = await self._host.login.enter(request, name, token)
        except TooManyAttempts:
            return self._form(request, t("login.later"), 429, name)
        except CannotAsk:
            return self._form(request, t("no_gate"), 503, name)
        if cookie is None:
            return self._form(request, t("login.wrong"), 401, name)
        answer = RedirectResponse(own_path(request.query_params.get("to", "")), 303)
        answer.set_cookie(self._cookie, cookie, max_age=int(LIFE_S), path="/", **self._flags)
        answer.delete_cookie(MARK, path="/login", **self._flags)
        return answer

    async def _log_out(self, request: Request) -> Response:
        session = self._host.session_of(request)
        try:
            form = await form_of(request, LOGIN_BYTES_MAX)
        except FormRejected:
            form = None
        if session is not None and form is not None and is_same(session.csrf, str(form.get("csrf", ""))):
            self._host.close(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self._cookie, path="/", **self._flags)
        return answer

    async def _choose_language(self, request: Request) -> Response:
        answer = RedirectResponse(own_path(request.query_params.get("to", "")), 303)
        chosen = request.query_params.get("is", "")
        if chosen in LANGUAGES:
            answer.set_cookie(LANGUAGE, chosen, max_age=LANGUAGE_S, path="/", **(self._flags | {"samesite": "lax"}))
        return answer


def own_path(path: str) -> str:
    """The next path, if it is on this site; otherwise the front page."""
    ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if ours else "/"


def is_same(expected: str, given: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FILES:
        return Response(status_code=404)
    return Response((STATIC / name).read_bytes(), media_type=FILES[name], headers={"Cache-Control": FOREVER})


async def _no_icon(_: Request) -> Response:
    return Response(status_code=404)
