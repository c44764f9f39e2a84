"""Converts closed segments to tables, merges days, removes expired tables.

In: a journal's disk, the archive's folder, the keys, the time. Out: a ``RollResult``: what was done. Never: a byte of a segment changed; a
segment rolled that a power loss could still tear (the journal must claim its records as synced); two rollers of one node at once.

Each segment is verified first: its records' checksums, its groups' digests, and that it follows what was rolled before it. A segment that
fails is not rolled, and the error says why: its table would lend it credibility.
"""

import fcntl
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from proxy.archive import continuity, parquet, signed_heads, table_filters
from proxy.archive.columns import RowReader
from proxy.archive.manifest import NAME, Manifest, RemovedTables, TableEntry, journal_folder, load
from proxy.archive.parquet import SPILL
from proxy.archive.query import PersonRow
from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.signed_heads import Head
from proxy.journal import retention
from proxy.journal.disk import Disk
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.scan import JournalDamaged, Scan, as_journal_error
from proxy.journal.segment import HEADER_BYTES, CommitGroup, SegmentFault, SegmentHeader, groups, unpack_header
from proxy.runtime import atomic_files

CHINA = timezone(timedelta(hours=8))
LOCK = "roller.lock"
HOURS, DAYS = "hours", "days"
SWEPT = (".parquet", table_filters.SUFFIX, atomic_files.HALF)


class RollError(Exception):
    """It cannot be rolled; the text says why and what to do."""


class RollResult(NamedTuple):
    segments: int
    records: int
    rows: int
    days: int  # that became one table
    gone: int  # tables that retention took
    last: int  # the last record that is in a table
    waits_for: str  # why the next segment is not rolled
    head: Head | None = None  # the newest there is
    faults: tuple[str, ...] = ()  # faults; everything else was done


def roll(
    disk: Disk,
    archive: Path,
    keys: ArchiveKeys,
    now: float,
    *,
    node: int | None = None,
    publish: Callable[[Head], None] = lambda _: None,
) -> RollResult:
    """Rolls all closed segments. ``node``: the journal's node, if the journal is empty and cannot say it. ``publish`` is called with each
    day's head. Raises RollError, ManifestError, JournalError, OSError; finished steps stay done."""
    names = disk.list()
    if not names:
        return RollResult(
            0, 0, 0, 0, 0, 0, "the journal is empty", faults=tuple(continuity.missing_journal_faults(disk, archive, node))
        )
    header = unpack_header(disk.read(names[-1], HEADER_BYTES))
    folder = journal_folder(archive, header.node, header.identity.hex())
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive_roller(folder):
        manifest = load(folder)
        manifest.node, manifest.identity = header.node, header.identity.hex()
        remove_leftovers(folder, manifest)
        segments = records = rows = 0
        waits_for = "it is still written to"
        safe = _safe(disk)
        for name, after in pairwise(names):
            if not _is_new(disk, name, after, manifest):
                continue
            found = _segment(disk, name, folder, manifest, keys, safe)
            if found is None:
                waits_for = "nothing yet says that it is safe on the medium"
                break
            table, count = found
            segments, records, rows = segments + 1, records + count, rows + table.rows
            manifest.tables.append(table)
            manifest.write(folder)
        days = _days(folder, manifest, now)
        if table_filters.make(folder, manifest):
            manifest.write(folder)
        faults = continuity.continuity_faults(manifest, disk)
        try:
            signed_heads.sign(folder, archive, manifest, keys, publish)
        except signed_heads.HeadError as error:
            faults.append(str(error))
        gone = _go(folder, manifest, unpack_header(disk.read(disk.list()[0], HEADER_BYTES)).first)
        return RollResult(
            segments, records, rows, days, gone, manifest.last, waits_for, signed_heads.newest(folder), tuple(faults)
        )


@contextmanager
def exclusive_roller(folder: Path) -> Iterator[None]:
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RollError(f"{folder}: another roller is at work there") from None
        yield
    finally:
        os.close(file)


def waited_for_roller(folder: Path) -> bool:
    """Waits until no roller works on these tables; returns whether one did. OSError."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_SH)
        return True
    finally:
        os.close(file)
    return False


def _safe(disk: Disk) -> int:
    """The last record that the journal itself claims as synced."""
    scan = Scan(disk, None, closed=True)
    for _ in scan:
        pass
    return scan.safe


def _is_new(disk: Disk, name: str, after: str, manifest: Manifest) -> bool:
    """Whether its records are in no table yet: all of them, or none."""
    first, last = (unpack_header(disk.read(one, HEADER_BYTES)).first for one in (name, after))
    if first <= manifest.last < last - 1:
        raise JournalDamaged(name, 0, f"it does not end where the tables end ({manifest.last}): it is of another journal")
    return first > manifest.last


# -- one segment


def _segment(
    disk: Disk, name: str, folder: Path, manifest: Manifest, keys: ArchiveKeys, safe: int
) -> tuple[TableEntry, int] | None:
    """Its table and how many records it had; None where it is not safe yet."""
    data = disk.read(name)
    header, read = unpack_header(data), RowReader(manifest.rules)
    _follows(manifest, header, name)
    proof = _Proof(header)
    try:
        pieces = parquet.batches(proof.rows(groups(data, header, disk.ring), read), header.node, keys)
        path = folder / HOURS / f"{header.first:020d}.parquet"
        files = parquet.write(path, folder, pieces)
    except SegmentFault as fault:
        raise as_journal_error(name, fault, disk.ring) or JournalDamaged(name, fault.offset, fault.why) from None
    except (ValueError, struct.error, IndexError) as error:
        raise RollError(
            f"{name}: record {proof.last} says nothing that can be read ({error}): a fault of gate106, please report it"
        ) from error
    if proof.last > safe:
        for file in files:
            atomic_files.remove_file(folder / file.name)
        return None
    manifest.note_rules(read.rules)
    manifest.removed_to = max(manifest.removed_to, proof.removed_to)
    day = datetime.fromtimestamp(header.created_ms / 1000, CHINA).date().isoformat()
    return (
        TableEntry(
            header.first, proof.last, proof.since_ms, proof.until_ms, header.previous.hex(),
            proof.chain.hex(), 1, day, False, files,
        ),
        proof.records,
    )  # fmt: skip


def _follows(manifest: Manifest, header: SegmentHeader, name: str) -> None:
    """The segment must go on where the tables end."""
    if manifest.chain and header.first == manifest.last + 1 and header.previous.hex() != manifest.chain:
        raise JournalDamaged(name, 52, "it does not follow the records that were rolled before it: the chain is broken")


class _Proof:
    """Walks a segment's groups and keeps what its table must say of them."""

    def __init__(self, header: SegmentHeader) -> None:
        self.last = header.first - 1
        self.chain = header.previous
        self.since_ms = self.until_ms = header.created_ms
        self.records = self.removed_to = 0

    def rows(self, found: Iterator[CommitGroup], read: RowReader) -> Iterator[PersonRow]:
        for group in found:
            for record in group.records:
                self.last = record.sequence
                if record.kind == messages.REMOVED:
                    self.removed_to = max(self.removed_to, unpack(retention.Removed, record.body).last)
                yield from read.rows(record)
            self.records += len(group.records)
            self.last, self.chain = group.last, group.digest
            self.since_ms, self.until_ms = min(self.since_ms, group.time_ms), max(self.until_ms, group.time_ms)


# -- days


def _days(folder: Path, manifest: Manifest, now: float) -> int:
    """Days that are over become one table each; how many did."""
    today = datetime.fromtimestamp(now, CHINA).date().isoformat()
    done = 0
    while True:
        run = _run(manifest.tables, today)
        if run is None:
            return done
        start, stop = run
        parts = manifest.tables[start:stop]
        first, last = parts[0], parts[-1]
        path = folder / DAYS / f"{first.day}-{first.first:020d}.parquet"
        files = parquet.merge(path, folder, [file for part in parts for file in part.files])
        table = TableEntry(
            first.first, last.last, min(part.since_ms for part in parts), max(part.until_ms for part in parts), first.previous, last.chain,
            sum(part.segments for part in parts), first.day, True, files,
        )  # fmt: skip
        if table.rows != sum(part.rows for part in parts):
            raise RollError(
                f"{path}: {table.rows} rows of {sum(part.rows for part in parts)}: a fault of gate106, please report it"
            )
        manifest.tables[start:stop] = [table]
        manifest.write(folder)
        table_filters.remove_tables(folder, (file for part in parts for file in part.files))
        done += 1


def _run(found: list[TableEntry], today: str) -> tuple[int, int] | None:
    """The first tables of segments, one behind the other, that are all of a day; a later day must have begun in the journal, too."""
    start = 0
    while start < len(found):
        day = found[start].day
        stop = start + 1
        while stop < len(found) and found[stop].day == day and found[stop].first == found[stop - 1].last + 1:
            stop += 1
        if not found[start].whole_day and day < today and stop < len(found):
            return start, stop
        start = stop
    return None


# -- what goes


def _go(folder: Path, manifest: Manifest, first: int) -> int:
    """Tables whose segments are all gone, by a REMOVED record; ``first``: of the records that the journal still has."""
    goes = 0
    for table in manifest.tables:
        if table.last >= first or table.last > manifest.removed_to:
            break
        goes += 1
    if not goes:
        return 0
    went, manifest.tables = manifest.tables[:goes], manifest.tables[goes:]
    begin = manifest.gone or RemovedTables(went[0].first, 0, went[0].since_ms, 0, "")
    since = min([begin.since_ms, *(table.since_ms for table in went)])
    manifest.gone = RemovedTables(begin.first, went[-1].last, since, went[-1].until_ms, went[-1].chain)
    manifest.write(folder)
    table_filters.remove_tables(folder, (file for table in went for file in table.files))
    return goes


def remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Removes what a kill left: files of ours that the manifest does not name, and what a merge had no memory for."""
    named = {name for file in manifest.files() for name in (file.name, str(table_filters.path_of(Path(file.name))))}
    found = [
        path
        for place in (folder, folder / HOURS, folder / DAYS, folder / signed_heads.FOLDER)
        if place.is_dir()
        for path in place.iterdir()
    ]
    left = [
        path for path in found if path.name.endswith(SWEPT) and str(path.relative_to(folder)) not in named and path.name != NAME
    ]
    for path in left:
        atomic_files.remove_file(path)
    for path in folder.rglob(f"*{SPILL}"):
        shutil.rmtree(path, ignore_errors=True)
