"""Checks name and token at login; slows down guessing.

Never: an answer that tells whether the name or the token was wrong; free guesses: after five failures for one name from one address that pair
waits, and an address that tries many names is slowed.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

import structlog
from starlette.requests import Request

from proxy.console.gate_client import GateClient
from proxy.console.sessions import Sessions
from proxy.model.lockout import Lockout
from proxy.model.log_setup import RateLimitedLog
from proxy.model.rate import Rate
from proxy.model.redact import printable
from proxy.model.roles import Asker, Role
from proxy.operations.client import CannotAsk, NobodyAnswers

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
