"""Keys of records are the same in every version; in a new store the parts are even."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.shared.records import HASH_BYTES, RecordKeys

KEY = bytes(range(32))
HEADS = [b"g106:{%d}" % part for part in range(16)]
PERSON = st.integers(0, (1 << 48) - 1)


def heads(parts: int) -> list[bytes]:
    return [b"{%d}" % part for part in range(parts)]


@pytest.mark.parametrize("form", [1, 2])
def test_a_name_is_the_part_s_tag_and_a_keyed_hash_of_the_person(form: int):
    keys = RecordKeys(KEY, HEADS, form=form)
    for person in (0, 13800210000, (1 << 48) - 1):
        digest = hashlib.blake2b(person.to_bytes(6, "big"), key=KEY, digest_size=HASH_BYTES).digest()
        part = int.from_bytes(digest[:form], "big") % 16
        assert keys.name(person) == HEADS[part] + digest
        assert keys.part(person) == keys.part_of(keys.name(person)) == part


def test_a_name_stays_what_it_was():
    assert RecordKeys(KEY, [b"g106:{0}"], form=1).name(13800210000).hex() == "673130363a7b307da3a0f868037afa56d16f1ed9"


@pytest.mark.parametrize(
    ("form", "parts", "people"),
    [
        (1, 16, {13800210000: 3, 13800210001: 9, 13800210002: 11, 13911119999: 7, 0: 2}),
        (1, 90, {13800210000: 73, 13800210001: 53, 13800210002: 39, 13911119999: 51, 0: 34}),
        (2, 90, {13800210000: 38, 13800210001: 73, 13800210002: 15, 13911119999: 19, 0: 10}),
        (2, 256, {13800210000: 160, 13800210001: 95, 13800210002: 111, 13911119999: 13, 0: 216}),
    ],
)
def test_a_person_stays_in_its_part(form: int, parts: int, people: dict[int, int]):
    keys = RecordKeys(KEY, heads(parts), form=form)
    assert {person: keys.part(person) for person in people} == people


@given(st.lists(PERSON, max_size=20), st.integers(1, 256), st.sampled_from([1, 2]))
def test_many_are_named_as_each_is(people: list[int], parts: int, form: int):
    keys = RecordKeys(KEY, heads(parts), form=form)
    assert keys.names(people) == [keys.name(person) for person in people]


@pytest.mark.parametrize("parts", [7, 90, 100, 255, 256])
def test_parts_of_a_new_store_have_as_many_persons_each(parts: int):
    """Of all values of the octets that select a part; each is as likely as the next."""
    keys = RecordKeys(KEY, heads(parts), form=2)
    hits = Counter(keys.part_of(b"{}" + value.to_bytes(2, "big") + bytes(HASH_BYTES - 2)) for value in range(1 << 16))
    assert len(hits) == parts
    assert max(hits.values()) - min(hits.values()) <= 1


@pytest.mark.parametrize("person", [-1, 1 << 48, 1 << 80])
def test_what_is_no_person_has_no_name(person: int):
    with pytest.raises(OverflowError, match="is no person"):
        RecordKeys(KEY, HEADS, form=2).names([13800210000, person])
