"""Segments become tables and days; a kill at any step loses and doubles nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proxy.archive import parquet as tables
from proxy.archive import rolling
from proxy.archive.manifest import TableFile, load, node_folder
from proxy.archive.query import PersonRow
from proxy.config import Retention
from proxy.journal import retention
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalDamaged, read, verify
from proxy.model.message import Category
from proxy.runtime import atomic_files
from tests import databases
from tests.archive.journals import DAY, HOUR, Shelf, busy, nights, synced
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk


def test_what_is_closed_is_rolled_and_what_is_written_to_waits(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 3)
    done = shelf.roll(harness.disk, harness.now)
    assert (done.segments, done.waits_for) == (2, "it is still written to")
    verdicts = [record for record in read(harness.disk) if record.kind == messages.VERDICT]
    rolled = shelf.rows("sequence", "kind = 'verdict'")
    assert rolled == [(one.sequence,) for one in verdicts if one.sequence <= done.last]
    assert shelf.files() == shelf.named()


def test_a_second_roll_does_what_is_new_only(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 3)
    shelf.roll(harness.disk, harness.now)
    before = shelf.manifest()
    assert shelf.roll(harness.disk, harness.now).segments == 0
    busy(harness, 1, start=3)
    assert shelf.roll(harness.disk, harness.now).segments == 1
    assert shelf.manifest().tables[: len(before.tables)] == before.tables


def test_no_file_holds_a_number_and_who_has_the_key_reads_it(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 2)
    shelf.roll(harness.disk, harness.now)
    for file in shelf.folder.rglob("*.parquet"):
        assert str(SHANGHAI).encode() not in file.read_bytes()
    found = shelf.rows("person, sealed", "kind = 'verdict'")
    assert {shelf.keys.unseal(sealed) for _, sealed in found} == {SHANGHAI + person for person in range(4)}
    assert {shelf.keys.person(SHANGHAI + person) for person in range(4)} == {person for person, _ in found}


def test_a_row_says_what_the_record_said(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 5, people=1)
    shelf.roll(harness.disk, harness.now)
    columns = "kind, provider, port, outcome, reason, rules, category, signature, text, state, message_id, verdict"
    rows = shelf.rows(columns)
    text = "【甲店】第0号上新 拒收请回复R"
    assert rows[0] == ("verdict", "jia", "1069001", "allow", "", "", "marketing", "甲店", text, "", "", 0)
    assert rows[1] == ("answer", "", "", "", "", "", "", "", "", "accepted", "B1", 1)
    refused = [row for row in rows if row[3] == "reject"]
    assert [row[3:6] for row in refused] == [("reject", "recipient-cap", "#3")]  # nobody told this journal the rules' names


def test_rules_have_their_names_where_the_journal_told_them(harness: Harness, shelf: Shelf) -> None:
    rules = harness.relay.rules
    harness.journal.append(
        messages.RULES, pack(gate_events.Rules(NOON, rules.revision, tuple(rule.id for rule in rules.rules)))
    )
    busy(harness, 5, people=1)
    shelf.roll(harness.disk, harness.now)
    assert shelf.rows("rules", "outcome = 'reject'") == [("cap",)]
    busy(harness, 2, start=5, people=1)  # another process, which reads none of the segments before
    shelf.roll(harness.disk, harness.now)
    assert set(shelf.rows("rules", "outcome = 'reject'")) == {("cap",)}


def test_digits_of_passwords_are_in_no_table(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path, category=Category.OTP)
    harness.submit("jia", SHANGHAI, "【甲店】您的验证码是482913, 5分钟内有效")
    synced(harness)
    busy(harness, 2, start=1)
    shelf.roll(harness.disk, harness.now)
    assert shelf.rows("text", "category = 'otp'") == [("【甲店】您的验证码是******, *分钟内有效",)]


# -- days


def test_the_hours_of_a_day_that_is_over_become_one_table(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    done = shelf.roll(harness.disk, harness.now)
    assert done.days == 1
    tables = shelf.manifest().tables
    assert [table.whole_day for table in tables] == [True] + [False] * (len(tables) - 1)
    assert tables[0].day == "2025-11-11"
    assert [(a.last + 1, a.chain) for a in tables[:-1]] == [(b.first, b.previous) for b in tables[1:]]
    assert shelf.files() == shelf.named()
    assert shelf.rows("sequence", "kind = 'verdict'") == [
        (one.sequence,) for one in read(harness.disk) if one.kind == messages.VERDICT and one.sequence <= done.last
    ]


def test_a_large_day_is_several_files_and_nobody_is_in_two(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.archive.parquet.FILE_ROWS_MAX", 50)
    monkeypatch.setattr("proxy.archive.parquet.GROUP_ROWS", 10)
    nights(harness, people=60)
    shelf.roll(harness.disk, harness.now)
    files = shelf.manifest().tables[0].files
    assert len(files) == 3
    assert all(before.most < after.least for before, after in pairwise(files))
    kept = shelf.rows("sequence", "kind = 'verdict'")
    assert kept == [
        (one.sequence,) for one in read(harness.disk) if one.kind == messages.VERDICT and one.sequence <= shelf.manifest().last
    ]


def test_a_day_is_merged_a_range_of_persons_after_the_other(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shelf.folder / "node-0"
    people = 10_000
    rows = [
        PersonRow(SHANGHAI + person, 1000 * hour, hour * people + person, 0, "verdict", text=f"{person:x}" * 40)
        for hour in range(3)
        for person in range(people)
    ]
    files = list[TableFile]()
    for hour in range(3):
        pieces = tables.batches(rows[hour * people : (hour + 1) * people], 0, shelf.keys)
        files += tables.write(folder / "hours" / f"{hour}.parquet", folder, pieces)
    monkeypatch.setattr(tables, "MERGE_ROWS", 5_000)
    monkeypatch.setattr(duckdb, "connect", databases.anew)  # one that may spill
    (merged,) = tables.merge(folder / "days" / "x.parquet", folder, files)
    assert merged.rows == 3 * people
    found = duckdb.execute("SELECT person, sequence FROM read_parquet(?)", [str(folder / merged.name)]).fetchall()
    assert found == sorted(found)
    assert len(set(found)) == 3 * people
    assert not list(folder.rglob(f"*{tables.SPILL}"))


def test_what_a_killed_merge_had_put_aside_goes_with_the_next_roll(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 2)
    aside = shelf.folder / "node-0" / "days" / f"x.parquet{tables.SPILL}"
    aside.mkdir(parents=True)
    (aside / "rows").write_bytes(b"texts")
    shelf.roll(harness.disk, harness.now)
    assert not aside.exists()


# -- what must not be rolled


def test_what_a_power_loss_may_still_tear_is_not_rolled(shelf: Shelf) -> None:
    disk = MemoryDisk()
    journal = Journal(disk)
    for hour in range(4):
        journal.append(messages.CLOCK, pack(messages.Clock(NOON + hour * HOUR, 1.0)))
        journal.write(NOON + hour * HOUR)  # and never synced by its writer's word, but for what a new segment needs
    done = shelf.roll(disk, NOON + DAY)
    assert done.segments < 3
    assert done.waits_for == "nothing yet says that it is safe on the medium"
    journal.note_synced(journal.sync())
    journal.mark(NOON + 4 * HOUR)
    assert shelf.roll(disk, NOON + DAY).last == 4


def test_a_segment_that_was_altered_is_not_rolled_and_named(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 4)
    name = harness.disk.list()[1]
    harness.disk.flip(name, harness.disk.size(name) // 2)
    with pytest.raises(JournalDamaged) as caught:
        shelf.roll(harness.disk, harness.now)
    assert caught.value.segment == name
    assert len(shelf.manifest().tables) == 1  # what was whole before it


def test_a_segment_of_another_past_is_not_rolled_behind_this_one(tmp_path: Path, shelf: Shelf) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = Harness(tmp_path / "a"), Harness(tmp_path / "b")
    busy(one, 3)
    shelf.roll(one.disk, one.now)
    other.journal.identity = one.journal.identity
    busy(other, 6, people=3)
    with pytest.raises(JournalDamaged, match="does not end where the tables end"):
        shelf.roll(other.disk, other.now)
    (tmp_path / "c").mkdir()
    third = Harness(tmp_path / "c")
    third.journal.identity = one.journal.identity
    busy(third, 5, start=1)  # as many records in the same places, but others
    with pytest.raises(JournalDamaged, match="the chain is broken"):
        shelf.roll(third.disk, third.now)


def test_another_journal_of_the_same_node_has_a_folder_of_its_own(tmp_path: Path, shelf: Shelf) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = Harness(tmp_path / "a"), Harness(tmp_path / "b")
    busy(one, 3)
    busy(other, 4)
    shelf.roll(one.disk, one.now)
    before = shelf.manifest()
    for _ in range(2):
        shelf.roll(other.disk, other.now)
    assert shelf.manifest() == before
    begun_anew = load(shelf.folder / f"node-0-{other.journal.identity.hex()[:8]}")
    assert (begun_anew.node, len(begun_anew.tables)) == (0, 3)


def test_two_rollers_at_once_are_one(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 3)
    folder = node_folder(shelf.folder, 0)
    folder.mkdir(parents=True)
    with rolling.exclusive_roller(folder), pytest.raises(rolling.RollError, match="another roller"):
        shelf.roll(harness.disk, harness.now)
    assert shelf.roll(harness.disk, harness.now).segments == 2


# -- retention


def test_a_table_goes_when_its_segments_have_gone_by_a_record(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    busy(harness, 1, start=60)
    shelf.roll(harness.disk, harness.now)
    whole = shelf.manifest()
    position = verify(harness.disk).last + 1
    plan = retention.plan(harness.disk, Retention(1, ()), 0, harness.now, position, 1000)
    assert plan.removed
    assert plan.removed[-1].last >= whole.tables[0].last
    harness.journal.append(messages.REMOVED, pack(retention.Removed.of(harness.now, plan.removed, "ops", "retention")))
    synced(harness)
    retention.remove(harness.disk, plan.removed)
    assert shelf.roll(harness.disk, harness.now).gone == 0  # the record is in the segment that is still written to
    busy(harness, 2, start=90)
    done = shelf.roll(harness.disk, harness.now)
    left = shelf.manifest()
    assert done.gone >= 1
    assert left.gone is not None
    assert (left.gone.first, left.gone.chain) == (1, left.tables[0].previous)
    assert left.gone.last == left.tables[0].first - 1
    assert shelf.files() == shelf.named()


def test_a_table_stays_where_segments_have_gone_and_no_record_says_why(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    for name in harness.disk.list()[:16]:
        harness.disk.remove(name)
    busy(harness, 3, start=30)
    assert shelf.roll(harness.disk, harness.now).gone == 0
    assert shelf.manifest().tables[0].first == 1


# -- killed at any step


class Killed(BaseException):
    pass


def step_by_step(monkeypatch: pytest.MonkeyPatch, alive: int) -> list[str]:
    """Whatever the archive does to the disk, it dies before its step number ``alive``; a name that is there already is left half."""
    done: list[str] = []

    def counted(step: Any) -> Any:
        def dies(path: Path, *more: Any) -> Any:
            if len(done) == alive:
                raise Killed
            done.append(f"{step.__name__} {path.name}")
            return step(path, *more)

        return dies

    monkeypatch.setattr(atomic_files, "commit_file", counted(atomic_files.commit_file))
    monkeypatch.setattr(atomic_files, "remove_file", counted(atomic_files.remove_file))
    return done


def test_killed_at_any_step_the_next_roll_ends_as_if_nothing_had_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(tmp_path)
    busy(harness, 4, people=2, start=10)  # two hours before midnight, two after
    whole = Shelf(tmp_path / "whole")
    with monkeypatch.context() as patch:
        steps = step_by_step(patch, 10**6)
        whole.roll(harness.disk, harness.now + DAY)
    assert len(steps) == 16
    assert whole.manifest().tables[0].whole_day
    for alive in range(len(steps)):
        shelf = Shelf(tmp_path / str(alive))
        with monkeypatch.context() as patch:
            step_by_step(patch, alive)
            with pytest.raises(Killed):
                shelf.roll(harness.disk, harness.now + DAY)
        seen = shelf.rows("sequence, place")
        assert len(seen) == len(set(seen)), steps[alive]
        shelf.roll(harness.disk, harness.now + DAY)
        assert shelf.rows("sequence, place, kind") == whole.rows("sequence, place, kind"), steps[alive]
        assert shelf.files() == shelf.named(), steps[alive]
        assert [table[:-1] for table in shelf.manifest().tables] == [table[:-1] for table in whole.manifest().tables]


DYING = """
import os, sys
from pathlib import Path
from proxy.archive import rolling
from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.disk import OsDisk
top, left = Path(sys.argv[1]), int(sys.argv[2])
fsync = os.fsync
def dies(file):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)
    fsync(file)
os.fsync = dies
rolling.roll(OsDisk(top / "journal"), top / "archive", ArchiveKeys(top / "keys"), float(sys.argv[3]))
"""


def test_a_real_process_killed_by_the_system_leaves_what_the_next_one_mends(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    busy(harness, 5, people=1, start=10)
    shelf = Shelf(tmp_path)
    command = [sys.executable, "-c", DYING, str(tmp_path)]
    for left in (3, 12):
        done = subprocess.run(
            [*command, str(left), str(harness.now + DAY)], check=False, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        )
        assert done.returncode == -9
    shelf.roll(harness.disk, harness.now + DAY)
    rolled = shelf.rows("sequence", "kind = 'verdict'")
    assert rolled == [
        (one.sequence,) for one in read(harness.disk) if one.kind == messages.VERDICT and one.sequence <= shelf.manifest().last
    ]
    assert shelf.files() == shelf.named()
