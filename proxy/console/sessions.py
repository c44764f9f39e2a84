"""Keeps login sessions and their signed cookies.

In: an authenticated asker, the time, a cookie's value. Out: a LoginSession, or None. Never: a session without end, a table without bound, a
cookie with any content of its own. Pure.

A cookie holds 256 random bits and a signature over them. All else stays here, so that ending a session ends it; so does a restart of the
console. A personal token is kept with its session, in memory alone: it goes with each command to the gate, which knows whether it counts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from proxy.model.roles import Asker

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
