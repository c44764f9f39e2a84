"""Keys of records are the same in every version."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.shared.records import HASH_BYTES, RecordKeys

KEY = bytes(range(32))
HEADS = [b"g106:{%d}" % part for part in range(16)]


def test_a_name_is_the_part_s_tag_and_a_keyed_hash_of_the_person():
    keys = RecordKeys(KEY, HEADS)
    for person in (0, 13800210000, (1 << 48) - 1):
        digest = hashlib.blake2b(person.to_bytes(6, "big"), key=KEY, digest_size=HASH_BYTES).digest()
        assert keys.name(person) == HEADS[digest[0] % 16] + digest
        assert keys.part(person) == keys.part_of(keys.name(person)) == digest[0] % 16


def test_a_name_stays_what_it_was():
    assert RecordKeys(KEY, [b"g106:{0}"]).name(13800210000).hex() == "673130363a7b307da3a0f868037afa56d16f1ed9"


@given(st.lists(st.integers(0, (1 << 48) - 1), max_size=20), st.integers(1, 256))
def test_many_are_named_as_each_is(people: list[int], parts: int):
    keys = RecordKeys(KEY, [b"{%d}" % part for part in range(parts)])
    assert keys.names(people) == [keys.name(person) for person in people]


@pytest.mark.parametrize("person", [-1, 1 << 48, 1 << 80])
def test_what_is_no_person_has_no_name(person: int):
    with pytest.raises(OverflowError, match="is no person"):
        RecordKeys(KEY, HEADS).names([13800210000, person])
