"""The report on a provider has rates, refusals by reason, orders and penalties."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config import Account, Provider
from proxy.desk.operator_orders.book import OrderBook
from proxy.desk.penalties.hourly_counts import ProviderHours
from proxy.desk.providers import operations as providers
from proxy.desk.providers.operations import MINUTE_S, MINUTES, MinuteCounts
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.operations.control import CommandRefused
from proxy.operations.declaration import handlers_of
from proxy.policy.registries.holidays import HolidayRow, Holidays
from proxy.relay.account_access import Directory
from proxy.state.lists.desk_records import DeskRecords
from tests.harness import NOON
from tests.model.test_roles import operated


def test_minutes_are_what_was_counted_between_looks_and_the_last_one_goes_on() -> None:
    tally = GateCounters()
    paces = MinuteCounts(tally)
    assert (paces.minutes("jia", NOON), paces.hour(NOON)) == ([], (NOON, {}))
    tally.submits["jia", "notice", "allow", ""] = 5
    paces.tick(NOON)
    tally.submits["jia", "notice", "allow", ""] = 9
    tally.submits["jia", "marketing", "reject", "region-ban"] = 2
    paces.tick(NOON + 30)  # too soon: nothing is looked at
    assert paces.minutes("jia", NOON + 30) == [(NOON, (4, 0, 2))]
    paces.tick(NOON + 60)
    tally.submits["yi", "notice", "defer", "window-full"] = 1
    assert paces.minutes("jia", NOON + 70) == [(NOON, (4, 0, 2)), (NOON + 60, (0, 0, 0))]
    assert paces.minutes("yi", NOON + 70) == [(NOON, (0, 0, 0)), (NOON + 60, (0, 1, 0))]
    assert paces.hour(NOON + 70) == (NOON, {"jia": (4, 0, 2), "yi": (0, 1, 0)})


def test_minutes_are_the_clocks_so_that_those_of_several_gates_add_up() -> None:
    tally = GateCounters()
    paces = MinuteCounts(tally)
    paces.tick(NOON + 37.25)
    tally.submits["jia", "notice", "allow", ""] = 2
    paces.tick(NOON + 60.2)
    tally.submits["jia", "notice", "allow", ""] = 5
    assert paces.minutes("jia", NOON + 61) == [(NOON + 37.25, (2, 0, 0)), (NOON + 60, (3, 0, 0))]
    paces.tick(NOON + 60.9)
    paces.tick(NOON + 120.1)
    assert [at - NOON for at, _ in paces.minutes("jia", NOON + 130)] == [37.25, 60, 120]


def test_no_more_than_an_hour_is_kept() -> None:
    paces = MinuteCounts(GateCounters())
    for minute in range(200):
        paces.tick(NOON + minute * MINUTE_S)
    found = paces.minutes("jia", NOON + 200 * MINUTE_S)
    assert len(found) == MINUTES + 1
    assert found[0][0] == NOON + 139 * MINUTE_S


def test_the_hour_of_a_gate_has_what_came_before_it_looked_for_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = operated(tmp_path)
    for name in ("count_apart", "put_away"):  # it has no rules, and no journal
        monkeypatch.setattr(gate.penalty_scheduler, name, lambda *_: None)

    async def begun() -> dict[str, tuple[int, int, int]]:
        await gate.start(None)
        gate.relay.tally.submits["jia", "notice", "allow", ""] = 2
        gate._rates.tick(gate.now())
        found: dict[str, tuple[int, int, int]] = gate._rates.hour(gate.now())[1]
        await gate.stop()
        return found

    assert asyncio.run(begun()) == {"jia": (2, 0, 0)}


class Gate:
    def __init__(self) -> None:
        rows = [
            Provider(
                name, (Account(name, "x", None, 5.0, 2),), (port,), (), 40.0, 4, 300, Category.NOTICE, "vendor", "none", None
            )
            for name, port in (("jia", "1069001"), ("yi", "1069002"))
        ]
        self.tally = GateCounters()
        directory = Directory(SimpleNamespace(providers=tuple(rows), carriers=()))  # type: ignore[arg-type]
        self.relay = SimpleNamespace(tally=self.tally, directory=directory)
        self.book = OrderBook(DeskRecords(), lambda kind, body: 1, lambda: None)
        self.penalties = SimpleNamespace(in_force=list, waiting=list)
        hours = ProviderHours(DeskRecords(), lambda records: 1)
        self.penalty_scheduler = SimpleNamespace(ppm={}, hours=hours)
        self.hours, self.paces, self.said = hours, MinuteCounts(self.tally), list[Any]()
        gate: Any = self
        self.commands = handlers_of(providers.ProviderReports(gate, gate.penalty_scheduler, self.paces))

    def binds(self) -> list[Any]:
        return []

    def now(self) -> float:
        return NOON + 90

    async def say(self, line: Any) -> None:
        self.said.append(line["provider"])

    async def ask(self, command: str, **args: Any) -> Any:
        call: Any = SimpleNamespace(args=args, say=self.say)
        return await self.commands[command](call)


async def test_each_provider_of_the_settings_is_told_of_also_one_that_does_nothing() -> None:
    gate = Gate()
    gate.paces.tick(NOON)
    gate.tally.submits["jia", "notice", "allow", ""] += 7
    gate.tally.submits["jia", "notice", "reject", "region-ban"] += 3
    assert await gate.ask("providers") == {"at": NOON + 90, "since": NOON}
    assert [(one["name"], one["hour"]["allow"], one["hour"]["reject"], one["limit_per_s"]) for one in gate.said] == [
        ("jia", 7, 3, 40.0),
        ("yi", 0, 0, 40.0),
    ]


async def test_of_one_it_is_told_why_it_was_refused_today_and_minute_by_minute() -> None:
    gate = Gate()
    gate.paces.tick(NOON)
    gate.tally.submits["jia", "notice", "allow", ""] += 7
    gate.tally.submits["jia", "notice", "reject", "region-ban"] += 3
    told = await gate.ask("providers.show", provider="jia")
    assert (told["day"]["sent"], told["day"]["reasons"]) == (7, [("region-ban", 3)]), "before the minute is over, too"
    gate.hours.take(gate.tally.submits, gate.tally.optouts, NOON + 60)
    told = await gate.ask("providers.show", provider="jia")
    assert told["day"]["reasons"] == [("region-ban", 3)]
    assert (told["day"]["sent"], told["day"]["hours"][-1][1:]) == (7, [7, 3])
    assert told["day"]["others_late_s"] == 0, "there is no other gate"
    assert told["minutes"] == [[NOON, 7, 0, 3]]
    assert told["accounts"] == [{"account": "jia", "binds": 0, "binds_max": 2, "limit_per_s": 5.0, "ports": []}]


async def test_one_that_nobody_knows_is_named_with_what_was_meant() -> None:
    with pytest.raises(CommandRefused, match="did you mean 'jia'"):
        await Gate().ask("providers.show", provider="jai")


def test_working_days_that_are_left_leave_out_what_is_not_worked() -> None:
    monday = 20_423 - (20_423 + 3) % 7
    holidays = Holidays([HolidayRow(monday + 1, monday + 1, "x", "holiday")])
    assert holidays.working_days_left(monday, monday) == 0
    assert holidays.working_days_left(monday, monday + 4) == 3, "Tuesday is off"
    assert holidays.working_days_left(monday, monday + 7) == 4
    assert holidays.working_days_left(monday + 2, monday) == -1, "over since Wednesday began; Tuesday does not count"
    assert holidays.working_days_left(monday + 7, monday) == -4
