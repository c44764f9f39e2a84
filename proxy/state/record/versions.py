"""Reads and sets the versions in front of records.

In: records as a store has them. Out: records with their versions. Never: what else a record holds (record.py), a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cython

from proxy.native.octets import pack_u48, splice

EMPTY_BYTES = 7
"""Bytes of a record without entries and facts."""
ABSENT = (0, bytes(EMPTY_BYTES))

Item = tuple[int, int, bytes]
"""(person, version as loaded, record)"""


def by_person(persons: Iterable[int], rows: Sequence[bytes | None]) -> dict[int, tuple[int, bytes]]:
    """(version, record) of each row of a store: nothing, a bare version (lua_library.py), or a record with its version in front."""
    found: dict[int, tuple[int, bytes]] = {}
    for person, given in zip(persons, rows, strict=True):
        row: bytes | None = given
        found[person] = (_version(row), row) if row is not None and len(row) > EMPTY_BYTES else ABSENT
    return found


@cython.cfunc
@cython.exceptval(check=False)
def _version(record: cython.p_uchar) -> cython.ulonglong:
    version: cython.ulonglong = 0
    for place in range(6):
        version = version << 8 | record[place]
    return version


def exchanges(items: list[Item], version: cython.ulonglong, *, whatever: bool = False) -> list[tuple[int, bytes | None, bytes]]:
    """(person, required version, new record): each gets its own version after ``version``, even if it is refused. ``whatever``: without a
    required version."""
    given: list[tuple[int, bytes | None, bytes]] = []
    for person, before, record in items:
        version += 1
        held = None if whatever else pack_u48(before) if before else b""
        given.append((person, held, splice(record, 0, 6, pack_u48(version), b"") if len(record) > EMPTY_BYTES else b""))
    return given


def swap_arguments(items: Sequence[Item]) -> tuple[bytes, list[bytes]]:
    """The arguments of a swap: a flag for each record ("1": it has no facts and expires), and the records with their versions in front."""
    records = [splice(data, 0, 6, pack_u48(version), b"") for _, version, data in items]
    return b"".join([b"1" if has_no_facts(data) else b"0" for data in records]), records


@cython.ccall
def has_no_facts(data: bytes) -> cython.bint:
    """Whether a record has entries alone, and so expires."""
    return len(data) == EMPTY_BYTES + data[6] * 32


@cython.ccall
def version_of(row: bytes | None) -> cython.ulonglong:
    """The version of a row of a store; 0 for nothing and for a bare version."""
    return _version(row) if row is not None and len(row) > EMPTY_BYTES else 0


@cython.ccall
def successor(data: bytes, row: bytes | None, now: cython.ulonglong) -> bytes:
    """The record as it is stored in place of a row: with the version ``now``, or one more than the row's where that is later."""
    version: cython.ulonglong = now
    if row is not None and len(row) >= EMPTY_BYTES:
        version = max(version, _version(row) + 1)
    return splice(data, 0, 6, pack_u48(version), b"")
