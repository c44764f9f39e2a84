"""Serves login, logout, the choice of language and static files; keeps sessions.

Never: an answer that tells whether the name or the token was wrong; free guesses: after five failures for one name from one address that pair
waits, and an address that tries many names is slowed; a redirect to another site; a session without end, a table without bound.

A cookie holds 256 random bits and a signature over them, and no script can read it. All else stays here, so that ending a session ends it; so
does a restart of the console. A personal token is kept with its session, in memory alone: it goes with each command to the gate, which knows
whether it counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from proxy.console.gate_client import GateClient
from proxy.console.render import FILES, STATIC
from proxy.console.request_guard import FormRejected, form_of
from proxy.console.translations import LANGUAGE, LANGUAGES, Translator, language_of
from proxy.model.lockout import Lockout
from proxy.model.log_setup import RateLimitedLog
from proxy.model.rate import Rate
from proxy.model.redact import printable
from proxy.model.roles import Asker, Role
from proxy.operations.client import CannotAsk, NobodyAnswers

IDLE_S = 30 * 60.0
"""A session without requests for so long ends: the screen was left open."""
LIFE_S = 12 * 3600.0
"""A working day: then the user must log in again."""
SESSIONS_MAX = 1000
"""The longest unused goes first; of some 100 people, with some browsers each."""
OF_ONE_MAX = 10
"""Of one person: the longest unused goes first."""
NOTICES_MAX = 5


@dataclass(slots=True)
class LoginSession:
    asker: Asker
    token: str = field(repr=False)
    csrf: str = field(repr=False)
    opened: float
    seen: float
    checked: float
    """When the gate last confirmed the token."""
    notices: list[tuple[str, str]] = field(default_factory=list)
    """Notices for the next page: (kind, text)."""

    def add_notice(self, kind: str, words: str) -> None:
        self.notices = [*self.notices, (kind, words)][-NOTICES_MAX:]

    def take_notices(self) -> list[tuple[str, str]]:
        taken, self.notices = self.notices, []
        return taken


class Sessions:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._open: OrderedDict[str, LoginSession] = OrderedDict()

    def open(self, asker: Asker, token: str, now: float) -> str:
        """``now``: monotonic; returns the cookie's value."""
        own = [name for name, one in self._open.items() if one.asker.name == asker.name]
        for name in own[: max(0, len(own) - OF_ONE_MAX + 1)]:
            del self._open[name]
        while len(self._open) >= SESSIONS_MAX:
            self._open.popitem(last=False)
        name = secrets.token_urlsafe(32)
        self._open[name] = LoginSession(asker, token, secrets.token_urlsafe(32), now, now, now)
        return self.signed(name)

    def find(self, cookie: str, now: float, *, used: bool = True) -> LoginSession | None:
        """The session of a cookie; None if it has ended. ``used``: a user's own request, not the refresh of a page."""
        name = self.unsigned(cookie)
        session = self._open.get(name)
        if session is None:
            return None
        if now - session.seen > IDLE_S or now - session.opened > LIFE_S:
            del self._open[name]
            return None
        if not used:
            return session
        session.seen = now
        self._open.move_to_end(name)
        return session

    def close(self, cookie: str) -> None:
        self._open.pop(self.unsigned(cookie), None)

    def signed(self, text: str) -> str:
        return f"{text}.{self._signature(text)}"

    def unsigned(self, text: str) -> str:
        """The signed text; empty if the signature is wrong."""
        name, _, signature = text.rpartition(".")
        return name if hmac.compare_digest(signature.encode(), self._signature(name).encode()) else ""

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def __len__(self) -> int:
        return len(self._open)


NAME_MAX, TOKEN_MAX = 100, 255
TRIES_S, TRIES_AT_ONCE = 0.2, 20.0
"""Login attempts from one address, whatever the names: one in five seconds, after a burst of twenty."""
ADDRESSES_MAX = 10_000
AT_ONCE = 2
"""Concurrent checks: the gate takes 50 ms to compare a password."""
UNKNOWN_TOKEN = "this token is nobody's"  # noqa: S105 # an error text

log = structlog.get_logger()


class TooManyAttempts(Exception):
    """Too many failed logins from this address or for this name."""


class Login:
    def __init__(self, asking: GateClient, sessions: Sessions, clock: Callable[[], float]) -> None:
        self._asking, self._sessions, self._clock = asking, sessions, clock
        self._held = Lockout()
        self._rates: OrderedDict[str, Rate] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._refusals = RateLimitedLog(0.1, 10.0)

    # -- the form's own mark, before there is a session

    def mark(self) -> tuple[str, str]:
        """(for a cookie, for the form)."""
        cookie = secrets.token_urlsafe(16)
        return cookie, self._sessions.signed(f"login:{cookie}")

    def is_marked(self, cookie: str, form: str) -> bool:
        return bool(cookie) and hmac.compare_digest(self._sessions.signed(f"login:{cookie}").encode(), form.encode())

    # -- who it is

    async def enter(self, request: Request, name: str, token: str) -> str | None:
        """Logs in; returns the session's cookie, None for a wrong name or token. TooManyAttempts; CannotAsk where the gate cannot
        answer."""
        peer, now = str(request.scope["peer"]), self._clock()
        if self._held.held_off(name, peer, now) or not self._rate(peer).allow(now):
            self._refusals.warning(now, "console: login held off", peer=peer)
            raise TooManyAttempts
        if not name or not token or len(name) > NAME_MAX or len(token) > TOKEN_MAX or not token.isprintable():
            asker = None
        else:
            async with self._turns:
                asker = await identify(self._asking, gate_token(token, name), token)
        if asker is None or asker.program or asker.name != name:
            self._held.note_failure(name, peer, now)
            self._refusals.warning(now, "console: login refused", peer=peer)
            return None
        self._held.note_success(name, peer)
        log.info("console: login", who=printable(name), peer=peer)
        own = Role.PROVIDER in asker.roles
        return self._sessions.open(asker, token if own else gate_token(token, name), now)

    def _rate(self, peer: str) -> Rate:
        rate = self._rates.pop(peer, None) or Rate(TRIES_S, TRIES_AT_ONCE)
        self._rates[peer] = rate
        while len(self._rates) > ADDRESSES_MAX:
            self._rates.popitem(last=False)
        return rate


def gate_token(token: str, name: str = "") -> str:
    """A token in the form for strangers (operations/authorization.py): never compared with everybody's password."""
    return f":{name}:{token}" if name else f":{token}"


async def identify(asking: GateClient, for_gate: str, token: str) -> Asker | None:
    """The owner of a token: a person, a program or a provider; None: unknown. ``token``: in a provider's form. CannotAsk where the gate
    cannot answer."""
    try:
        answer = await asking.ask(for_gate, "whoami")
    except NobodyAnswers:
        raise
    except CannotAsk as error:
        if not str(error).startswith(UNKNOWN_TOKEN):
            raise
        return await _provider(asking, token)
    known = answer["by_token"] or answer["program"]
    return (
        Asker(answer["name"], frozenset(map(Role, answer["roles"])), answer["by_token"], answer["program"]) if known else None
    )


async def _provider(asking: GateClient, token: str) -> Asker | None:
    try:
        answer = await asking.own(token, "/provider")
    except CannotAsk:
        return None
    return Asker(answer["provider"], frozenset({Role.PROVIDER}), True)


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
            Route("/login", self._form, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/language", self._choose_language, methods=["GET"]),
            Route("/static/{name}", _file, methods=["GET"]),
            Route("/favicon.ico", _no_icon, methods=["GET"]),
        ]

    async def _form(self, request: Request, problem: str = "", status: int = 200, name: str = "") -> Response:
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
            return await self._form(request, t("login.wrong"), 413)
        name, token, mark = (
            value.strip() if isinstance(value := form.get(one, ""), str) else "" for one in ("name", "token", "mark")
        )
        if not self._host.login.is_marked(request.cookies.get(MARK, ""), mark):
            return await self._form(request, t("login.again"), 403, name)
        try:
            cookie = await self._host.login.enter(request, name, token)
        except TooManyAttempts:
            return await self._form(request, t("login.later"), 429, name)
        except CannotAsk:
            return await self._form(request, t("no_gate"), 503, name)
        if cookie is None:
            return await self._form(request, t("login.wrong"), 401, name)
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
