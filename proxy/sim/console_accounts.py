"""Makes the users of the demo's console, with tokens for one run.

In: the simulated companies. Out: their sections of the settings; how to log in, in words. Never: a token of anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.operations.http_auth import hash_token, new_token

ROLES = {"li": ("officer",), "wang": ("approver",), "zhao": ("auditor",), "admin": ("admin",)}
"""Made-up people: the first enters, the second agrees, the third looks, the fourth may do anything."""


@dataclass(frozen=True, slots=True)
class DemoAccounts:
    port: int
    tokens: dict[str, str]
    provider: str
    """The company that may see its own page."""

    @classmethod
    def opened(cls, port: int, companies: Sequence[str]) -> DemoAccounts:
        provider = companies[0]
        return cls(port, {name: new_token() for name in (*ROLES, provider)}, provider)

    def settings(self, providers: list[dict[str, Any]]) -> dict[str, Any]:
        """Sections beside the others; the token of ``provider`` is put into its own."""
        for one in providers:
            if one["name"] == self.provider:
                one["token"] = hash_token(self.tokens[self.provider])
        people = [{"name": name, "token": hash_token(self.tokens[name]), "roles": list(roles)} for name, roles in ROLES.items()]
        return {"console": {"listen": f"127.0.0.1:{self.port}"}, "people": people}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def lines(self, everybody: bool) -> list[str]:
        """How to get in: for the one who may do anything, or for all of them."""
        if not everybody:
            return [f"console: {self.address} as admin with {self.tokens['admin']}"]
        known = {**{name: " and ".join(roles) for name, roles in ROLES.items()}, self.provider: "a provider: its own page"}
        return [f"console: {self.address}", *(f"  {name:8} {self.tokens[name]}  {what}" for name, what in known.items())]
