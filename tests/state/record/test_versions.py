"""Versions stand in the first six octets of records."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.state.record.versions import ABSENT, by_person, exchanges, has_no_facts, successor, swap_arguments, version_of

PERSONS = st.integers(0, (1 << 40) - 1)
VERSIONS = st.integers(0, (1 << 47))
RECORDS = st.binary(min_size=8, max_size=80)


@given(st.lists(st.tuples(PERSONS, st.none() | st.binary(max_size=80))))
def test_a_row_is_nothing_or_a_bare_version_or_a_record_with_its_version(rows: list[tuple[int, bytes | None]]):
    found = by_person([person for person, _ in rows], [row for _, row in rows])
    for person, row in dict(rows).items():
        if row is None or len(row) <= 7:
            assert found[person] == ABSENT
        else:
            assert found[person] == (int.from_bytes(row[:6], "big"), row)


def test_rows_of_other_persons_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        by_person([1, 2], [None])


@given(st.lists(st.tuples(PERSONS, VERSIONS, RECORDS | st.just(bytes(7)))), VERSIONS)
def test_each_record_gets_a_version_of_its_own(items: list[tuple[int, int, bytes]], version: int):
    for whatever in (False, True):
        found = exchanges(items, version, whatever=whatever)
        assert [person for person, _, _ in found] == [person for person, _, _ in items]
        for number, ((_, before, record), (_, held, new)) in enumerate(zip(items, found, strict=True), 1):
            assert held == (None if whatever else before.to_bytes(6, "big") if before else b"")
            assert new == (b"" if len(record) == 7 else (version + number).to_bytes(6, "big") + record[6:])


@given(st.lists(st.tuples(PERSONS, VERSIONS, RECORDS | st.just(bytes(7)))))
def test_a_swap_has_a_flag_and_a_record_for_each(items: list[tuple[int, int, bytes]]):
    flags, records = swap_arguments(items)
    assert records == [version.to_bytes(6, "big") + record[6:] for _, version, record in items]
    assert [flag == ord("1") for flag in flags] == [len(record) == 7 + 32 * record[6] for _, _, record in items]
    assert [has_no_facts(record) for _, _, record in items] == [flag == ord("1") for flag in flags]


@given(RECORDS | st.just(bytes(7)), st.none() | st.binary(max_size=80), VERSIONS)
def test_a_successor_has_a_later_version_than_what_it_replaces(record: bytes, row: bytes | None, now: int):
    assume(row is None or row[:6] != bytes([255]) * 6)  # the last one, of the year 2112
    new = successor(record, row, now)
    version = int.from_bytes(new[:6], "big")
    assert new[6:] == record[6:]
    assert version == now or (row is not None and version == int.from_bytes(row[:6], "big") + 1 > now)
    assert row is None or len(row) < 7 or version > int.from_bytes(row[:6], "big")
    assert version_of(row) == by_person([1], [row])[1][0]


@pytest.mark.parametrize("size", range(6))
def test_a_record_without_a_version_is_written_nowhere(size: int):
    with pytest.raises((ValueError, IndexError)):
        swap_arguments([(13_800_000_000, 5, bytes(size))])
