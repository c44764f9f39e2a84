"""Combines pages, login and static files into one application, and serves it.

In: the settings' path. Out: pages, until SIGTERM or, tied to a gate, until that is gone. Never: a page without a login; an internal error shown
outside the log; a core dump, for it holds people's tokens. A page's file name is its registration.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
import uvloop
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from proxy.config import Console, SettingsError, console_locations
from proxy.console.forms import problem_text
from proxy.console.gate_client import CannotAsk, GateClient
from proxy.console.login import UNKNOWN_TOKEN, Login, LoginPages, LoginSession, Sessions, gate_token, identify, is_same
from proxy.console.metric_sampling import Sampling
from proxy.console.page import Page, PageRequest, PageRoute
from proxy.console.render import FEATURES, PageTemplates
from proxy.console.request_guard import FormRejected, RequestGuard, form_of
from proxy.console.translations import LANGUAGES, SHARED, Translator, language_of, load
from proxy.model import log_setup
from proxy.operations.client import NobodyAnswers
from proxy.operations.http_listener import Listener
from proxy.runtime import hardening

log = structlog.get_logger()

CHECK_S = 5.0
"""How often the gate is asked whether a token is still valid, and for which roles: each command checks anyway."""


def found_pages() -> list[Page]:
    """``page.py`` and ``NAME_page.py`` of each feature, in the order of the menu."""
    names = [name for pattern in ("page", "*_page") for name in modules_of(pattern)]
    found: list[Page] = [importlib.import_module(name).page for name in names]
    return sorted(found, key=lambda page: (page.place or 1000, page.name))


def modules_of(pattern: str) -> list[str]:
    """Modules of features by the name of their files; a feature needs no other registration."""
    return [f"proxy.desk.{file.parent.name}.{file.stem}" for file in sorted(FEATURES.glob(f"*/{pattern}.py"))]


class App:
    """The application: all pages and what they share."""

    def __init__(
        self, console: Console, asking: GateClient, sampling: Sampling, clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.asking, self.sampling, self.clock, self.wall = asking, sampling, clock, wall
        self.pages = found_pages()
        self.sessions = Sessions()
        self.login = Login(asking, self.sessions, clock)
        self._secure = console.origin.startswith("https:")
        self._cookie = "__Host-gate106" if self._secure else "gate106"
        self._console = console
        self._templates = PageTemplates(LANGUAGES)
        shared = load(SHARED)
        files = {page.name: load(next(FEATURES.glob(f"*/{page.name}.yaml"), FEATURES)) for page in self.pages}
        self.speech = {(page, lang): Translator(lang, words, shared) for page, words in files.items() for lang in LANGUAGES}
        self.common = {lang: Translator(lang, shared) for lang in LANGUAGES}

    def app(self) -> ASGIApp:
        routes = LoginPages(self, self._cookie, self._secure).routes()
        routes += [Route(way.path, self._endpoint(page, way), methods=[way.method]) for page in self.pages for way in page.ways]
        for name in modules_of("routes"):
            routes += importlib.import_module(name).routes(self.asking, self.clock)
        found = Starlette(routes=routes, exception_handlers={HTTPException: self._no_such_page})
        found.router.redirect_slashes = False
        return RequestGuard(found, self._console)

    # -- pages

    def _endpoint(self, page: Page, way: PageRoute) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = await self._session(request, used=not way.renews)
            if session is None:
                return self._to_login(request)
            speech = self.speech[page.name, language_of(request)]
            if not session.asker.may(way.wants):  # whose form that is need not be read
                return self._not_allowed(PageRequest(self, page, request, session, speech, FormData()), way)
            try:
                form = await form_of(request, way.body_max) if way.method == "POST" else FormData()
            except FormRejected as error:
                return self._plain(request, "wrong", str(error), 413)
            page_request = PageRequest(self, page, request, session, speech, form)
            try:
                if way.method == "POST" and not is_same(
                    session.csrf, page_request.form("csrf") or request.headers.get("x-csrf-token", "")
                ):
                    return self._problem(page_request, speech("csrf"), 403)
                return await _answered(way, page_request)
            except CannotAsk as error:
                return self._refused(page_request, error)
            except HTTPException:
                raise
            except Exception as error:  # whatever failed: other pages go on
                log.error("a page failed: a fault of gate106, please report it", page=page.name, exc_info=error)
                return self._problem(page_request, speech("failed"), 500)
            finally:
                await form.close()

        return answer

    def _not_allowed(self, request: PageRequest, way: PageRoute) -> Response:
        """Answers a user whose role does not allow this page: the front page redirects to one of their own pages, others refuse."""
        if way.path == "/" and (own := self.menu(request.session)):
            return RedirectResponse(own[0].path, 303)
        return self._problem(request, request.t("not_allowed", what=request.t.of("permission", way.wants.name)), 403)

    def _refused(self, request: PageRequest, error: CannotAsk) -> Response:
        if str(error).startswith(UNKNOWN_TOKEN):
            self.close(request.request)
            return self._to_login(request.request)
        if isinstance(error, NobodyAnswers):
            return self._problem(request, request.t("no_gate"), 503)
        return self._problem(request, str(error), 409)

    def _problem(self, request: PageRequest, why: str, status: int) -> Response:
        if request.partial:
            return request.part("problem", "problem.html", status, why=why)
        return request.render("problem.html", status, why=why)

    def menu(self, session: LoginSession) -> list[Page]:
        return [page for page in self.pages if page.place and session.asker.may(page.wants)]

    def render(self, request: PageRequest, template: str, status: int, values: Mapping[str, Any], block: str = "") -> Response:
        entries = [(page, self.speech[page.name, request.lang]("title")) for page in self.menu(request.session)]
        notices = {} if block else {"notices": request.session.take_notices()}
        given = {"request": request, "t": request.t, "menu": entries, "notices": [], **notices, **values}
        return HTMLResponse(self._templates.render(request.lang, template, given, block), status)

    # -- who it is

    def session_of(self, request: Request) -> LoginSession | None:
        cookie = request.cookies.get(self._cookie, "")
        return self.sessions.find(cookie, self.clock()) if cookie else None

    def close(self, request: Request) -> None:
        self.sessions.close(request.cookies.get(self._cookie, ""))

    async def _session(self, request: Request, *, used: bool) -> LoginSession | None:
        now, cookie = self.clock(), request.cookies.get(self._cookie, "")
        session = self.sessions.find(cookie, now, used=used) if cookie else None
        if session is None or now - session.checked < CHECK_S:
            return session
        try:
            asker = await identify(
                self.asking, session.token if session.token.startswith(":") else gate_token(session.token), session.token
            )
        except CannotAsk:
            return session  # the gate cannot answer now: the page will show it
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

    # -- without a login

    def common_page(self, request: Request, template: str, status: int, **values: Any) -> Response:
        language = language_of(request)
        given = {"request": None, "t": self.common[language], "menu": [], "notices": [], "path": request.url.path, **values}
        return HTMLResponse(self._templates.render(language, template, given), status)

    def _plain(self, request: Request, name: str, why: str, status: int) -> Response:
        t = self.common[language_of(request)]
        return self.common_page(request, "problem.html", status, why=t(name, why=why))

    async def _no_such_page(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._plain(request, "no_such_page", "", status)


async def _answered(way: PageRoute, request: PageRequest) -> Response:
    """The page's answer, or the page of the form again with the gate's refusal."""
    try:
        return await way.handler(request)
    except CannotAsk as error:
        if way.again is None:
            raise
        return await way.again(request, problem_text(error))


class CannotServe(Exception):
    """The console cannot start: the text says whose fault it is and what to do."""


def serve(config: Path, tied: bool) -> None:
    """``tied``: ends when standard input does. CannotServe."""
    log_setup.configure_logging()
    hardening.restrict_umask()
    hardening.forbid_core_dumps()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, tied))


async def _serve(config: Path, tied: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_setup.handle_loop_exception)
    try:
        places = console_locations(config)
    except SettingsError as error:
        raise CannotServe("; ".join(error.problems)) from None
    if places.console.listen is None:
        raise CannotServe(f"{config}: console.listen is missing: it says where the console is")
    log_setup.configure_logging(places.log.format, places.log.level, places.log.time, "console" if tied else "")
    asking = GateClient(places, config)
    sampling = Sampling(asking)
    listener = Listener(App(places.console, asking, sampling).app(), "console")
    try:
        port = await listener.start(*places.console.listen)
    except OSError as error:
        raise CannotServe(error) from None
    asking.warm()
    log.info("console open", port=port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if tied:
        loop.add_reader(sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 1) else None)
    sampler = loop.create_task(sampling.run())
    await stop.wait()
    sampler.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sampler
    await listener.stop()
    asking.close()
