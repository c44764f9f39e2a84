"""Any altered, removed or added row, table, manifest, head or node is found."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proxy.archive import manifest, rolling, signed_heads, verification
from proxy.archive.manifest import digest_of
from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.write_ahead_log import Journal
from tests.archive.journals import DAY, Shelf, busy, nights
from tests.harness import NOON, Harness
from tests.journal.memory_disk import MemoryDisk


def faults(harness: Harness, shelf: Shelf, *, keys: bool = True, journal: bool = True) -> list[str]:
    journals = {harness.disk.identity(): harness.disk} if journal else {}
    proved = verification.verify_tables(shelf.folder, journals, shelf.keys if keys else None)
    return [fault for one in proved for fault in one.faults]


def rewritten(shelf: Shelf, number: int, how: str) -> None:
    """A table's rows changed, as somebody would who has the right tools."""
    file = shelf.folder / "node-0" / shelf.manifest().tables[number].files[0].name
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE rows AS SELECT * FROM read_parquet('{file}')")
        engine.execute(how)
        engine.execute(f"COPY (SELECT * FROM rows ORDER BY person, time_ms, sequence, place) TO '{file}' (FORMAT parquet)")


def with_new_manifest(shelf: Shelf) -> None:
    """And the manifest made to agree."""
    folder = manifest.node_folder(shelf.folder, 0)
    kept = manifest.load(folder)
    kept.tables = [
        table._replace(
            files=tuple(
                file._replace(octets=(folder / file.name).stat().st_size, digest=digest_of(folder / file.name))
                for file in table.files
            )
        )
        for table in kept.tables
    ]
    kept.write(folder)


def test_what_nobody_touched_is_as_it_was_written(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    done = shelf.roll(harness.disk, harness.now)
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert (proved.first, proved.last, proved.rows, proved.faults, proved.strangers) == (1, done.last, done.rows, (), ())


def digests_after(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Something happens after the digest of each table was computed."""

    def digest(path: Path) -> str:
        found = digest_of(path)
        do()
        return found

    monkeypatch.setattr(verification, "digest_of", digest)


def test_tables_that_the_gate_merges_while_they_are_proved_are_no_fault(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``journal verify`` reads for minutes; once an hour the gate rolls, and the files of a day that is over become one."""
    busy(harness, 2, start=9)
    nights(harness)
    shelf.roll(harness.disk, NOON)
    assert len(shelf.manifest().tables) > 2
    rolled = []

    digests_after(monkeypatch, lambda: rolled.append(shelf.roll(harness.disk, harness.now).days))
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert rolled[0] == 1
    assert (proved.faults, proved.strangers, proved.tables) == ((), (), len(shelf.manifest().tables))


def test_what_is_altered_is_told_however_often_tables_become_others_meanwhile(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    rewritten(shelf, 0, "DELETE FROM rows WHERE sequence = 2")
    folder, looked = manifest.node_folder(shelf.folder, 0), 0

    def changes() -> None:
        nonlocal looked
        kept = manifest.load(folder)
        looked = kept.removed_to = looked + 1
        kept.write(folder)

    digests_after(monkeypatch, changes)
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert [fault for fault in proved.faults if fault.endswith("record 2 was removed")]
    assert looked <= verification.TRIES * proved.files


def test_whoever_proves_waits_for_a_roller_that_is_amid_its_work(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    folder = manifest.node_folder(shelf.folder, 0)
    (head, *_) = (folder / signed_heads.FOLDER).iterdir()
    roller, flock = ExitStack(), fcntl.flock
    roller.enter_context(rolling.exclusive_roller(folder))
    data = head.read_bytes()
    head.unlink()  # as if it were just about to sign

    def done(file: int, how: int) -> None:
        if how == fcntl.LOCK_SH:
            head.write_bytes(data)
            roller.close()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", done)
    assert faults(harness, shelf) == []
    assert not rolling.waited_for_roller(folder)


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("UPDATE rows SET text = 'x' WHERE sequence = {n}", "record {n} was altered"),
        ("UPDATE rows SET sealed = NULL WHERE sequence >= {n}", "record {n} was altered"),
        ("UPDATE rows SET person = 1 WHERE sequence = {n}", "record {n} was altered"),
        ("UPDATE rows SET state = 'DELIVRD' WHERE sequence > {n}", "record {m} was altered"),
        ("DELETE FROM rows WHERE sequence = {n} OR sequence = {m}", "record {n} was removed"),
        ("DELETE FROM rows WHERE sequence > {n}", "record {m} was removed"),
        ("INSERT INTO rows SELECT * REPLACE (7::UINTEGER AS place) FROM rows WHERE sequence = {n}", "record {n} was added"),
    ],
)
def test_the_first_row_that_was_altered_removed_or_added_is_named(
    harness: Harness, shelf: Shelf, number: int, how: str, said: str
) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    first = shelf.manifest().tables[number].first
    places = {"n": first + 1, "m": first + 2}
    rewritten(shelf, number, how.format(**places))
    (fault,) = faults(harness, shelf)[:1]
    assert fault.endswith(": " + said.format(**places))
    (elsewhere,) = faults(harness, shelf, journal=False)[:1]
    assert f"one of the records {first} to " in elsewhere


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(path.read_bytes()[:400] + b"\xff" * 9 + path.read_bytes()[409:]),
        lambda path: path.write_bytes(b"PAR1"),
    ],
)
def test_a_file_that_was_damaged_is_named_with_its_records(
    harness: Harness, shelf: Shelf, damage: Callable[[Path], Any]
) -> None:
    busy(harness, 4)
    shelf.roll(harness.disk, harness.now)
    table = shelf.manifest().tables[1]
    damage(shelf.folder / "node-0" / table.files[0].name)
    (fault,) = faults(harness, shelf)
    assert table.files[0].name in fault
    assert f"record {table.first}" in fault or f"it held is {table.first}" in fault


def test_rows_with_a_new_manifest_are_found_out_by_the_days_head(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    rewritten(shelf, 0, "UPDATE rows SET text = 'x' WHERE sequence = 5")
    with_new_manifest(shelf)
    assert ["are in another table than it says" in fault for fault in faults(harness, shelf)] == [True]


def test_a_head_with_another_signature_is_none(harness: Harness, shelf: Shelf, tmp_path: Path) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    rewritten(shelf, 0, "UPDATE rows SET text = 'x' WHERE sequence = 5")
    with_new_manifest(shelf)
    folder = manifest.node_folder(shelf.folder, 0)
    for path in (folder / signed_heads.FOLDER).iterdir():
        path.unlink()
    signed_heads.sign(folder, shelf.folder, shelf.manifest(), ArchiveKeys(tmp_path / "others", make=True))
    assert ["its signature is not good" in fault for fault in faults(harness, shelf)] == [True]
    assert faults(harness, shelf, keys=False) == []  # without the keys, or a head from outside, nobody can tell


def test_the_newest_heads_are_listed_of_each_node_the_newest_first(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 3)
    shelf.roll(harness.disk, harness.now)
    found = signed_heads.latest(shelf.folder, 1000)
    assert [head.day for head in found] == sorted((head.day for head in found), reverse=True)
    assert signed_heads.latest(shelf.folder, 1) == [
        head for head in found if head.day == max(one.day for one in found if one.node == head.node)
    ]
    assert {head.digest for head in found if head.day == found[0].day} <= {
        head.digest for head in signed_heads.of_day(shelf.folder, found[0].day)
    }


def clock_put_back(harness: Harness) -> None:
    """Around midnight it was half an hour fast: day 11, an hour of day 12, day 11 again, day 12; and a day behind."""
    harness.journal.segment_bytes = 1  # each write is one: a busy gate does not wait for the hour
    for hour in (10, 11, 12, 11, 12, 13, 36, 37):
        busy(harness, 1, start=hour)


def test_heads_follow_the_journal_where_the_clock_was_put_back(harness: Harness, shelf: Shelf) -> None:
    clock_put_back(harness)
    shelf.roll(harness.disk, harness.now + DAY)
    days = [table.day for table in shelf.manifest().tables if table.whole_day]
    assert days[:4] == ["2025-11-11", "2025-11-12", "2025-11-11", "2025-11-12"]
    assert faults(harness, shelf) == []
    (newest,) = signed_heads.latest(shelf.folder, 1)
    assert newest.first == max(table.first for table in shelf.manifest().tables if table.whole_day)
    (gone, _) = sorted((shelf.folder / "node-0" / signed_heads.FOLDER).glob("2025-11-12-*.json"))
    gone.unlink()
    assert any("it does not follow the head before it" in fault for fault in faults(harness, shelf))


def test_heads_that_an_earlier_gate_signed_where_the_clock_was_put_back_are_good(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named the head that came before by its name."""
    clock_put_back(harness)
    with monkeypatch.context() as earlier:
        earlier.setattr(signed_heads, "_first", lambda path: path.stem)
        shelf.roll(harness.disk, harness.now + DAY)
    assert faults(harness, shelf) == []


def test_a_day_that_was_taken_out_is_missed_by_the_heads_of_the_others(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 3)
    shelf.roll(harness.disk, harness.now)
    folder = manifest.node_folder(shelf.folder, 0)
    kept = manifest.load(folder)
    gone = kept.tables.pop(1)
    kept.write(folder)
    (path,) = (folder / signed_heads.FOLDER).glob(f"{gone.day}-*.json")
    path.unlink()
    found = faults(harness, shelf)
    assert f"records {gone.first} to {gone.last} (" in found[0]
    assert found[0].endswith(") are in no table")
    assert "does not follow the head before it" in found[1]


def test_a_day_without_its_head_is_said(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    shelf.roll(harness.disk, harness.now)
    for path in (shelf.folder / "node-0" / signed_heads.FOLDER).iterdir():
        path.unlink()
    assert ["has no head" in fault for fault in faults(harness, shelf)] == [True]


def test_a_node_that_was_taken_away_is_missed_by_the_others(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path)
    for node in (0, 1):
        (tmp_path / str(node)).mkdir()
        harness = Harness(tmp_path / str(node))
        harness.disk = MemoryDisk()
        harness.journal = harness.relay.commit.journal = Journal(harness.disk, node)
        nights(harness, people=1)
        shelf.roll(harness.disk, harness.now)
    assert faults(harness, shelf) == []
    (shelf.folder / "node-0").rename(tmp_path / "hidden")
    assert ["a head of node-0 that it names is not here" in fault for fault in faults(harness, shelf)] == [True]


def test_segments_that_were_written_anew_with_a_chain_of_their_own_are_not_those_of_the_tables(
    tmp_path: Path, shelf: Shelf
) -> None:
    for name in ("true", "false"):
        (tmp_path / name).mkdir()
    true, false = Harness(tmp_path / "true"), Harness(tmp_path / "false")
    false.journal.identity = true.journal.identity
    false.disk.identify(true.journal.identity.hex())
    busy(true, 4)
    busy(false, 3, start=1)
    shelf.roll(true.disk, true.now)
    (fault,) = faults(false, shelf)
    assert "the chain was written anew" in fault


def test_what_was_damaged_is_made_anew_of_the_segments_and_the_old_heads_still_hold(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    shelf.roll(harness.disk, harness.now)
    before = shelf.manifest()
    rewritten(shelf, 0, "UPDATE rows SET text = 'x' WHERE sequence = 5")
    assert faults(harness, shelf)
    (shelf.folder / "node-0" / manifest.NAME).unlink()  # as the guide says
    shelf.roll(harness.disk, harness.now)
    assert shelf.manifest().tables == before.tables
    assert faults(harness, shelf) == []


def test_a_file_that_no_manifest_names_is_said_to_count_for_nothing(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 3)
    shelf.roll(harness.disk, harness.now)
    stranger = shelf.folder / "node-0" / "hours" / "x.parquet"
    stranger.write_bytes(b"PAR1")
    (proved,) = verification.verify_tables(shelf.folder, {harness.disk.identity(): harness.disk}, shelf.keys)
    assert (proved.faults, proved.strangers) == ((), (str(stranger),))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": 9}', b"\xff\xfe", json.dumps({"format": 1}).encode()])
def test_a_manifest_that_cannot_be_read_is_a_fault_and_no_traceback(harness: Harness, shelf: Shelf, data: bytes) -> None:
    busy(harness, 3)
    shelf.roll(harness.disk, harness.now)
    (shelf.folder / "node-0" / manifest.NAME).write_bytes(data)
    assert ["manifest.json" in fault for fault in faults(harness, shelf)] == [True]


def test_heads_follow_each_other_and_retention_does_not_break_them(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    published: list[signed_heads.Head] = []
    shelf.roll(harness.disk, harness.now, publish=published.append)
    assert [head.day for head in published] == ["2025-11-11", "2025-11-12"]
    assert shelf.roll(harness.disk, harness.now + DAY, publish=published.append).segments == 0
    assert len(published) == 2
    folder = manifest.node_folder(shelf.folder, 0)
    kept = manifest.load(folder)
    kept.removed_to = kept.tables[0].last
    kept.write(folder)
    for name in harness.disk.list()[: kept.tables[0].segments]:
        harness.disk.remove(name)
    assert shelf.roll(harness.disk, harness.now).gone == 1
    assert signed_heads.check(folder, shelf.manifest(), shelf.keys.public, shelf.folder) == []


# -- a head that was damaged

DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda line: line[:200],
    lambda line: b"",
    lambda line: bytes(len(line)),
    lambda line: line[:20] + b"\xff" + line[21:],
    lambda line: line.replace(b"2025", b"2026", 1),
    lambda line: b"[]",
    lambda line: b'"x"',
    lambda line: b"[" * 100_000,
    lambda line: b'{"said": "{}", "signature": "", "public": ""}',
    lambda line: line.replace(rb"\"others\":{}", rb"\"others\":[7]"),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
@pytest.mark.parametrize("which", [0, -1], ids=["the first", "the newest"])
def test_a_damaged_head_is_one_fault_that_names_it_and_rolling_goes_on(
    harness: Harness, shelf: Shelf, which: int, damage: Callable[[bytes], bytes]
) -> None:
    nights(harness, 2)
    shelf.roll(harness.disk, harness.now)
    path = sorted((shelf.folder / "node-0" / signed_heads.FOLDER).iterdir())[which]
    good = path.read_bytes()
    path.write_bytes(damage(good))
    busy(harness, 2, start=60)
    busy(harness, 1, start=90)
    done = shelf.roll(harness.disk, harness.now + DAY)
    assert (done.segments, done.days) == (3, 1), "the next day is a table"
    (fault,) = [fault for fault in faults(harness, shelf) if "has no head" not in fault]
    assert fault.startswith(f"{path}: ")
    if which:
        (said,) = done.faults
        assert said.startswith(f"{path}: this head is damaged (")
        assert len(list(path.parent.iterdir())) == 2, "nothing is signed behind it"
    path.write_bytes(good)
    mended = shelf.roll(harness.disk, harness.now + DAY)
    assert (mended.faults, len(list(path.parent.iterdir()))) == ((), 3)
    assert faults(harness, shelf) == []


def test_a_damaged_head_of_which_there_is_no_copy_is_signed_anew(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    shelf.roll(harness.disk, harness.now)
    path = max((shelf.folder / "node-0" / signed_heads.FOLDER).iterdir())
    good = path.read_bytes()
    path.write_bytes(good[:99])
    assert shelf.roll(harness.disk, harness.now).faults
    path.unlink()
    assert shelf.roll(harness.disk, harness.now).faults == ()
    assert path.read_bytes() == good
    assert faults(harness, shelf) == []


def test_a_damaged_head_keeps_no_table_that_retention_took(harness: Harness, shelf: Shelf) -> None:
    nights(harness, 2)
    shelf.roll(harness.disk, harness.now)
    max((shelf.folder / "node-0" / signed_heads.FOLDER).iterdir()).write_bytes(b"")
    folder = manifest.node_folder(shelf.folder, 0)
    kept = manifest.load(folder)
    kept.removed_to = kept.tables[0].last
    kept.write(folder)
    for name in harness.disk.list()[: kept.tables[0].segments]:
        harness.disk.remove(name)
    done = shelf.roll(harness.disk, harness.now)
    assert (done.gone, len(done.faults)) == (1, 1)


def test_a_damaged_head_of_another_node_holds_nobody_up(tmp_path: Path, shelf: Shelf) -> None:
    carrier_accounts = []
    for node in (0, 1):
        (tmp_path / str(node)).mkdir()
        harness = Harness(tmp_path / str(node))
        harness.disk = MemoryDisk()
        harness.journal = harness.relay.commit.journal = Journal(harness.disk, node)
        nights(harness, 2, people=1)
        carrier_accounts.append(harness)
    shelf.roll(carrier_accounts[0].disk, carrier_accounts[0].now)
    newest = max((shelf.folder / "node-0" / signed_heads.FOLDER).iterdir())
    newest.write_bytes(newest.read_bytes()[:77])
    assert shelf.roll(carrier_accounts[1].disk, carrier_accounts[1].now).faults == ()
    said = signed_heads.newest(shelf.folder / "node-1")
    assert said is not None
    assert said.others == ("node-0",), "by its newest head that can be read"
