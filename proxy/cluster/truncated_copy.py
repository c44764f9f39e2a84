"""Detects a journal copy that missed segments the gate has removed.

In: the folders of the journal and of its copy. Out: what is missing between them, and what the journal says of it. Never: changes a byte of the
journal.

The copy ends in a segment that no longer exists; the journal begins behind it. The gap is in order where REMOVED records (kind 36) account
for it: then the copy continues behind the hole. Its state must be taken anew, for no start replays over a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from proxy.journal import retention
from proxy.journal.disk import SUFFIX, OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.erasure import Erasure
from proxy.journal.records import messages
from proxy.journal.retention import Removed
from proxy.journal.scan import Hole, JournalSealed, Scan, ScanReport, verify
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES, JournalRecord, SegmentFault, groups, unpack_header
from proxy.policy import time_windows


class TruncatedCopy(NamedTuple):
    hole: Hole
    segment: Path  # the copy's, which is not whole and never will be
    offset: int  # where its last whole group ends; 0 where it has none

    def cut(self) -> None:
        """Takes off what was copied of a group that was being written then."""
        if not self.offset:
            self.segment.unlink()
            return
        with self.segment.open("r+b") as file:
            file.truncate(self.offset)


def overtaken(journal: Path, copy: Path) -> TruncatedCopy | None:
    """How far the journal has gone from its copy; None where it has not. FileNotFoundError where a segment goes just now."""
    ours, copied = segments(journal), segments(copy)
    left = [name for name in copied if ours and name < ours[0]]
    if not left:
        return None
    with (journal / ours[0]).open("rb") as file:
        header = unpack_header(file.read(HEADER_BYTES))
    last, offset = segment_end(copy / left[-1])
    if last >= header.first - 1:
        return None
    return TruncatedCopy(Hole(last + 1, header.first - 1, header.previous.hex()), copy / left[-1], offset)


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(SUFFIX))


def segment_end(segment: Path) -> tuple[int, int]:
    """The last record of a segment, and where its group ends."""
    data = segment.read_bytes()
    last, offset = int(segment.name.removesuffix(SUFFIX)) - 1, 0
    with suppress(SegmentFault):
        header = unpack_header(data)
        offset = HEADER_BYTES
        for group in groups(data, header):
            last, offset = group.last, group.end
    return last, offset


NO_KEY = "; what is sealed may say so, but its key is not at hand"


def proved(
    journal: Path, ring: KeyRing, seen: Callable[[JournalRecord], None] = lambda record: None
) -> tuple[ScanReport, list[Removed]]:
    """A journal, or a copy of one, read over its holes; and the removals that it tells of, where ``ring`` opens what is sealed: else its chain
    is proved alone. ``seen`` is called with each record that is opened. FileNotFoundError as ``overtaken``."""
    removed: list[Removed] = []

    def look(record: JournalRecord) -> None:
        seen(record)
        if record.kind == messages.REMOVED:
            removed.append(unpack(retention.Removed, record.body))

    if ring:
        with suppress(JournalSealed):
            return verify(OsDisk(journal, ring), look, over_holes=True), removed
    removed.clear()
    return verify(OsDisk(journal), look, over_holes=True, closed=True), removed


def erasures(journal: Path, ring: KeyRing) -> list[Erasure]:
    """What the journal says of its redactions. JournalError."""
    return [unpack(Erasure, one.body) for one in Walk(journal, ring) if one.kind == messages.ERASURE]


class Walk:
    """Records of a journal or a copy, over its holes: once all were read it says whether those are in order. Raises JournalDamaged,
    JournalSealed, FileNotFoundError."""

    def __init__(self, journal: Path, ring: KeyRing) -> None:
        self._scan = Scan(OsDisk(journal, ring), over_holes=True)
        self._removed: list[Removed] = []

    def __iter__(self) -> Iterator[JournalRecord]:
        for placed in self._scan:
            for record in placed.group.records:
                if record.kind == messages.REMOVED:
                    self._removed.append(unpack(retention.Removed, record.body))
                yield record

    @property
    def unexplained(self) -> str:
        return unexplained(self._scan.holes, self._removed)

    @property
    def holes(self) -> list[Hole]:
        return self._scan.holes


def unexplained(holes: Iterable[Hole], removed: Iterable[Removed]) -> str:
    """The first hole that no REMOVED record explains; empty if none exists."""
    known = list(removed)
    return next(filter(None, (retention.unexplained_hole(hole, known) for hole in holes)), "")


def told(hole: Hole, removed: Iterable[Removed]) -> dict[str, Any]:
    """A hole for a manifest, and for people."""
    why = "; ".join(f"{time_windows.local(one.time)}: {one.who} ({one.why})" for one in retention.removals_in(hole, removed))
    return {"first": hole.first, "last": hole.last, "removed": why}
