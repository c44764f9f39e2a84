"""Counts of days up to the same time of day, against the tables' own rows."""

from __future__ import annotations

from pathlib import Path

from proxy.archive.day_counts import DAY_S, OPTOUTS, compared_days
from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.journal.scan import segment_name
from proxy.model.recipient import OptOut
from proxy.policy.time_windows import OFFSET_S
from tests.archive.journals import Shelf, busy, nights, synced
from tests.harness import BEIJING, Harness


def midnight(at: float) -> float:
    return (at + OFFSET_S) // DAY_S * DAY_S - OFFSET_S


def test_each_day_is_counted_up_to_where_the_tables_of_today_end(harness: Harness, shelf: Shelf) -> None:
    nights(harness, count=2)
    shelf.roll(harness.disk, harness.now)
    rows = [(ms / 1000, kind, outcome) for ms, kind, outcome in shelf.rows("time_ms, kind, outcome")]
    today = midnight(rows[-1][0])
    found = compared_days(shelf.folder, [today, today - DAY_S, today - 7 * DAY_S])
    assert 0 <= found.seconds < DAY_S
    assert [one.since for one in found.days] == [today, today - DAY_S, today - 7 * DAY_S]
    assert found.days[2].counts is None, "nothing is known of a day before the first table"
    for day in found.days[:2]:
        within = [(kind, outcome) for at, kind, outcome in rows if day.since <= at <= day.since + found.seconds]
        expected = {outcome: 0 for kind, outcome in within if kind == "verdict"}
        for kind, outcome in within:
            if kind in ("verdict", "stopped"):
                expected[outcome if kind == "verdict" else OPTOUTS] = (
                    expected.get(outcome if kind == "verdict" else OPTOUTS, 0) + 1
                )
        assert day.counts == expected
        assert sum(expected.values()) > 0
        refused = sum(number for what, number in expected.items() if what not in ("allow", OPTOUTS))
        assert sum(day.reasons.values()) == refused


def test_a_day_that_is_in_no_table_yet_is_not_compared(harness: Harness, shelf: Shelf) -> None:
    assert compared_days(shelf.folder, [0.0, -DAY_S]).days == []
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    tomorrow = midnight(harness.now) + 2 * DAY_S
    assert compared_days(shelf.folder, [tomorrow, tomorrow - DAY_S])[:2] == (0.0, [])


def test_a_day_after_whose_last_table_nothing_was_written_is_whole(harness: Harness, shelf: Shelf, tmp_path: Path) -> None:
    """The gate was stopped in the afternoon and started the next morning."""
    busy(harness, 2)
    busy(harness, 1, start=22)
    shelf.roll(harness.disk, harness.now)
    (newest,) = max(shelf.rows("time_ms"))
    day, behind = midnight(newest / 1000), segment_name(shelf.manifest().last + 1)
    (tmp_path / "another").mkdir()
    journal = tmp_path / "journal"
    journal.mkdir()
    assert compared_days(shelf.folder, [day], [journal]).seconds == newest / 1000 - day < DAY_S, "no journal says more"
    (journal / behind).write_bytes(harness.disk.read(behind))
    found = compared_days(shelf.folder, [day], [tmp_path / "another", journal])
    assert (found.seconds, midnight(found.archived)) == (DAY_S, day + DAY_S)
    today = compared_days(shelf.folder, [day + DAY_S, day], [journal])
    assert 0 < today.seconds < DAY_S
    assert today.days[0] == (day + DAY_S, {}, {}), "until the gate's start nothing came on this day"
    (journal / behind).write_bytes(harness.disk.read(behind)[:20])
    assert compared_days(shelf.folder, [day], [journal]).seconds < DAY_S, "a header that cannot be read says nothing"


def test_a_refused_message_that_came_again_is_counted_each_time_as_the_daily_report_does(
    harness: Harness, shelf: Shelf
) -> None:
    nights(harness)
    harness.now += 60.0
    for sequence in range(3):
        harness.submit("jia", BEIJING, "【测试】双11券 拒收请回复R", sequence=sequence)
    synced(harness)
    busy(harness, 2, start=36)
    shelf.roll(harness.disk, harness.now)
    assert sum(number for (number,) in shelf.rows("status", "kind = 'repeated'")) == 2
    at = shelf.rows("time_ms", "kind = 'repeated'")[0][0] / 1000
    (day,) = compared_days(shelf.folder, [midnight(at)]).days
    assert (day.counts or {})["reject"] == day.reasons["region-ban"] == 3


def test_a_reply_that_means_several_advertisers_is_one_opt_out_as_in_the_reports(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    harness.now += 60.0
    for shop in ("a" * 12, "b" * 12):
        one = OptOut("advertiser", shop, int(harness.now), "reply", 0)
        harness.journal.append(messages.OPTOUT, pack(delivers.OptedOut(harness.now, BEIJING, one, "1069001", "jia", "R")))
    harness.journal.write(harness.now)
    synced(harness)
    busy(harness, 2, start=36)
    shelf.roll(harness.disk, harness.now)
    rows = shelf.rows("time_ms", "kind = 'stopped'")
    assert len(rows) == 2
    assert (compared_days(shelf.folder, [midnight(rows[0][0] / 1000)]).days[0].counts or {})[OPTOUTS] == 1
