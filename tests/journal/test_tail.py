"""A growing journal is read group by group, once each, and no further than it is synced."""

from __future__ import annotations

import random

import pytest

from proxy.journal.disk import Disk
from proxy.journal.scan import JournalDamaged
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES
from proxy.journal.tail import JournalTail
from proxy.journal.write_ahead_log import Journal
from tests.journal.memory_disk import MemoryDisk

RINGS = {"plain": KeyRing(), "sealed": KeyRing([bytes(range(32))])}


def sync(journal: Journal, now: float) -> None:
    journal.note_synced(journal.sync())
    journal.mark(now)


def read(tail: JournalTail) -> list[int]:
    return [record.sequence for group in tail.read() for record in group.records]


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_written_between_is_read_once_and_only_when_it_is_synced(seed: int, ring: str) -> None:
    rng, disk = random.Random(seed), MemoryDisk()
    disk.ring = RINGS[ring]
    journal, now = Journal(disk, 0, segment_bytes=5_000), 1_000.0
    tail, found, claimed = JournalTail(disk, 0), list[int](), 0
    for _ in range(60):
        for _ in range(rng.randint(0, 3)):
            for _ in range(rng.randint(1, 5)):
                journal.append(8, bytes(rng.choice((9, 200, 3_000))))
            journal.write(now)
        if rng.random() < 0.5:
            sync(journal, now)
            claimed = journal.written
        if rng.random() < 0.1:
            now += 3600
        if rng.random() < 0.7:
            found += read(tail)
            assert claimed <= (found[-1] if found else 0) <= journal.synced
        if rng.random() < 0.1:
            tail = JournalTail(disk, found[-1] if found else 0)
    sync(journal, now)
    found += read(tail)
    assert found == list(range(1, journal.written + 1))


def test_a_group_that_is_larger_than_a_piece_is_read() -> None:
    disk = MemoryDisk()
    journal = Journal(disk, 0)
    for _ in range(5):
        journal.append(8, bytes(250_000))
    journal.write(1.0)
    sync(journal, 1.0)
    assert read(JournalTail(disk, 0)) == [1, 2, 3, 4, 5]


def test_a_reader_that_stops_amid_a_piece_goes_on_there() -> None:
    disk: Disk = MemoryDisk()
    journal = Journal(disk, 0)
    for _ in range(6):
        journal.append(8, b"x")
        journal.write(1.0)
    sync(journal, 1.0)
    tail = JournalTail(disk, 2)
    assert next(iter(tail.read())).last == 3
    assert read(tail) == [4, 5, 6]


def test_a_segment_that_is_damaged_is_told_and_not_passed_over() -> None:
    disk = MemoryDisk()
    journal = Journal(disk, 0)
    for hour in range(3):
        journal.append(8, bytes(100))
        journal.write(3600.0 * hour)
        sync(journal, 3600.0 * hour)
    name = disk.list()[1]
    data = bytearray(disk.read(name))
    data[HEADER_BYTES + 40] ^= 1
    disk.rewrite(name, 0, bytes(data))
    tail = JournalTail(disk, 0)
    with pytest.raises(JournalDamaged, match=name):
        read(tail)
    assert tail.behind == 1
