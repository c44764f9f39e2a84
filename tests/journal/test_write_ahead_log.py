"""Acknowledged records survive failures of the process, the power or the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.journal.disk import PREALLOCATED_BYTES, Disk
from proxy.journal.disk import OsDisk as OnDisk
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES
from proxy.journal.write_ahead_log import Journal, JournalDamaged, JournalDown, JournalRecord, read, verify
from tests.examples import COMPARED, examples
from tests.journal.memory_disk import MemoryDisk as InMemory

NOW = 1_700_000_000.123
"""No zero octet is the last of a group then."""


@pytest.fixture(params=["memory", "directory"])
def disk(request, ring, tmp_path) -> Disk:
    return MemoryDisk() if request.param == "memory" else OsDisk(tmp_path / "journal")


RINGS = {"plain": KeyRing(), "sealed": KeyRing([bytes(range(32))]), "with room behind it": KeyRing()}
_ring: KeyRing = RINGS["plain"]


@pytest.fixture(autouse=True, params=RINGS)
def ring(request: pytest.FixtureRequest) -> KeyRing:
    """Everything here holds for a journal in the clear and for a sealed one, and with room kept free behind what is written."""
    global _ring  # noqa: PLW0603 # disks are made in each test by the plain word
    _ring = RINGS[request.param]
    return _ring


class MemoryDisk(InMemory):
    def __init__(self) -> None:
        super().__init__(_ring, room_bytes=90 if _ring is RINGS["with room behind it"] else 0)


class OsDisk(OnDisk):
    def __init__(self, path: Path | str) -> None:
        super().__init__(path, _ring)


def say(journal: Journal, *bodies: bytes, now: float = NOW, sync: bool = True) -> None:
    """One commit group."""
    for body in bodies:
        journal.append(1, body)
    journal.write(now)
    if sync:
        journal.note_synced(journal.sync())


def bodies(disk: Disk, from_sequence: int = 0, synced: int = 0) -> list[bytes]:
    return [record.body for record in read(disk, from_sequence, synced)]


def three_groups(disk: Disk | None = None, *, sync: bool = True) -> MemoryDisk:
    disk = disk or MemoryDisk()
    journal = Journal(disk)
    say(journal, b"a1", b"a2", sync=sync)
    say(journal, b"b1", sync=sync)
    say(journal, b"c1", b"c2", b"c3", sync=sync)
    assert isinstance(disk, MemoryDisk)
    return disk


def copy(disk: MemoryDisk) -> MemoryDisk:
    """The same bytes on a disk of their own, all of them on the medium."""
    other = MemoryDisk()
    for name in disk.list():
        other.append(name, 0, disk.read(name))
        other.sync(name)
    other.identify(disk.identity())
    return other


# -- reading what was written


def test_what_is_written_is_read_back_in_order_with_its_sequence_and_kind(disk):
    journal = Journal(disk, 7)
    assert [journal.append(3, b"x"), journal.append(4, b""), journal.append(5, bytes(70_000))] == [1, 2, 3]
    journal.write(NOW)
    assert list(read(disk)) == [JournalRecord(1, 3, b"x"), JournalRecord(2, 4, b""), JournalRecord(3, 5, bytes(70_000))]
    assert list(read(disk, 3)) == [JournalRecord(3, 5, bytes(70_000))]
    assert list(read(disk, 4)) == []
    journal.close()


def test_nothing_is_on_the_disk_before_write_and_an_empty_write_makes_no_group(disk):
    journal = Journal(disk)
    journal.append(1, b"x")
    assert bodies(disk) == []
    journal.write(NOW)
    size = len(disk.read(disk.list()[0]))
    journal.write(NOW)
    assert len(disk.read(disk.list()[0])) == size
    assert journal.end == (disk.list()[0], journal.written_bytes), "the segment's head was written, too"
    assert 0 < journal.written_bytes <= size
    journal.close()


def test_a_journal_opened_again_goes_on_where_it_was(disk):
    journal = Journal(disk)
    say(journal, b"a", b"b")
    chain = journal.chain
    journal.close(NOW)
    again = Journal(disk)
    assert (again.written, again.synced, again.identity) == (2, 2, journal.identity)
    assert again.cut is None
    assert again.append(1, b"c") == 3
    again.write(NOW)
    assert bodies(disk) == [b"a", b"b", b"c"]
    assert chain != again.chain
    assert verify(disk).damage is None
    again.close()


def test_a_record_is_synced_once_a_sync_that_began_after_its_write_has_ended():
    journal = Journal(MemoryDisk())
    say(journal, b"a", sync=False)
    assert (journal.written, journal.synced, journal.sync_wanted()) == (1, 0, True)
    sequence = journal.sync()
    say(journal, b"b", sync=False)  # written while the sync ran: not covered
    journal.note_synced(sequence)
    assert (journal.written, journal.synced, journal.sync_wanted()) == (2, 1, True)
    assert journal.lag(NOW + 3) == 3
    journal.note_synced(journal.sync())
    assert (journal.synced, journal.sync_wanted(), journal.lag(NOW + 3)) == (2, False, 0)


# -- segments


def test_a_segment_ends_when_it_is_large_and_the_chain_goes_on(disk):
    journal = Journal(disk, segment_bytes=2000)
    for number in range(40):
        say(journal, b"%03d" % number + bytes(200), now=NOW)
    assert len(disk.list()) > 4
    assert [body[:3] for body in bodies(disk)] == [b"%03d" % number for number in range(40)]
    assert bodies(disk, 25)[0][:3] == b"024"
    report = verify(disk)
    assert (report.damage, report.records, report.last, report.chain) == (None, 40, 40, journal.chain.hex())
    journal.close()
    assert Journal(disk).written == 40


@pytest.mark.parametrize("opened_again", [False, True])
def test_a_segment_in_which_only_a_mark_stands_is_gone_on_with_in_the_next_hour(disk, opened_again):
    """The next one would have its name: it begins with the same sequence."""
    hour = NOW - NOW % 3600
    journal = Journal(disk)
    say(journal, b"a", b"b", now=hour + 3599.95)
    journal.mark(hour + 3600.05)  # the last of an hour was synced in the next one
    journal.note_synced(journal.sync())
    assert len(disk.list()) == 2
    if opened_again:
        journal.close()
        journal = Journal(disk)
    say(journal, b"c", now=hour + 7300)
    assert len(disk.list()) == 2
    say(journal, b"d", now=hour + 10_900)
    assert len(disk.list()) == 3
    assert bodies(disk) == [b"a", b"b", b"c", b"d"]
    assert verify(disk).damage is None
    journal.close(hour + 10_900)
    again = Journal(disk)
    assert (again.written, again.cut) == (4, None)
    again.close()


@pytest.mark.parametrize("sync", [lambda number: True, lambda number: number % 3 == 2, lambda number: number > 25])
def test_of_all_segments_only_those_that_wait_for_the_medium_and_the_last_are_open(tmp_path, sync):
    """Synced before the next segment begins, as in a quiet gate, or after: months of hours must not use up the descriptors."""
    journal = Journal(OsDisk(tmp_path / "journal"))
    for number in range(30):
        say(journal, b"an hour's only record", now=NOW + number * 3600, sync=sync(number))
    journal.note_synced(journal.sync())
    assert len(journal.disk.list()) == 30
    assert opened(tmp_path) == [journal.disk.list()[-1]]
    journal.close()
    again = Journal(OsDisk(tmp_path / "journal"))
    assert opened(tmp_path) == [again.disk.list()[-1]]
    again.close()
    assert opened(tmp_path) == []


def opened(folder: Path) -> list[str]:
    """Which of the folder's segments this process has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # what listed them
            found.append(link.readlink())
    return sorted(path.name for path in found if path.is_relative_to(folder))


def test_a_segment_ends_with_its_hour_and_a_clock_set_back_opens_none():
    disk = MemoryDisk()
    journal = Journal(disk)
    hour = NOW - NOW % 3600
    for now in (hour, hour + 3599, hour - 7200, hour + 3600, hour + 3601, hour + 3500):
        say(journal, b"x", now=now)
    assert disk.list() == ["00000000000000000001.journal", "00000000000000000004.journal"]
    assert len(bodies(disk)) == 6


STEPS = st.lists(
    st.sampled_from(["say", "write", "sync", "mark", "an hour", "half an hour", "a second back", "close", "kill"]), max_size=60
)


@settings(max_examples=examples(400))
@given(STEPS, st.sampled_from([300, 64 << 20]))
def test_whatever_is_done_in_whatever_hour_what_was_written_is_read_back_and_holds(
    steps: list[str], segment_bytes: int
) -> None:
    disk, now, said = MemoryDisk(), NOW, 0
    journal = Journal(disk, segment_bytes=segment_bytes)
    for step in steps:
        if step == "say":
            said += 1
            say(journal, b"%d" % said, now=now)
        elif step == "write":
            said += 1
            say(journal, b"%d" % said, now=now, sync=False)
        elif step == "sync":
            journal.note_synced(journal.sync())
        elif step == "mark":
            journal.mark(now)
        elif step in ("close", "kill"):
            if step == "close":
                journal.close(now)
            disk.kill()
            journal = Journal(disk, segment_bytes=segment_bytes)
            assert journal.cut is None
        elif step in ("power loss", "torn"):
            synced = journal.synced
            disk.power_loss(60 if step == "torn" else 0)
            journal = Journal(disk, segment_bytes=segment_bytes)
            assert synced <= journal.written <= said
            said = journal.written
        else:
            now += {"an hour": 3600, "half an hour": 1800, "a second back": -1}[step]
        assert bodies(disk) == [b"%d" % number for number in range(1, said + 1)]
    found = verify(disk)
    assert (found.damage, found.cut, found.records) == (None, None, said)


def test_segments_taken_away_from_the_middle_or_the_front_are_missed():
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=300)
    for _ in range(10):
        say(journal, bytes(200))
    names = disk.list()
    for gone in names[1:-1]:
        holed = copy(disk)
        holed.remove(gone)
        assert verify(holed).damage is not None
    beheaded = copy(disk)
    beheaded.remove(names[0])
    with pytest.raises(JournalDamaged, match="the segments that held 1 to"):
        bodies(beheaded, 1)
    assert bodies(beheaded, 5) == bodies(disk, 5)
    curtailed = copy(disk)
    curtailed.remove(names[-1])
    with pytest.raises(JournalDamaged, match="had been synced"):
        bodies(curtailed, 1, synced=10)


def test_a_segment_of_another_journal_does_not_fit_in():
    disk, other = MemoryDisk(), MemoryDisk()
    for each in (disk, other):
        journal = Journal(each, segment_bytes=300)
        for _ in range(4):
            say(journal, bytes(300))
    mixed = copy(disk)
    name = disk.list()[2]
    mixed.remove(name)
    mixed.append(name, 0, other.read(name))
    found = verify(mixed).damage
    assert found is not None
    assert "another journal" in found.why


# -- a torn tail


def test_a_tail_torn_at_any_byte_is_cut_at_the_last_whole_group_and_writing_goes_on():
    whole = three_groups()
    name, data = whole.list()[0], whole.read(whole.list()[0])
    starts = _ends(whole)
    for size in range(len(data)):
        disk = MemoryDisk()
        disk.identify(whole.identity())
        disk.append(name, 0, data[:size])
        lost = data[size:]
        intact = size + (
            len(lost) - len(lost.lstrip(b"\0")) if disk.room_bytes else 0
        )  # preallocated zero bytes equal lost ones
        kept = [body for end, body in starts if end <= intact]
        assert bodies(disk) == kept
        journal = Journal(disk)
        assert journal.written == len(kept)
        whole_until = max([HEADER_BYTES, *(end for end, _ in starts if end <= intact)])
        clean = intact >= HEADER_BYTES and not data[whole_until:intact].strip(b"\0")  # zero bytes may be preallocated space
        assert (journal.cut is None) == clean
        say(journal, b"new")
        assert bodies(disk) == [*kept, b"new"]
        assert verify(disk).cut is None


def _ends(disk: MemoryDisk) -> list[tuple[int, bytes]]:
    """(where its group ends, body) of each record."""
    from proxy.journal.segment import groups, unpack_header

    data = disk.read(disk.list()[0])
    return [(group.end, record.body) for group in groups(data, unpack_header(data), disk.ring) for record in group.records]


def test_a_flipped_byte_below_what_was_synced_is_damage_named_with_segment_and_offset():
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=900)  # so that the last holds a record, too
    for number in range(8):
        say(journal, b"%d" % number * 40)
    journal.close(NOW)  # claims that all is synced
    for name in disk.list():
        data = disk.read(name)
        size = len(data.rstrip(b"\0"))
        final = name == disk.list()[-1]
        for offset in range(size, len(data)):  # where nothing was written
            hurt = copy(disk)
            hurt.flip(name, offset)
            assert len(bodies(hurt)) == 8
        claim_at = size - 77  # the claim itself is the last thing written, and nobody was answered on its account
        for offset in range(size):
            hurt = copy(disk)
            hurt.flip(name, offset, 1 << random.Random(offset).randrange(8))
            if final and offset >= claim_at:
                assert len(bodies(hurt)) == 8
                continue
            with pytest.raises(JournalDamaged) as error:
                bodies(hurt)
            assert error.value.segment == name
            assert error.value.offset <= offset or error.value.offset == 0
            assert f"{name} is damaged at offset {error.value.offset}" in str(error.value)
            assert str(verify(hurt).damage) == str(error.value)
            if final:  # opening for writing looks at the end; whoever reads from a checkpoint's position sees the rest
                with pytest.raises(JournalDamaged):
                    Journal(hurt)


def test_a_flipped_byte_where_nothing_claims_to_be_synced_is_a_torn_tail():
    whole = three_groups(sync=False)
    name = whole.list()[0]
    ends = _ends(whole)
    for offset in range(HEADER_BYTES, len(whole.read(name))):
        hurt = copy(whole)
        hurt.flip(name, offset)
        kept = [body for end, body in ends if end <= offset]
        assert bodies(hurt) == kept
        journal = Journal(hurt)
        assert journal.cut is not None
        say(journal, b"new")
        assert bodies(hurt) == [*kept, b"new"]


def test_a_caller_who_knows_what_was_synced_is_not_told_it_is_a_torn_tail():
    hurt = three_groups(sync=False)
    hurt.flip(hurt.list()[0], HEADER_BYTES + 5)
    assert bodies(hurt) == []
    with pytest.raises(JournalDamaged, match=r"1 to 6 had been synced"):
        bodies(hurt, synced=6)
    with pytest.raises(JournalDamaged, match=r"ends at 6, but 9 had been synced"):
        bodies(three_groups(), synced=9)


def test_zeros_behind_the_last_group_are_room_and_not_damage():
    disk = three_groups()
    name = disk.list()[0]
    disk.append(name, len(disk.read(name)), bytes(4096))
    assert verify(disk)[2:8] == (6, 1, 6, verify(disk).chain, None, None)
    journal = Journal(disk)
    say(journal, b"d")
    assert len(bodies(disk)) == 7


def test_bytes_of_something_else_are_not_a_journal(tmp_path):
    disk = MemoryDisk()
    disk.append("00000000000000000001.journal", 0, b"x" * 500)
    assert verify(disk).cut is not None
    assert bodies(disk) == []


# -- power and death


def test_after_a_power_loss_the_synced_is_there_and_after_a_kill_the_written():
    disk = MemoryDisk()
    journal = Journal(disk)
    say(journal, b"synced")
    say(journal, b"written", sync=False)
    journal.append(1, b"buffered")
    killed = copy(disk)
    assert bodies(killed) == [b"synced", b"written"]
    disk.power_loss()
    assert bodies(disk) == [b"synced"]


@pytest.mark.parametrize("seed", range(2 * COMPARED))
def test_whatever_is_torn_off_at_a_power_loss_nothing_synced_is_lost(seed):
    draw = random.Random(seed)
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=draw.choice([200, 1000, 1 << 20]))
    said: list[bytes] = []
    now = NOW
    for _ in range(6):
        for _ in range(draw.randrange(30)):
            new = [b"%d" % draw.getrandbits(100) for _ in range(draw.randrange(1, 5))]
            now += draw.choice([0, 1, 4000])
            say(journal, *new, now=now, sync=draw.random() < 0.4)
            said += new
        synced = journal.synced
        if draw.random() < 0.5:
            disk.power_loss(torn_bytes=draw.choice([0, 1, 50, 400]))
        else:
            disk.kill()
            synced = journal.written
        left = bodies(disk)
        assert left == said[: len(left)]
        assert len(left) >= synced
        journal = Journal(disk, segment_bytes=journal.segment_bytes)
        said = left
        assert journal.written == journal.synced == len(left)
        assert verify(disk)[5:8] == (verify(disk).chain, None, None)


@pytest.mark.parametrize("seed", range(80))
def test_a_power_loss_that_kept_later_pages_and_lost_earlier_ones_is_a_torn_tail_too(seed):
    draw = random.Random(seed)
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=draw.choice([400, 5000]))
    for _ in range(draw.randrange(1, 25)):
        new = [draw.randbytes(draw.randrange(60)) for _ in range(draw.randrange(1, 4))]
        say(journal, *new, sync=draw.random() < 0.3)
    holed = MemoryDisk()
    holed.identify(disk.identity())
    for name in disk.list():
        data, kept = bytearray(disk.read(name)), disk.safe_bytes(name)
        if not kept and draw.random() < 0.3:
            continue  # the directory never learnt of it
        for page in range(kept, len(data), 64):
            if draw.random() < 0.4:
                data[page : page + 64] = bytes(len(data[page : page + 64]))
        if draw.random() < 0.3:
            del data[max(kept, len(data) - draw.randrange(200)) :]
        holed.append(name, 0, bytes(data))
        holed.sync(name)
    said, left = bodies(disk), bodies(holed, journal.synced + 1, journal.synced)
    assert left == said[journal.synced : journal.synced + len(left)]
    whole = bodies(holed, 0, journal.synced)
    assert whole == said[: journal.synced + len(left)]
    again = Journal(holed, segment_bytes=journal.segment_bytes)
    assert again.written == len(whole)
    say(again, b"new")
    assert bodies(holed) == [*whole, b"new"]
    assert verify(holed)[6:8] == (None, None)


def test_what_a_killed_process_wrote_is_synced_before_it_counts_as_safe():
    disk = MemoryDisk()
    journal = Journal(disk)
    say(journal, b"a", sync=False)
    again = Journal(disk)
    assert again.synced == 1
    disk.power_loss()
    assert bodies(disk) == [b"a"]


WRITER = """
    import sys
    from proxy.journal.write_ahead_log import Journal, OsDisk
    journal = Journal(OsDisk(sys.argv[1]), segment_bytes=30_000)
    number = journal.written
    while True:
        for _ in range(1 + number % 7):
            number += 1
            journal.append(1, b"%d " % number * 20)
        journal.write(1_700_000_000.0)
        print(journal.written, flush=True)
        if number % 3 == 0:
            journal.note_synced(journal.sync())
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_process_killed_while_writing_has_lost_nothing_it_said_was_written(tmp_path, seed):
    said = 0
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert writer.stdout
        for _ in range(100 + 137 * seed):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        said = max(map(int, writer.stdout.read().rpartition(b"\n")[0].split()), default=said)
        writer.stdout.close()
        disk = OsDisk(tmp_path)
        found = list(read(disk))
        assert [record.sequence for record in found] == list(range(1, len(found) + 1))
        assert all(record.body == b"%d " % record.sequence * 20 for record in found)
        assert len(found) >= said
        journal = Journal(disk)
        assert journal.written == len(found)
        journal.close()
        assert verify(disk).damage is None


# -- a disk that refuses


def test_a_full_disk_drops_the_group_leaves_the_file_and_takes_later_ones():
    disk = MemoryDisk()
    journal = Journal(disk)
    say(journal, b"a")
    before = disk.read(disk.list()[0])
    disk.free_bytes = 10
    journal.append(1, b"b")
    journal.append(2, b"c")
    with pytest.raises(JournalDown, match="No space left on device") as down:
        journal.write(NOW)
    assert down.value.dropped == [(1, b"b"), (2, b"c")]
    assert disk.read(disk.list()[0]) == before
    assert (journal.written, journal.synced) == (1, 1)
    disk.free_bytes = None
    assert journal.append(1, b"d") == 2  # the numbers of what was dropped are given again
    journal.write(NOW)
    assert bodies(disk) == [b"a", b"d"]
    assert verify(disk).damage is None


class _Half:
    """``os.pwrite`` on a disk that is full after so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.pwrite

    def __call__(self, file: int, data: bytes, offset: int) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self.write(file, data[: self.room], offset)
        self.room -= done
        return done


def test_what_is_appended_lands_in_room_that_is_there_already(tmp_path):
    disk = OsDisk(tmp_path)
    journal = Journal(disk)
    say(journal, b"a")
    (name,) = disk.list()
    size = disk.size(name)
    while len(disk.read(name).rstrip(b"\0")) < size - 11_000:
        say(journal, b"b" * 10_000)
        assert disk.size(name) == size, "a sync has no length to write"
    for _ in range(30):
        say(journal, b"c" * 10_000)
    assert len(disk.read(name).rstrip(b"\0")) < disk.size(name) <= len(disk.read(name).rstrip(b"\0")) + PREALLOCATED_BYTES
    (killed := Journal(OsDisk(tmp_path))).close()  # it goes on where the other was
    assert (killed.cut, killed.written) == (None, journal.written)
    say(journal, b"d")
    journal.close()
    assert disk.read(name).rstrip(b"\0") == disk.read(name), "none is left behind a file that was closed"
    assert len(bodies(disk)) == journal.written
    assert verify(disk)[6:8] == (None, None)


def test_on_a_disk_that_is_full_there_is_no_room_ahead_and_all_is_written_all_the_same(tmp_path, monkeypatch):
    disk = OsDisk(tmp_path)
    journal = Journal(disk)
    write = os.pwrite

    def refuses_zeros(file: int, data: bytes, offset: int) -> int:
        if not data.strip(b"\0"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuses_zeros)
        say(journal, b"a")
        say(journal, b"b")
        assert disk.size(disk.list()[0]) < 1000
    say(journal, b"c")
    assert disk.size(disk.list()[0]) > PREALLOCATED_BYTES
    assert bodies(disk) == [b"a", b"b", b"c"]
    journal.close()


@pytest.mark.parametrize("room", [0, 1, 16, 17, 40, 100])
def test_a_real_file_that_took_half_a_group_is_cut_back_to_what_it_was(tmp_path, monkeypatch, room):
    disk = OsDisk(tmp_path)
    journal = Journal(disk)
    say(journal, b"a")
    (name,) = disk.list()
    before = disk.read(name).rstrip(b"\0")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _Half(room))
        with pytest.raises(JournalDown, match="No space left"):
            say(journal, b"b" * 50)
    assert disk.read(name) == before, "without the room that was kept free behind it"
    say(journal, b"c")
    assert bodies(disk) == [b"a", b"c"]
    journal.close()


def test_half_a_group_that_cannot_even_be_cut_back_is_a_torn_tail_until_the_next_write_lands_on_it(tmp_path, monkeypatch):
    disk = OsDisk(tmp_path)
    journal = Journal(disk)
    say(journal, b"a")

    def refuse(file: int, size: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _Half(60))
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(JournalDown):
            say(journal, b"b" * 500)
    assert bodies(disk) == [b"a"]
    say(journal, b"c")
    assert bodies(disk) == [b"a", b"c"]
    journal.close()


def test_a_disk_full_when_a_segment_should_begin_is_no_different():
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=300)
    say(journal, bytes(300))
    disk.free_bytes = 20
    for _ in range(3):
        with pytest.raises(JournalDown):
            say(journal, b"b")
    disk.free_bytes = HEADER_BYTES + 20
    with pytest.raises(JournalDown):
        say(journal, b"b")
    disk.free_bytes = None
    say(journal, b"c")
    assert bodies(disk) == [bytes(300), b"c"]
    assert Journal(copy(disk)).written == 2


def test_a_read_only_disk_says_so():
    disk = MemoryDisk()
    disk.read_only = True
    journal = Journal(disk)
    with pytest.raises(JournalDown, match="Read-only file system"):
        say(journal, b"a")


def test_after_a_failed_sync_everything_it_should_have_kept_is_written_again():
    """A kernel that could not write a page back may call it clean: a second sync that succeeds proves nothing by itself."""
    disk = MemoryDisk()
    journal = Journal(disk, segment_bytes=300)
    say(journal, b"a")
    for body in (b"b" * 200, b"c" * 200, b"d"):
        say(journal, body, sync=False)
    disk.sync_fails = True
    for _ in range(2):
        with pytest.raises(JournalDown, match="sync: Input/output error"):
            journal.sync()
    assert journal.synced == 1
    disk.sync_fails = False
    journal.note_synced(journal.sync())
    assert journal.synced == 4
    disk.power_loss()
    assert bodies(disk) == [b"a", b"b" * 200, b"c" * 200, b"d"]


def test_what_a_failed_sync_lost_is_written_again_by_the_next_start_too():
    """The killed process knew that its sync had failed; the next one reads good bytes that the medium does not have."""
    disk = MemoryDisk()
    journal = Journal(disk)
    say(journal, b"a")
    say(journal, b"b", sync=False)
    disk.sync_fails = True
    with pytest.raises(JournalDown):
        journal.sync()
    disk.kill()
    again = Journal(disk)
    assert again.synced == again.written == 2
    say(again, b"c")
    disk.power_loss()
    assert bodies(disk) == [b"a", b"b", b"c"]


def test_a_disk_that_never_syncs_stops_the_writing_before_memory_is_full(monkeypatch):
    monkeypatch.setattr("proxy.journal.write_ahead_log.UNSYNCED_BYTES_MAX", 1400)
    journal = Journal(MemoryDisk())
    while journal._unsynced_bytes <= 1400:
        say(journal, bytes(100), sync=False)
    with pytest.raises(JournalDown, match="does not sync"):
        say(journal, bytes(100), sync=False)
    journal.note_synced(journal.sync())
    say(journal, b"again")


def test_an_idle_gate_can_put_on_record_that_its_last_words_are_safe():
    disk = MemoryDisk()
    journal = Journal(disk)
    say(journal, b"a")
    last = len(disk.read(disk.list()[0]).rstrip(b"\0"))
    journal.mark(NOW)
    marked = len(disk.read(disk.list()[0]).rstrip(b"\0"))
    journal.mark(NOW)
    assert len(disk.read(disk.list()[0]).rstrip(b"\0")) == marked > last  # once is enough
    disk.flip(disk.list()[0], last - 1)
    with pytest.raises(JournalDamaged):
        Journal(disk)
