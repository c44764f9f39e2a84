"""app: pages, login and files as one application. A page's file name is its registration.

In: the settings of the console, ways to the gate. Out: an ASGI application. Never: a page for who is not logged in; what a page
failed at shown to anybody but the log.
"""

from __future__ import annotations

import hmac
import importlib
import pkgutil
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import structlog
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive

from proxy.config import Console
from proxy.console import pages
from proxy.console.asking import Asking, CannotAsk
from proxy.console.guarding import Guarding
from proxy.console.login import NOBODYS, Login, TryLater, who_is
from proxy.console.page import Page, Visit, Way
from proxy.console.render import FILES, STATIC, Templates
from proxy.console.sampling import Sampling
from proxy.console.sessions import LIFE_S, Session, Sessions
from proxy.console.words import LANGUAGES, SHARED, Speech, load
from proxy.ops.client import NobodyAnswers

log = structlog.get_logger()

CHECK_S = 60.0
"""So often the gate is asked whether a token still counts, and what it may: each command asks anyway."""
LANGUAGE, LANGUAGE_S = "gate106-language", 365 * 86_400
LOGIN_BYTES_MAX = 4096
FOREVER = "public, max-age=31536000, immutable"


def found_pages() -> list[Page]:
    """By the package's own listing, in the order of the menu."""
    names = sorted(one.name for one in pkgutil.iter_modules(pages.__path__))
    found: list[Page] = [importlib.import_module(f"{pages.__name__}.{name}").page for name in names]
    return sorted(found, key=lambda page: (page.place or 1000, page.name))


class House:
    """What all pages share."""

    def __init__(
        self,
        console: Console,
        asking: Asking,
        sampling: Sampling,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.asking, self.sampling, self.clock, self.wall = asking, sampling, clock, wall
        self.pages = found_pages()
        self.sessions = Sessions()
        self.login = Login(asking, self.sessions, clock)
        self._secure = console.origin.startswith("https:")
        self._cookie = "__Host-gate106" if self._secure else "gate106"
        self._console = console
        self._templates = Templates(LANGUAGES)
        shared = load(SHARED)
        files = {page.name: load(STATIC.parent / "pages" / f"{page.name}.yaml") for page in self.pages}
        self.speech = {(page, lang): Speech(lang, words, shared) for page, words in files.items() for lang in LANGUAGES}
        self._common = {lang: Speech(lang, shared) for lang in LANGUAGES}

    def app(self) -> ASGIApp:
        routes = [
            Route("/login", self._show_login, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/language", self._choose_language, methods=["GET"]),
            Route("/static/{name}", _file, methods=["GET"]),
            Route("/favicon.ico", _no_icon, methods=["GET"]),
        ]
        routes += [Route(way.path, self._endpoint(page, way), methods=[way.method]) for page in self.pages for way in page.ways]
        found = Starlette(routes=routes, exception_handlers={HTTPException: self._no_such_page})
        found.router.redirect_slashes = False
        return Guarding(found, self._console)

    # -- pages

    def _endpoint(self, page: Page, way: Way) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = await self._session(request, used=not way.renews)
            if session is None:
                return self._to_login(request)
            speech = self.speech[page.name, self._language(request)]
            try:
                form = await _form(request, way.body_max) if way.method == "POST" else FormData()
            except (ValueError, MultiPartException) as error:
                return self._plain(request, "wrong", str(error), 413)
            visit = Visit(self, page, request, session, speech, form)
            if way.method == "POST" and not _is(session.csrf, visit.form("csrf") or request.headers.get("x-csrf-token", "")):
                return self._problem(visit, speech("csrf"), 403)
            if not session.asker.may(way.wants):
                return self._elsewhere(visit, way)
            try:
                return await way.handler(visit)
            except CannotAsk as error:
                return self._refused(visit, error)
            except HTTPException:
                raise
            except Exception as error:  # whatever it is, others go on
                log.error("a page failed: a fault of gate106, please report it", page=page.name, exc_info=error)
                return self._problem(visit, speech("failed"), 500)
            finally:
                await form.close()

        return answer

    def _elsewhere(self, visit: Visit, way: Way) -> Response:
        """A role that does not take it to this page: from the front door to one of its own, else told so."""
        if way.path == "/" and (own := self.menu(visit.session)):
            return RedirectResponse(own[0].path, 303)
        return self._problem(visit, visit.t("not_allowed", what=visit.t.of("permission", way.wants.name)), 403)

    def _refused(self, visit: Visit, error: CannotAsk) -> Response:
        if str(error).startswith(NOBODYS):
            self.sessions.close(visit.request.cookies.get(self._cookie, ""))
            return self._to_login(visit.request)
        if isinstance(error, NobodyAnswers):
            return self._problem(visit, visit.t("no_gate"), 503)
        return self._problem(visit, str(error), 409)

    def _problem(self, visit: Visit, why: str, status: int) -> Response:
        return (
            visit.part("problem", "problem.html", status, why=why)
            if visit.partial
            else visit.render("problem.html", status, why=why)
        )

    def menu(self, session: Session) -> list[Page]:
        return [page for page in self.pages if page.place and session.asker.may(page.wants)]

    def render(self, visit: Visit, template: str, status: int, values: Mapping[str, Any], block: str = "") -> Response:
        entries = [(page, self.speech[page.name, visit.lang]("title")) for page in self.menu(visit.session)]
        told = {} if block else {"said": visit.session.told()}
        given = {"visit": visit, "t": visit.t, "menu": entries, "said": [], **told, **values}
        return HTMLResponse(self._templates.render(visit.lang, template, given, block), status)

    # -- who it is

    async def _session(self, request: Request, *, used: bool) -> Session | None:
        now, cookie = self.clock(), request.cookies.get(self._cookie, "")
        session = self.sessions.find(cookie, now, used=used) if cookie else None
        if session is None or now - session.checked < CHECK_S:
            return session
        try:
            asker = await who_is(self.asking, session.token)
        except CannotAsk:
            return session  # it cannot say now: the page will tell
        if asker is None or asker.name != session.asker.name:
            self.sessions.close(cookie)
            return None
        session.asker, session.checked = asker, now
        return session

    def _to_login(self, request: Request) -> Response:
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": "/login"})
        path = request.url.path if request.method == "GET" else "/"
        return RedirectResponse("/login" if path == "/" else f"/login?to={quote(path)}", 303)

    async def _show_login(self, request: Request) -> Response:
        return self._login_page(request)

    def _login_page(self, request: Request, problem: str = "", status: int = 200, name: str = "") -> Response:
        cookie, mark = self.login.mark()
        to = request.query_params.get("to", "")
        answer = self._common_page(request, "login.html", status, mark=mark, problem=problem, name=name, to=to)
        answer.set_cookie("gate106-login", cookie, path="/login", httponly=True, samesite="strict", secure=self._secure)
        return answer

    async def _log_in(self, request: Request) -> Response:
        t = self._common[self._language(request)]
        try:
            form = await _form(request, LOGIN_BYTES_MAX)
        except (ValueError, MultiPartException):
            return self._login_page(request, t("login.wrong"), 413)
        given = {name: value.strip() for name in ("name", "token", "mark") if isinstance(value := form.get(name, ""), str)}
        if not self.login.is_marked(request.cookies.get("gate106-login", ""), given.get("mark", "")):
            return self._login_page(request, t("login.again"), 403, given.get("name", ""))
        try:
            cookie = await self.login.enter(request, given.get("name", ""), given.get("token", ""))
        except TryLater:
            return self._login_page(request, t("login.later"), 429, given.get("name", ""))
        except CannotAsk:
            return self._login_page(request, t("no_gate"), 503, given.get("name", ""))
        if cookie is None:
            return self._login_page(request, t("login.wrong"), 401, given.get("name", ""))
        answer = RedirectResponse(_own_path(request.query_params.get("to", "")), 303)
        answer.set_cookie(
            self._cookie, cookie, max_age=int(LIFE_S), path="/", httponly=True, samesite="strict", secure=self._secure
        )
        answer.delete_cookie("gate106-login", path="/login", httponly=True, samesite="strict", secure=self._secure)
        return answer

    async def _log_out(self, request: Request) -> Response:
        cookie = request.cookies.get(self._cookie, "")
        session = self.sessions.find(cookie, self.clock()) if cookie else None
        form = await _form(request, LOGIN_BYTES_MAX)
        if session is not None and _is(session.csrf, str(form.get("csrf", ""))):
            self.sessions.close(cookie)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self._cookie, path="/", httponly=True, samesite="strict", secure=self._secure)
        return answer

    # -- languages, and pages for whoever is not logged in

    def _language(self, request: Request) -> str:
        chosen = request.cookies.get(LANGUAGE, "")
        return chosen if chosen in LANGUAGES else LANGUAGES[0]

    async def _choose_language(self, request: Request) -> Response:
        answer = RedirectResponse(_own_path(request.query_params.get("to", "")), 303)
        chosen = request.query_params.get("is", "")
        if chosen in LANGUAGES:
            answer.set_cookie(
                LANGUAGE, chosen, max_age=LANGUAGE_S, path="/", httponly=True, samesite="lax", secure=self._secure
            )
        return answer

    def _common_page(self, request: Request, template: str, status: int, **values: Any) -> Response:
        language = self._language(request)
        given = {"visit": None, "t": self._common[language], "menu": [], "said": [], "path": request.url.path, **values}
        return HTMLResponse(self._templates.render(language, template, given), status)

    def _plain(self, request: Request, name: str, why: str, status: int) -> Response:
        t = self._common[self._language(request)]
        return self._common_page(request, "problem.html", status, why=t(name, why=why))

    async def _no_such_page(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._plain(request, "no_such_page", "", status)


# -- small things


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FILES:
        return Response(status_code=404)
    return Response((STATIC / name).read_bytes(), media_type=FILES[name], headers={"Cache-Control": FOREVER})


async def _no_icon(_: Request) -> Response:
    return Response(status_code=404)


async def _form(request: Request, most: int) -> FormData:
    """ValueError where it is larger than it may be."""
    try:
        declared = int(request.headers.get("content-length", "0"))
    except ValueError:
        declared = most + 1
    if declared > most:
        raise ValueError(f"more than {most:,} bytes")
    return await Request(request.scope, _bounded(request.receive, most)).form(max_files=10, max_fields=1000, max_part_size=most)


def _bounded(receive: Receive, most: int) -> Receive:
    came = 0

    async def within() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise ValueError(f"more than {most:,} bytes")
        return message

    return within


def _own_path(path: str) -> str:
    """Where to go next, if it is on this site; else the front page."""
    ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if ours else "/"


def _is(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
