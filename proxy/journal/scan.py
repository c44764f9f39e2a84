"""Reads segments in order, verifies every group, finds the torn tail.

In: a disk, where to begin, what is known to have been synced. Out: records, a ScanReport, where the journal ends; JournalDamaged.
Never: changes a byte (write_ahead_log.py cuts).

**Torn tail or damage.** Reading stops at the first byte that cannot be right, in the order of the groups. It is damage, and raises, if an
intact group or segment header behind that byte claims that the missing sequence had been synced, or if the caller knows it was. Otherwise
nobody was ever answered for those bytes: they are the tail that a power loss tore off, and are cut when the journal is opened for writing.
The last sync before an idle gate stops is covered by no later claim unless ``Journal.mark`` was called.

**Holes.** A copy that was brought up to date may lack records that the gate had removed by then. A verification of such a copy reads on
behind each hole (``holes``) and must have it explained (retention.unexplained). Every other reader treats a hole as damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from proxy.journal.disk import SUFFIX, Disk
from proxy.journal.sealing import KeyRing, SealingError
from proxy.journal.segment import (
    HEADER_BYTES,
    CommitGroup,
    Forged,
    JournalRecord,
    MissingKey,
    NewerFormat,
    SegmentFault,
    SegmentHeader,
    groups,
    highest_synced,
    unpack_header,
)


class JournalError(Exception):
    """Something is wrong with the journal."""


class JournalDamaged(JournalError):
    """Synced bytes are not what was written: restore the file, or start with --accept-loss on a new journal."""

    def __init__(self, segment: str, offset: int, why: str) -> None:
        super().__init__(f"journal segment {segment} is damaged at offset {offset}: {why}")
        self.segment = segment
        self.offset = offset
        self.why = why


class JournalNewer(JournalDamaged):
    """Bytes that are in order and mean nothing here: a later gate wrote them. Nothing is cut, nothing is gone on from."""

    def __init__(self, what: str, why: str) -> None:
        JournalError.__init__(self, f"journal {what}: {why}; use a newer gate, or go back to the copy made before it ran")
        self.segment, self.offset, self.why = what, 0, why


class JournalSealed(JournalError, SealingError):
    """Intact bytes sealed with a key that is not available: the operator must bring the key back. Nothing is cut."""

    def __init__(self, segment: str, key_id: str, ring: KeyRing) -> None:
        known = f"it names {', '.join(ring.ids)}" if ring else "it names none"
        super().__init__(
            f"journal segment {segment} is sealed with the key {key_id}, whose file sealing.keys does not name ({known}): bring it back "
            "from the backup of the keys, and name it there"
        )
        self.segment, self.key_id = segment, key_id


def as_journal_error(segment: str, fault: SegmentFault, ring: KeyRing) -> JournalError | None:
    """The error for a fault that cannot be a torn tail; None for any other fault."""
    if isinstance(fault, NewerFormat):
        return JournalNewer(f"segment {segment}", fault.why)
    if isinstance(fault, MissingKey):
        return JournalSealed(segment, fault.key_id, ring)
    if isinstance(fault, Forged):
        return JournalDamaged(segment, fault.offset, f"{fault.why}; the chain over it was written by somebody without the key")
    return None


class TornTail(NamedTuple):
    """A torn tail: ``segment`` ends at ``offset``, ``torn_bytes`` after it mean nothing, segments ``after`` it neither."""

    segment: str
    offset: int
    torn_bytes: int
    after: tuple[str, ...]
    why: str


class PlacedRecord(NamedTuple):
    segment: str
    header: SegmentHeader
    group: CommitGroup


class Hole(NamedTuple):
    """Records that are not here, between two segments that are."""

    first: int
    last: int
    previous: str
    """Hex digest of the group before the one that follows, as that says."""


class Scan:
    """Walks groups over all segments from one sequence on, and remembers where it ended and why."""

    def __init__(
        self, disk: Disk, from_sequence: int | None = 0, synced: int = 0, *, over_holes: bool = False, closed: bool = False
    ) -> None:
        """``from_sequence`` None: only as far back as needed to find the end. ``over_holes``: reads on after missing records. ``closed``:
        sealed groups are not opened (their ``records`` are missing, all else is there), and no key is needed."""
        self.disk = disk
        self.ring = None if closed else disk.ring
        self.over_holes = over_holes
        self.holes: list[Hole] = []
        self.names = disk.list()
        self.safe = synced  # what the caller knows to have been synced
        self.cut: TornTail | None = None
        self.header: SegmentHeader | None = None  # of the last good segment
        self.segment = ""
        self.end = 0  # offset behind the last good group of it
        self.last = 0
        self.chain = bytes(32)
        self.begin = from_sequence or 0  # 0: whatever is there
        # From the segment before where it begins there: a header torn off must not hide what had come before it.
        self.at = self._start(self._proved() if from_sequence is None else from_sequence - 1)
        if self.names and not self.at:
            self.last = max(0, self._first(self.names[0]) - 1)

    def _proved(self) -> int:
        """The last sequence that the newest intact header claims as synced: before it nothing can be torn."""
        for name in reversed(self.names):
            try:
                return unpack_header(self.disk.read(name, HEADER_BYTES)).synced
            except SegmentFault:
                continue
        return 0

    @staticmethod
    def _first(name: str) -> int:
        """The sequence a segment's name says it begins with, 0 if it is no such name."""
        number = name.removesuffix(SUFFIX)
        return int(number) if number.isdecimal() else 0

    def _start(self, sequence: int) -> int:
        """Index of the segment that holds ``sequence``."""
        return max([index for index, name in enumerate(self.names) if self._first(name) <= sequence], default=0)

    def __iter__(self) -> Iterator[PlacedRecord]:
        for index in range(self.at, len(self.names)):
            name = self.names[index]
            data = self.disk.read(name)
            begun = HEADER_BYTES
            try:
                header = self._header(name, data)
                begun = 0
                self.header, self.segment, self.end = header, name, HEADER_BYTES
                self.chain, self.last = header.previous, header.first - 1
                for group in groups(data, header, self.ring):
                    self.end, self.last, self.chain = group.end, group.last, group.digest
                    self.safe = max(self.safe, group.synced)
                    yield PlacedRecord(name, header, group)
            except SegmentFault as fault:
                if (error := as_journal_error(name, fault, self.disk.ring)) is not None:
                    raise error from None
                self._stop(index, data, fault, torn_segment=bool(begun))
                return
        if self.safe > self.last:
            raise JournalDamaged(self.segment or "(none)", self.end, f"it ends at {self.last}, but {self.safe} had been synced")

    def _header(self, name: str, data: bytes) -> SegmentHeader:
        header = unpack_header(data)
        if name != segment_name(header.first):
            raise SegmentFault(24, f"the name does not fit its first sequence {header.first}")
        before = self.header
        if before is None and self.begin and header.first > self.begin:
            raise JournalDamaged(name, 0, f"the segments that held {self.begin} to {header.first - 1} are missing")
        if before is not None:
            if header.identity != before.identity:
                raise SegmentFault(24, "the segment belongs to another journal")
            if self.over_holes and header.first > self.last + 1:
                self.holes.append(Hole(self.last + 1, header.first - 1, header.previous.hex()))
                self.last, self.chain = header.first - 1, header.previous
            if header.first != self.last + 1:
                raise SegmentFault(8, f"it begins at {header.first}, the segment before ends at {self.last}")
            if header.previous != self.chain:
                raise SegmentFault(52, "the chain is broken between segments")
        self.safe = max(self.safe, header.synced)
        return header

    def _stop(self, index: int, data: bytes, fault: SegmentFault, torn_segment: bool) -> None:
        """Decides whether what stands from the fault on is damage (raises) or a torn tail (``cut``)."""
        missing = self.last + 1
        proof = max(self.safe, highest_synced(data, 0 if torn_segment else self.end))
        for name in self.names[index + 1 :]:
            later = self.disk.read(name)
            proof = max(proof, highest_synced(later))
            try:
                proof = max(proof, unpack_header(later).synced)
            except NewerFormat as newer:
                raise JournalNewer(f"segment {name}", newer.why) from None
            except SegmentFault:
                continue
        if proof >= missing:
            raise JournalDamaged(self.names[index], fault.offset, f"{fault.why} ({missing} to {proof} had been synced)")
        after = tuple(self.names[index if torn_segment else index + 1 :])
        torn = 0 if torn_segment else len(data.rstrip(b"\0")) - self.end
        self.cut = TornTail(self.segment, self.end, torn, after, fault.why)


def segment_name(first: int) -> str:
    return f"{first:020d}{SUFFIX}"


def read(disk: Disk, from_sequence: int = 0, synced: int = 0) -> Iterator[JournalRecord]:
    """Records from ``from_sequence`` on, each from a group proved complete; ends before a torn tail, changes nothing.

    ``from_sequence`` 0: from wherever the journal begins. ``synced``: a sequence the caller knows to have been synced (from a
    checkpoint). Raises JournalDamaged, also when the segment that held ``from_sequence`` is missing; JournalSealed.
    """
    for placed in Scan(disk, from_sequence, synced):
        if placed.group.last < from_sequence:
            continue
        for record in placed.group.records:
            if record.sequence >= from_sequence:
                yield record


class ScanReport(NamedTuple):
    """The result of ``verify``; ``damage`` is None if every byte up to the torn tail is as it was written."""

    segments: int
    groups: int
    records: int
    first: int
    last: int
    chain: str  # hex digest of the last group
    cut: TornTail | None
    damage: JournalDamaged | None
    previous: str  # hex digest of the group before the first that is here; zeros where the journal begins
    holes: tuple[Hole, ...]  # if they were to be read over
    redactions: tuple[tuple[int, bytes, bytes], ...]
    """Of groups: the last record, the digest of what stood there, and of what does."""
    sealed: int  # groups
    closed: bool  # whether these stayed so: the chain over them holds, and none was opened


def verify(
    disk: Disk, look: Callable[[JournalRecord], None] | None = None, *, over_holes: bool = False, closed: bool = False
) -> ScanReport:
    """Reads everything; a damaged journal is reported, not raised. ``look`` is called with each verified record. ``over_holes``: continues
    after holes, for callers that know what was removed. ``closed``: verifies the chain without opening sealed groups, which needs no key.
    Raises JournalSealed where a key is missing."""
    scan, count, records, first, sealed, damage = Scan(disk, over_holes=over_holes, closed=closed), 0, 0, 0, 0, None
    previous, redactions = bytes(32), list[tuple[int, bytes, bytes]]()
    try:
        for placed in scan:
            if not first:
                first, previous = placed.header.first, placed.header.previous
            count += 1
            sealed += placed.header.sealed
            if placed.group.redaction:
                redactions.append((placed.group.last, placed.group.digest, placed.group.redaction))
            records += placed.group.held
            if look is not None:
                for record in placed.group.records:
                    look(record)
    except JournalDamaged as found:
        damage = found
    return ScanReport(
        len(scan.names), count, records, first, scan.last, scan.chain.hex(), scan.cut, damage, previous.hex(), tuple(scan.holes),
        tuple(redactions), sealed, closed,
    )  # fmt: skip
