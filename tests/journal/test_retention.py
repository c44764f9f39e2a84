"""Retention removes old segments, and readers of the rest can tell."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Hold, Retention
from proxy.journal import retention
from proxy.journal.disk import Disk, OsDisk
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.retention import DAY_S, Removed, RetentionPlan
from proxy.journal.write_ahead_log import Journal, JournalDamaged, read, verify
from tests.journal.memory_disk import MemoryDisk

NOON = 1_700_000_000.0
SEGMENT_BYTES = 400  # two or three of the groups below
KEEP = Retention(190, ())
MOST = 1000
WHO = ("ops", "case 4711")


@pytest.fixture
def disk() -> Disk:
    """Real ones sync 300 times, so few tests have one."""
    return MemoryDisk()


@pytest.fixture(params=["memory", "directory"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return MemoryDisk() if request.param == "memory" else OsDisk(tmp_path / "journal")


def written(disk: Disk, days: int, groups: int = 1) -> Journal:
    """A journal with so many groups of one record every day, the last of them today: a segment a day at least."""
    journal = Journal(disk, segment_bytes=SEGMENT_BYTES)
    for day in range(days):
        for group in range(groups):
            say(journal, day - days + 1 + group / 1000)
    return journal


def say(journal: Journal, day: float, kind: int = messages.CLOCK, body: bytes = bytes(16)) -> None:
    journal.append(kind, body)
    journal.write(NOON + day * DAY_S)
    journal.note_synced(journal.sync())


def planned(
    disk: Disk, keep: Retention = KEEP, least_s: float = 0, open_from: int | None = None, most: int = MOST
) -> RetentionPlan:
    """``open_from`` None: a checkpoint that has all of it."""
    last = verify(disk).last
    return retention.plan(disk, keep, least_s, NOON, last + 1 if open_from is None else open_from, most)


def expire(disk: Disk, journal: Journal, plan: RetentionPlan) -> None:
    say(journal, 0, messages.REMOVED, pack(retention.Removed.of(NOON, plan.removed, *WHO)))
    retention.remove(disk, plan.removed)


def removals(disk: Disk) -> list[Removed]:
    return [unpack(retention.Removed, record.body) for record in read(disk) if record.kind == messages.REMOVED]


def missing(disk: Disk) -> str:
    found = verify(disk)
    assert found.damage is None
    return retention.unexplained_start(found.first, bytes.fromhex(found.previous), removals(disk))


# -- what goes


def test_octets_are_what_is_written_without_the_room_behind_it_and_without_what_came_meanwhile(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    journal = written(disk, 3)
    whole, end, counted = sum(disk.size(name) for name in disk.list()), journal.end, journal.written_bytes
    assert 0 < end[1] < disk.size(end[0]), "there is room behind it"
    planned_then = retention.plan(disk, KEEP, 0, NOON, 0, 0, end).octets
    assert planned_then == whole - disk.size(end[0]) + end[1]
    for day in (1, 2):  # into the room, and into a segment that was not there when the end was asked for
        say(journal, day)
    assert journal.end[0] != end[0]
    assert retention.plan(disk, KEEP, 0, NOON, 0, 0, end).octets == planned_then
    journal.close()
    assert planned_then + journal.written_bytes - counted == sum(disk.size(name) for name in disk.list())


def test_what_is_older_goes_and_the_rest_is_a_whole_journal_that_says_what_went(either: Disk) -> None:
    disk = either
    journal = written(disk, 300)
    before = list(read(disk))
    plan = planned(disk)
    assert plan.stays_for == "it is younger than 190 days"
    last = plan.removed[-1]
    assert 105 <= last.last <= 110, "day 110 of 300 is 190 days ago, and a segment goes as a whole"
    assert NOON - last.until >= 190 * DAY_S
    expire(disk, journal, plan)
    found = verify(disk)
    assert (found.damage, found.first, found.last) == (None, last.last + 1, 301)
    (removed,) = removals(disk)
    assert removed == (
        NOON, len(plan.removed), 1, last.last, sum(one.octets for one in plan.removed), NOON - 299 * DAY_S, last.until, last.digest, *WHO,
    )  # fmt: skip
    assert missing(disk) == ""
    assert list(read(disk))[:-1] == before[last.last :]
    journal.close(NOON)
    again = Journal(disk, segment_bytes=SEGMENT_BYTES)
    assert (again.written, again.cut) == (301, None)
    again.close()


def test_a_plan_says_how_much_there_is_and_since_when(disk: Disk) -> None:
    journal = written(disk, 30)
    plan = planned(disk)
    assert plan.removed == ()
    assert plan.segments == len(disk.list())
    assert plan.octets == sum(len(disk.read(name)) for name in disk.list())
    assert plan.since == NOON - 29 * DAY_S
    journal.close()


def test_an_empty_journal_has_nothing_to_remove(disk: Disk) -> None:
    assert planned(disk, open_from=5) == ((), "a restart needs it", 0, 0, 0.0)


def test_only_so_many_go_at_once(disk: Disk) -> None:
    written(disk, 300).close()
    plan = planned(disk, most=3)
    assert (len(plan.removed), plan.stays_for) == (3, "3 segments go at once")
    assert planned(disk, most=0).removed == ()


# -- what stays


def test_without_a_checkpoint_nothing_goes(disk: Disk) -> None:
    written(disk, 300).close()
    assert planned(disk, open_from=0)[:2] == ((), "a restart needs it")


@pytest.mark.parametrize("open_from", [1, 2, 3, 4, 50, 51, 52, 53, 54, 99])
def test_what_a_restart_reads_stays_and_the_record_before_it(disk: Disk, open_from: int) -> None:
    journal = written(disk, 300)
    before = [record for record in read(disk) if record.sequence >= open_from]
    plan = planned(disk, open_from=open_from)
    assert all(segment.last < open_from - 1 for segment in plan.removed)
    assert plan.stays_for == "a restart needs it"
    if plan.removed:
        expire(disk, journal, plan)
        before = [*before, *read(disk, 301)]
    assert list(read(disk, open_from, 300)) == before
    journal.close()


def test_the_newest_two_stay_however_old_they_are(disk: Disk) -> None:
    journal = Journal(disk, segment_bytes=SEGMENT_BYTES)
    for day in range(20):
        say(journal, day - 1000)
    names = disk.list()
    plan = planned(disk)
    assert [segment.name for segment in plan.removed] == names[:-2]
    journal.close()


def test_what_the_rules_look_back_stays_whatever_the_settings_say(disk: Disk) -> None:
    written(disk, 300).close()
    assert planned(disk, Retention(31, ()), least_s=366 * DAY_S)[:2] == ((), "it is younger than 366 days")


@pytest.mark.parametrize(
    ("sent", "keep_days", "goes"), [(300, 60, 259), (10, 60, 239), (10, 45, 254), (10, 5, 259), (-1, 60, 239)]
)
def test_what_the_event_stream_has_not_sent_stays_for_its_own_time(disk: Disk, sent: int, keep_days: int, goes: int) -> None:
    written(disk, 300).close()
    plan = retention.plan(disk, Retention(40, ()), 0, NOON, 301, MOST, None, (sent, keep_days * DAY_S))
    assert plan.removed[-1].last == goes
    assert plan.stays_for == (
        "the event stream has not sent it yet" if sent < goes and keep_days > 40 else "it is younger than 40 days"
    )


def test_a_hold_keeps_what_it_covers_and_what_came_after_for_a_journal_has_no_holes(disk: Disk) -> None:
    journal = written(disk, 300)
    begin = NOON - 250 * DAY_S
    keep = Retention(190, (Hold(begin, begin + DAY_S, "case 4711"),))
    plan = planned(disk, keep)
    assert plan.stays_for == "it is held: case 4711"
    assert plan.removed
    assert plan.removed[-1].until <= begin
    assert planned(disk, Retention(190, (Hold(0, begin, "all before"),))).removed == ()
    expire(disk, journal, plan)
    assert {record.sequence for record in read(disk)} >= set(range(50, 302))
    journal.close()


def test_a_damaged_header_stops_it_and_is_named() -> None:
    disk = MemoryDisk()
    written(disk, 300).close()
    disk.flip(disk.list()[3], 20)
    plan = planned(disk, open_from=301)
    assert len(plan.removed) == 2, "of the third the end is not known any more"
    assert "its header is damaged" in plan.stays_for


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 300), st.integers(31, 80), st.integers(0, 30))
def test_whatever_goes_a_restart_reads_what_it_would_have_read(
    days: int, groups: int, open_from: int, kept: int, most: int
) -> None:
    disk = MemoryDisk()
    journal = written(disk, days, groups)
    records = days * groups
    open_from = min(open_from, records + 1)
    before = [record for record in read(disk) if record.sequence >= open_from]
    plan = planned(disk, Retention(kept, ()), open_from=open_from, most=most)
    if plan.removed:
        expire(disk, journal, plan)
    after = [record for record in read(disk, open_from, records) if record.kind != messages.REMOVED]
    assert after == before
    disk.power_loss()
    assert Journal(disk, segment_bytes=SEGMENT_BYTES).written == records + bool(plan.removed)
    assert missing(disk) == ""


# -- killed on the way


@pytest.mark.parametrize("done", [0, 1, 5])
def test_killed_on_the_way_the_next_removal_goes_on(done: int) -> None:
    disk = MemoryDisk()
    journal = written(disk, 300)
    plan = planned(disk)
    say(journal, 0, messages.REMOVED, pack(retention.Removed.of(NOON, plan.removed, *WHO)))
    retention.remove(disk, plan.removed[:done])
    disk.kill()
    assert missing(disk) == "", "so far as it had come"
    again = Journal(disk, segment_bytes=SEGMENT_BYTES)
    rest = planned(disk)
    assert rest.removed == plan.removed[done:]
    expire(disk, again, rest)
    assert missing(disk) == ""
    assert len(removals(disk)) == 2


# -- what somebody else removed


def test_what_was_moved_away_by_hand_is_missing_and_said_to_be(disk: Disk) -> None:
    journal = written(disk, 60)
    disk.remove(disk.list()[0])
    first = verify(disk).first
    assert missing(disk) == f"records 1 to {first - 1} are not here, and none of the others says that they were removed"
    journal.close()


def test_more_gone_than_the_record_says_is_missing_too(disk: Disk) -> None:
    journal = written(disk, 300)
    expire(disk, journal, planned(disk))
    disk.remove(disk.list()[0])
    assert "none of the others says" in missing(disk)
    journal.close()


def test_a_record_of_another_chain_accounts_for_nothing() -> None:
    one = Removed(NOON, 1, 1, 9, 400, NOON, NOON, b"a" * 32, *WHO)
    assert retention.unexplained_start(10, b"a" * 32, [one]) == ""
    assert retention.unexplained_start(10, b"b" * 32, [one]) != ""
    assert retention.unexplained_start(1, bytes(32), []) == ""
    assert retention.unexplained_start(0, bytes(32), []) == "", "there is nothing at all"


def test_a_segment_that_is_gone_meanwhile_hinders_nobody(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "journal")
    journal = written(disk, 200)
    plan = planned(disk)
    (tmp_path / "journal" / plan.removed[0].name).unlink()
    expire(disk, journal, plan)
    assert missing(disk) == ""
    journal.close()


# -- the record


def test_the_record_comes_back_as_it_was_and_half_of_it_is_no_other(disk: Disk) -> None:
    journal = written(disk, 300)
    goes = planned(disk).removed
    body = pack(retention.Removed.of(NOON, goes, *WHO))
    assert unpack(retention.Removed, body).last == goes[-1].last
    for size in range(len(body)):
        with pytest.raises((ValueError, struct.error)):
            unpack(retention.Removed, body[:size])
    assert messages.KINDS[messages.REMOVED] == "removed"
    assert messages.REMOVED == 36
    journal.close()


def test_a_reader_that_needs_what_went_is_told_that_it_is_missing(disk: Disk) -> None:
    journal = written(disk, 300)
    plan = planned(disk)
    expire(disk, journal, plan)
    with pytest.raises(JournalDamaged, match="are missing"):
        list(read(disk, plan.removed[-1].last))
    journal.close()
