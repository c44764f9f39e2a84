"""A journal cut at its end, or continued from an older copy, is detected."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.archive import manifest, search, verification
from proxy.archive.continuity import continuity_faults
from proxy.archive.pending_segments import LocalJournal
from proxy.archive.query import Query
from proxy.archive.segment_index import SegmentIndex
from proxy.config import Retention
from proxy.journal import retention
from proxy.journal.disk import Disk, OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.segment import HEADER_BYTES
from proxy.journal.write_ahead_log import Journal, read, verify
from tests.archive.journals import DAY, HOUR, Shelf, busy, nights, synced
from tests.commands import app
from tests.harness import NOON, SHANGHAI, House


def proved(disk: Disk, shelf: Shelf) -> list[str]:
    return [
        fault for one in verification.verify_tables(shelf.folder, disk, disk.identity(), shelf.keys) for fault in one.faults
    ]


def found(disk: Disk, shelf: Shelf, ahead: SegmentIndex | None = None) -> list[str]:
    asked = Query(to=SHANGHAI + 99).checked()
    return list(search.find(shelf.folder, [LocalJournal(disk, 0, ahead)], shelf.keys, asked, NOON + 10 * DAY).covered.faults)


def told(disk: Disk, shelf: Shelf) -> list[str]:
    """What verify says; roll and find must say it, too."""
    faults = proved(disk, shelf)
    assert list(shelf.roll(disk, NOON + 10 * DAY).faults) == faults
    assert found(disk, shelf) == faults
    return faults


def taken_over(house: House, tmp_path: Path) -> House:
    """Another life of the gate on the same disk."""
    (tmp_path / "then").mkdir()
    then = House(tmp_path / "then")
    then.disk = house.disk
    then.journal = then.relay.commit.journal = Journal(house.disk, 0)
    return then


@pytest.mark.parametrize("taken", [2, 3, 4, 5])
def test_an_end_that_was_removed_is_told_with_its_records_however_much_it_is(house: House, shelf: Shelf, taken: int) -> None:
    busy(house, 5)
    last = shelf.roll(house.disk, house.now).last
    assert told(house.disk, shelf) == []
    for name in house.disk.list()[-taken:]:
        house.disk.remove(name)
    left = verify(house.disk).last
    assert told(house.disk, shelf) == [
        f"node 0: the journal ends at record {left} and its tables at {last}: records {left + 1} to {last} were removed from its end"
    ]


def test_an_end_that_was_cut_within_a_segment_is_told(house: House, shelf: Shelf) -> None:
    busy(house, 3)
    last = shelf.roll(house.disk, house.now).last
    house.disk.remove(house.disk.list()[-1])
    house.disk.truncate(house.disk.list()[-1], HEADER_BYTES)
    left = verify(house.disk).last
    assert [f"records {left + 1} to {last} were removed" in fault for fault in told(house.disk, shelf)] == [True]


def test_what_goes_on_from_an_older_copy_is_not_what_the_tables_were_made_of(
    house: House, shelf: Shelf, tmp_path: Path
) -> None:
    busy(house, 5)
    shelf.roll(house.disk, house.now)
    ends = [table.last for table in shelf.manifest().tables]
    for name in house.disk.list()[2:]:
        house.disk.remove(name)
    then = taken_over(house, tmp_path)
    then.now = NOON + 2 * HOUR
    for number in range(40):  # all in one segment: it goes on over the places where tables end
        then.submit("jia", SHANGHAI + 50 + number, "【甲店】另一条 拒收请回复R", sequence=number + 1)
    synced(then)
    assert verify(house.disk).last > ends[-1]
    (fault,) = proved(house.disk, shelf)
    assert fault.startswith(f"node 0: up to record {ends[2]} the segments are not those the tables were made of")
    (said,) = shelf.roll(house.disk, NOON + 10 * DAY).faults
    assert said.startswith(f"node 0: up to record {ends[-1]} the segments are not those the tables were made of")
    assert len(found(house.disk, shelf)) == 1


def test_another_past_of_the_same_length_is_told(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("true", "false"):
        (tmp_path / name).mkdir()
    true, false = House(tmp_path / "true"), House(tmp_path / "false")
    false.journal.identity = true.journal.identity
    false.disk.identify(true.journal.identity.hex())
    busy(true, 3)
    busy(false, 2, start=1)
    last = shelf.roll(true.disk, true.now).last
    assert verify(false.disk).last == last
    (fault,) = found(false.disk, shelf)
    assert fault.startswith(f"node 0: up to record {last} the segments are not those the tables were made of")
    assert shelf.roll(false.disk, NOON + 10 * DAY).faults == (fault,)
    assert len(proved(false.disk, shelf)) == 1


def test_what_retention_removed_by_a_record_is_no_fault(house: House, shelf: Shelf) -> None:
    nights(house, 2)
    busy(house, 1, start=60)
    shelf.roll(house.disk, house.now)
    plan = retention.plan(house.disk, Retention(1, ()), 0, house.now, verify(house.disk).last + 1, 1000)
    house.journal.append(messages.REMOVED, pack(retention.Removed.of(house.now, plan.removed, "ops", "retention")))
    synced(house)
    retention.remove(house.disk, plan.removed)
    assert told(house.disk, shelf) == []  # tables of what is no more in the segments are still there
    busy(house, 2, start=90)
    assert shelf.roll(house.disk, house.now).gone
    assert told(house.disk, shelf) == []


def test_nor_is_a_power_loss_that_left_a_head_alone_and_a_mark_behind_it(house: House, shelf: Shelf, tmp_path: Path) -> None:
    busy(house, 3)
    shelf.roll(house.disk, house.now)
    house.disk.truncate(house.disk.list()[-1], HEADER_BYTES)
    assert told(house.disk, shelf) == []
    then = taken_over(house, tmp_path)
    then.journal.mark(house.now)
    assert told(house.disk, shelf) == []
    then.now = NOON + 3 * HOUR
    then.submit("jia", SHANGHAI, "【甲店】上新 拒收请回复R", sequence=1)
    synced(then)
    assert proved(house.disk, shelf) == []


def test_damage_is_left_to_who_names_it(house: House, shelf: Shelf) -> None:
    busy(house, 4)
    shelf.roll(house.disk, house.now)
    name = house.disk.list()[2]
    for place in range(HEADER_BYTES, house.disk.size(name), 97):
        house.disk.flip(name, place)
        assert verify(house.disk).damage is not None
        assert continuity_faults(shelf.manifest(), house.disk, every=True) == []
        house.disk.flip(name, place)


# -- as it is asked for


def gate106(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("named", [True, False], ids=["but its name", "and its name"])
def test_a_journal_of_which_nothing_is_left_is_told(config: Path, named: bool) -> None:
    journal = config.parent / "journal"
    last = manifest.load(config.parent / "archive" / "node-0").last
    for path in list(journal.iterdir()):
        if path.name.endswith(".journal") or not named:
            path.unlink()
    said = f"the journal ends at record 0 and its tables at {last}: records 1 to {last} were removed from its end"
    for words, code in ((("journal", "verify"), 1), (("journal", "roll"), 2), (("find", "--signature", "甲店"), 0)):
        done = gate106(*words, "--config", config)
        assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_journal_whose_name_was_taken_away_with_its_end_is_told(config: Path) -> None:
    journal = config.parent / "journal"
    (journal / "identity").unlink()
    for path in sorted(journal.glob("*.journal"))[-2:]:
        path.unlink()
    done = gate106("journal", "verify", "--config", config)
    assert (done.exit_code, "were removed from its end" in done.output) == (1, True), done.output


def test_what_was_read_ahead_says_it_too(config: Path, shelf: Shelf) -> None:
    journal = config.parent / "journal"
    disk = OsDisk(journal)
    ahead = SegmentIndex(disk, shelf.keys, lambda: shelf.manifest().last)
    ahead.read_on()
    assert found(disk, shelf, ahead) == []
    shutil.copytree(journal, config.parent / "copy")
    names = disk.list()
    (journal / names[-1]).unlink()
    assert found(disk, shelf, ahead) == []  # nobody can know that it was there
    (journal / names[-2]).unlink()
    (fault,) = found(disk, shelf, ahead)
    assert "were removed from its end" in fault
    for name in names:
        shutil.copy(config.parent / "copy" / name, journal / name)
    assert found(disk, shelf, ahead) == []
    assert list(read(disk))
