"""Reads one or several journals, one commit group at a time.

The gate decided and wrote all records of a group together.

In: segments. Out: groups in order. Never: the meaning of a record. Another form of the journal must keep the borders of groups: within a group
changes took effect before messages, though they are written after them.

Journals of several gates on one store are merged by time. The order within one journal stays, though its clock was set back. A fact replicated
from a gate whose journal is read counts from that journal, at the time it was written there. A fact from any other gate counts when the first
of these gates heard it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from proxy.journal.disk import Disk
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.scan import Scan, segment_name
from proxy.journal.segment import HEADER_BYTES, JournalRecord, SegmentFault, unpack_header
from proxy.relay.effects.list_import import ListImports
from proxy.state.stores.sqlite import SqliteStore

JUMP_S = 12 * 3600.0
"""A clock that is wrong is most often so by the hours of a time zone: the segments of as many hours are read behind an end."""


class JournalGroup(NamedTuple):
    """The records of one commit group."""

    time: float  # when it was written, to the millisecond
    records: Sequence[JournalRecord]


def no_progress(share: float) -> None:
    """Reports no progress."""


def is_complete(disk: Disk) -> bool:
    """Whether a journal still has its first record: nothing of it was removed."""
    names = disk.list()
    return bool(names) and names[0].split(".")[0].lstrip("0") == "1"


def groups_of(disk: Disk, progress: Callable[[float], None] = no_progress, first: int = 0) -> Iterator[JournalGroup]:
    """All groups of a journal, or from the segment on that begins with record ``first``. ``progress``: is called now and then with the share (0
    to 1) that has been read. Raises JournalDamaged, OSError."""
    scan = Scan(disk, first)
    name, done, whole = "", 0, max(1, len(scan.names) - scan.at)
    for placed in scan:
        if placed.segment != name:
            progress(done / whole)
            name, done = placed.segment, done + 1
        if placed.group.records:
            yield JournalGroup(placed.group.time_ms / 1000, placed.group.records)
    progress(1.0)


def groups_up_to(disk: Disk, sequence: int) -> Iterator[JournalGroup]:
    """The groups of the segment that holds a record, up to it; of the oldest segment if that one is gone. Raises as ``groups_of``."""
    held = [name for name in disk.list() if name <= segment_name(sequence)]
    for placed in Scan(disk, sequence + 1 if held else 0):
        if placed.group.records:
            yield JournalGroup(placed.group.time_ms / 1000, placed.group.records)
            if placed.group.last >= sequence:
                return


def bytes_before(disk: Disk, moment: float) -> int:
    """Bytes of a journal before the segment that holds a moment."""
    first = _segment_of(disk, moment)
    return sum(disk.size(name) for name in disk.list() if name < segment_name(first)) if first else 0


def groups_since(disk: Disk, moment: float, progress: Callable[[float], None] = no_progress) -> Iterator[JournalGroup]:
    """Groups from a moment on, without reading the segments before."""
    for group in groups_of(disk, progress, _segment_of(disk, moment)):
        if group.time >= moment:
            yield group


def groups_between(disk: Disk, since: float, until: float) -> Iterator[JournalGroup]:
    """Groups from ``since`` on, as far as groups from before ``until`` may stand. A clock may be put back: neither a later group ends the
    reading, nor the first segment that was begun later, which may hold earlier groups. Raises as ``groups_of``."""
    scan, last = Scan(disk, _segment_of(disk, since)), _last_of(disk, until + JUMP_S)
    for placed in scan:
        if placed.segment > last:
            return
        group = JournalGroup(placed.group.time_ms / 1000, placed.group.records)
        if group.records and group.time >= since:
            yield group


def segments_between(disk: Disk, since: float, until: float) -> list[tuple[str, int]]:
    """The segments that ``groups_between`` reads, with their sizes."""
    first, last = segment_name(_segment_of(disk, since)), _last_of(disk, until + JUMP_S)
    return [(name, disk.size(name)) for name in disk.list() if first <= name <= last]


def _last_of(disk: Disk, moment: float) -> str:
    """The name of the segment behind the last that was begun before a moment; of the last there is, where none is behind."""
    names = disk.list()
    for place in reversed(range(len(names))):
        try:
            begun = unpack_header(disk.read(names[place], HEADER_BYTES)).created_ms / 1000
        except SegmentFault:
            continue  # who reads so far says what it is
        if begun < moment:
            return names[min(place + 1, len(names) - 1)]
    return names[0] if names else ""


def _segment_of(disk: Disk, moment: float) -> int:
    """The first record of the segment that holds a moment, or of the oldest segment; 0 if the journal is empty."""
    first = 0
    for name in disk.list():
        try:
            header = unpack_header(disk.read(name, HEADER_BYTES))
        except SegmentFault:
            break
        if first and header.created_ms / 1000 > moment:
            break
        first = header.first
    return first


OwnedGroup = tuple[int, JournalGroup]
"""(place of its journal among those that are read, group)."""


def merge_by_time(journals: Sequence[Iterator[JournalGroup]]) -> Iterator[OwnedGroup]:
    if len(journals) == 1:
        return ((0, group) for group in journals[0])
    timed = (_timed(number, journal) for number, journal in enumerate(journals))
    return ((number, group) for _, number, group in heapq.merge(*timed, key=itemgetter(0)))


def _timed(number: int, journal: Iterator[JournalGroup]) -> Iterator[tuple[float, int, JournalGroup]]:
    reached = 0.0
    for group in journal:
        reached = max(reached, group.time)
        yield reached, number, group


class ForeignFacts:
    """Facts replicated from gates whose journals are not read."""

    def __init__(self, store: SqliteStore, read: Collection[int]) -> None:
        """``read``: the nodes whose journals are."""
        self.listings = ListImports(store.listed)
        self._read = frozenset(read)
        self._reached = (0, 0)

    def is_new(self, replicated: ReplicatedRecord) -> bool:
        """Whether it is the first time; all gates hear the same, in the order of the log."""
        if replicated.node in self._read or replicated.place <= self._reached:
            return False
        self._reached = replicated.place
        return True
