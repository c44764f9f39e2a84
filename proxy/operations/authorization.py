"""Decides who gives a command, and whether they may.

In: the account that the kernel names, perhaps a token, the command's permission. Out: an Asker, or CommandRefused. Never: a hash computed
on the loop, a token in a log or an error.

Tokens made by a machine are recognised at once. A password chosen by a person takes 50 ms to compare, so strangers must not have theirs
compared with everybody's. The console and its API, which let strangers ask, send ``:TOKEN``, which is never compared with a password, or
``:NAME:PASSWORD``, which is compared with that person's alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING

import structlog

from proxy.model.roles import Asker, NotAllowed, Permission, asker_of_account, asker_of_token, require_permission
from proxy.operations.http_auth import KIND, hash_token

if TYPE_CHECKING:
    from proxy.config import Person, Token

log = structlog.get_logger()

TOKEN_MAX = 512
"""Characters, with a name before it."""

CAUSES = ("token", "role", "busy", "fault")
"""Causes of a refusal other than the arguments: an unknown token, a missing role, too many commands at a time, a fault of the gate."""

Check = Callable[[str, str, str], "bool | Awaitable[bool] | None"]
"""(stored hash, token, person's name) → whether it is right, at once or later; None: too many checks wait."""


class CommandRefused(Exception):
    """A command cannot be done: the text says whose fault it is and what to do. ``cause``: one of CAUSES, for programs.
    ``rows``: of a file that was sent, the line and the fault of each bad row."""

    def __init__(self, text: object, cause: str = "", rows: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(text)
        self.cause, self.rows = cause, rows


class Authorization:
    """Authorizes the people of the settings; without any, everybody who can open the socket is an admin."""

    def __init__(self, people: Sequence[Person] = (), check: Check | None = None, programs: Sequence[Token] = ()) -> None:
        self._check = check
        self.use(people, programs)

    def use(self, people: Sequence[Person], programs: Sequence[Token] = ()) -> None:
        """Replaces people and programs."""
        self._people, self._programs = tuple(people), tuple(programs)

    @property
    def strict(self) -> bool:
        """Whether the settings list people."""
        return bool(self._people)

    @property
    def known(self) -> frozenset[str]:
        """Names of all who have a token."""
        return frozenset(person.name for person in self._people)

    def holders(self, wanted: Permission) -> list[str]:
        """Names of all who have a permission."""
        return [person.name for person in self._people if any(wanted in role.may for role in person.roles)]

    async def asker(self, account: str, token: str) -> Asker:
        """``token`` empty: none was given. CommandRefused for an unknown token."""
        if not token or not self._people:
            return asker_of_account(account, self._people)
        found = await self._whose(token)
        if found is not None:
            return found
        log.warning("command refused: unknown token", account=account)
        raise CommandRefused("this token is nobody's (settings: people)", "token")

    async def _whose(self, token: str) -> Asker | None:
        if token.startswith(":"):
            return await self._with_name(token[1:])
        if (found := self._with_machine_token(token)) is not None:
            return found
        for person in self._with_password:
            if await self._is_password(person, token):
                return asker_of_token(person)
        return None

    @property
    def _with_password(self) -> list[Person]:
        """People with a password instead of a machine-made token."""
        return [person for person in self._people if not person.token.startswith(KIND)]

    def _with_machine_token(self, token: str) -> Asker | None:
        hashed = hash_token(token)
        for person in self._people:
            if compare_digest(person.token, hashed):
                return asker_of_token(person)
        for program in self._programs:
            if compare_digest(program.token, hashed):
                return Asker(program.name, frozenset({program.role}), program=True)
        return None

    async def _with_name(self, said: str) -> Asker | None:
        if (found := self._with_machine_token(said)) is not None or ":" not in said:
            return found
        person = next((one for one in self._people if said.startswith(f"{one.name}:")), None)
        if person is None:  # which takes no less
            for one in self._with_password[:1]:
                await self._is_password(one, said)
            return None
        token = said[len(person.name) + 1 :]
        if person.token.startswith(KIND):
            right = compare_digest(person.token, hash_token(token))
        else:
            right = await self._is_password(person, token)
        return asker_of_token(person) if right else None

    async def _is_password(self, person: Person, token: str) -> bool:
        found = self._check(person.token, token, person.name) if self._check is not None else False
        if found is None:
            raise CommandRefused("too many tokens are being looked at: try again", "busy")
        return found if isinstance(found, bool) else await found

    def demand(self, asker: Asker, wanted: Permission, what: str) -> None:
        """CommandRefused where ``asker`` lacks the permission."""
        try:
            require_permission(asker, wanted, what, self._people)
        except NotAllowed as fault:
            raise CommandRefused(str(fault), "role") from None
