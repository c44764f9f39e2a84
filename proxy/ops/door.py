"""Door: who is at the other end of the control socket, and whether they may have what they ask for.

In: the account the kernel names, perhaps a token, what is asked for. Out: an Asker, or Refused. Never: a hash computed on the loop, a token
in a log or an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest

import structlog

from proxy.config import Person
from proxy.ops.guard import KIND, hash_token
from proxy.roles import Asker, NotAllowed, Permission, at_account, demand, with_token

log = structlog.get_logger()

TOKEN_MAX = 255
"""Characters."""

CAUSES = ("token", "role", "busy", "fault")
"""Why a command was not done, where it is not for what was asked: whose token it is, what they may, too much at a time, the gate itself."""

Check = Callable[[str, str, str], "bool | Awaitable[bool] | None"]
"""(the stored hash, the token, whose) → whether it is theirs, at once or later; None: too many are being looked at."""


class Refused(Exception):
    """A command cannot be done: the text says whose fault it is and what to do. ``cause``: a word of CAUSES, for programs that must tell."""

    def __init__(self, text: object, cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause


class Door:
    """Of the people the settings list; nobody listed: whoever gets this far is an admin."""

    def __init__(self, people: Sequence[Person] = (), check: Check | None = None) -> None:
        self._people, self._check = tuple(people), check

    def use(self, people: Sequence[Person]) -> None:
        """Others from now on."""
        self._people = tuple(people)

    @property
    def strict(self) -> bool:
        """Whether the settings list people."""
        return bool(self._people)

    @property
    def known(self) -> frozenset[str]:
        """Names of all who have a token."""
        return frozenset(person.name for person in self._people)

    async def asker(self, account: str, token: str) -> Asker:
        """``token`` empty: none was given. Refused where it is nobody's."""
        if not token or not self._people:
            return at_account(account, self._people)
        hashed = hash_token(token)
        for person in self._people:
            if person.token.startswith(KIND):
                if compare_digest(person.token, hashed):
                    return with_token(person)
            elif await self._is_password(person, token):
                return with_token(person)
        log.warning("a command came with a token that is nobody's", account=account)
        raise Refused("this token is nobody's (settings: people)", "token")

    async def _is_password(self, person: Person, token: str) -> bool:
        found = self._check(person.token, token, person.name) if self._check is not None else False
        if found is None:
            raise Refused("too many tokens are being looked at: try again", "busy")
        return found if isinstance(found, bool) else await found

    def demand(self, asker: Asker, wanted: Permission, what: str) -> None:
        """Refused where ``asker`` may not."""
        try:
            demand(asker, wanted, what, self._people)
        except NotAllowed as fault:
            raise Refused(str(fault), "role") from None
