"""A journal cut at its end, or continued from an older copy, is detected."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.archive import manifest, search, verification
from proxy.archive.continuity import continuity_faults
from proxy.archive.coverage import LocalJournal
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
from tests.harness import NOON, SHANGHAI, Harness


def proved(disk: Disk, shelf: Shelf) -> list[str]:
    return [
        fault for one in verification.verify_tables(shelf.folder, {disk.identity(): disk}, shelf.keys) for fault in one.faults
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


def taken_over(harness: Harness, tmp_path: Path) -> Harness:
    """Another life of the gate on the same disk."""
    (tmp_path / "then").mkdir()
    then = Harness(tmp_path / "then")
    then.disk = harness.disk
    then.journal = then.relay.commit.journal = Journal(harness.disk, 0)
    return then


@pytest.mark.parametrize("taken", [2, 3, 4, 5])
def test_an_end_that_was_removed_is_told_with_its_records_however_much_it_is(
    harness: Harness, shelf: Shelf, taken: int
) -> None:
    busy(harness, 5)
    last = shelf.roll(harness.disk, harness.now).last
    assert told(harness.disk, shelf) == []
    for name in harness.disk.list()[-taken:]:
        harness.disk.remove(name)
    left = verify(harness.disk).last
    assert told(harness.disk, shelf) == [
        f"node 0: the journal ends at record {left} and its tables at {last}: records {left + 1} to {last} were removed from its end"
    ]


def test_an_end_that_was_cut_within_a_segment_is_told(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 3)
    last = shelf.roll(harness.disk, harness.now).last
    harness.disk.remove(harness.disk.list()[-1])
    harness.disk.truncate(harness.disk.list()[-1], HEADER_BYTES)
    left = verify(harness.disk).last
    assert [f"records {left + 1} to {last} were removed" in fault for fault in told(harness.disk, shelf)] == [True]


def test_what_goes_on_from_an_older_copy_is_not_what_the_tables_were_made_of(
    harness: Harness, shelf: Shelf, tmp_path: Path
) -> None:
    busy(harness, 5)
    shelf.roll(harness.disk, harness.now)
    ends = [table.last for table in shelf.manifest().tables]
    for name in harness.disk.list()[2:]:
        harness.disk.remove(name)
    then = taken_over(harness, tmp_path)
    then.now = NOON + 2 * HOUR
    for number in range(40):  # all in one segment: it goes on over the places where tables end
        then.submit("jia", SHANGHAI + 50 + number, "【甲店】另一条 拒收请回复R", sequence=number + 1)
    synced(then)
    assert verify(harness.disk).last > ends[-1]
    (fault,) = proved(harness.disk, shelf)
    assert fault.startswith(f"node 0: up to record {ends[2]} the segments are not those the tables were made of")
    (said,) = shelf.roll(harness.disk, NOON + 10 * DAY).faults
    assert said.startswith(f"node 0: up to record {ends[-1]} the segments are not those the tables were made of")
    assert len(found(harness.disk, shelf)) == 1


def test_another_past_of_the_same_length_is_told(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("true", "false"):
        (tmp_path / name).mkdir()
    true, false = Harness(tmp_path / "true"), Harness(tmp_path / "false")
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


def test_what_retention_removed_by_a_record_is_no_fault(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    busy(harness, 1, start=60)
    shelf.roll(harness.disk, harness.now)
    plan = retention.plan(harness.disk, Retention(1, ()), 0, harness.now, verify(harness.disk).last + 1, 1000)
    harness.journal.append(messages.REMOVED, pack(retention.Removed.of(harness.now, plan.removed, "ops", "retention")))
    synced(harness)
    retention.remove(harness.disk, plan.removed)
    assert told(harness.disk, shelf) == []  # tables of what is no more in the segments are still there
    busy(harness, 2, start=90)
    assert shelf.roll(harness.disk, harness.now).gone
    assert told(harness.disk, shelf) == []


def test_nor_is_a_power_loss_that_left_a_head_alone_and_a_mark_behind_it(
    harness: Harness, shelf: Shelf, tmp_path: Path
) -> None:
    busy(harness, 3)
    shelf.roll(harness.disk, harness.now)
    harness.disk.truncate(harness.disk.list()[-1], HEADER_BYTES)
    assert told(harness.disk, shelf) == []
    then = taken_over(harness, tmp_path)
    then.journal.mark(harness.now)
    assert told(harness.disk, shelf) == []
    then.now = NOON + 3 * HOUR
    then.submit("jia", SHANGHAI, "【甲店】上新 拒收请回复R", sequence=1)
    synced(then)
    assert proved(harness.disk, shelf) == []


def test_damage_is_left_to_who_names_it(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 4)
    shelf.roll(harness.disk, harness.now)
    name = harness.disk.list()[2]
    for place in range(HEADER_BYTES, harness.disk.size(name), 97):
        harness.disk.flip(name, place)
        assert verify(harness.disk).damage is not None
        assert continuity_faults(shelf.manifest(), harness.disk, every=True) == []
        harness.disk.flip(name, place)


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
