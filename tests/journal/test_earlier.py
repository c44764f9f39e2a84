"""Journals of earlier gates are read and verified as written, and continued in today's format."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from proxy.journal.sealing import KeyRing
from proxy.journal.segment import GROUP_BYTES, HEADER_BYTES, PLAIN, UNDER_SEAL, pack_header, unpack_header
from proxy.journal.write_ahead_log import Journal, JournalDamaged, read, verify
from tests.journal.earlier import forms, written_earlier
from tests.journal.memory_disk import MemoryDisk

NOW = 1_700_000_000.0
RINGS = {"plain": KeyRing(), "sealed": KeyRing([bytes(range(32))])}


@pytest.fixture(params=RINGS)
def disk(request: pytest.FixtureRequest) -> MemoryDisk:
    """Three groups: two of an hour, one of the next."""
    found = MemoryDisk(RINGS[request.param])
    journal = Journal(found)
    for bodies, now in (((b"a1", b"a2"), NOW), ((b"b1" * 200,), NOW), ((b"c1", b"c2", b"c3"), NOW + 3600)):
        say(journal, *bodies, now=now)
    journal.close(NOW + 3600)
    return written_earlier(found)


def say(journal: Journal, *bodies: bytes, now: float) -> None:
    for body in bodies:
        journal.append(1, body)
    journal.write(now)
    journal.note_synced(journal.sync())


def test_it_is_proved_as_it_was_written(disk: MemoryDisk) -> None:
    assert forms(disk) == [UNDER_SEAL - 4 if disk.ring else PLAIN - 4] * 2
    found = verify(disk)
    assert (found.damage, found.records) == (None, 6)
    assert [one.body for one in read(disk)] == [b"a1", b"a2", b"b1" * 200, b"c1", b"c2", b"c3"]


def test_the_next_record_begins_a_segment_of_today_and_the_chain_goes_on(disk: MemoryDisk) -> None:
    before = verify(disk).chain
    earlier = {name: disk.read(name) for name in disk.list()}
    journal = Journal(disk)
    say(journal, b"d1", now=NOW + 3601)
    assert forms(disk)[2:] == [UNDER_SEAL if disk.ring else PLAIN]
    assert unpack_header(disk.read(disk.list()[2])).previous.hex() == before
    assert {name: disk.read(name) for name in earlier} == earlier
    found = verify(disk)
    assert (found.damage, found.records) == (None, 7)


@pytest.mark.parametrize("place", [0, 1])
def test_nobody_can_pass_off_the_one_as_the_other(disk: MemoryDisk, place: int) -> None:
    name = disk.list()[place]
    data = disk.read(name)
    header = unpack_header(data)
    disk.truncate(name, 0)
    disk.append(name, 0, pack_header(header._replace(form=header.form + 4)) + data[HEADER_BYTES:])
    with pytest.raises(JournalDamaged, match="the chain is broken"):
        list(read(disk))


def test_a_digest_is_of_four_quarters_of_what_stands_before_it() -> None:
    disk = MemoryDisk()
    say(Journal(disk), b"0123456789", b"9876543210" * 100, now=NOW)
    data = disk.read(disk.list()[0])
    header = unpack_header(data)
    records, closing = data[HEADER_BYTES:-GROUP_BYTES], data[-GROUP_BYTES:]
    each = -(-len(records) // 4)
    quarters = [blake2b(records[at : at + each], digest_size=32).digest() for at in range(0, 4 * each, each)]
    digest = blake2b(header.previous + b"".join(quarters) + closing[-20:], digest_size=32).digest()
    assert len(quarters) == 4
    assert closing[-52:-20] == digest
