"""Checks every request first, and adds security headers to answers.

Never: a body read whole before its size is known, a foreign name in ``Host`` (a stranger's name that resolves to this machine), a form that
another site sent, a forwarded address from an untrusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.config import Console
from proxy.config.mapping_reader import Network, within
from proxy.console.translations import language_of
from proxy.i18n import catalog
from proxy.operations.http_auth import is_address

SAFE = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
ALWAYS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers say `Origin: null` of our own forms
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(?::[0-9]{1,5})?")
HSTS = "max-age=31536000"


class RequestGuard:
    """Before the application."""

    def __init__(self, app: ASGIApp, console: Console) -> None:
        self._app, self._proxies = app, console.proxies
        self._origin = console.origin
        self._headers = {**ALWAYS, **({"Strict-Transport-Security": HSTS} if console.origin.startswith("https:") else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if why := self._wrong(scope["method"], headers):
            text = catalog.in_language(why, language_of(Request(scope)))
            await PlainTextResponse(f"{text}\n", 403)(scope, receive, with_headers)
            return
        scope["peer"] = peer_of(
            scope["client"][0] if scope.get("client") else "", headers.getlist("x-forwarded-for"), self._proxies
        )
        await self._app(scope, receive, with_headers)

    def _wrong(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "this host name is not the console's (settings: console.origin)"
        if method in SAFE:
            return ""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "this form comes from elsewhere"
        origin = headers.get("origin")
        if origin is not None and origin not in (self._origin or f"http://{host}", f"http://{host}"):
            return "this form comes from elsewhere"
        return ""

    def _is_ours(self, host: str) -> bool:
        """Whether a host name is the console's, localhost or an address: others can point a name here, but cannot own an address."""
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match[1].removeprefix("[").removesuffix("]")
        return name == "localhost" or bool(self._origin and name == urlsplit(self._origin).hostname) or is_address(name)


def peer_of(address: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The client's address: the peer's, or the forwarded one behind a trusted proxy."""
    addresses = [one.strip() for line in forwarded for one in line.split(",")]
    while addresses and within(address, proxies) and is_address(addresses[-1]):
        address = addresses.pop()
    return address


FILES_MAX, FIELDS_MAX = 10, 1000


class FormRejected(ValueError):
    """The body is too large, or cannot be read; the text says which."""


async def form_of(request: Request, most: int) -> FormData:
    """The fields and uploads of a request. Raises FormRejected."""
    try:
        declared = int(request.headers.get("content-length", "0"))
        if declared > most:
            raise FormRejected(f"more than {most:,} bytes")
        within = Request(request.scope, _bounded(request.receive, most))
        return await within.form(max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=most)
    except (MultiPartException, HTTPException) as error:
        raise FormRejected(getattr(error, "message", "") or getattr(error, "detail", "")) from None
    except ValueError as error:
        raise FormRejected(str(error)) from None


def _bounded(receive: Receive, most: int) -> Receive:
    came = 0

    async def within() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise FormRejected(f"more than {most:,} bytes")
        return message

    return within
