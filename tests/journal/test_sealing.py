"""Sealed groups: without the key nothing is read, and no change goes unnoticed.

Properties of every journal are tested for sealed ones, too, in test_write_ahead_log.py.
"""

from __future__ import annotations

import stat

import pytest

from proxy.journal.sealing import KeyRing, SealingError, make_key_file
from proxy.journal.segment import PLAIN, SEALED, UNDER_SEAL, close_group, groups, pack_header, pack_record, unpack_header
from proxy.journal.write_ahead_log import Journal, JournalDamaged, JournalSealed, read, verify
from tests.journal.memory_disk import MemoryDisk

NOW = 1_700_000_000.0
ONE, OTHER = bytes(range(32)), bytes(range(1, 33))
SECRET = "退订 13800210500 【甲店】".encode()


def say(journal: Journal, *bodies: bytes, now: float = NOW) -> None:
    for body in bodies:
        journal.append(1, body)
    journal.write(now)
    journal.note_synced(journal.sync())


def sealed_journal(ring: KeyRing, *bodies: bytes) -> MemoryDisk:
    disk = MemoryDisk(ring)
    journal = Journal(disk)
    for body in bodies:
        say(journal, body)
    journal.close(NOW)
    return disk


def octets(disk: MemoryDisk) -> bytes:
    return b"".join(disk.read(name) for name in disk.list())


def bodies(disk: MemoryDisk) -> list[bytes]:
    return [record.body for record in read(disk)]


def forms(disk: MemoryDisk) -> list[int]:
    return [unpack_header(disk.read(name)).form for name in disk.list()]


def under(disk: MemoryDisk, ring: KeyRing) -> MemoryDisk:
    """The same disk, opened by somebody with these keys."""
    disk.ring = ring
    return disk


def test_nothing_of_what_was_said_stands_on_the_disk_in_the_clear():
    disk = sealed_journal(KeyRing([ONE]), SECRET, b"more")
    assert SECRET not in octets(disk)
    assert b"13800210500" not in octets(disk)
    assert bodies(disk) == [SECRET, b"more"]
    assert forms(disk) == [UNDER_SEAL]
    assert SECRET in octets(sealed_journal(KeyRing(), SECRET))  # the look is able to find it


def test_without_the_key_the_chain_is_proved_and_what_was_said_is_not_read():
    disk = sealed_journal(KeyRing([ONE]), SECRET, b"more")
    whole = verify(disk)
    closed = verify(under(disk, KeyRing()), closed=True)
    assert (closed.records, closed.groups, closed.chain, closed.damage) == (2, whole.groups, whole.chain, None)
    assert closed.closed
    assert not whole.closed
    disk.flip(disk.list()[0], 150)
    assert verify(disk, closed=True).damage is not None


@pytest.mark.parametrize("ring", [KeyRing(), KeyRing([OTHER])], ids=["no key", "another key"])
def test_a_missing_key_is_named_and_is_neither_damage_nor_a_torn_tail(ring):
    disk = sealed_journal(KeyRing([ONE]), SECRET)
    before = octets(disk)
    under(disk, ring)
    for ask in (lambda: bodies(disk), lambda: Journal(disk), lambda: verify(disk)):
        with pytest.raises(
            JournalSealed, match=f"sealed with the key {KeyRing([ONE]).ids[0]}, whose file sealing.keys does not name"
        ) as told:
            ask()
        assert not isinstance(told.value, JournalDamaged)
    assert octets(disk) == before
    assert bodies(under(disk, KeyRing([ONE]))) == [SECRET]


def test_an_unsynced_tail_under_a_missing_key_is_not_cut_either():
    disk = MemoryDisk(KeyRing([ONE]))
    journal = Journal(disk)
    journal.append(1, SECRET)
    journal.write(NOW)  # and is killed
    before = octets(disk)
    with pytest.raises(JournalSealed):
        Journal(under(disk, KeyRing([OTHER])))
    assert octets(disk) == before


def test_a_key_that_is_set_today_seals_from_the_next_record_on_and_the_old_ones_are_still_read():
    disk = sealed_journal(KeyRing(), b"of old")
    journal = Journal(under(disk, KeyRing([ONE])))
    say(journal, SECRET)
    assert forms(disk) == [PLAIN, UNDER_SEAL]
    assert SECRET not in octets(disk)
    assert bodies(disk) == [b"of old", SECRET]
    found = verify(disk)
    assert (found.damage, found.records, found.sealed) == (None, 2, 1)


def test_a_key_that_is_set_while_a_segment_holds_no_record_takes_its_place():
    disk = sealed_journal(KeyRing(), b"of old")
    journal = Journal(disk)
    journal._claim = 0  # an idle gate, an hour later: a segment with a claim alone
    journal.mark(NOW + 3600)
    assert len(disk.list()) == 2
    disk.kill()
    say(Journal(under(disk, KeyRing([ONE]))), SECRET, now=NOW + 3601)
    assert forms(disk) == [PLAIN, UNDER_SEAL]
    assert bodies(disk) == [b"of old", SECRET]
    assert verify(disk).damage is None


def test_a_new_key_seals_and_the_old_ones_open():
    disk = sealed_journal(KeyRing([ONE]), b"first")
    say(Journal(under(disk, KeyRing([OTHER, ONE]))), b"second")
    assert bodies(disk) == [b"first", b"second"]
    with pytest.raises(JournalSealed, match=KeyRing([ONE]).ids[0]):
        bodies(under(disk, KeyRing([OTHER])))
    with pytest.raises(JournalSealed, match=KeyRing([OTHER]).ids[0]):
        bodies(under(disk, KeyRing([ONE])))


def sealed_body(disk: MemoryDisk, number: int) -> bytes:
    """What is under seal in a journal's group of that number."""
    data = disk.read(disk.list()[0])
    group = list(groups(data, unpack_header(data)))[number]
    length = int.from_bytes(data[group.start : group.start + 4], "big")
    return data[group.start + 17 : group.start + 17 + length]


def written_anew(disk: MemoryDisk, kind: int, body: bytes) -> None:
    """By somebody without the key: one group, a good checksum, a good chain."""
    name = disk.list()[0]
    header = unpack_header(disk.read(name))
    record = pack_record(1, kind, body)
    closing, _ = close_group(header.previous, record, 1, 1, 1, int(NOW * 1000))
    disk.truncate(name, 0)
    disk.append(name, 0, pack_header(header) + record + closing)


def altered(body: bytes) -> bytes:
    return body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]


@pytest.mark.parametrize("what", ["another's octets", "a group in the place of another"])
def test_whoever_has_no_key_cannot_write_a_chain_anew(what):
    """In the clear they can: there only a head that left the machine proves anything."""
    disk = sealed_journal(KeyRing([ONE]), b"one", b"two")
    body = sealed_body(disk, 1) if what == "a group in the place of another" else altered(sealed_body(disk, 0))
    written_anew(disk, SEALED, body)
    with pytest.raises(JournalDamaged, match="written by somebody without the key"):
        bodies(disk)
    with pytest.raises(JournalDamaged):
        Journal(disk)  # never a torn tail
    assert verify(disk, closed=True).damage is None  # without the key the chain is all there is
    assert "somebody without the key" in str(verify(disk).damage)


def test_a_record_in_the_clear_has_no_place_in_a_sealed_segment():
    disk = sealed_journal(KeyRing([ONE]), b"one")
    written_anew(disk, 1, b"slipped in")
    with pytest.raises(JournalDamaged, match="in the clear where all are sealed"):
        bodies(disk)


def test_no_two_groups_are_sealed_with_the_same_key_and_number_over_kills_torn_tails_refusals_and_segments():
    """A seal is key id, salt and number: all that a nonce and a group's key are made of."""
    disk, seals = MemoryDisk(KeyRing([ONE])), list[bytes]()
    append = disk.append

    def watched(name: str, offset: int, data: bytes) -> None:
        if data[16:17] == bytes([SEALED]):
            seals.append(data[17 : 17 + 24])
        append(name, offset, data)

    disk.append = watched  # type: ignore[method-assign]
    for life in range(6):
        journal = Journal(disk, segment_bytes=600)
        for number in range(5):
            if number == 3:
                disk.free_bytes = 0  # refused: the next group stands in the same place
                journal.append(1, b"refused")
                with pytest.raises(Exception, match="No space"):
                    journal.write(NOW)
                disk.free_bytes = None
            journal.append(1, b"x" * 50)
            journal.write(NOW)
            if life % 2:
                journal.note_synced(journal.sync())
        disk.power_loss(torn_bytes=life * 13)  # what comes next is written where something else stood
    assert len(seals) > 30
    assert len(set(seals)) == len(seals)


# -- files of keys


def test_a_key_is_made_once_for_its_owner_alone_and_read_again(tmp_path):
    path = tmp_path / "journal.key"
    name = make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.of_files([path]).ids == [name]
    with pytest.raises(FileExistsError):
        make_key_file(path)
    assert path.read_text().strip() not in repr(KeyRing.of_files([path]))


@pytest.mark.parametrize(
    ("said", "mode", "why"),
    [
        (None, 0o600, "no such file .sealing.keys names it"),
        ("", 0o600, "is no journal key: one line of 64 hex digits"),
        ("ab" * 31, 0o600, "is no journal key"),
        ("é" * 32, 0o600, "is no journal key"),
        ("ab" * 32, 0o604, "everybody on this machine may open it .chmod"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path, said, mode, why):
    path = tmp_path / "journal.key"
    if said is not None:
        path.write_text(said)
        path.chmod(mode)
    with pytest.raises(SealingError, match=why) as told:
        KeyRing.of_files([path])
    assert str(path) in str(told.value)
    assert not said or said not in str(told.value)
