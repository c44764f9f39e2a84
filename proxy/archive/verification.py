"""Verifies tables against the journal; names the first differing record.

In: the archive, a node's journal where it is available. Out: faults in words, each with the record it begins at. Never: a byte changed.

The chain of proof, from the outside in: the day's head, signed and published, proves the manifest; the manifest proves each file (a digest
of all of it) and the chain at its ends; the segments' chain proves each record. A file that is not as it was written is compared row by row
with its segments.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from proxy.archive import signed_heads, table_filters
from proxy.archive.columns import RowReader
from proxy.archive.continuity import continuity_faults
from proxy.archive.coverage import fault_of, faults_of
from proxy.archive.manifest import Manifest, ManifestError, TableEntry, TableFile, digest_of, is_unchanged, load, node_folders
from proxy.archive.parquet import SCHEMA, engine
from proxy.archive.query import PersonRow
from proxy.archive.rolling import SWEPT, waited_for_roller
from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.disk import Disk
from proxy.journal.scan import JournalDamaged, read
from proxy.journal.sealing import SealingError

PROVING_MEMORY = "512MB"
TRIES = 3  # attempts: a gate rolls once an hour and merges once a day, so tables hardly change twice meanwhile


class VerifiedNode(NamedTuple):
    node: int
    tables: int
    files: int
    rows: int
    first: int
    last: int
    faults: tuple[str, ...]  # in the order of the records they begin at; empty when all is as it was written
    strangers: tuple[str, ...]  # files that the manifest does not name: of no account, and gone with the next roll


def altered(files: Iterable[tuple[Path, TableFile]]) -> list[str]:
    """Files that are not as they were written. OSError."""
    return [f"{path}: is not as it was written" for path, file in files if digest_of(path) != file.digest]


def verify_tables(archive: Path, journals: Mapping[str, Disk], keys: ArchiveKeys | None) -> list[VerifiedNode]:
    """Verifies all nodes' tables. ``journals``: those available, by identity, compared with their tables. ``keys``: without them a difference
    in a person's hash alone cannot be located. Raises OSError."""
    return [_settled(folder, journals, keys) for folder in node_folders(archive)]


def _settled(folder: Path, journals: Mapping[str, Disk], keys: ArchiveKeys | None) -> VerifiedNode:
    """Verifies a node, again if its tables changed meanwhile: faults of files about to be removed do not count."""
    left = TRIES
    while True:
        left -= 1
        try:
            manifest = load(folder)
        except ManifestError as error:
            return VerifiedNode(-1, 0, 0, 0, 0, 0, (str(error),), ())
        try:
            found = _node(folder, manifest, journals.get(manifest.identity), keys)
        except OSError:
            if not left or not _tables_changed(folder, manifest):
                raise
        else:
            if not found.faults or not left or not _tables_changed(folder, manifest):
                return found


def _tables_changed(folder: Path, manifest: Manifest) -> bool:
    """Waits until no roller works on the tables; returns whether they have changed."""
    return waited_for_roller(folder) or not is_unchanged(folder, manifest)


def _node(folder: Path, manifest: Manifest, disk: Disk | None, keys: ArchiveKeys | None) -> VerifiedNode:
    faults = [*faults_of(manifest), *(continuity_faults(manifest, disk, every=True) if disk is not None else ())]
    for table in manifest.tables:
        if wrong := _wrong(folder, table):
            named = _first_difference(folder, manifest, table, disk, keys)
            faults.append(f"node {manifest.node}: {wrong}: {named}")
    faults += [
        f"node {manifest.node}: {fault}: move it away, and `gate106 journal roll` makes it anew"
        for fault in table_filters.altered(folder, manifest)
    ]
    faults += signed_heads.check(folder, manifest, keys.public if keys is not None else None, folder.parent)
    files = list(manifest.files())
    first = manifest.tables[0].first if manifest.tables else 0
    counted = {name for file in files for name in (file.name, str(table_filters.path_of(Path(file.name))))}
    found = (path for path in folder.rglob("*") if path.name.endswith(SWEPT))
    strangers = tuple(sorted(str(path) for path in found if str(path.relative_to(folder)) not in counted))
    return VerifiedNode(
        manifest.node, len(manifest.tables), len(files), sum(file.rows for file in files), first, manifest.last, tuple(faults), strangers
    )  # fmt: skip


def _wrong(folder: Path, table: TableEntry) -> str:
    """What is wrong with its first altered file; empty if none is."""
    for file in table.files:
        path = folder / file.name
        if fault := fault_of(path, file.octets):
            return fault
        if digest_of(path) != file.digest:
            return f"{path} is not as it was written"
    return ""


# -- against the segments


def _first_difference(folder: Path, manifest: Manifest, table: TableEntry, disk: Disk | None, keys: ArchiveKeys | None) -> str:
    """The first record of a table that is not as the segments have it."""
    if disk is None:
        return f"one of the records {table.first} to {table.last} (their segments are not at hand)"
    present = [folder / file.name for file in table.files if (folder / file.name).is_file()]
    spill = folder / f"proving-{os.getpid()}.spill"
    try:
        with engine(PROVING_MEMORY, spill) as database:
            for was, now in zip_longest(_expected(manifest, table, disk, keys), _actual(database, present)):
                if (difference := _difference(was, now)) is not None:
                    return difference
    except (JournalDamaged, SealingError) as error:
        return str(error)
    except duckdb.Error:
        return f"it cannot be read any more; the first record it held is {table.first}"
    return "all its records are as they were (the file was written anew: `gate106 journal roll` does not mend that)"


def _expected(manifest: Manifest, table: TableEntry, disk: Disk, keys: ArchiveKeys | None) -> Iterator[tuple[Any, ...]]:
    """What the segments say, in the form of ``_actual``."""
    reader = RowReader(manifest.rules)
    for record in read(disk, table.first):
        if record.sequence > table.last:
            return
        for row in reader.rows(record):
            if row.kind == "repeated":  # tables of earlier versions lack them
                continue
            yield (row.sequence, row.place, *_values(row, keys))


def _values(row: PersonRow, keys: ArchiveKeys | None) -> tuple[Any, ...]:
    who = (keys.person(row.number), keys.seal([row.number])[0]) if keys is not None else (None, None)
    return (*who, row.time_ms, *row[4:])


def _actual(database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
    if not files:
        return
    columns = ", ".join(["sequence", "place", "person", "sealed", "time_ms", *SCHEMA.names[6:]])
    row = database.execute(
        f"SELECT {columns} FROM read_parquet(?) WHERE kind <> 'repeated' ORDER BY sequence, place",  # noqa: S608 # names of ours
        [[str(path) for path in files]],
    )
    while rows := row.fetchmany(10_000):
        yield from rows


_RULES = 2 + 3 + PersonRow._fields[4:].index("rules")


def _difference(was: tuple[Any, ...] | None, now: tuple[Any, ...] | None) -> str | None:
    """In words, or None where they are the same."""
    if was is not None and (now is None or now[:2] > was[:2]):
        return f"record {was[0]} was removed"
    if now is not None and (was is None or now[:2] < was[:2]):
        return f"record {now[0]} was added"
    assert was is not None
    assert now is not None
    return None if _same(was, now) else f"record {was[0]} was altered"


def _same(was: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """But for names of rules that one of the two did not know, and a hash that cannot be made without the key."""
    return all(
        one == other or (place in (2, 3) and one is None) or (place == _RULES and ("#" in str(one) or "#" in str(other)))
        for place, (one, other) in enumerate(zip(was, now, strict=True))
    )
