"""Records that are written together are those that are packed one by one."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.segment import pack_record
from proxy.journal.write_ahead_log import Journal
from proxy.native.journal_buffer import RecordBuffer
from tests.journal.memory_disk import MemoryDisk


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=6)), st.integers(1, 255))
def test_a_journal_has_the_same_whether_records_come_together_or_one_by_one(bodies: list[list[bytes]], kind: int) -> None:
    one, other = Journal(MemoryDisk(), 0), Journal(MemoryDisk(), 0)
    assert one.extend(kind, [[b"", *pieces] for pieces in bodies]) == 1
    for number, pieces in enumerate(bodies, 1):
        assert other.append(kind, b"".join(pieces)) == number
    assert bytes(one._buffer) == bytes(other._buffer)
    assert one._next == other._next
    assert bool(one._buffer) is bool(bodies), "without records no group is written"


def test_records_of_every_length_have_the_checksum_that_zlib_gives_them() -> None:
    draw = random.Random(32)
    for sizes in ((*range(520), 70_001), (5 << 20,), (3, 4)):  # for one of them no room is kept
        bodies = [draw.randbytes(size) for size in sizes]
        buffer = RecordBuffer()
        assert buffer.extend(7, 1, [[b"", body] for body in bodies]) == len(sizes)
        assert buffer.taken() == b"".join([pack_record(7 + place, 1, body) for place, body in enumerate(bodies)])
        assert not buffer
