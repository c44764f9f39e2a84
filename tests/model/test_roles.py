"""Every command and path has a permission, and every role the expected ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config import Person
from proxy.desk.api.operation_table import PERMISSIONS
from proxy.model.counters import GateCounters
from proxy.model.roles import (
    PATHS,
    PEOPLE,
    Asker,
    NotAllowed,
    Permission,
    Role,
    asker_of_account,
    asker_of_token,
    require_permission,
)
from proxy.relay.effects.list_import import ChunkedImports
from proxy.server.control_plane import ControlPlane
from proxy.state import open_store

LI = Person("li", "", "li.ops", frozenset({Role.OFFICER, Role.APPROVER}))
WANG = Person("wang", "", "wang", frozenset({Role.ADMIN}))


def operated(tmp_path: Any) -> Any:
    """What a gate's socket answers with, whatever else it is made of."""
    directory = SimpleNamespace(throttle=lambda _: None)
    admission = SimpleNamespace(candidate=None)
    relay = SimpleNamespace(
        directory=directory, tally=GateCounters(), admission=admission, rules=None, release=lambda now_s: None
    )
    providers = SimpleNamespace(turns=None)
    revising = SimpleNamespace(rules=SimpleNamespace(with_orders=lambda *_: None, asked_of=lambda _: -1))
    return ControlPlane(
        tmp_path / "control.sock", relay, open_store("sqlite::memory:"), None, None, providers, (), None, revising, None, ChunkedImports()  # type: ignore[arg-type]
    )  # fmt: skip


def served(tmp_path: Any) -> set[str]:
    return set(operated(tmp_path)._server._commands)


def test_every_command_of_the_socket_asks_for_something_and_nothing_else_is_in_the_table(tmp_path: Any) -> None:
    assert served(tmp_path) == PERMISSIONS.keys()


def test_nothing_is_open_to_anybody_but_whether_the_gate_lives() -> None:
    assert {path for path, wanted in PATHS.items() if wanted is None} == {"/healthz", "/readyz"}


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("viewer", "binds rules stop.list", "suppress.show suppress.add explain rules.approve binds.kick suppress.export"),
        ("officer", "binds suppress.show suppress.add suppress.export stop", "rules.approve binds.kick trace journal.expire"),
        ("approver", "rules rules.approve rules.reject suppress.show", "suppress.add stop suppress.export links.drain"),
        ("auditor", "rules.history suppress.show suppress.export look", "suppress.add stop rules.approve binds.kick"),
        ("admin", " ".join(PERMISSIONS), ""),
        ("provider", "", " ".join(PERMISSIONS)),
    ],
)
def test_a_role_may(role: str, may: str, may_not: str) -> None:
    asker = Asker("x", frozenset({Role(role)}))
    assert [command for command in may.split() if not asker.may(PERMISSIONS[command])] == []
    assert [command for command in may_not.split() if asker.may(PERMISSIONS[command])] == []


def test_no_one_but_a_provider_sees_what_is_a_providers_own() -> None:
    assert [role for role in Role if Permission.OWN in role.may] == [Role.PROVIDER]
    assert Role.PROVIDER not in PEOPLE


def test_an_account_is_an_admins_where_nobody_is_listed_its_persons_where_somebody_is_and_else_a_viewers() -> None:
    assert asker_of_account("root", ()) == Asker("root", frozenset({Role.ADMIN}))
    assert asker_of_account("li.ops", (LI, WANG)) == Asker("li", LI.roles)
    assert asker_of_account("li", (LI, WANG)).roles == {Role.VIEWER}, "a name is not an account"
    assert asker_of_account("root", (LI, WANG)).roles == {Role.VIEWER}
    assert asker_of_token(LI) == Asker("li", LI.roles, by_token=True)


def test_a_refusal_says_which_role_it_takes_and_who_can_give_it() -> None:
    with pytest.raises(NotAllowed) as caught:
        require_permission(asker_of_token(LI), Permission.OPERATE, "links.drain", (LI, WANG))
    assert str(caught.value) == (
        "links.drain: to operate the gate takes the role admin, and li is approver and officer: wang can give it "
        "(settings: people[].roles)"
    )
    with pytest.raises(NotAllowed, match="whoever keeps the settings can give it"):
        require_permission(asker_of_token(LI), Permission.OPERATE, "links.drain", (LI,))


def test_the_guide_says_what_each_role_may() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    (head,) = [row for row in rows if row[1:] == [role.value for role in PEOPLE]]
    found = {row[0].split(":")[0].split("(")[0].strip(): row[1:] for row in rows if "✓" in row}
    for permission in set(Permission) - {Permission.OWN}:
        (said,) = [cells for words, cells in found.items() if words.startswith(permission.value)]
        assert said == ["✓" if permission in Role(word).may else "" for word in head[1:]], permission
