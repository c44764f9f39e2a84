"""A decision with a suppression is one commit group: both or neither."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.desk.complaints import command
from proxy.desk.complaints import operations as complaints
from proxy.desk.complaints.book import CaseBook, Complaint, DueDays, MatchedMessage
from proxy.desk.data_subjects import operations as subject
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import read
from proxy.model.approvals import Impossible
from proxy.operations.control import CommandRefused
from proxy.operations.declaration import handlers_of
from proxy.policy.registries.holidays import Holidays
from proxy.relay.effects.replay import replay
from proxy.state import open_store
from proxy.state.record.record import opt_outs
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk

HIT = MatchedMessage("1:5", SHANGHAI, "jia", "10690001", "京选", "marketing", NOON - 60)
SUPPRESSED = 0x420


class Desk:
    """A harness whose control socket decides cases; what is asked waits for the harness's next turn."""

    def __init__(self, tmp_path: Path) -> None:
        self.harness = Harness(tmp_path)
        self.relay, self.store = self.harness.relay, self.harness.store
        self.cases = CaseBook(self.store.cases, self.write_all)
        self.heard = 0
        gate: Any = self
        self.commands = handlers_of(complaints.Complaints(gate, self.hears))
        row = Complaint("A1", SHANGHAI, "138****0007", NOON - 100, "1069001", "x", NOON)
        self.cases.file(list(self.cases.drafts("12321", "b" * 16, [row], DueDays(5, 15), Holidays(), NOON, "li", "x")))
        self.cases.match(1, HIT, NOON, "li", "x")
        self.harness.journal.sync()

    def hears(self) -> None:
        self.heard += 1

    def now(self) -> float:
        return NOON

    def write_all(self, records: Sequence[tuple[int, bytes]]) -> int:
        sequence = 0
        for kind, body in records:
            sequence = self.harness.journal.append(kind, body)
        self.harness.journal.write(NOON)
        return sequence

    async def safe(self, sequence: int) -> None:
        assert 0 < sequence <= self.harness.journal.written

    def decide(self, state: str = "valid", **args: Any) -> Mapping[str, Any]:
        return asyncio.run(self._decide(state, args))

    async def _decide(self, state: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        call: Any = SimpleNamespace(args={"id": "1", "state": state, "why": "no consent", **args}, who="li")
        asked = asyncio.ensure_future(self.commands["complaint.decide"](call))
        await asyncio.sleep(0)
        self.harness.turn()
        return await asked


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def after_restart(disk: MemoryDisk) -> tuple[str, list[str]]:
    """What a gate that reads this journal knows of the case, and what the person refuses."""
    store = open_store("sqlite::memory:")
    replay(store, read(disk, 1), 0)
    _, data = asyncio.run(store.load([SHANGHAI]))[SHANGHAI]
    return CaseBook(store.cases, lambda _: 0).find(1).state, [one.scope for one in opt_outs(data)]


def test_wherever_a_kill_tears_the_journal_there_are_the_decision_and_its_suppression_or_neither(desk: Desk) -> None:
    whole = desk.harness.disk
    (segment,) = whole.list()
    before = whole.size(segment)
    desk.decide(suppress="provider")
    group = whole.size(segment) - before
    found = []
    for torn in range(group + 1):
        disk = deepcopy(whole)
        disk.truncate(segment, before + torn)
        found.append(after_restart(disk))
    assert found == [("open", [])] * group + [("valid", ["provider"])]


def test_it_is_in_force_when_it_is_answered_and_the_case_says_so(desk: Desk) -> None:
    told = desk.decide(suppress="signature", for_s=3600)
    assert told["suppressed"]["added"] == [
        {
            "scope": "signature", "value": "京选", "source": "complaint", "since": int(NOON), "until": int(NOON) + 3600,
            "advertiser": "", "signature": "京选", "about": "signature 【京选】", "about_zh": "签名【京选】",
        }
    ]  # fmt: skip
    assert [(one["what"], one["why"]) for one in told["events"][-2:]] == [
        ("valid", "no consent"),
        ("suppressed", "marketing of signature 京选 until 2025-11-11 13:00"),
    ]
    assert command.row(told, "zh")[-1] == "已停止向投诉人发送营销（签名 京选，至 2025-11-11 13:00）"
    assert (desk.cases.valid("jia", 0, 2 * NOON), desk.heard, desk.relay.tally.complaints["jia", "valid"]) == (1, 1, 1)
    desk.harness.submit("jia", SHANGHAI, "【京选】双11券")
    assert [frame.command_status for frame in desk.harness.told("jia")] == [SUPPRESSED]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"suppress": "advertiser"}, "say which \\(--value\\)"),
        ({"suppress": "nonsense"}, "unknown suppress 'nonsense'"),
        ({"suppress": "provider", "value": "bing"}, "provider of the settings"),
        ({"suppress": "all", "value": "jia"}, "scope all has no value"),
        ({"suppress": "all", "provider": "yi"}, "matched to a message of jia, not of yi"),
        ({"suppress": "all", "of": 1}, "only a duplicate"),
        ({"value": "jia"}, "--suppress"),
    ],
)
def test_a_wrong_word_decides_nothing_and_suppresses_nobody(desk: Desk, args: dict[str, Any], says: str) -> None:
    before = len(desk.harness.written())
    with pytest.raises(CommandRefused, match=says):
        desk.decide(**args)
    assert desk.cases.find(1).state == "open"
    assert len(desk.harness.written()) == before
    assert desk.decide(suppress="all")["state"] == "valid"  # nothing of it is left under way


def test_while_the_journal_is_down_nothing_is_decided(desk: Desk) -> None:
    desk.relay.commit.journal_down = "no space left"
    with pytest.raises(CommandRefused, match="no space left: nothing was done"):
        desk.decide(suppress="all")
    desk.relay.commit.journal_down = ""
    assert desk.decide(suppress="all")["state"] == "valid"


def test_a_journal_that_goes_down_amid_it_takes_both_when_it_writes_again(desk: Desk) -> None:
    """In force in memory, so it is written later; until then nobody decides the case otherwise."""

    async def decide() -> Mapping[str, Any]:
        call: Any = SimpleNamespace(args={"id": "1", "state": "valid", "why": "x", "suppress": "all"}, who="li")
        asked = asyncio.ensure_future(desk.commands["complaint.decide"](call))
        await asyncio.sleep(0)
        desk.harness.disk.free_bytes = 0
        desk.harness.turn()
        await asyncio.sleep(0)
        assert not asked.done()
        assert desk.cases.find(1).state == "open"
        with pytest.raises(Impossible, match="being decided this moment"):
            desk.cases.decide(1, "invalid", NOON, "wang", "x")
        desk.harness.disk.free_bytes = None
        desk.relay.tick(NOON)
        desk.harness.turn()
        return await asked

    assert asyncio.run(decide())["state"] == "valid"
    assert after_restart(desk.harness.disk) == ("valid", ["all"])
    assert [one.kind for one in desk.harness.written()][-2:] == [messages.SUPPRESSED, messages.CASED]


def test_a_case_is_told_without_the_numbers_that_people_wrote_into_it_unless_they_are_asked_for(desk: Desk) -> None:
    case = desk.cases.find(1)._replace(text=f"我是+86{SHANGHAI}")
    case = case._replace(events=(case.events[0]._replace(why=f"{SHANGHAI} called"),))
    shown, whole = complaints.case_row(case), complaints.case_row(case, whole=True)
    hidden = f"{str(SHANGHAI)[:3]}****{str(SHANGHAI)[7:]}"
    assert (shown["text"], shown["events"][0]["why"]) == (f"我是+86{hidden}", f"{hidden} called")
    assert (whole["text"], whole["events"][0]["why"]) == (case.text, f"{SHANGHAI} called")


def test_the_digits_of_a_code_are_told_to_nobody(desk: Desk) -> None:
    case = desk.cases.find(1)._replace(text="【甲店】您的验证码是482913，5分钟内有效")
    for whole in (False, True):
        assert complaints.case_row(case, whole=whole)["text"] == "【甲店】您的验证码是******，*分钟内有效"
        assert subject._complaint(case, whole=whole)["text"] == "【甲店】您的验证码是******，*分钟内有效"
