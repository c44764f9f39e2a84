"""Decides who may ask for protected HTTP paths.

In: an address, the Authorization header, the permission wanted, the time. Out: an Asker, or a refusal with its status. Never: a token, or
any part of one, in an answer or a log. Pure.

A listed address sees what a viewer sees. A token has the role of its program (``http.tokens``), its person (``people``, where a machine
made it) or its provider.

A token is 256 bits of the machine's own randomness (``gate106 token make``), so the settings keep its SHA-256. A slow hash protects passwords
from guessing; nobody guesses 256 bits, and a slow hash would let strangers waste the gate's time. A token is compared in constant time with
every stored one. An address with many wrong tokens has to wait; a right token is accepted at any time, so that nobody behind the same
address translation can lock out Prometheus.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

from proxy.model.lockout import HELD_OFF_S, Lockout
from proxy.model.roles import Asker, NotAllowed, Permission, Role, asker_of_token, require_permission

if TYPE_CHECKING:
    from proxy.config import Person, Provider, Token
    from proxy.config.mapping_reader import Network

KIND = "sha256$"
TOKEN_BYTES = 32
TOKEN_MAX = 256
"""Longest token considered: anything longer is wrong."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::[0-9]{1,5})?")
_DOT = re.compile(r"\..")
_ASKS: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="gate106"'}


class HttpRefusal(NamedTuple):
    cause: str
    """For the log."""
    status: int
    why: str
    headers: Mapping[str, str] = {}


NOT_LISTED = HttpRefusal("address", 403, "not from this address (http.metrics_allow in the settings)")
FOREIGN = HttpRefusal("host name", 421, "this host name is not the gate's (http.hosts in the settings)")
NO_TOKEN = HttpRefusal(
    "no token", 401, "not without a token (http.tokens, people and providers[].token in the settings)", _ASKS
)
WRONG = HttpRefusal("token", 401, "this token is nobody's (http.tokens, people and providers[].token in the settings)", _ASKS)
TOO_MANY = HttpRefusal(
    "held-off", 429, "too many wrong tokens from this address", {"Retry-After": f"{HELD_OFF_S:.0f}", "Connection": "close"}
)


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    """``sha256$digest`` in hex, for the settings."""
    return KIND + hashlib.sha256(token.encode()).hexdigest()


class HttpAuth:
    def __init__(
        self, addresses: Sequence[Network], tokens: Sequence[Token] = (), people: Sequence[Person] = (),
        providers: Sequence[Provider] = (), names: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._lockout = Lockout()
        self.use(addresses, tokens, people, providers, names)

    def use(
        self, addresses: Sequence[Network], tokens: Sequence[Token], people: Sequence[Person] = (),
        providers: Sequence[Provider] = (), names: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Replaces everything; locked-out addresses stay locked out. ``names``: host names of this gate, for requests without a token."""
        self._names = frozenset((socket.gethostname().lower(), *(one.lower() for one in names)))
        self._addresses = tuple(addresses)
        self._people = tuple(people)
        self._stored = [(one.token, Asker(one.name, frozenset({one.role}), by_token=True)) for one in tokens]
        self._stored += [(one.token, asker_of_token(one)) for one in people if one.token.startswith(KIND)]
        own = frozenset({Role.PROVIDER})
        self._stored += [(one.token, Asker(one.name, own, by_token=True)) for one in providers if one.token]

    def asks(
        self, host: str, authorization: str | None, wanted: Permission, path: str, now: float, name: str = ""
    ) -> Asker | HttpRefusal:
        """``host``: the peer's address; ``authorization`` and ``name``: the values of ``Authorization`` and ``Host``, empty without one."""
        from proxy.config.mapping_reader import within

        foreign = bool(name) and not self._is_ours(name)
        listed = within(host, self._addresses) and not foreign
        scheme, _, token = (authorization or "").strip().partition(" ")
        given = scheme.lower() == "bearer"
        if listed and wanted in Role.VIEWER.may and not (given and self._is_provider(token.strip())):
            return Asker(host, frozenset({Role.VIEWER}))
        if foreign and not given and within(host, self._addresses):
            return FOREIGN
        if not self._stored and not listed:
            return NOT_LISTED
        if not given:
            return NO_TOKEN
        asker = self._with_token(token.strip(), host, now)
        if isinstance(asker, HttpRefusal):
            return asker
        try:
            require_permission(asker, wanted, path, self._people)
        except NotAllowed as fault:
            return HttpRefusal("role", 403, str(fault))
        return asker

    def _with_token(self, token: str, host: str, now: float) -> Asker | HttpRefusal:
        if (asker := self._whose(token)) is not None:
            self._lockout.note_success("", host)
            return asker
        if self._lockout.held_off("", host, now):
            return TOO_MANY
        self._lockout.note_failure("", host, now)
        return WRONG

    def _is_provider(self, token: str) -> bool:
        """A provider that comes by way of a machine of ours (which puts TLS before the gate) is still a provider."""
        asker = self._whose(token)
        return asker is not None and Role.PROVIDER in asker.roles

    def _whose(self, given: str) -> Asker | None:
        hashed = hash_token(given[: TOKEN_MAX + 1])
        right = [asker for stored, asker in self._stored if compare_digest(stored, hashed)]
        return right[0] if right else None

    def _is_ours(self, name: str) -> bool:
        """Whether a ``Host`` names this gate: an address, a name without a dot, this machine's own, or one of the settings.

        A page in a browser on a listed machine can ask under a name of its own that leads here. It cannot own one of these.
        """
        match = _HOST.fullmatch(name.lower())
        said = match[1] if match else None
        return said is not None and (not _DOT.search(said) or is_address(said.strip("[]")) or said.rstrip(".") in self._names)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
