"""Defines roles, their permissions, and what each command requires.

The command line, the HTTP server and the console use the same tables. It is pure.

In: people as the settings list them, the permission that an action needs. Out: nothing, or a refusal that names the roles that
have the permission and the people who can grant it. Never: a token, a socket, a command that is not in the table.

    viewer    sees how the gate does; no recipient's number, no text
    officer   works at the desk: looks up recipients, enters refusals, consents, decisions and stops, exports files; proposes
    approver  looks up recipients; reviews proofs of consents; approves, as a second person, what others propose
    auditor   sees everything, full numbers too, and exports files; changes nothing
    admin     has all of these rights and operates the gate: connections, traces, removals

Where the settings list no people, everybody who may open the control socket is an admin. Where they list people, an account that
belongs to none of them has a viewer's rights until a token identifies the person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import NamedTuple, Protocol


class Permission(Enum):
    SEE = "see how the gate does"
    LOOK = "look at what is known of a person"
    WHOLE = "see whole numbers"
    TAKE_OUT = "take people's data out of the gate"
    ENTER = "enter what people at the desk decide"
    REVIEW = "accept or reject what proves a consent"
    APPROVE = "agree to what others propose"
    OPERATE = "operate the gate"
    OWN = "see what is a provider's own"


class Role(Enum):
    VIEWER = "viewer"
    OFFICER = "officer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"
    PROVIDER = "provider"
    """A company that sends messages, identified by its own token; no person has this role."""

    @property
    def may(self) -> frozenset[Permission]:
        return _MAY[self]


_MAY: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.SEE}),
    Role.OFFICER: frozenset(
        {Permission.SEE, Permission.LOOK, Permission.WHOLE, Permission.TAKE_OUT, Permission.ENTER, Permission.REVIEW},
    ),
    Role.APPROVER: frozenset({Permission.SEE, Permission.LOOK, Permission.REVIEW, Permission.APPROVE}),
    Role.AUDITOR: frozenset({Permission.SEE, Permission.LOOK, Permission.WHOLE, Permission.TAKE_OUT}),
    Role.ADMIN: frozenset(Permission) - {Permission.OWN},
    Role.PROVIDER: frozenset({Permission.OWN}),
}
PEOPLE = tuple(role for role in Role if role is not Role.PROVIDER)
"""Roles that people and programs in the settings may have."""

PATHS: Mapping[str, Permission | None] = {
    "/healthz": None,
    "/readyz": None,
    "/metrics": Permission.SEE,
    "/optouts": Permission.ENTER,
    "/provider": Permission.OWN,
    "/provider/penalties": Permission.OWN,
    "/provider/precheck": Permission.OWN,
    "/provider/refusals": Permission.OWN,
    "/provider/rules": Permission.OWN,
    "/provider/tasks": Permission.OWN,
}
"""The permission that each HTTP path requires; None: no permission."""


class NotAllowed(Exception):
    """The caller lacks the permission; the text says which role has it and who can grant it."""


class ListedPerson(Protocol):
    """A person of the settings."""

    @property
    def name(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def roles(self) -> frozenset[Role]: ...


class Asker(NamedTuple):
    """The person or program that asks for an action."""

    name: str
    """The person's name, or the operating-system account where the settings list no such person."""
    roles: frozenset[Role]
    by_token: bool = False
    """Whether a personal token identified the person, not only the account: an approval needs a token."""
    program: bool = False
    """Whether it is a program of ``http.tokens`` and not a person."""

    def may(self, wanted: Permission) -> bool:
        return any(wanted in role.may for role in self.roles)


def asker_of_account(account: str, people: Collection[ListedPerson]) -> Asker:
    """The asker for an operating-system account without a token."""
    if not people:
        return Asker(account, frozenset({Role.ADMIN}))
    for person in people:
        if person.user == account:
            return Asker(person.name, person.roles)
    return Asker(account, frozenset({Role.VIEWER}))


def asker_of_token(person: ListedPerson) -> Asker:
    return Asker(person.name, person.roles, by_token=True)


def require_permission(asker: Asker, wanted: Permission, what: str, people: Iterable[ListedPerson] = ()) -> None:
    """Raises NotAllowed where ``asker`` lacks ``wanted``. ``what``: the command or path, for the error text."""
    if asker.may(wanted):
        return
    able = " or ".join(role.value for role in PEOPLE if wanted in role.may) or Role.PROVIDER.value
    admins = sorted(person.name for person in people if Role.ADMIN in person.roles)
    givers = f"{', '.join(admins)} can give it" if admins else "whoever keeps the settings can give it"
    raise NotAllowed(
        f"{what}: to {wanted.value} takes the role {able}, and {asker.name} is {_words(asker)}: {givers} "
        f"(settings: people[].roles){'' if asker.by_token else ', or say who you are with your token (GATE106_TOKEN_FILE)'}"
    )


def _words(asker: Asker) -> str:
    return " and ".join(sorted(role.value for role in asker.roles)) or "nobody"
