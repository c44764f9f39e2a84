"""Reads the journal one commit group at a time.

The gate decided and wrote all records of a group together.

In: segments. Out: groups in order. Never: the meaning of a record. Another form of the journal must keep the borders of groups: within a group
changes took effect before messages, though they are written after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from proxy.journal.disk import Disk
from proxy.journal.scan import Scan, segment_name
from proxy.journal.segment import HEADER_BYTES, JournalRecord, SegmentFault, unpack_header

JUMP_S = 12 * 3600.0
"""A clock that is wrong is most often so by the hours of a time zone: the segments of as many hours are read behind an end."""


class GateTurn(NamedTuple):
    time: float  # when it was written, to the millisecond
    records: Sequence[JournalRecord]


def nobody_waits(share: float) -> None:
    """Nobody looks at how far it is."""


def begins_whole(disk: Disk) -> bool:
    """Whether a journal has its first record still: nothing of it was removed."""
    names = disk.list()
    return bool(names) and names[0].split(".")[0].lstrip("0") == "1"


def turns_of(disk: Disk, tell: Callable[[float], None] = nobody_waits, first: int = 0) -> Iterator[GateTurn]:
    """All of a journal, or from the segment that begins with the record ``first``. ``tell``: hears now and then which share of it (0 to 1)
    has been read. Raises JournalDamaged, OSError."""
    scan = Scan(disk, first)
    for at, segment in _placed(scan):
        tell(at)
        yield from segment


def turns_up_to(disk: Disk, sequence: int) -> Iterator[GateTurn]:
    """Those of the segment that holds a record, up to it; all of the oldest where that has gone. Raises as ``turns_of``."""
    held = [name for name in disk.list() if name <= segment_name(sequence)]
    for placed in Scan(disk, sequence + 1 if held else 0):
        if placed.group.records:
            yield GateTurn(placed.group.time_ms / 1000, placed.group.records)
            if placed.group.last >= sequence:
                return


def octets_before(disk: Disk, moment: float) -> int:
    """How much of a journal lies before the segment that holds a moment."""
    first = _segment_of(disk, moment)
    return sum(disk.size(name) for name in disk.list() if name < segment_name(first)) if first else 0


def turns_since(disk: Disk, moment: float, tell: Callable[[float], None] = nobody_waits) -> Iterator[GateTurn]:
    """Turns from a moment on, without reading the segments before."""
    for turn in turns_of(disk, tell, _segment_of(disk, moment)):
        if turn.time >= moment:
            yield turn


def turns_between(disk: Disk, since: float, until: float) -> Iterator[GateTurn]:
    """Turns from a moment on, as far as one from before ``until`` may stand. Clocks are put back: a turn from behind it does not end that, nor
    does the first segment that was begun behind it, whose later turns may be from before. Raises as ``turns_of``."""
    scan, last = Scan(disk, _segment_of(disk, since)), _last_of(disk, until + JUMP_S)
    for placed in scan:
        if placed.segment > last:
            return
        turn = GateTurn(placed.group.time_ms / 1000, placed.group.records)
        if turn.records and turn.time >= since:
            yield turn


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
    """The first record of the segment that holds a moment, of the oldest where that is gone; 0 where there is none."""
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


def _placed(scan: Scan) -> Iterator[tuple[float, list[GateTurn]]]:
    """Turns by segment, so that whoever is told of progress is not told of each turn."""
    held: list[GateTurn] = []
    name, number, whole = "", 0, max(1, len(scan.names) - scan.at)
    for placed in scan:
        if placed.segment != name:
            yield number / whole, held
            held, name, number = [], placed.segment, number + bool(name)
        if placed.group.records:
            held.append(GateTurn(placed.group.time_ms / 1000, placed.group.records))
    yield 1.0, held
