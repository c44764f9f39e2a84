"""The embedded store: locks, one journal, checkpoints beside the loop, crashes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from proxy.journal.write_ahead_log import Journal
from proxy.model.message import Category, Take
from proxy.model.recipient import Entry, EntryState, OptOut
from proxy.state import Position, StateMismatch, StoreLocked, StoreUnreadable, open_store
from proxy.state.embedded import checkpoint, saving
from proxy.state.embedded.checkpoint import CheckpointFile
from proxy.state.embedded.record_table import KEY_MAX
from proxy.state.record import incomplete_multipart, record
from proxy.state.record.record import EMPTY
from proxy.state.stores.sqlite import SqliteStore
from tests.journal.memory_disk import MemoryDisk

NOW = 1_700_000_000
PERSON = 13_800_210_000


def one_entry(number: int) -> bytes:
    return record.add(EMPTY, Entry(number, NOW, 0, 1, 1, Category.MARKETING, 0, 0, 0, 0), NOW, 99)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def opened(path: Path, **options) -> SqliteStore:
    store: SqliteStore = open_store(f"sqlite://{path}", **options)
    return store


# -- one gate per store


def test_a_second_gate_is_told_which_process_has_the_store(path):
    first = opened(path)
    with pytest.raises(StoreLocked, match=f"in use by process {os.getpid()}: one gate per store"):
        opened(path)
    first.close()
    opened(path).close()


def test_a_gate_that_was_killed_holds_no_lock(path):
    code = f"""
        import sys; from proxy.state import open_store
        store = open_store("sqlite://{path}"); print("open", flush=True); sys.stdin.read()"""
    gate = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert gate.stdin
    assert gate.stdout
    assert gate.stdout.readline() == b"open\n"
    with pytest.raises(StoreLocked, match=f"process {gate.pid}"):
        opened(path)
    gate.kill()
    gate.wait(10)
    gate.stdin.close()
    gate.stdout.close()
    opened(path).close()


def test_a_store_that_cannot_be_read_gives_its_lock_back(path):
    path.write_bytes(b"this is no database, it only looks long enough to be one" * 40)
    with pytest.raises(StoreUnreadable, match=r"file is not a database; restore it from a copy"):
        opened(path)
    path.unlink()
    opened(path).close()


def test_another_programs_database_is_left_alone(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs(x)")
    other.commit()
    other.close()
    with pytest.raises(StoreUnreadable, match="another program"):
        opened(path)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_the_file_of_a_newer_gate_is_refused(path):
    opened(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreUnreadable, match="format 99 is newer"):
        opened(path)


def test_a_new_file_has_great_pages_and_one_that_is_there_keeps_its_own(path, tmp_path, monkeypatch):
    def pages(of: Path) -> int:
        file = sqlite3.connect(of)
        (size,) = file.execute("PRAGMA page_size").fetchone()
        file.close()
        return int(size)

    with monkeypatch.context() as earlier:
        earlier.setattr(checkpoint, "PAGE_BYTES", 4096)
        pair(path)[0].close()
    store = opened(path)
    store.swap_now([(2, 0, one_entry(2))])
    store.checkpoint_now(counted=2, open_from=3, highest_id=2)
    store.close()
    assert pages(path) == 4096
    store = opened(path)
    for one in (1, 2):
        assert record.entries(store.load_now([one])[one][1]) == record.entries(one_entry(one))
    store.close()
    pair(tmp_path / "new.db")[0].close()
    assert pages(tmp_path / "new.db") == checkpoint.PAGE_BYTES == 16384


# -- state and journal belong together


def pair(path: Path) -> tuple[SqliteStore, MemoryDisk]:
    """A store and a journal that have been in use together."""
    store, disk = opened(path), MemoryDisk()
    store.belongs_to(disk)
    journal = Journal(disk)
    journal.append(1, b"said")
    journal.write(NOW)
    journal.close(NOW)
    store.swap_now([(1, 0, one_entry(1))])
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store.close()
    return opened(path), disk


def test_a_store_and_the_journal_it_was_made_with_start(path):
    store, disk = pair(path)
    store.belongs_to(disk)
    assert store.position == Position(1, 2, 1)
    store.close()


def test_a_first_start_that_died_before_any_checkpoint_starts_again(path):
    store, disk = opened(path), MemoryDisk()
    store.belongs_to(disk)
    journal = Journal(disk)
    journal.append(1, b"said")
    journal.write(NOW)
    store._file.close()
    store.unlock()  # killed
    again = opened(path)
    again.belongs_to(disk)
    again.close()


@pytest.mark.parametrize("away", ["directory", "segments", "other"])
def test_state_without_its_journal_refuses_to_start_unless_loss_is_accepted(path, away):
    store, disk = pair(path)
    lost = MemoryDisk()
    if away == "segments":
        lost.identify(disk.identity())
    if away == "other":
        lost.identify("f" * 32)
        Journal(lost).append(1, b"x")
    with pytest.raises(StateMismatch, match="--accept-loss"):
        store.belongs_to(lost)
    store.belongs_to(lost, accept_loss=True)
    assert store.position[:2] == (0, 0)  # whatever the new journal holds is applied from its beginning
    store.belongs_to(lost)
    store.close()


def test_a_journal_without_its_state_refuses_to_start_unless_loss_is_accepted(path):
    store, disk = pair(path)
    store.close()
    path.unlink()
    fresh = opened(path)
    with pytest.raises(StateMismatch, match=r"has records, but store .* is new"):
        fresh.belongs_to(disk)
    fresh.belongs_to(disk, accept_loss=True)
    fresh.close()


def test_what_the_first_start_fixed_stays_fixed(path):
    store = opened(path)
    store.pin("message_ids", "carrier")
    store.close()
    store = opened(path)
    store.pin("message_ids", "carrier")
    with pytest.raises(StateMismatch, match=r"message_ids was fixed as 'carrier' .* the settings say 'coded'"):
        store.pin("message_ids", "coded")
    store.close()


def test_what_is_committed_is_synced_each_time(path):
    """In WAL, NORMAL would sync only now and then: tests/crash counts on FULL."""
    store = opened(path)
    said = {name: store._file._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert said == {"journal_mode": "wal", "synchronous": 2}
    store.close()


# -- checkpoints beside a running loop


async def test_the_loop_goes_on_while_a_checkpoint_is_written_and_late_changes_are_for_the_next(path):
    store = opened(path)
    store.swap_now([(number, 0, one_entry(number)) for number in range(1, 3001)])
    turns = 0
    waited: list[int] = []

    async def traffic():
        nonlocal turns
        while not waited:
            turns += 1
            (version, data) = store.load_now([1])[1]
            assert store.swap_now([(1, version, record.settle(data, 1, EntryState(1 - record.entries(data)[0].state)))]) == [
                True
            ]
            store.counters.take(Take(5, 60, 3600), NOW)
            await asyncio.sleep(0)

    async def synced(sequence: int):
        waited.append(sequence)

    running = asyncio.create_task(traffic())
    await asyncio.sleep(0)
    before = store.counters.count(5, 0)
    await store.checkpoint(counted=9, open_from=4, highest_id=3000, synced=synced)
    await running
    assert turns > 5
    assert waited == [9]
    latest = store.load_now([1])
    await store.checkpoint(counted=10, open_from=5, highest_id=3000)
    store.close()
    store = opened(path)
    assert before < store.counters.count(5, 0) == turns
    assert len(store) == 3000
    assert store.load_now([1]) == latest
    store.close()


async def test_records_are_written_in_pieces_with_rests_between_them_each_behind_a_sync_of_the_journal(path, monkeypatch):
    monkeypatch.setattr(saving, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(saving, "SLICE_GROUPS", 4)
    said: list[str] = []
    store = opened(path)
    people = random.Random(1).sample(range(KEY_MAX), 3000)  # as keys are: numbers in a row may all fall into a few groups
    store.swap_now([(person, 0, one_entry(number)) for number, person in enumerate(people)])
    await store.checkpoint(counted=1, open_from=1, highest_id=3000, hurry=True)
    store.swap_now(
        [(person, store.load_now([person])[person][0], one_entry(3000 + number)) for number, person in enumerate(people)]
    )

    async def synced(_: int) -> None:
        said.append("synced")

    async def rest(seconds: float) -> None:
        assert 0 < seconds <= saving.REST_S
        said.append("rest")

    def commit(self: CheckpointFile, values: dict[str, str]) -> None:
        said.append("position" if values else "piece")
        written(self, values)

    written = CheckpointFile.commit
    monkeypatch.setattr(CheckpointFile, "commit", commit)
    monkeypatch.setattr(saving, "rest", rest)
    await store.checkpoint(counted=9, open_from=4, highest_id=6000, synced=synced)
    pieces = said.count("piece")
    assert pieces > 5
    assert said == ["synced", "piece", "rest"] * pieces + ["synced", "position"]
    store.close()
    again = opened(path)
    assert [record.entries(again.load_now([person])[person][1])[0].id for person in people] == list(range(3000, 6000))
    again.close()


async def test_a_checkpoint_that_is_cancelled_leaves_the_file_as_it_was_and_loses_nothing(path):
    store = opened(path)
    store.swap_now([(number, 0, one_entry(number)) for number in range(1, 3001)])

    async def never(sequence: int):
        await asyncio.Event().wait()

    for turns in (1, 3, 10, 100):
        running = asyncio.create_task(store.checkpoint(counted=9, open_from=4, highest_id=3000, synced=never))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert store.position == Position()
    await store.checkpoint(counted=9, open_from=4, highest_id=3000)
    store.close()
    again = opened(path)
    assert len(again) == 3000
    again.close()


def test_a_disk_that_refuses_is_an_oserror_and_the_next_checkpoint_writes_everything(path):
    store = opened(path)
    store.swap_now([(number, 0, one_entry(number)) for number in range(1, 2001)])
    store.counters.take(Take(5, 60, 3600), NOW)
    pages = store._file._db.execute("PRAGMA page_count").fetchone()[0]
    store._file._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(OSError, match="full"):
        store.checkpoint_now(counted=9, open_from=4, highest_id=1)
    assert store.position == Position()
    store._file._db.execute("PRAGMA max_page_count = 1000000")
    store.checkpoint_now(counted=9, open_from=4, highest_id=1)
    store.close()
    again = opened(path)
    assert len(again) == 2000
    assert again.counters.count(5, 0) == 1
    again.close()


def test_removed_records_leave_the_file_too(path):
    store = opened(path)
    store.swap_now([(number, 0, one_entry(number)) for number in range(1, 11)])
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store.update(4, lambda data: record.remove(data, 4))
    store.checkpoint_now(counted=2, open_from=3, highest_id=1)
    store.close()
    again = opened(path)
    assert len(again) == 9
    again.close()


def everybody(store: SqliteStore, numbers: Iterable[int]) -> dict[int, bytes]:
    return {number: data[6:] for number, (_, data) in store.load_now(numbers).items()}


def test_a_store_that_grew_or_emptied_between_checkpoints_comes_back_whole(path):
    store = opened(path)
    crowd = range(1, 20_001)
    for size in (10, 3_000, 20_000):  # each time past a doubling of the groups the file has
        store.swap_now(
            [(number, version, one_entry(number)) for number, (version, _) in store.load_now(range(1, size)).items()]
        )
        store.checkpoint_now(counted=size, open_from=size + 1, highest_id=size)
        held = everybody(store, crowd)
        store.close()
        store = opened(path)
        assert everybody(store, crowd) == held
    store.swap_now([(number, version, EMPTY) for number, (version, _) in store.load_now(range(50, 20_000)).items()])
    store.checkpoint_now(counted=20_001, open_from=20_002, highest_id=20_000)
    for _ in range(2):  # the second time the table is as small as it would be made today
        held = everybody(store, crowd)
        store.close()
        store = opened(path)
        assert len(store) == 49
        assert everybody(store, crowd) == held
        store.swap_now([(7, store.load_now([7])[7][0], one_entry(70_007))])
        store.checkpoint_now(counted=20_003, open_from=20_004, highest_id=20_000)
    store.close()


def test_a_row_that_is_no_group_of_records_stops_the_start_and_names_the_file(path):
    store = opened(path)
    store.swap_now([(number, 0, one_entry(number)) for number in range(1, 11)])
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store._file._db.execute("UPDATE records SET data = substr(data, 1, 20)")
    store.close()
    with pytest.raises(StoreUnreadable, match=r"state\.db: a group of records ends amid a record; restore it"):
        opened(path)


KILLED = """
    import sys
    from proxy.model.message import Category
    from proxy.model.recipient import Entry
    from proxy.state import open_store; from proxy.state.record import record; from proxy.state.embedded import saving
    saving.PIECE_BYTES, saving.SLICE_GROUPS = int(sys.argv[2]), 4
    store = open_store("sqlite://" + sys.argv[1])
    number = 0
    for generation in range(1, 1_000_000):
        for key in range(1, 301):
            number += 1
            entry = Entry(number, 1_700_000_000, generation, 1, 1, Category.MARKETING, 0, 0, 0, 0)
            store.update(key, lambda data: record.add(record.EMPTY, entry, entry.time, 99))
        store.checkpoint_now(counted=generation, open_from=generation + 1, highest_id=number)
        print(generation, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("piece_bytes", [1 << 20, 3_000], ids=["one transaction", "many"])
def test_a_kill_during_a_checkpoint_leaves_the_last_whole_one_and_no_record_older_than_it(path, seed, piece_bytes):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(piece_bytes)]
    gate = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert gate.stdout
    for _ in range(2 + seed):
        said = int(gate.stdout.readline())
    deadline = time.perf_counter() + 0.0007 * seed  # spread over the few milliseconds a checkpoint takes
    while time.perf_counter() < deadline:
        pass
    gate.send_signal(signal.SIGKILL)
    gate.wait(10)
    said = max(map(int, gate.stdout.read().split()), default=said)
    gate.stdout.close()
    store = opened(path)
    assert store.position.counted >= said  # what was said to be done is there
    generations = {record.entries(data)[0].signature for key in range(1, 301) for _, data in [store.load_now([key])[key]]}
    counted = store.position.counted
    if piece_bytes == 3_000:
        assert generations <= {counted, counted + 1}  # records may be newer than the position
    else:
        assert generations == {counted}  # all of one checkpoint, nothing of the next
    store.close()


# -- refusals on record


def refuse(store: SqliteStore, number: int, scope: str, value: str = "x", expiry: int = 0) -> None:
    said = OptOut(scope, "" if scope == "all" else value, NOW, "reply", expiry)
    store.update(number, lambda data: record.opt_out(data, said))


def test_refusals_are_counted_by_scope_when_the_sweep_has_come_round_and_known_after_a_restart(path):
    store = opened(path)
    for number in range(300):
        refuse(store, 13_800_210_000 + number, "signature")
        store.update(13_900_000_000 + number, lambda _: one_entry(7))
    refuse(store, 13_800_210_000, "signature", "another")
    refuse(store, 13_800_210_001, "all")
    refuse(store, 13_800_210_002, "port", expiry=NOW + 60)
    buckets = store._table.buckets
    store.sweep(NOW, 86_400, buckets)
    assert store.refusals == {}, "not all were looked at yet"
    store.sweep(NOW, 86_400, 1)
    assert store.refusals == {"signature": 301, "all": 1, "port": 1}
    store.checkpoint_now(counted=0, open_from=1, highest_id=0)
    store.close()
    again = opened(path)
    assert again.refusals == {"signature": 301, "all": 1, "port": 1}
    again.update(13_800_210_001, lambda data: record.restore(data, OptOut("all", "", NOW, "reply", 0)))
    for _ in range(3):
        again.sweep(NOW + 60, 86_400, again._table.buckets)
    assert again.refusals == {"signature": 301}, "what was lifted or is over counts no more"
    again.close()


def test_torn_messages_are_counted_by_provider_when_the_sweep_has_come_round_and_known_after_a_restart(path):
    store = opened(path)

    def tear(person: int, provider: str, reference: int) -> None:
        store.update(
            person,
            lambda data: incomplete_multipart.mark_incomplete(
                data or EMPTY, incomplete_multipart.key_of(provider, "10690001", reference), NOW
            ),
        )

    for number in range(3):
        tear(PERSON + number, "jia", number)
    tear(PERSON + 9, "yi", 1)
    for _ in range(2):
        store.sweep(NOW, 86_400, store._table.buckets)
    assert [store.torn_keys.count(provider, NOW - 86_400) for provider in ("jia", "yi", "bing")] == [3, 1, 0]
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store.abandon()
    again = opened(path)
    assert [again.torn_keys.count(provider, NOW - 86_400) for provider in ("jia", "yi", "bing")] == [3, 1, 0]
    assert again.torn_keys.count("jia", NOW + 3_600) == 0
    again.close()
