"""Reads the journal's records that are in no table yet.

These are the segment being written and the segments that were not rolled yet.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from proxy.archive.query import PersonRow, Query
from proxy.journal.disk import Disk
from proxy.journal.records import messages, unreadable_submits
from proxy.journal.scan import JournalDamaged, Scan
from proxy.journal.segment import HEADER_BYTES, JournalRecord

SEGMENTS_MAX = 200  # unrolled segments read at once: some 13 GB; more would take minutes, and should be rolled first
TRIES = 3
_U64 = struct.Struct(">Q")


class TailError(Exception):
    """It cannot be read; the text says why and what to do."""


class UnrolledTail(NamedTuple):
    rows: list[PersonRow]
    first: int
    last: int  # sequences that were proved, whether they matter or not; 0 if there are none
    since_ms: int
    until_ms: int
    previous: str  # hex digests of groups: before its first record, and of its last
    chain: str
    about: Callable[[Mapping[int, int]], list[PersonRow]] | None = None
    """Other rows of persons (by hash) since a time for each (ms); set if ``rows`` may lack some."""
    end: int = 0  # where nothing is behind: the last record of the journal,
    joints: frozenset[str] = frozenset()  # and hex digests of its groups that end there


NO_TAIL = UnrolledTail([], 0, 0, 0, 0, "", "")


def tail(disk: Disk, behind: int, question: Query, rules: Mapping[str, Sequence[str]]) -> UnrolledTail:
    """Raises TailError, JournalDamaged, OSError."""
    left = TRIES
    while True:
        left -= 1
        try:
            return _tail(disk, behind, question, rules)
        except (JournalDamaged, FileNotFoundError):  # read during a write, or a segment was just removed; real damage persists
            if not left:
                raise


def _tail(disk: Disk, behind: int, question: Query, rules: Mapping[str, Sequence[str]]) -> UnrolledTail:
    if not disk.list():
        return NO_TAIL
    scan = Scan(disk, behind + 1 if behind else 0)
    if len(scan.names) - scan.at > SEGMENTS_MAX:
        raise TailError(f"{len(scan.names) - scan.at} segments are in no table: run `gate106 journal roll` first")
    kept = list[JournalRecord]()
    first = since = until = 0
    chain = previous = b""
    joints = set[str]()
    for placed in scan:
        group = placed.group
        before, chain = placed.header.previous if group.start == HEADER_BYTES else chain, group.digest
        if group.records:
            joints.clear()
        joints |= {chain.hex()} if group.records else {before.hex(), chain.hex()}  # a mark has no record of its own
        if group.last <= behind or not group.records:
            continue
        if not first:
            first, since, previous = group.records[0].sequence, group.time_ms, before
        until = max(until, group.time_ms)
        near = question.may_touch(group.time_ms, group.time_ms)
        kept += relevant_records(group.records, question, near=near)
    rows = _rows(kept, question, rules)
    if not first:
        return NO_TAIL._replace(end=scan.last, joints=frozenset(joints or {scan.chain.hex()}))
    return UnrolledTail(rows, first, scan.last, since, until, previous.hex(), chain.hex())


def relevant_records(records: Sequence[JournalRecord], question: Query, *, near: bool) -> Iterator[JournalRecord]:
    """Records that may matter, and RULES records. A record about another person costs a byte search."""
    number, digits = _U64.pack(question.to), str(question.to).encode()
    for record in records:
        named = (
            not question.to
            or number in record.body
            or (record.kind == messages.DELIVER and digits in record.body)
            or (
                record.kind == messages.VERDICT
                and unreadable_submits.names_nobody(record.body)
                and question.to in unreadable_submits.recipients_of_verdict(record.body)
            )
        )
        if (near and named) or record.kind == messages.RULES:
            yield record


def _rows(records: Sequence[JournalRecord], question: Query, rules: Mapping[str, Sequence[str]]) -> list[PersonRow]:
    if all(record.kind == messages.RULES for record in records):
        return []
    from proxy.archive.columns import RowReader  # noqa: PLC0415 # protocol and rules: to load them takes as long as a whole question

    read = RowReader(rules)
    return [row for record in records for row in read.rows(record) if not question.to or row.number == question.to]
