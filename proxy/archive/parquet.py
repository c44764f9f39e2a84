"""Writes rows as Parquet files sorted by person; merges files.

In: rows, the keys; files. Out: files, not yet named by a manifest; any engine reads them (Parquet 2, zstd); DuckDB for questions to them.
Never: a number in the clear; more memory than the rows of a segment take, or ``MERGE_ROWS``; an extension that is fetched.

A query about one person is cheap in half a year of files. A person's rows lie together, so the statistics of a group of ``GROUP_ROWS`` say
which persons it spans, and a Bloom filter excludes nearly everybody else in that span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import parquet

from proxy.archive.manifest import TableFile, digest_of
from proxy.archive.query import PersonRow
from proxy.archive.secret_keys import SEALED_BYTES, ArchiveKeys
from proxy.runtime import atomic_files

GROUP_ROWS = 8192  # rows of a row group, the least read for one person; with half, the directory costs more than it saves
FILE_ROWS_MAX = 1_000_000  # beyond it another file begins (at another person): a larger directory reads longer than rows
BATCH_ROWS = 20_000
PERSONS = 1 << 64
MERGE_ROWS = 250_000  # that are sorted at once when a day is made of hours: some 100 MB
MERGE_MEMORY = "512MB"
SPILL = ".spill"  # suffix of the folder for a merge's intermediate results; after a kill the next roll removes it
QUESTION_MEMORY = "1GB"  # for a question; it holds some batches of rows and the newest that fit
KNOWN_MAX = 1_000_000  # persons whose hash is remembered for a table
ORDER = ("person", "time_ms", "sequence", "place")
ZSTD_LEVEL = 3  # its own default

_WORDS = (
    "kind", "provider", "account", "port", "outcome", "reason", "category", "signature", "text", "rules", "revision", "state",
)  # fmt: skip


def _columns(of: pa.DataType, names: str) -> list[pa.Field]:
    return [pa.field(name, of, nullable=False) for name in names.split()]


SCHEMA = pa.schema(
    [
        *_columns(pa.uint64(), "person"),  # keyed hash of the number, 0 is no person
        pa.field("sealed", pa.binary(SEALED_BYTES)),  # the number under the other key; null after an erasure
        *_columns(pa.uint16(), "node"),
        *_columns(pa.int64(), "time_ms"),  # since 1970, UTC
        *_columns(pa.uint64(), "sequence"),
        *_columns(pa.uint32(), "place"),
        *_columns(pa.string(), "kind provider account port outcome reason"),
        *_columns(pa.uint32(), "status"),
        *_columns(pa.string(), "category signature text rules revision"),
        *_columns(pa.uint64(), "message verdict"),
        *_columns(pa.uint8(), "part parts"),
        *_columns(pa.string(), "message_id state"),
    ]
)
_ROW_COLUMNS = SCHEMA.names[3:]
assert list(PersonRow._fields[1:]) == _ROW_COLUMNS


def engine(memory: str = QUESTION_MEMORY, spill: Path | None = None, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Opens an in-memory database. ``spill``: a folder for larger intermediate results, made when needed and removed with the connection;
    without it they are an error."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill) if spill is not None else "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(config=config)


def batches(rows: Iterable[PersonRow], node: int, keys: ArchiveKeys) -> Iterator[pa.RecordBatch]:
    """Rows as columns, numbers hashed and sealed."""
    person = lru_cache(KNOWN_MAX)(keys.person)
    coming = iter(rows)
    while held := [*islice(coming, BATCH_ROWS)]:
        yield _batch(held, node, keys, person)


def _batch(rows: Sequence[PersonRow], node: int, keys: ArchiveKeys, person: Callable[[int], int]) -> pa.RecordBatch:
    numbers, *columns = zip(*rows, strict=True)
    arrays: list[Any] = [[*map(person, numbers)], keys.seal(numbers), [node] * len(rows), *columns]
    return pa.record_batch([pa.array(values, field.type) for values, field in zip(arrays, SCHEMA, strict=True)], schema=SCHEMA)


def write(path: Path, folder: Path, pieces: Iterable[pa.RecordBatch]) -> tuple[TableFile, ...]:
    """One sorted file of a segment's rows, named relative to the node's ``folder``; none where there are no rows. OSError."""
    table = pa.Table.from_batches(pieces, SCHEMA)
    if not table.num_rows:
        return ()
    ordered = table.sort_by([(name, "ascending") for name in ORDER])
    del table
    return rewritten(path, folder, ordered.to_batches(max_chunksize=GROUP_ROWS))


def merge(path: Path, folder: Path, files: Sequence[TableFile]) -> tuple[TableFile, ...]:
    """Sorted files of a node's ``folder`` as one, or as many as ``FILE_ROWS_MAX`` asks for. A range of persons after the other, each of
    about ``MERGE_ROWS``: hashes are spread evenly, and a group of rows that holds none of them is not read. OSError, duckdb.Error."""
    rows = sum(file.rows for file in files)
    if not rows:
        return ()
    steps = max(1, rows // MERGE_ROWS)
    query = (
        f"SELECT {', '.join(SCHEMA.names)} FROM read_parquet($files) WHERE person BETWEEN $least AND $most "  # noqa: S608 # names of ours
        f"ORDER BY {', '.join(ORDER)}"
    )
    spill = atomic_files.temporary_path(path).with_suffix(SPILL)
    with engine(MERGE_MEMORY, spill, threads=1) as merging:

        def pieces() -> Iterator[pa.RecordBatch]:
            for step in range(steps):
                least, most = (PERSONS * step // steps, PERSONS * (step + 1) // steps - 1)
                named = [str(folder / file.name) for file in files if file.least <= most and file.most >= least]
                if named:
                    values = {"files": named, "least": least, "most": most}
                    yield from merging.sql(query, params=values).to_arrow_reader(GROUP_ROWS)

        return rewritten(path, folder, pieces())


def rewritten(path: Path, folder: Path, pieces: Iterable[pa.RecordBatch]) -> tuple[TableFile, ...]:
    """Sorted batches as a file; another begins where one is full and the person changes; none where there are no rows. OSError."""
    done: list[TableFile] = []
    writer, rows, least, most = None, 0, 0, 0
    place = path
    held: list[pa.RecordBatch] = []
    try:
        for piece in map(in_schema, filter(pa.RecordBatch.__len__, pieces)):
            first = piece.column(0)[0].as_py()
            if writer is not None and rows >= FILE_ROWS_MAX and first != most:
                done.append(_closed(writer, place, folder, held, rows, least, most))
                place = path.with_name(f"{path.stem}-{len(done)}{path.suffix}")
                writer, held, rows = None, [], 0
            if writer is None:
                writer, least = _writer(atomic_files.temporary_path(place)), first
            most = piece.column(0)[-1].as_py()
            rows += piece.num_rows
            held.append(piece)
            if sum(one.num_rows for one in held) >= GROUP_ROWS:
                held = _written(writer, held, everything=False)
        if writer is not None:
            done.append(_closed(writer, place, folder, held, rows, least, most))
            writer = None
    finally:
        if writer is not None:
            writer.close()
    return tuple(done)


def in_schema(piece: pa.RecordBatch) -> pa.RecordBatch:
    """A batch in the schema of ours (an engine may give other spellings of the same types)."""
    columns = [column.cast(field.type) for column, field in zip(piece.columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _written(writer: parquet.ParquetWriter, held: list[pa.RecordBatch], *, everything: bool) -> list[pa.RecordBatch]:
    """Writes full row groups, or everything; returns the rows left over."""
    table = pa.Table.from_batches(held, SCHEMA)
    whole = table.num_rows if everything else table.num_rows - table.num_rows % GROUP_ROWS
    if whole:
        writer.write_table(table.slice(0, whole), row_group_size=GROUP_ROWS)
    left: list[pa.RecordBatch] = table.slice(whole).to_batches()
    return left


def _closed(
    writer: parquet.ParquetWriter, place: Path, folder: Path, held: list[pa.RecordBatch], rows: int, least: int, most: int
) -> TableFile:
    _written(writer, held, everything=True)
    writer.close()
    atomic_files.commit_file(place)
    return TableFile(str(place.relative_to(folder)), rows, place.stat().st_size, digest_of(place), least, most)


def _writer(half: Path) -> parquet.ParquetWriter:
    delta = ("time_ms", "sequence", "place", "message", "verdict")
    return parquet.ParquetWriter(
        half,
        SCHEMA,
        version="2.6",
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=["sealed", "node", "status", "part", "parts", *_WORDS],
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        sorting_columns=parquet.SortingColumn.from_ordering(SCHEMA, [(name, "ascending") for name in ORDER]),
        bloom_filter_options={"person": {"ndv": GROUP_ROWS, "fpp": 0.01}},
        store_schema=False,
    )
