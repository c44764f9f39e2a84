"""Counts and replies reach the book of reply paths, and the command lists it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config import Account, Provider
from proxy.desk.reply_paths.monitor import COUNT_S, SLICE, ReplyPathMonitor
from proxy.desk.reply_paths.operations import ReplyPathList
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.operations.control import CommandRefused
from proxy.operations.declaration import handlers_of
from proxy.relay.account_access import Directory
from proxy.relay.effects.reply_paths import DEAD, PROVEN, UNPROVEN, ReplyPaths
from proxy.state.lists.desk_records import DeskRecords

NOON = 1_764_475_200.0


class Gate:
    """What the keeper asks of one; its journal can be down."""

    def __init__(self, ports: tuple[str, ...] = ("1069001", "10690012", "")) -> None:
        provider = Provider(
            "jia", (Account("jia", "x", None, None, None),), ports, (), None, 4, 300, Category.MARKETING, "vendor", "none", None
        )
        settings: Any = SimpleNamespace(providers=(provider,), carriers=())
        self.tally, self.down, self.written = GateCounters(), False, 0
        self.relay = SimpleNamespace(tally=self.tally, directory=Directory(settings))
        self.papers = DeskRecords()
        self.retention_task = ReplyPathMonitor(self, ReplyPaths(self.papers, self.write))  # type: ignore[arg-type]

    def write(self, records: Any) -> int:
        if self.down:
            raise JournalDown("the disk is full")
        self.written += len(records)
        return self.written

    def now(self) -> float:
        return NOON

    def list(self, **args: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        lines: list[dict[str, Any]] = []

        async def say(line: dict[str, Any]) -> None:
            lines.append(line["path"])

        call: Any = SimpleNamespace(args=args, say=say)
        gate: Any = self

        async def ask() -> Mapping[str, Any]:
            return await handlers_of(ReplyPathList(gate, self.retention_task))["optout.paths"](call)

        told = asyncio.run(ask())
        return lines, dict(told)


def test_what_was_counted_reaches_the_book_before_the_reply_that_follows_it() -> None:
    gate = Gate()
    gate.tally.advertised["1069001", "R"] += 7
    gate.retention_task.replied("1069001", "R", NOON)
    state = gate.retention_task.book.state_of("1069001", NOON)
    assert (state.state, state.advertisements, state.advertisements_since_proof) == (PROVEN, 7, 0)
    assert state.keywords == {"R": (7, 1)}


def test_a_journal_that_is_down_costs_no_count_and_no_proof() -> None:
    gate = Gate()
    gate.down = True
    gate.tally.advertised["1069001", "R"] += 7
    gate.retention_task.tick(NOON, 0.0)
    gate.retention_task.replied("1069001", "", NOON)
    gate.retention_task.tick(NOON + 1, 1.5)
    assert gate.retention_task.book.state_of("1069001", NOON).state == PROVEN
    gate.down = False
    gate.retention_task.tick(NOON + 2, 3.0)
    kept = ReplyPaths(gate.papers, gate.write).state_of("1069001", NOON)
    assert (kept.state, kept.advertisements, kept.replies) == (PROVEN, 7, 1)


def test_the_last_counts_are_written_when_the_gate_stops() -> None:
    gate = Gate()
    gate.tally.advertised["1069001", "R"] += 7
    gate.retention_task.put_away(NOON)
    assert ReplyPaths(gate.papers, gate.write).state_of("1069001", NOON).advertisements == 7


def test_registered_prefixes_are_counted_by_state_and_no_others() -> None:
    gate = Gate()
    for prefix in ("1069001", "1060"):
        gate.retention_task.replied(prefix, "", NOON)
    gate.retention_task.book.probed("(empty)", NOON, ok=False)
    gate.retention_task.tick(NOON, 0.0)
    assert gate.retention_task.gauges()["reply_paths"] == {("proven",): 1, ("unproven",): 1, ("silent",): 0, ("dead",): 1}


def test_many_prefixes_are_counted_some_at_a_time() -> None:
    gate = Gate(tuple(f"1069{number:04d}" for number in range(3 * SLICE + 1)))
    for tick in range(3):
        gate.retention_task.tick(NOON, tick / 10)
        assert sum(gate.retention_task.gauges()["reply_paths"].values()) == 0
    gate.retention_task.tick(NOON, 0.3)
    assert gate.retention_task.gauges()["reply_paths"]["unproven",] == 3 * SLICE + 1
    gate.retention_task.tick(NOON, 0.4)
    gate.retention_task.tick(NOON, COUNT_S + 0.5)
    assert gate.retention_task.gauges()["reply_paths"]["unproven",] == 3 * SLICE + 1, (
        "the last count stays until there is a new one"
    )


def test_the_command_tells_of_all_registered_prefixes_those_in_doubt_first() -> None:
    gate = Gate()
    gate.retention_task.replied("1069001", "", NOON)
    gate.retention_task.book.probed("10690012", NOON, ok=False)
    rows, told = gate.list()
    assert [(one["prefix"], one["provider"], one["state"]) for one in rows] == [
        ("10690012", "jia", DEAD), ("(empty)", "jia", UNPROVEN), ("1069001", "jia", PROVEN),
    ]  # fmt: skip
    assert told == {"at": NOON, "rate": 0.0, "paths": 3}
    assert [one["prefix"] for one in gate.list(state="dead", provider="jia")[0]] == ["10690012"]


@pytest.mark.parametrize(
    ("args", "said"), [({"state": "death"}, "dead"), ({"provider": "jai"}, "jia"), ({"port": "1069"}, "port")]
)
def test_the_command_names_what_it_does_not_know(args: dict[str, str], said: str) -> None:
    with pytest.raises(CommandRefused, match=said):
        Gate().list(**args)


def test_paths_are_counted_though_a_round_takes_longer_than_until_the_next() -> None:
    gate = Gate(tuple(f"1069{number:06}" for number in range(SLICE * 2)))
    for beat in range(4):
        gate.retention_task.tick(NOON, COUNT_S * 2 * beat)  # each beat comes when a round is due
    assert gate.retention_task.gauges()["reply_paths"][UNPROVEN,] == SLICE * 2
