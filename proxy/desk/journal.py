"""Journal: the write-ahead log. What is in it happened; what is not in it was never acknowledged.

In: (kind, body) of records, the wall clock as an argument. Out: their sequence numbers; later the same records in order, verified.
Never: what a body means (entries.py), a clock, an event loop.

    append()        gives a sequence number and buffers
    write(now)      one write of one commit group: what it holds survives the death of the process
    sync()          one fdatasync, in another thread: what was written before it began survives a power loss
    note_synced()   back on the loop: from now on ``synced`` says so

A write that fails leaves the file as it was and drops the group: its sequence numbers are given again, and whoever appended must
undo or append anew (``JournalDown.dropped`` holds what was in it). Errors:

    JournalError            JournalDown      the disk is full, read-only or does not sync: temporary, nothing was acknowledged unsafely
                            JournalDamaged   bytes that were safe once are not what was written: segment, offset, why

**Torn tail or damage.** Reading stops at the first byte that cannot be right, in the order of the groups. If any intact group or
segment header behind it claims that the missing sequence had been synced, or if the caller knows it was, that is damage and raises.
Otherwise nobody was ever answered for what stands there: it is the tail a power loss tore off, and is cut when the journal is
opened for writing. The last thing synced before an idle gate stops is covered by no later claim unless ``mark`` was called;
``close`` and the app's idle tick do.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from proxy.desk.disk import SUFFIX, Disk, MemoryDisk, OsDisk
from proxy.desk.segment import (
    HEADER_BYTES,
    Fault,
    Group,
    Header,
    Record,
    claimed,
    close_group,
    groups,
    pack_header,
    pack_record,
    unpack_header,
)

__all__ = [
    "Cut", "Disk", "Journal", "JournalDamaged", "JournalDown", "JournalError", "MemoryDisk", "OsDisk", "Record", "Report", "read", "verify",
]  # fmt: skip

SEGMENT_BYTES = 64 << 20
"""A segment is read whole, so this bounds memory when reading; an hour of quiet traffic fits."""
UNSYNCED_BYTES_MAX = 64 << 20
"""So much may wait for the medium; then writes are refused, for a disk that never syncs must not fill memory with answers."""
HOUR_MS = 3_600_000


class JournalError(Exception):
    """Something is wrong with the journal."""


class JournalDown(JournalError):
    """The journal cannot be written now. The file is as before; ``dropped`` are the (kind, body) that were not written."""

    def __init__(self, why: str, dropped: list[tuple[int, bytes]] | None = None) -> None:
        super().__init__(why)
        self.dropped = dropped or []


class JournalDamaged(JournalError):
    """Bytes that had been synced are not what was written: restore the file, or start with --accept-loss on a new journal."""

    def __init__(self, segment: str, offset: int, why: str) -> None:
        super().__init__(f"journal segment {segment} is damaged at offset {offset}: {why}")
        self.segment = segment
        self.offset = offset
        self.why = why


class Cut(NamedTuple):
    """A torn tail: ``segment`` ends at ``offset``, ``torn_bytes`` after it mean nothing, segments ``after`` it neither."""

    segment: str
    offset: int
    torn_bytes: int
    after: tuple[str, ...]
    why: str


class _Placed(NamedTuple):
    segment: str
    header: Header
    group: Group


class _Scan:
    """Walks groups over all segments from one sequence on, and remembers where it ended and why."""

    def __init__(self, disk: Disk, from_sequence: int | None = 0, synced: int = 0) -> None:
        """``from_sequence`` None: only as far back as is needed to find the end."""
        self.disk = disk
        self.names = disk.list()
        self.safe = synced  # what the caller knows to have been synced
        self.cut: Cut | None = None
        self.header: Header | None = None  # of the last good segment
        self.segment = ""
        self.end = 0  # offset behind the last good group of it
        self.last = 0
        self.chain = bytes(32)
        self.begin = from_sequence or 0  # 0: whatever is there
        self.at = self._start(self._unproved() if from_sequence is None else from_sequence)

    def _unproved(self) -> int:
        """The first sequence that the newest intact header does not claim as synced: before it nothing can be torn."""
        for name in reversed(self.names):
            try:
                return unpack_header(self.disk.read(name, HEADER_BYTES)).synced + 1
            except Fault:
                continue
        return 0

    def _start(self, from_sequence: int) -> int:
        """Index of the segment that holds ``from_sequence``: names are first sequences."""
        at = 0
        for index, name in enumerate(self.names):
            if name.removesuffix(SUFFIX).isdecimal() and int(name.removesuffix(SUFFIX)) <= from_sequence:
                at = index
        return at

    def __iter__(self) -> Iterator[_Placed]:
        for index in range(self.at, len(self.names)):
            name = self.names[index]
            data = self.disk.read(name)
            begun = HEADER_BYTES
            try:
                header = self._header(name, data)
                begun = 0
                self.header, self.segment, self.end = header, name, HEADER_BYTES
                self.chain, self.last = header.previous, header.first - 1
                for group in groups(data, header):
                    self.end, self.last, self.chain = group.end, group.last, group.digest
                    self.safe = max(self.safe, group.synced)
                    yield _Placed(name, header, group)
            except Fault as fault:
                self._stop(index, data, fault, torn_segment=bool(begun))
                return
        if self.safe > self.last:
            raise JournalDamaged(self.segment or "(none)", self.end, f"it ends at {self.last}, but {self.safe} had been synced")

    def _header(self, name: str, data: bytes) -> Header:
        header = unpack_header(data)
        if name != segment_name(header.first):
            raise Fault(24, f"the name does not fit its first sequence {header.first}")
        before = self.header
        if before is None and self.begin and header.first > self.begin:
            raise JournalDamaged(name, 0, f"the segments that held {self.begin} to {header.first - 1} are missing")
        if before is not None:
            if header.identity != before.identity:
                raise Fault(24, "the segment belongs to another journal")
            if header.first != self.last + 1:
                raise Fault(8, f"it begins at {header.first}, the segment before ends at {self.last}")
            if header.previous != self.chain:
                raise Fault(52, "the chain is broken between segments")
        self.safe = max(self.safe, header.synced)
        return header

    def _stop(self, index: int, data: bytes, fault: Fault, torn_segment: bool) -> None:
        """Decides whether what stands from the fault on is damage (raises) or a torn tail (``cut``)."""
        missing = self.last + 1
        proof = max(self.safe, claimed(data, 0 if torn_segment else self.end))
        for name in self.names[index + 1 :]:
            later = self.disk.read(name)
            proof = max(proof, claimed(later))
            try:
                proof = max(proof, unpack_header(later).synced)
            except Fault:
                continue
        if proof >= missing:
            raise JournalDamaged(self.names[index], fault.offset, f"{fault.why} ({missing} to {proof} had been synced)")
        after = tuple(self.names[index if torn_segment else index + 1 :])
        torn = 0 if torn_segment else len(data) - self.end
        self.cut = Cut(self.segment, self.end, torn, after, fault.why)


def segment_name(first: int) -> str:
    return f"{first:020d}{SUFFIX}"


def read(disk: Disk, from_sequence: int = 0, synced: int = 0) -> Iterator[Record]:
    """Records from ``from_sequence`` on, each from a group proved complete; ends before a torn tail, changes nothing.

    ``from_sequence`` 0: from wherever the journal begins. ``synced``: a sequence the caller knows to have been synced (from a
    checkpoint). Raises JournalDamaged, also when the segment that held ``from_sequence`` is missing.
    """
    for placed in _Scan(disk, from_sequence, synced):
        if placed.group.last < from_sequence:
            continue
        for record in placed.group.records:
            if record.sequence >= from_sequence:
                yield record


class Report(NamedTuple):
    """What ``verify`` found; ``damage`` is None when every byte up to the torn tail is what was written."""

    segments: int
    groups: int
    records: int
    first: int
    last: int
    chain: str  # hex digest of the last group
    cut: Cut | None
    damage: JournalDamaged | None


def verify(disk: Disk) -> Report:
    """Reads everything; a damaged journal is reported, not raised."""
    scan, count, records, first, damage = _Scan(disk), 0, 0, 0, None
    try:
        for placed in scan:
            first = first or placed.header.first
            count += 1
            records += len(placed.group.records)
    except JournalDamaged as found:
        damage = found
    return Report(len(scan.names), count, records, first, scan.last, scan.chain.hex(), scan.cut, damage)


class Journal:
    """The journal of one node, open for writing. Opening cuts a torn tail (see ``cut``) and syncs what is left."""

    def __init__(self, disk: Disk, node: int = 0, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Raises JournalDamaged, JournalDown (when the tail cannot be cut or synced)."""
        self.disk = disk
        self.node = node
        self.segment_bytes = segment_bytes
        scan = _Scan(disk, None)
        for _ in scan:
            pass
        self.cut = scan.cut
        """The torn tail that was cut at the start, or None."""
        self._segment = scan.segment
        self._size = scan.end
        self._hour = scan.header.created_ms // HOUR_MS if scan.header else 0
        self.chain = scan.chain
        self.written = scan.last
        self._claim = scan.safe
        self._buffer: list[bytes] = []
        self._kinds: list[tuple[int, bytes]] = []
        self._next = self.written
        self._unsynced: deque[tuple[int, str, int, bytes, float]] = deque()  # last sequence, segment, offset, bytes, when
        self._unsynced_bytes = 0
        self._suspect = False  # a sync failed: what it should have kept must be written again
        try:
            self._mend(scan)
            self.identity = self._identify(scan)
        except OSError as error:
            raise JournalDown(f"journal {disk}: {error.strerror or error}") from error
        self.synced = self.written

    def _mend(self, scan: _Scan) -> None:
        """Cuts the torn tail; then syncs, because a process that was killed may have written without syncing."""
        if self.cut is not None:
            for name in self.cut.after:
                self.disk.remove(name)
            if self._segment:
                self.disk.truncate(self._segment, self._size)
        for name in self.disk.list()[-3:]:  # more than UNSYNCED_BYTES_MAX in whole segments
            self.disk.sync(name)

    def _identify(self, scan: _Scan) -> bytes:
        identity = scan.header.identity.hex() if scan.header else self.disk.identity() or os.urandom(16).hex()
        if self.disk.identity() != identity:
            self.disk.identify(identity)
        return bytes.fromhex(identity)

    # -- the hot path

    def append(self, kind: int, body: bytes) -> int:
        """Buffers one record for the next ``write``; returns its sequence."""
        self._next = sequence = self._next + 1
        self._buffer.append(pack_record(sequence, kind, body))
        self._kinds.append((kind, body))
        return sequence

    def write(self, now: float) -> None:
        """Writes what was appended as one commit group; raises JournalDown and drops it where that is not possible."""
        if self._buffer:
            self._write(now)

    def mark(self, now: float) -> None:
        """Writes an empty group when there is something new to claim as synced: after it, damage to that cannot pass as torn."""
        if self.synced > self._claim and not self._buffer:
            self._write(now)

    def _write(self, now: float) -> None:
        time_ms = int(now * 1000)
        last, count = self._next, len(self._buffer)
        try:
            if self._unsynced_bytes > UNSYNCED_BYTES_MAX:
                raise OSError(0, "the disk does not sync")
            if not self._segment or self._full(time_ms):
                self._roll(time_ms)
            records = b"".join(self._buffer)
            closing, chain = close_group(self.chain, records, last, count, self.synced, time_ms)
            data = records + closing
            self.disk.append(self._segment, self._size, data)
        except OSError as error:
            dropped = self._kinds
            self._buffer, self._kinds, self._next = [], [], self.written
            raise JournalDown(f"journal {self.disk}: {error.strerror or error}", dropped) from error
        self._kept(last, self._size, data, now)
        self._size += len(data)
        self.chain, self.written, self._claim = chain, last, self.synced
        self._buffer.clear()
        self._kinds.clear()

    def _full(self, time_ms: int) -> bool:
        aged = time_ms // HOUR_MS > self._hour and self._size > HEADER_BYTES
        return aged or self._size >= self.segment_bytes

    def _kept(self, last: int, offset: int, data: bytes, now: float) -> None:
        self._unsynced.append((last, self._segment, offset, data, now))
        self._unsynced_bytes += len(data)

    def _roll(self, time_ms: int) -> None:
        """Begins a new segment. The old one may still have unsynced groups: they stay in ``_unsynced`` with its name."""
        header = Header(self.node, self.written + 1, self.synced, time_ms, self.identity, self.chain)
        name, data = segment_name(self.written + 1), pack_header(header)
        self.disk.append(name, 0, data)
        self._segment, self._size, self._hour = name, len(data), time_ms // HOUR_MS
        self._kept(self.written + 1, 0, data, time_ms / 1000)

    # -- durability

    def sync_wanted(self) -> bool:
        return self.written > self.synced

    def sync(self) -> int:
        """Blocks until all that was written before the call is on the medium; returns the last sequence of it.

        Made for another thread: it reads what the loop appends to, and alters nothing but the flag that a sync has failed.
        """
        sequence = self.written
        waiting = list(self._unsynced)
        try:
            if self._suspect:
                for _, name, offset, data, _ in waiting:
                    self.disk.rewrite(name, offset, data)
            for name in dict.fromkeys(item[1] for item in waiting):
                self.disk.sync(name)
        except OSError as error:
            self._suspect = True
            raise JournalDown(f"journal {self.disk}: sync: {error.strerror or error}") from error
        self._suspect = False
        return sequence

    def note_synced(self, sequence: int) -> None:
        """On the loop, with what ``sync`` returned."""
        if sequence <= self.synced:
            return
        self.synced = sequence
        unsynced = self._unsynced
        while unsynced and unsynced[0][0] <= sequence:
            _, name, _, data, _ = unsynced.popleft()
            self._unsynced_bytes -= len(data)
            if name != self._segment and (not unsynced or unsynced[0][1] != name):
                self.disk.release(name)

    def lag(self, now: float) -> float:
        """Seconds since the oldest write that is not on the medium yet; 0 if there is none."""
        return max(0.0, now - self._unsynced[0][4]) if self._unsynced else 0.0

    def close(self, now: float | None = None) -> None:
        """Writes and syncs what is left (with ``now``: also the claim that it is synced), then lets go of the files."""
        try:
            if now is not None:
                self.write(now)
            self.note_synced(self.sync())
            if now is not None:
                self.mark(now)
                self.sync()
        finally:
            self.disk.close()
