"""The real gate, killed while its rules change: whatever was written holds, what was not has not happened, and nothing lies between."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.revisions import Revised
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.net.authenticator import hash_password
from proxy.operations import client
from tests.crash.operated_that_dies import POINTS
from tests.crash.test_operating import Harness, rows
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, provider
from tests.e2e.waiting import until

BANNED = 0x400
ME = pwd.getpwuid(os.getuid()).pw_name
ONLY_BEIJING = "rules:\n  - {id: a, when: {province: 北京}, then: reject, reason: region-ban}\n"
BOTH = ONLY_BEIJING + "  - {id: b, when: {province: 上海}, then: reject, reason: region-ban}\n"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    carrier = Carrier()
    made = Harness(tmp_path, carrier.port, [provider("jia", "1069001")])
    made.write_rules(ONLY_BEIJING)
    yield made
    if made.started:
        made.stop()
    carrier.stop()


def banned(harness: Harness) -> tuple[bool, bool]:
    """Whether 北京 and 上海 are refused."""
    beijing, shanghai = harness.statuses(BEIJING.format(1), SHANGHAI.format(1))
    return beijing == BANNED, shanghai == BANNED


def events(harness: Harness) -> list[Revised]:
    return [unpack(Revised, one.body) for one in read(OsDisk(harness.folder / "journal"), 1) if one.kind == messages.REVISED]


def says(point: str) -> str:
    return POINTS[point].says


@pytest.mark.parametrize("point", ["set-kept", "set-named", "set-noted", "set-syncing"], ids=says)
def test_a_changed_set_is_in_force_after_a_crash_and_was_accepted_once(harness: Harness, point: str) -> None:
    harness.live(point)
    harness.write_rules(BOTH)
    harness.died()
    harness.start()
    assert banned(harness) == (True, True)
    assert [one.event for one in events(harness)] == ["accepted", "accepted"]
    assert [one.in_force for one in events(harness)][1] == client.ask(harness.control, "rules")["revision"]


@pytest.mark.parametrize(
    ("point", "back"), [("second-named", True), ("second-noted", True), ("second-syncing", True), ("set-kept", False)], ids=str
)
def test_going_back_holds_after_a_crash_as_soon_as_it_is_written(harness: Harness, point: str, back: bool) -> None:
    harness.live(point)
    harness.write_rules(BOTH)
    if not back:  # killed before it comes to that
        harness.died()
    else:
        until(lambda: len(events(harness)) == 2, harness.said)
        until(lambda: banned(harness) == (True, True), harness.said)
        harness.dies("rules.rollback", why="a mistake")
    harness.start()
    assert banned(harness) == (True, not back)
    assert bool(client.ask(harness.control, "rules")["kept_out"]) is back


@pytest.mark.parametrize("point", ["second-noted", "second-syncing"], ids=says)
def test_an_approval_holds_after_a_crash_as_soon_as_it_is_written(
    harness: Harness, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [{"name": name, "token": hash_password(name)} for name in (ME, "wang")]
    harness.settings |= {"people": people, "revisions": {"four_eyes": True}}
    harness.write_settings()
    harness.live(point)
    harness.write_rules(BOTH)
    until(lambda: client.ask(harness.control, "rules")["proposed"], harness.said)
    revision = client.ask(harness.control, "rules")["proposed"]["revision"]
    monkeypatch.setenv(client.TOKEN, "wang")
    harness.dies("rules.approve", revision=revision)
    harness.start()
    assert banned(harness) == (True, True)
    assert [one.event for one in events(harness)] == ["accepted", "proposed", "approved"]


def test_the_history_is_in_a_checkpoint_and_needs_no_journal(harness: Harness) -> None:
    harness.live("never", checkpoint_s=0.02)
    harness.write_rules(BOTH)
    until(lambda: len(events(harness)) == 2, harness.said)
    client.ask(harness.control, "rules.rollback", why="a mistake")
    until(lambda: rows(harness, "history") == 3, "three events in the checkpoint")
    harness.stop()
    harness.start()
    assert banned(harness) == (True, False)
    told = client.ask(harness.control, "rules.history")
    assert [one["event"] for one in told["events"]] == ["rolled-back", "accepted", "accepted"]
