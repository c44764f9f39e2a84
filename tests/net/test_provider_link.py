"""A reload during a password check decides by the new settings."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.config import Account, Provider
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.net.link import Turns
from proxy.net.provider_link import ProviderLink
from proxy.relay.account_access import Directory
from proxy.wire import Timers, bind
from proxy.wire.frame import Frame
from proxy.wire.tables import ESME_RBINDFAIL, ESME_RINVSYSID

PASSWORD = "scrypt:one"


def directory(*accounts: Account) -> Directory:
    provider = Provider(
        "jia", accounts, ("1069001",), (), None, 4, 300, Category.MARKETING, "vendor", "none", None, replace=False
    )
    return Directory(cast("Any", SimpleNamespace(providers=(provider,), carriers=())))


def account(password: str = PASSWORD, binds: int | None = None) -> Account:
    return Account("jia", password, None, None, binds)


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ((), ESME_RINVSYSID),
        ((account("scrypt:another"),), ESME_RBINDFAIL),
        ((account(binds=0),), ESME_RBINDFAIL),
        ((account(),), 0),
    ],
    ids=["the account is gone", "it has another password", "it may have no bind any more", "it is as it was"],
)
def test_an_account_that_settings_changed_while_its_password_was_looked_at_is_what_they_say(
    now: tuple[Account, ...], status: int
) -> None:
    then = directory(account())
    answer, harness = asyncio.run(_bound(then, directory(*now)))
    assert answer.command_status == status
    assert then.accesses["jia"].binds == 0, "nobody counts there any more"
    assert sum(one.binds for one in harness.directory.accesses.values()) == (status == 0)


async def _bound(then: Directory, now: Directory) -> tuple[Frame, Any]:
    loop = asyncio.get_running_loop()
    looked_at = loop.create_future()
    harness = SimpleNamespace(
        directory=then, relay=None, turns=Turns(loop), timers=Timers(), tally=GateCounters(), accepting=True, links=set(),
        bound=defaultdict(list), failures=0, may_bind=None, authenticator=SimpleNamespace(check=lambda *_: looked_at), next_bind_number=lambda: 1, log_bind=lambda *_: None,
        log_refusal=lambda *_: None, deliver_relay=SimpleNamespace(bound=lambda name: None),
        lockout=SimpleNamespace(held_off=lambda *_: False, note_failure=lambda *_: None, note_success=lambda *_: None),
    )  # fmt: skip
    link = ProviderLink(cast("Any", harness))
    link.data_received(bind("transceiver", "jia", "secret", sequence=1))
    assert link._checking is not None
    harness.directory = now
    looked_at.set_result(True)
    await link._checking
    return Frame.of(link.session.output()), harness
