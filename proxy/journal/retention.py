"""Plans which old segments to remove; records each removal (kind 36).

In: a disk, the time, how long records are kept, where a restart begins to read. Out: a ``RetentionPlan``; REMOVED bodies and back; removed
segments, the oldest first; gaps without a REMOVED record. Never: a clock; a gap in the middle (the chain over what stays must hold, so a
segment that must stay keeps all later ones); a segment that a restart reads, or that the newest header proves to be synced.

    plan → append a Removed → sync → remove()

After a kill in between, the record exists and so do some segments: the next plan has them again. A segment's hourly tables (Parquet) must
be on disk before ``plan`` may remove it: ``open_from`` says from where on segments are still needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

from proxy.config import Hold, Retention
from proxy.journal.disk import Disk
from proxy.journal.encoding import U32, U64, Ms, Text, octets, record
from proxy.journal.records.messages import REMOVED
from proxy.journal.scan import Hole, Scan
from proxy.journal.segment import HEADER_BYTES, SegmentFault, SegmentHeader, unpack_header

DAY_S = 86_400
NEWEST_STAY = 2
"""However old they are: an idle gate's last records, and the segment that proves them."""


class ClosedSegment(NamedTuple):
    name: str
    first: int
    last: int  # sequences
    since: float
    until: float  # when it was begun, and the one after it
    octets: int
    digest: bytes  # of its last group, as the header after it says


class RetentionPlan(NamedTuple):
    """What may go now, and how it is with the rest."""

    removed: tuple[ClosedSegment, ...]
    stays_for: str  # why the first that stays does
    segments: int
    octets: int  # of all that lie there, those that go included
    since: float  # when the oldest segment was begun; 0 if there is no segment


@record(REMOVED)
class Removed(NamedTuple):
    """Segments went: their records, how long they had been written, and the digest the rest follows."""

    time: Ms
    segments: U32
    first: U64
    last: U64
    octets: U64
    since: Ms
    until: Ms
    digest: Annotated[bytes, octets(32)]
    who: Text
    why: Text

    @classmethod
    def of(cls, now: float, goes: Sequence[ClosedSegment], who: str, why: str) -> Removed:
        first, last = goes[0], goes[-1]
        octets = sum(segment.octets for segment in goes)
        return cls(now, len(goes), first.first, last.last, octets, first.since, last.until, last.digest, who, why)


def plan(
    disk: Disk, keep: Retention, least_s: float, now: float, open_from: int, most: int, end: tuple[str, int] | None = None,
    unsent: tuple[int, float] | None = None,
) -> RetentionPlan:  # fmt: skip
    """Reads headers only. ``least_s``: how far rules look back, which is kept whatever ``keep`` says. ``open_from``: from the last
    checkpoint, 0 without one. ``most``: segments removed at once. ``end``: segment and offset where written data ends; preallocated space
    and later data are not counted (None: the journal has no writer). ``unsent``: the last record that the event stream has sent, and for how
    many seconds later ones are kept for it."""
    names = disk.list()
    sizes = [disk.size(name) for name in names]
    if end is not None:
        sizes = [end[1] if name == end[0] else size if name < end[0] else 0 for name, size in zip(names, sizes, strict=True)]
    kept_s = max(keep.days * DAY_S, least_s)
    needed = min(Scan(disk, open_from).at, Scan(disk, None).at, max(0, len(names) - NEWEST_STAY)) if open_from > 0 else 0
    goes: list[ClosedSegment] = []
    stays_for = "a restart needs it"
    try:
        header = _header(disk, names[0]) if names else None
        since = header.created_ms / 1000 if header else 0.0
        for name, size, after in zip(names[:needed], sizes, names[1:], strict=False):
            following = _header(disk, after)
            assert header is not None
            segment = ClosedSegment(
                name, header.first, following.first - 1, header.created_ms / 1000, following.created_ms / 1000, size, following.previous
            )  # fmt: skip
            why = _stays(segment, keep.holds, now - kept_s, f"it is younger than {kept_s / DAY_S:g} days")
            if not why and unsent is not None and segment.last > unsent[0] and segment.until > now - unsent[1]:
                why = "the event stream has not sent it yet"
            why = why or (f"{most} segments go at once" if len(goes) >= most else "")
            if why:
                stays_for = why
                break
            goes.append(segment)
            header = following
    except SegmentFault as fault:
        stays_for, since = f"its header is damaged ({fault}): gate106 journal verify", 0.0
    return RetentionPlan(tuple(goes), stays_for, len(names), sum(sizes), since)


def _header(disk: Disk, name: str) -> SegmentHeader:
    return unpack_header(disk.read(name, HEADER_BYTES))


def _stays(segment: ClosedSegment, holds: Sequence[Hold], before: float, young: str) -> str:
    """Why the segment must stay; empty when it may go."""
    if segment.until > before:
        return young
    for hold in holds:
        if segment.since < hold.end and segment.until > hold.begin:
            return f"it is held: {hold.why}"
    return ""


def remove(disk: Disk, goes: Iterable[ClosedSegment]) -> None:
    """Takes them off the disk, the oldest first, each durably. The record that says so is synced. May run in another thread."""
    for segment in goes:
        with contextlib.suppress(FileNotFoundError):  # it was moved away meanwhile
            disk.remove(segment.name)


def unexplained_start(first: int, previous: bytes, removed: Iterable[Removed]) -> str:
    """What is wrong with a journal that begins at ``first`` after a group of digest ``previous``; empty if it begins at record 1, or if
    REMOVED records account for the records before it (all of them, or as far as an interrupted removal came)."""
    before = first - 1
    if before <= 0:
        return ""
    for one in removed:
        if one.last == before and one.digest == previous:
            return ""
        if one.first <= before < one.last:
            return ""
    return f"records 1 to {before} are not here, and none of the others says that they were removed"


def unexplained_hole(hole: Hole, removed: Iterable[Removed]) -> str:
    """What is wrong with a hole in a copy; empty if REMOVED records account for all missing records, and the last of them names the digest
    that the rest follows (unless that removal was interrupted)."""
    at = hole.first
    for one in sorted(removed, key=lambda one: one.first):
        if one.first <= at <= one.last and (one.last != hole.last or one.digest.hex() == hole.previous):
            at = one.last + 1
    if at > hole.last:
        return ""
    return f"records {at} to {hole.last} are not here, and none of the others says that they were removed"


def removals_in(hole: Hole, removed: Iterable[Removed]) -> list[Removed]:
    """The removals that overlap a hole."""
    return [one for one in removed if one.first <= hole.last and one.last >= hole.first]
