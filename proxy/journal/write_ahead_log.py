"""Appends, writes and syncs journal records in commit groups.

In: (kind, body) of records, the wall clock as an argument. Out: their sequence numbers; later the same records in order, verified.
Never: what a body means (journal/records/), a clock, an event loop.

What is in the journal happened; what is not in it was never acknowledged.

    append()        gives a sequence number and buffers
    write(now)      one write of one commit group: its records survive the death of the process
    sync()          one fdatasync, in another thread: what was written before it began survives a power loss
    note_synced()   back on the loop: from now on ``durable`` says so, and ``synced``, unless a follower must have it first

A write that fails leaves the file as it was and drops the group. Its sequence numbers are given again, and the caller must undo or append
anew (``JournalDown.dropped`` holds the records). Errors:

    JournalError            JournalDown      the disk is full, read-only or does not sync: temporary, nothing was acknowledged unsafely
                            JournalDamaged   synced bytes are not what was written: segment, offset, why
                            JournalNewer     … or were written by a later gate, in a format or kind that this one does not know
                            JournalSealed    … or are sealed with a key that is not available

For torn tails and damage see scan.py.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable

from proxy.journal.disk import Disk, OsDisk
from proxy.journal.scan import (
    JournalDamaged,
    JournalError,
    JournalNewer,
    JournalSealed,
    Scan,
    ScanReport,
    TornTail,
    read,
    segment_name,
    verify,
)
from proxy.journal.segment import (
    HEADER_BYTES,
    PLAIN,
    UNDER_SEAL,
    JournalRecord,
    SegmentHeader,
    close_group,
    pack_header,
    pack_record,
    seal_group,
    split_records,
)
from proxy.native.journal_buffer import RecordBuffer

__all__ = [
    "TornTail", "Disk", "Journal", "JournalDamaged", "JournalDown", "JournalError", "JournalNewer", "JournalSealed", "OsDisk",
    "JournalRecord", "ScanReport", "read", "verify",
]  # fmt: skip

SEGMENT_BYTES = 64 << 20
"""A segment is read whole, so this bounds memory when reading; an hour of quiet traffic fits."""
UNSYNCED_BYTES_MAX = 64 << 20
"""Bytes that may wait for a sync; beyond it writes are refused, so that a disk that never syncs does not fill memory with answers."""
HOUR_MS = 3_600_000


class JournalDown(JournalError):
    """The journal cannot be written now. The file is as before; ``dropped`` are the (kind, body) that were not written."""

    def __init__(self, why: str, dropped: list[tuple[int, bytes]] | None = None) -> None:
        super().__init__(why)
        self.dropped = dropped or []


class Journal:
    """The journal of one node, open for writing. Opening it cuts a torn tail (see ``cut``) and syncs the rest."""

    def __init__(self, disk: Disk, node: int = 0, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Raises JournalDamaged, JournalSealed, JournalDown (when the tail cannot be cut or synced)."""
        self.disk = disk
        self.node = node
        self.segment_bytes = segment_bytes
        scan = Scan(disk, None)
        for _ in scan:
            pass
        self.cut = scan.cut
        """The torn tail that was cut at the start, or None."""
        self._segment = scan.segment
        self._size = scan.end
        self.written_bytes = 0
        """Bytes written since it was opened: how fast the disk fills."""
        self._hour = scan.header.created_ms // HOUR_MS if scan.header else 0
        self._first = scan.header.first if scan.header else 0  # of the segment
        self.chain = scan.chain
        self.written = scan.last
        self._claim = scan.safe
        self._buffer = RecordBuffer()  # the records of the next group
        self._next = self.written
        self._unsynced: deque[tuple[int, str, int, bytes, float]] = deque()  # last sequence, segment, offset, bytes, when
        self._unsynced_bytes = 0
        self._sync_has_failed = False  # a sync failed: what it should have kept must be written again
        self._outdated = scan.header is not None and scan.header.form != self._form
        """Whether the segment has another format than new ones: the next record begins a new segment."""
        try:
            self._repair_tail(scan)
            if self._outdated and self.written < self._first:
                self._drop_empty_segment(scan)
            self.identity = self._identify(scan)
        except OSError as error:
            raise JournalDown(f"journal {disk}: {error.strerror or error}") from error
        self._sealer = disk.ring.sealer(self.identity)
        self.durable = self.written
        """The last record that survives a power loss of this machine."""
        self.synced = self.written
        """The last record that answers may rely on: ``durable``, unless a follower must have it, too."""
        self.on_durable: Callable[[int, str, int], None] | None = None
        """Gets ``durable`` and where its octets end; then it is who sets ``synced`` (cluster/follower_link.py)."""
        self.held = ""
        """Why nothing may be written now; empty when it may."""

    @property
    def end(self) -> tuple[str, int]:
        """The end of written data: segment and offset; empty and 0 before the first record."""
        return self._segment, self._size

    @property
    def _form(self) -> int:
        return UNDER_SEAL if self.disk.ring else PLAIN

    def _drop_empty_segment(self, scan: Scan) -> None:
        """Removes a segment without records, whose name the next one would have; the new header claims the earlier records as synced
        again."""
        assert scan.header is not None
        self.disk.remove(self._segment)
        self.chain, self._segment, self._claim = scan.header.previous, "", 0

    def _repair_tail(self, scan: Scan) -> None:
        """Cuts the torn tail; then writes again and syncs what nothing claims as synced: a process that was killed may have written without
        syncing, and after a sync that failed the system holds as clean what never reached the medium."""
        if self.cut is not None:
            for name in self.cut.after:
                self.disk.remove(name)
            if self._segment:
                self.disk.truncate(self._segment, self._size)
        left = set(self.disk.list())
        for name in scan.names[scan.at :]:  # what no header claims as synced
            if name in left:
                self.disk.rewrite(name, 0, self.disk.read(name))
                self.disk.sync(name)
                if name != self._segment:
                    self.disk.release(name)

    def _identify(self, scan: Scan) -> bytes:
        identity = scan.header.identity.hex() if scan.header else self.disk.identity() or os.urandom(16).hex()
        if self.disk.identity() != identity:
            self.disk.identify(identity)
        return bytes.fromhex(identity)

    # -- the hot path

    def append(self, kind: int, body: bytes) -> int:
        """Buffers one record for the next ``write``; returns its sequence."""
        self._next = sequence = self._next + 1
        self._buffer.add(pack_record(sequence, kind, body))
        return sequence

    def extend(self, kind: int, bodies: Iterable[list[bytes]]) -> int:
        """``append`` for many bodies, each a list of pieces whose first is empty; returns the sequence of the first, the others follow."""
        first = self._next + 1
        self._next += self._buffer.extend(first, kind, bodies)
        return first

    def write(self, now: float) -> None:
        """Writes the appended records as one commit group; if that fails, drops them and raises JournalDown."""
        if self._buffer:
            self._write(now)

    def mark(self, now: float) -> None:
        """Writes an empty group when there is something new to claim as synced: after it, damage to that cannot pass as torn."""
        if self.durable > self._claim and not self._buffer and not self.held:
            self._write(now)

    def _write(self, now: float) -> None:
        time_ms = int(now * 1000)
        last, count = self._next, self._next - self.written
        buffer, size, records, data = self._buffer, len(self._buffer), b"", b""
        try:
            if self.held:
                raise OSError(0, self.held)
            if self._unsynced_bytes > UNSYNCED_BYTES_MAX:
                raise OSError(0, "the disk does not sync")
            if not self._segment or self._full(time_ms):
                self._roll(time_ms)
            if self._sealer is not None and buffer:
                records = buffer.taken()
                buffer.add(seal_group(self._sealer, self.chain, records, last, count, self.durable, time_ms))
            closing, chain = close_group(self.chain, buffer.view(), last, count, self.durable, time_ms)
            buffer.add(closing)
            data = buffer.taken()  # copied once
            self.disk.append(self._segment, self._size, data)
        except OSError as error:
            dropped = split_records(records or (data or bytes(buffer))[:size])
            buffer.clear()
            self._next = self.written
            raise JournalDown(f"journal {self.disk}: {error.strerror or error}", dropped) from error
        self._track_unsynced(last, self._size, data, now)
        self._size += len(data)
        self.written_bytes += len(data)
        self.chain, self.written, self._claim = chain, last, self.durable

    def _full(self, time_ms: int) -> bool:
        if self.written < self._first:  # a mark alone stands in it: the next segment would have its name
            return False
        aged = time_ms // HOUR_MS > self._hour and self._size > HEADER_BYTES
        return aged or self._size >= self.segment_bytes or self._outdated

    def _track_unsynced(self, last: int, offset: int, data: bytes, now: float) -> None:
        self._unsynced.append((last, self._segment, offset, data, now))
        self._unsynced_bytes += len(data)

    def _roll(self, time_ms: int) -> None:
        """Begins a new segment. The old one may still have unsynced groups: they stay in ``_unsynced`` with its name."""
        if self._segment and not self.durable:  # or after a power loss the second might be there without the first
            self.disk.sync(self._segment)
        header = SegmentHeader(self.node, self.written + 1, self.durable, time_ms, self.identity, self.chain, self._form)
        name, data = segment_name(self.written + 1), pack_header(header)
        self.disk.append(name, 0, data)
        self._sealer, self._outdated = self.disk.ring.sealer(self.identity), False
        before, self._segment = self._segment, name
        self._size, self._hour, self._first = len(data), time_ms // HOUR_MS, header.first
        if before and not (self._unsynced and self._unsynced[-1][1] == before):  # else ``note_synced`` lets go of it
            self.disk.release(before)
        self.written_bytes += len(data)
        self._track_unsynced(self.written + 1, 0, data, time_ms / 1000)

    # -- durability

    def sync_wanted(self) -> bool:
        """Whether anything waits for the medium: records, or the mark that says what had reached it."""
        return bool(self._unsynced)

    def sync(self) -> int:
        """Blocks until all that was written before the call is on the medium; returns the last sequence of it.

        Made for another thread: it reads what the loop appends to, and alters nothing but the flag that a sync has failed.
        """
        sequence = self.written
        waiting = list(self._unsynced)
        try:
            if self._sync_has_failed:
                for _, name, offset, data, _ in waiting:
                    self.disk.rewrite(name, offset, data)
            for name in dict.fromkeys(item[1] for item in waiting):
                self.disk.sync(name)
        except OSError as error:
            self._sync_has_failed = True
            raise JournalDown(f"journal {self.disk}: sync: {error.strerror or error}") from error
        self._sync_has_failed = False
        return sequence

    def plain_sync(self) -> tuple[int, int] | None:
        """What ``sync`` would return, and the one open file that would be synced for it; None where there is more to do than that."""
        unsynced = self._unsynced
        if self._sync_has_failed or not unsynced or unsynced[0][1] != unsynced[-1][1]:
            return None
        file = self.disk.opened(unsynced[0][1])
        return None if file is None else (self.written, file)

    def sync_failed(self) -> None:
        """Notes that a sync done by the caller of ``plain_sync`` has failed."""
        self._sync_has_failed = True

    def note_synced(self, sequence: int) -> None:
        """On the loop, with what ``sync`` returned."""
        if sequence < self.durable:
            return
        self.durable = sequence
        unsynced, name, end = self._unsynced, "", 0
        while unsynced and unsynced[0][0] <= sequence:
            _, name, offset, data, _ = unsynced.popleft()
            end = offset + len(data)
            self._unsynced_bytes -= len(data)
            if name != self._segment and (not unsynced or unsynced[0][1] != name):
                self.disk.release(name)
        if self.on_durable is None:
            self.synced = sequence
        elif name:
            self.on_durable(sequence, name, end)

    def lag(self, now: float) -> float:
        """Seconds since the oldest unsynced write; 0 if all is synced."""
        return max(0.0, now - self._unsynced[0][4]) if self._unsynced else 0.0

    def close(self, now: float | None = None) -> None:
        """Writes and syncs the rest (with ``now`` also the claim that it is synced), then closes the files."""
        try:
            if now is not None:
                self.write(now)
            self.note_synced(self.sync())
            if now is not None:
                self.mark(now)
                self.sync()
        finally:
            self.disk.close()
