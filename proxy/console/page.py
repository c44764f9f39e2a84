"""Defines a page of the console and one request to it.

Never: a page shown without the permission it needs, a change without the session's CSRF token; a refusal of the gate hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.console.gate_client import GateClient, Ran
from proxy.console.login import LoginSession
from proxy.console.metric_sampling import Sampling
from proxy.console.translations import Translator
from proxy.model.roles import Permission
from proxy.operations.client import CannotAsk, Conversation
from proxy.operations.declaration import Operation
from proxy.operations.http import done_before_gone

FORM_BYTES_MAX = 256 * 1024
"""A form without files; ``Page.post(body_max=…)`` says otherwise."""
SKIP_DIGITS_MAX = 6

T = TypeVar("T")
Handler = Callable[["PageRequest"], Awaitable[Response]]
H = TypeVar("H", bound=Handler)
Again = Callable[["PageRequest", str], Awaitable[Response]]
"""The page of the form again, with what is wrong."""


class PageRoute(NamedTuple):
    """One method and path of a page."""

    method: str
    path: str
    handler: Handler
    wants: Permission
    body_max: int = 0
    renews: bool = False
    again: Again | None = None


class Page:
    def __init__(self, name: str, path: str, wants: Permission, place: int = 0, under: str = "") -> None:
        """``name``: of its files. ``wants``: the permission to open it. ``place``: its place in the menu; 0: not in the menu, but under the
        page ``under``."""
        self.name, self.path, self.wants, self.place, self.under = name, path, wants, place, under or name
        self.ways: list[PageRoute] = []
        self.actions: dict[str, Operation] = {}
        """Operations with a button here (forms.py)."""

    def get(self, below: str = "", wants: Permission | None = None, renews: bool = False) -> Callable[[H], H]:
        """``renews``: the page refreshes itself with it, which is no sign of an active user."""
        return self._way("GET", below, wants, renews=renews)

    def post(
        self, below: str = "", wants: Permission | None = None, body_max: int = FORM_BYTES_MAX, again: Again | None = None
    ) -> Callable[[H], H]:
        """Registers a handler of a change. ``wants``: a permission beyond the page's; ``body_max``: bytes of the form, with its files.
        ``again`` answers where the gate refuses what the form says; else the refusal has a page of its own."""
        return self._way("POST", below, wants, body_max=body_max, again=again)

    def _way(self, method: str, below: str, wants: Permission | None, **how: Any) -> Callable[[H], H]:
        path = f"{self.path.rstrip('/')}/{below}" if below else self.path

        def keep(handler: H) -> H:
            self.ways.append(PageRoute(method, path, handler, wants or self.wants, **how))
            return handler

        return keep


class Application(Protocol):
    """What pages ask of the application (app.py)."""

    wall: Callable[[], float]
    sampling: Sampling
    asking: GateClient

    @property
    def pages(self) -> Sequence[Page]: ...
    def render(
        self, request: PageRequest, template: str, status: int, values: Mapping[str, Any], block: str = ""
    ) -> Response: ...


class PageRequest:
    """One request of a logged-in user."""

    def __init__(
        self, app: Application, page: Page, request: Request, session: LoginSession, speech: Translator, form: FormData
    ) -> None:
        self.app, self.page, self.request, self.session, self.form_data = app, page, request, session, form
        self.t = speech
        self.lang = speech.language
        self.asking: GateClient = app.asking
        self.query = request.query_params

    # -- who looks, and what they sent

    @property
    def who(self) -> str:
        return self.session.asker.name

    @property
    def csrf(self) -> str:
        return self.session.csrf

    def may(self, wanted: Permission | str) -> bool:
        """In templates: ``request.may("ENTER")``. The gate decides; this hides what it would refuse."""
        return self.session.asker.may(Permission[wanted] if isinstance(wanted, str) else wanted)

    def leads_to(self, name: str) -> bool:
        """Whether the user may open the page of this name: then links to it are shown."""
        return any(page.name == name and self.may(page.wants) for page in self.app.pages)

    @property
    def partial(self) -> bool:
        """Whether htmx asks, for a part of the page."""
        return "hx-request" in self.request.headers

    @property
    def here(self) -> str:
        """This page's address, to return to after a change of language."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query and self.request.method == "GET" else url.path

    def path(self, name: str) -> str:
        """A value out of the path."""
        return str(self.request.path_params[name])

    def form(self, name: str) -> str:
        """A field of the form, trimmed; empty where it is missing."""
        found = self.form_data.get(name)
        return found.strip() if isinstance(found, str) else ""

    @property
    def skip(self) -> int:
        """How many rows of a list stand before the part that is shown."""
        return whole_number(self.query.get("skip", ""), SKIP_DIGITS_MAX)

    def upload(self, name: str) -> UploadFile | None:
        found = self.form_data.get(name)
        return found if isinstance(found, UploadFile) and found.filename else None

    # -- the gate

    async def ask(self, command: str, /, **args: Any) -> dict[str, Any]:
        return await self.asking.ask(self.session.token, command, **args)

    async def lines(self, command: str, /, **args: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return await self.asking.lines(self.session.token, command, **args)

    async def talk(self, command: str, what: Callable[[Conversation], T], /, **args: Any) -> T:
        return await self.asking.talk(self.session.token, command, what, **args)

    async def run(self, *argv: str, **how: Any) -> Ran:
        return await self.asking.run(self.session.token, *argv, **how)

    async def own(self, path: str, given: Mapping[str, Any] | None = None, /, **query: str) -> dict[str, Any]:
        """What the gate's HTTP answers; nobody waits for it once the visitor has left."""
        answer = asyncio.ensure_future(self.asking.own(self.session.token, path, given, **query))
        if not await done_before_gone(self.request, answer):
            answer.cancel()
            raise CannotAsk("the page was left")
        return await answer

    # -- answers

    def render(self, template: str = "", status: int = 0, **values: Any) -> Response:
        """The whole page: ``NAME.html``, or another template. ``problem``, if it is not empty, makes the status 409."""
        status = status or (409 if values.get("problem") else 200)
        return self.app.render(self, template or f"{self.page.name}.html", status, values)

    def choices(self, kind: str, words: Iterable[str]) -> list[tuple[str, str]]:
        """The gate's words with those of the user's language, for a list to choose from."""
        return [(one, self.t.of(kind, one)) for one in words]

    def part(self, block: str, template: str = "", status: int = 200, **values: Any) -> Response:
        """One block of the page's template: for htmx."""
        return self.app.render(self, template or f"{self.page.name}.html", status, values, block)

    def go(self, path: str, notice: str = "", kind: str = "done") -> Response:
        """Redirects to another page, which shows ``notice`` first."""
        if notice:
            self.session.add_notice(kind, notice)
        if self.partial:
            return Response(status_code=204, headers={"HX-Redirect": path})
        return RedirectResponse(path, 303)


def whole_number(text: str, digits_max: int) -> int:
    """0 where the text is none, or has more digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits_max else 0
