"""Reads a growing journal as far as it is synced.

In: a journal's disk, the last record that is not needed. Out: commit groups in order, each once and only when the journal claims that it is
synced: a power loss cannot take back what was handed out. Never: a byte changed, more than a piece of a segment in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from proxy.journal.disk import Disk
from proxy.journal.scan import JournalDamaged, as_journal_error, segment_name
from proxy.journal.segment import HEADER_BYTES, CommitGroup, SegmentFault, SegmentHeader, groups, unpack_header

PIECE_BYTES = 256 * 1024


class _OpenSegment(NamedTuple):
    name: str
    head: bytes
    header: SegmentHeader


class JournalTail:
    def __init__(self, disk: Disk, behind: int | None) -> None:
        """``behind``: the last record that is not needed; None: it begins with whatever is there."""
        self.behind = behind or 0
        self.skipped = 0  # records that were neither handed out nor can be any more: removed, or skipped as too old
        self.read_to = 0  # the last record that was read, whether or not it is synced
        self._counts = behind is not None
        self._disk = disk
        self._segment: _OpenSegment | None = None
        self._at, self._chain, self._safe = 0, b"", 0
        self._unsynced = deque[CommitGroup]()

    def read(self) -> Iterator[CommitGroup]:
        """The groups that were synced since the last call. Raises JournalError, OSError."""
        names = self._disk.list()
        while self._segment is not None or self._open(names):
            yield from self._piece()
            following = self._following(names)
            if following is None:
                return
            if following:
                self._begin(following)

    def skip_before(self, time: float) -> int:
        """Skips segments that were ended before this time (seconds since 1970); returns how many records. JournalError, OSError."""
        before = self.skipped
        for name in self._disk.list()[1:]:
            if self._first(name) > self.behind + 1:
                if _header(self._disk, name)[1].created_ms / 1000 >= time:
                    break
                self._skip_to(self._first(name))
        return self.skipped - before

    def _skip_to(self, first: int) -> None:
        if self._counts:
            self.skipped += first - 1 - self.behind
        self.behind, self._segment = first - 1, None
        self._unsynced.clear()

    @staticmethod
    def _first(name: str) -> int:
        return int(name.partition(".")[0])

    def _open(self, names: list[str]) -> bool:
        """Begins with the segment that holds the next record."""
        if not names:
            return False
        if self._first(names[0]) > self.behind + 1:
            self._skip_to(self._first(names[0]))
        self._counts = True
        self._begin(max(name for name in names if name <= segment_name(self.behind + 1)))
        return True

    def _begin(self, name: str) -> None:
        head, header = _header(self._disk, name)
        if self._segment is not None and (header.first != self.read_to + 1 or header.previous != self._chain):
            raise JournalDamaged(name, 0, f"it does not continue the segment {self._segment.name}")
        self._segment = _OpenSegment(name, head, header)
        self._at, self._chain, self.read_to = HEADER_BYTES, header.previous, header.first - 1
        self._safe = max(self._safe, header.synced)

    def _piece(self) -> Iterator[CommitGroup]:
        """Reads to the end of what the segment holds."""
        assert self._segment is not None
        (name, head, header), size = self._segment, PIECE_BYTES
        while True:
            data, base = self._disk.read(name, size, self._at), self._at - HEADER_BYTES
            try:
                for group in groups(
                    head + data, header._replace(first=self.read_to + 1, previous=self._chain), self._disk.ring
                ):
                    self._at, self._chain, self.read_to = group.end + base, group.digest, group.last
                    self._safe = max(self._safe, group.synced)
                    if group.last > self.behind and group.records:
                        self._unsynced.append(group)
            except SegmentFault as fault:
                if (error := as_journal_error(name, fault, self._disk.ring)) is not None:
                    raise error from None
            while self._unsynced and self._unsynced[0].last <= self._safe:
                self.behind = self._unsynced[0].last
                yield self._unsynced.popleft()
            if len(data) < size:
                return
            size = size * 2 if self._at == base + HEADER_BYTES else PIECE_BYTES  # a group may be larger than a piece

    def _following(self, names: list[str]) -> str | None:
        """The segment after the one that was read to its end; None: there is none yet. JournalDamaged: this one does not end well."""
        assert self._segment is not None
        name = self._segment.name
        following = next((one for one in names if one > name), None)
        if following is None:
            return None
        if following != segment_name(self.read_to + 1):
            raise JournalDamaged(name, self._at, f"it ends with record {self.read_to}, and {following} follows")
        return following


def _header(disk: Disk, name: str) -> tuple[bytes, SegmentHeader]:
    head = disk.read(name, HEADER_BYTES)
    try:
        return head, unpack_header(head)
    except SegmentFault as fault:
        raise as_journal_error(name, fault, disk.ring) or JournalDamaged(name, fault.offset, fault.why) from None
