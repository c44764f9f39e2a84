"""Takes one person out of archived segments and tables.

In: a journal's disk, the archive, the keys, a person, what must stay. Out: an ``ErasurePlan``; what was erased. Never: a segment replaced
(``JournalWriter.put`` does that once the record is safe: only the writer knows whether retention has just removed the segment); a table
without its manifest.

Segments that a restart reads stay, and the newest; so do those under a legal hold, and those that the law requires to be kept. For what is
erased, and how an erasure differs from an alteration, see journal/erasure.py. Of a table the person's rows go; rows about their refusals
stay, with the keyed hash alone. Where the table's day was already signed, the manifest keeps the old and the new digest, signed, too.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from proxy.archive import signed_heads, table_filters
from proxy.archive.manifest import Manifest, TableFile, journal_folder, load
from proxy.archive.parquet import SCHEMA, in_schema, rewritten
from proxy.archive.rolling import exclusive_roller, remove_leftovers
from proxy.archive.secret_keys import ArchiveKeys
from proxy.config import Hold
from proxy.journal.disk import OsDisk
from proxy.journal.erasure import RedactedGroup, erase, in_batches, signed_bytes
from proxy.journal.retention import NEWEST_STAY, ClosedSegment
from proxy.journal.scan import JournalDamaged, Scan, as_journal_error
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header
from proxy.runtime import atomic_files

KEPT_S = 183 * 86_400.0  # messages must be kept for six months (通信短信息服务管理规定); before that they are not erased
REFUSALS = ("stopped", "restored", "confirmed", "officer", "consented")  # kinds of rows that stay, by the hash alone


class JournalWriter(Protocol):
    def note(self, first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        """Of the segment that begins with a record: groups that change. Returns once the journal holds it, synced."""

    def put(self, first: int) -> bool:
        """What lies beside the segment takes its place, if that is there still."""


class ErasurePlan(NamedTuple):
    removed: tuple[ClosedSegment, ...]  # segments that may be looked through, the oldest first
    stays: dict[str, int]  # reason → number of segments that stay for it


class ErasureResult(NamedTuple):
    segments: int
    groups: int
    records: int
    rows: int  # of tables


def plan(disk: OsDisk, holds: Sequence[Hold], before: float, open_from: int) -> ErasurePlan:
    """Reads headers. ``before``: only segments written until then; ``open_from``: from the last checkpoint. SegmentFault, OSError."""
    names = disk.list()
    needed = min(Scan(disk, open_from).at, Scan(disk, None).at, max(0, len(names) - NEWEST_STAY)) if open_from > 0 else 0
    goes, stays = list[ClosedSegment](), dict[str, int]()
    held = [unpack_header(disk.read(name, HEADER_BYTES)) for name in names]
    for at, (name, header) in enumerate(zip(names, held, strict=True)):
        after = held[min(at + 1, len(held) - 1)]
        segment = ClosedSegment(
            name, header.first, after.first - 1, header.created_ms / 1000, after.created_ms / 1000, disk.size(name), after.previous
        )  # fmt: skip
        why = "a restart needs it" if at >= needed else _stays(segment, holds, before)
        if why:
            stays[why] = stays.get(why, 0) + 1
        else:
            goes.append(segment)
    return ErasurePlan(tuple(goes), stays)


def _stays(segment: ClosedSegment, holds: Sequence[Hold], before: float) -> str:
    if segment.until > before:
        return "the law asks for it to be kept"
    return next((f"it is held: {hold.why}" for hold in holds if segment.since < hold.end and segment.until > hold.begin), "")


def run(
    disk: OsDisk,
    archive: Path,
    keys: ArchiveKeys,
    person: int,
    goes: Iterable[ClosedSegment],
    gate: JournalWriter,
    seen: Callable[[ClosedSegment], None] = lambda _: None,
) -> ErasureResult:
    """Takes the person out. Killed at any point it is done again from the beginning, and nothing else is lost. Raises JournalError, RollError,
    ManifestError, OSError, and what the gate does."""
    looked, verdicts = list[ClosedSegment](), set[int]()
    segments = groups = records = 0
    header = unpack_header(disk.read(disk.list()[-1], HEADER_BYTES))
    folder = journal_folder(archive, header.node, header.identity.hex())
    existed = folder.is_dir()
    with exclusive_roller(folder) if existed else nullcontext():
        for left in disk.path.glob(f"*{atomic_files.HALF}"):  # by a kill
            atomic_files.remove_file(left)
        for segment in goes:
            changed = _segment(disk, segment, keys, person, gate, verdicts)
            segments, groups, records = segments + bool(changed[0]), groups + changed[0], records + changed[1]
            looked.append(segment)
            seen(segment)
        return ErasureResult(
            segments, groups, records, _tables(folder, keys, person, looked, verdicts) if existed and looked else 0
        )


def _segment(
    disk: OsDisk, segment: ClosedSegment, keys: ArchiveKeys, person: int, gate: JournalWriter, verdicts: set[int]
) -> tuple[int, int]:
    """How many groups and records changed; ``verdicts`` learns which were erased, now or before."""
    try:
        data = disk.read(segment.name)
    except FileNotFoundError:  # retention has just removed it
        return 0, 0
    try:
        erased = erase(data, disk.ring, person, verdicts)
    except SegmentFault as fault:
        raise as_journal_error(segment.name, fault, disk.ring) or JournalDamaged(
            segment.name, fault.offset, fault.why
        ) from None
    if erased is None:
        return 0, 0
    path = disk.path / segment.name
    half = atomic_files.temporary_path(path)
    half.write_bytes(erased.data)
    there = path.stat()
    os.chown(half, there.st_uid, there.st_gid)  # whichever user runs this, the gate must be able to read it
    half.chmod(there.st_mode & 0o777)
    atomic_files.sync_file(half)
    identity = unpack_header(data).identity
    for piece in in_batches(erased.changes):
        gate.note(segment.first, piece, keys.sign(signed_bytes(identity, segment.first, piece)))
    if not gate.put(segment.first):
        atomic_files.remove_file(half)
        return 0, 0
    return len(erased.changes), erased.records


# -- tables


def _tables(folder: Path, keys: ArchiveKeys, person: int, looked: Sequence[ClosedSegment], verdicts: set[int]) -> int:
    """Rows that went, or were blanked."""
    manifest, rows = load(folder), 0
    remove_leftovers(folder, manifest)
    for place, table in enumerate(manifest.tables):
        spans = [(one.first, one.last) for one in looked if one.first <= table.last and one.last >= table.first]
        if spans:
            whose = _RowFilter(keys.person(person), spans, {one for one in verdicts if table.first <= one <= table.last})
            rows += _table(folder, manifest, place, keys, whose)
    return rows


class _RowFilter(NamedTuple):
    """Which rows of a table go."""

    hashed: int
    spans: Sequence[tuple[int, int]]  # of records that were looked through
    verdicts: set[int]  # erased verdicts: older tables have rows of unread submits that name no person

    def may_be_in(self, file: TableFile) -> bool:
        return file.least <= self.hashed <= file.most or (bool(self.verdicts) and file.least == 0)


def _table(folder: Path, manifest: Manifest, place: int, keys: ArchiveKeys, whose: _RowFilter) -> int:
    table = manifest.tables[place]
    files, old, changed = list[TableFile](), list[TableFile](), 0
    for file in table.files:
        masks = (_mask(batch, whose) for batch in _batches(folder / file.name)) if whose.may_be_in(file) else ()
        if count := sum(pc.sum(mask).as_py() or 0 for mask in masks):
            files += rewritten(_beside(folder / file.name), folder, _without(folder / file.name, whose))
            old.append(file)
            changed += count
        else:
            files.append(file)
    if not changed:
        return 0
    manifest.tables[place] = table._replace(files=tuple(files))
    table_filters.make(folder, manifest)
    if table.whole_day:
        manifest.erased.append(signed_heads.erasure_entry(keys, table, manifest.tables[place]))
    manifest.write(folder)
    table_filters.remove_tables(folder, old)
    return changed


def _beside(path: Path) -> Path:
    """The name of a file's replacement: the manifest says which of the two counts."""
    stem, _, number = path.stem.partition("~")
    return path.with_name(f"{stem}~{int(number or 0) + 1}{path.suffix}")


def _mask(batch: pa.RecordBatch, whose: _RowFilter) -> pa.Array:
    """Rows of the person in these records that still say something of them."""
    sequence = batch.column("sequence")
    within = pa.array([False] * batch.num_rows)
    for first, last in whose.spans:
        within = pc.or_(within, pc.and_(pc.greater_equal(sequence, first), pc.less_equal(sequence, last)))
    of_person = pc.and_(pc.equal(batch.column("person"), pa.scalar(whose.hashed, pa.uint64())), within)
    if whose.verdicts:
        erased = pc.is_in(sequence, value_set=pa.array(sorted(whose.verdicts), pa.uint64()))
        of_person = pc.or_(of_person, pc.and_(pc.equal(batch.column("person"), pa.scalar(0, pa.uint64())), erased))
    blank = pc.and_(pc.is_null(batch.column("sealed")), _refusal(batch))
    return pc.and_(of_person, pc.invert(blank))


def _refusal(batch: pa.RecordBatch) -> pa.Array:
    return pc.is_in(batch.column("kind"), value_set=pa.array(REFUSALS))


def _without(path: Path, whose: _RowFilter) -> Iterator[pa.RecordBatch]:
    """All rows but the person's; of those of what they refused the hash stays."""
    for batch in _batches(path):
        mask = _mask(batch, whose)
        if not pc.any(mask).as_py():
            yield batch
            continue
        blank = pc.and_(mask, _refusal(batch))
        columns = dict(zip(SCHEMA.names, batch.columns, strict=True))
        columns["sealed"] = pc.if_else(blank, pa.scalar(None, SCHEMA.field("sealed").type), columns["sealed"])
        columns["text"] = pc.if_else(blank, "", columns["text"])
        table = pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA)
        yield table.filter(pc.or_(blank, pc.invert(mask)))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with parquet.ParquetFile(path) as file:
        yield from map(in_schema, file.iter_batches(columns=SCHEMA.names))
