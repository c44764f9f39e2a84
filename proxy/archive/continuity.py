"""Checks that a journal continues where its tables end.

A table ends at the end of a segment. Its last digest must be the digest of a commit group, if the journal still has that segment. Retention
removes the oldest segments, never the newest two. So a journal that ends before its tables has lost its end. Damage inside segments is
reported by journal/scan.py.
"""

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path

from proxy.archive.manifest import Manifest, load, node_folder, node_folders
from proxy.journal.disk import Disk
from proxy.journal.scan import JournalDamaged, PlacedRecord, Scan
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header


def identity_of(disk: Disk, archive: Path, node: int | None) -> str:
    """The journal's identity: from its newest header, else its folder, else the tables of its ``node`` (None: unknown). Empty if it
    has none yet. Raises ManifestError, OSError."""
    for name in reversed(disk.list()):
        try:
            return unpack_header(disk.read(name, HEADER_BYTES)).identity.hex()
        except SegmentFault:
            continue
    return disk.identity() or (load(node_folder(archive, node)).identity if node is not None else "")


def continuity_faults(manifest: Manifest, disk: Disk, *, every: bool = False) -> list[str]:
    """Faults at the end of the last table, or of ``every`` one whose records are still in the journal. OSError."""
    ends = {table.last: table.chain for table in manifest.tables} if every else {}
    ends[manifest.last] = manifest.chain
    if not manifest.last:
        return []
    scan = Scan(disk, 0 if every else manifest.last + 1, over_holes=every, closed=True)
    look, whole = _ContinuityChecker(ends), True
    try:
        for placed in scan:
            look.at(placed)
            if not every and look.last > manifest.last:
                return look.faults(manifest)
    except JournalDamaged:
        whole = False
    if whole and scan.header is not None:
        look.note(scan.last, scan.chain)
    if not whole:
        look.seen.pop(look.last, None)  # the needed digest may be in the damaged part
    faults = look.faults(manifest)
    return [*faults, truncation_fault(manifest, scan.last)] if whole and scan.last < manifest.last else faults


class _ContinuityChecker:
    """Reads the digests of a journal at these records."""

    def __init__(self, ends: Mapping[int, str]) -> None:
        self.last = 0  # record of the journal that was seen
        self.seen: dict[int, set[str]] = {}
        self._ends, self._order, self._crossed = ends, sorted(ends), set[int]()

    def at(self, placed: PlacedRecord) -> None:
        header, group = placed.header, placed.group
        if group.start == HEADER_BYTES:
            self.note(header.first - 1, header.previous)
        place = bisect_right(self._order, self.last)
        while place < len(self._order) and self._order[place] < group.last:  # a group goes on where a table ended
            self._crossed.add(self._order[place])
            place += 1
        self.note(group.last, group.digest)

    def note(self, last: int, digest: bytes) -> None:
        self.last = last
        if last in self._ends:
            self.seen.setdefault(last, set()).add(digest.hex())

    def faults(self, manifest: Manifest) -> list[str]:
        """The first fault only: all later digests differ too."""
        for end in self._order:
            if end in self._crossed or (end in self.seen and self._ends[end] not in self.seen[end]):
                return [rewrite_fault(manifest, end)]
        return []


def truncation_fault(manifest: Manifest, last: int) -> str:
    """The fault of a journal that ends at ``last``, before its tables."""
    gone = max(last, manifest.gone.last if manifest.gone else 0, manifest.removed_to)
    first = min(gone + 1, manifest.last)
    return (
        f"node {manifest.node}: the journal ends at record {last} and its tables at {manifest.last}: "
        f"records {first} to {manifest.last} were removed from its end"
    )


def rewrite_fault(manifest: Manifest, last: int) -> str:
    """The fault of a journal whose records up to ``last`` differ from the tables."""
    return f"node {manifest.node}: up to record {last} the segments are not those the tables were made of: the chain was written anew"


def missing_journal_faults(disk: Disk, archive: Path, node: int | None) -> list[str]:
    """Faults of an empty journal that has tables. Raises ManifestError, OSError."""
    identity = identity_of(disk, archive, node)
    manifests = [load(folder) for folder in node_folders(archive)] if identity else []
    return [truncation_fault(one, 0) for one in manifests if one.identity == identity and one.last]
