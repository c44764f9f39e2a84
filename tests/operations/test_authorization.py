"""Machine tokens are recognised at once; a stranger's guess costs one password check."""

from __future__ import annotations

import pytest

from proxy.config import Person, Token
from proxy.model.approvals import Impossible, PendingProposal, approve
from proxy.model.roles import Role
from proxy.operations.authorization import Authorization, CommandRefused
from proxy.operations.http_auth import hash_token, new_token

MADE, PROGRAM = new_token(), new_token()
PEOPLE = [
    Person("li", hash_token(MADE), "li", frozenset({Role.OFFICER})),
    *(Person(name, f"the password of {name}", name, frozenset({Role.APPROVER})) for name in ("wang", "zhao", "sun:yi")),
]


class Compared:
    """Whose password was compared with what."""

    def __init__(self) -> None:
        self.with_whom: list[str] = []
        self.door = Authorization(PEOPLE, self._check, [Token("ledger", hash_token(PROGRAM), Role.OFFICER)])

    def _check(self, stored: str, given: str, name: str) -> bool:
        self.with_whom.append(name)
        return stored == f"the password of {name}" and given == f"{name}'s own"

    async def whose(self, token: str) -> str:
        try:
            return (await self.door.asker("somebody", token)).name
        except CommandRefused as refused:
            assert refused.cause == "token"
            return ""


@pytest.fixture
def at() -> Compared:
    return Compared()


@pytest.mark.parametrize(
    ("token", "whose", "compared"),
    [
        (f":{MADE}", "li", []),
        (f":li:{MADE}", "li", []),
        (f":{PROGRAM}", "ledger", []),
        (":wang:wang's own", "wang", ["wang"]),
        (":sun:yi:sun:yi's own", "sun:yi", ["sun:yi"]),
        (":wang:zhao's own", "", ["wang"]),
        (":wang's own", "", []),
        (":a guess", "", []),
        (":li:a guess", "", []),
        (":nobody:wang's own", "", ["wang"]),
        (f":zhao:{MADE}", "", ["zhao"]),
        (":", "", []),
        ("zhao's own", "zhao", ["wang", "zhao"]),
        ("a guess", "", ["wang", "zhao", "sun:yi"]),
    ],
    ids=lambda one: None if isinstance(one, list) else "made" if MADE in one else "program" if PROGRAM in one else one,
)
async def test_what_a_token_costs(at: Compared, token: str, whose: str, compared: list[str]) -> None:
    assert await at.whose(token) == whose
    assert at.with_whom == compared


async def test_a_program_does_what_its_role_may_and_agrees_to_nothing(at: Compared) -> None:
    asker = await at.door.asker("somebody", f":{PROGRAM}")
    for role in (Role.VIEWER, Role.APPROVER):
        at.door.use(PEOPLE, [Token("ledger", hash_token(PROGRAM), role)])
        asker = await at.door.asker("somebody", f":{PROGRAM}")
        assert (asker.name, asker.roles, asker.program, asker.by_token) == ("ledger", frozenset({role}), True, False)
    with pytest.raises(Impossible, match="personal token"):
        approve(PendingProposal("penalty-7", "li", 0.0), asker, at.door.known, 1.0)


async def test_where_nobody_is_listed_whoever_gets_this_far_is_an_admin(at: Compared) -> None:
    at.door.use([])
    assert (await at.door.asker("somebody", "a guess")).roles == {Role.ADMIN}
