"""Gathers what an answer is read from, and how much it covers.

``ArchiveSources``: all nodes' tables, and journal records in no table yet. A gate has one journal, a gate of several workers one for each; of
nodes on other machines only the tables are available.

A ``CoverageReport`` says from when to when each node's records are there, whether they are chained and the journal continues from them, and
which files can matter: so "not found" is an answer, too. Never: a file's content (verification.py reads it).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import duckdb
import pyarrow as pa

from proxy.archive import parquet
from proxy.archive.continuity import rewrite_fault, truncation_fault
from proxy.archive.manifest import Manifest, TableFile, is_unchanged, journal_folder, load, node_folders
from proxy.archive.query import PersonRow, Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.segment_index import SegmentIndex
from proxy.archive.signed_heads import newest
from proxy.archive.unrolled_records import UnrolledTail, tail
from proxy.journal.disk import Disk


class LocalJournal(NamedTuple):
    """A journal that is available on this machine."""

    disk: Disk
    node: int
    ahead: SegmentIndex | None = None  # the index of it, if one is kept


class UnrolledJournal(NamedTuple):
    own: Manifest  # of the tables that were made of this journal, empty where there are none
    home: str  # the folder that its tables are in, or will be
    tail: UnrolledTail


class ArchiveSources(NamedTuple):
    manifests: list[tuple[Path, Manifest]]
    rests: list[UnrolledJournal]

    def home(self, node: int) -> str:
        """Of rows that are in no table."""
        return next(rest.home for rest in self.rests if rest.own.node == node)

    def table(self, keys: ArchiveKeys, rows: Callable[[UnrolledTail], Sequence[PersonRow]] = lambda tail: tail.rows) -> Any:
        """The rests' rows, as if they were a table."""
        made = (parquet.batches(rows(rest.tail), rest.own.node, keys) for rest in self.rests)
        return pa.Table.from_batches(chain.from_iterable(made), parquet.SCHEMA)


def gather_sources(
    archive: Path, journals: Iterable[LocalJournal], question: Query, *, thorough: bool = False, newest: int = 0
) -> ArchiveSources:
    """``thorough``: segments are read again, not taken from the index. ``newest``: without a person at least so many of each journal's newest
    matching messages are enough; 0: all are read. Raises TailError, ManifestError, JournalDamaged, OSError."""
    loaded = [(folder, load(folder)) for folder in node_folders(archive)]
    manifests = [
        (folder, manifest) for folder, manifest in loaded if manifest.identity or manifest.tables
    ]  # else none was written
    rests = []
    for one in journals:
        home = journal_folder(archive, one.node, one.disk.identity())
        own = next((manifest for folder, manifest in manifests if folder == home), Manifest(one.node))
        found = one.ahead.tail(own.last, question, own.rules, newest) if one.ahead is not None and not thorough else None
        rests.append(UnrolledJournal(own, home.name, tail(one.disk, own.last, question, own.rules) if found is None else found))
    return ArchiveSources(manifests, rests)


CHINA = timezone(timedelta(hours=8))
TRIES = 3  # attempts: a gate rolls once an hour, so its tables hardly change twice during a query


class RecordRange(NamedTuple):
    """Of one node: records ``first`` to ``last``, all of them."""

    node: int
    first: int
    last: int
    since: float
    until: float
    gone_to: float  # records up to then have gone by retention; 0 if none have
    live: bool  # whether the range includes the newest records, not only those in tables


class CandidateFile(NamedTuple):
    """A file that can matter, and when its records were written."""

    path: Path
    file: TableFile
    since_ms: int
    until_ms: int
    filtered: bool  # whether a Bloom filter lies beside it that the manifest names


class CoverageReport(NamedTuple):
    spans: tuple[RecordRange, ...]
    faults: tuple[str, ...]  # where records are missing or do not hang together; empty when the chain holds
    files: tuple[CandidateFile, ...]  # those that reach to the newest moment first
    missing: tuple[str, ...]
    """Files that manifests name and that are missing or have another size; nodes that a signed head names and that are missing; records
    that were too many to read."""
    unreached: tuple[str, ...]  # where the question reaches further than the records of a node


class Coverage(Protocol):
    @property
    def covered(self) -> CoverageReport: ...


Answered = TypeVar("Answered", bound=Coverage)


def answered(
    archive: Path, journals: Iterable[LocalJournal], question: Query, answer: Callable[[ArchiveSources, CoverageReport], Answered], *,
    thorough: bool = False, newest: int = 0,
) -> Answered:  # fmt: skip
    """Runs a query, again if tables were merged or removed meanwhile and something was missing. ``thorough``, ``newest``: as of
    ``gather_sources``. Raises what that and the callback raise."""
    journals, left = list(journals), TRIES
    while True:
        left -= 1
        sources = gather_sources(archive, journals, question, thorough=thorough, newest=newest)
        try:
            found = answer(sources, determine_coverage(sources, question))
        except (OSError, duckdb.Error):
            if left and not _unchanged(sources):
                continue
            raise
        if not (left and (found.covered.missing or found.covered.faults)) or _unchanged(sources):
            return found


def _unchanged(sources: ArchiveSources) -> bool:
    return all(is_unchanged(folder, manifest) for folder, manifest in sources.manifests)


def determine_coverage(sources: ArchiveSources, question: Query) -> CoverageReport:
    manifests, rests = sources
    live = {id(rest.own): rest.tail for rest in rests}
    spans, faults, missing = list[RecordRange](), list[str](), list[str]()
    files = list[CandidateFile]()
    for folder, manifest in manifests:
        spans.append(_span(manifest, live.pop(id(manifest), None)))
        faults += faults_of(manifest)
        for table in manifest.tables:
            if question.may_touch(table.since_ms, table.until_ms):
                for file in table.files:
                    if fault := fault_of(folder / file.name, file.octets):
                        missing.append(f"{fault} (records {table.first} to {table.last})")
                    else:
                        filtered = file.name in manifest.blooms
                        files.append(CandidateFile(folder / file.name, file, table.since_ms, table.until_ms, filtered))
    for own, _, rest in rests:
        if id(own) in live and rest.last:  # there is no table of it yet
            spans.append(_span(own, rest))
        if own.chain and rest.first and (rest.first != own.last + 1 or rest.previous != own.chain):
            faults.append(f"node {own.node}: record {rest.first} does not follow record {own.last}: the chain is broken")
        if own.last and not rest.first and rest.end < own.last:
            faults.append(truncation_fault(own, rest.end))
        elif own.chain and not rest.first and own.chain not in rest.joints:
            faults.append(rewrite_fault(own, own.last))
    files.sort(key=lambda one: (-one.until_ms, -one.since_ms))
    missing += _missing_nodes([folder for folder, _ in manifests])
    unreached = [gap for span in spans for gap in _beyond_records(span, question)]
    return CoverageReport(tuple(spans), tuple(faults), tuple(files), tuple(missing), tuple(unreached))


def matching_rows(columns: str, where: str, files: Iterable[CandidateFile]) -> tuple[str, dict[str, Any]]:
    """SQL for the rows that match in the table ``tail`` (``ArchiveSources.table``) and in these files; its values. ``columns`` and ``where``
    hold only our own names: what is searched for are parameters."""
    sql, paths = f"SELECT {columns} FROM tail WHERE {where}", [str(one.path) for one in files]  # noqa: S608 # see above
    if not paths:
        return sql, {}
    return f"{sql} UNION ALL SELECT {columns} FROM read_parquet($files) WHERE {where}", {"files": paths}  # noqa: S608 # see above


def _missing_nodes(folders: Sequence[Path]) -> list[str]:
    """Nodes that the newest head of another one has seen and whose folder is not there any more."""
    names = {folder.name for folder in folders}
    found = {name: head for folder in folders for head in [newest(folder)] if head is not None for name in head.others}
    return [
        f"{name} was there when node {head.node} signed {head.day}, and is not here any more: what it sent was not looked through"
        for name, head in sorted(found.items())
        if name not in names
    ]


def _beyond_records(span: RecordRange, question: Query) -> list[str]:
    """What a question asks for and this node's records do not reach."""
    found = []
    if question.since and question.since < span.since:
        found.append(f"node {span.node}: nothing is there from before {_moment(span.since)}")
    if not span.live and (not question.until or question.until > span.until):
        found.append(
            f"node {span.node}: nothing is there from after {_moment(span.until)} (what it has not rolled yet is found on that node)"
        )
    return found


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _span(manifest: Manifest, rest: UnrolledTail | None) -> RecordRange:
    tables, live = manifest.tables, bool(rest and rest.last)
    since = min(table.since_ms for table in tables) if tables else rest.since_ms if rest else 0
    until = rest.until_ms if rest and rest.last else max((table.until_ms for table in tables), default=0)
    first = tables[0].first if tables else rest.first if rest else 0
    gone = manifest.gone.until_ms / 1000 if manifest.gone else 0.0
    return RecordRange(
        manifest.node, first, rest.last if rest and rest.last else manifest.last, since / 1000, until / 1000, gone, live
    )


def faults_of(manifest: Manifest) -> list[str]:
    """Where a node's tables do not follow each other."""
    found = []
    gone = manifest.gone
    if gone is not None and manifest.tables:
        first = manifest.tables[0]
        if (first.first, first.previous) != (gone.last + 1, gone.chain):
            found.append(
                f"node {manifest.node}: record {first.first} does not follow record {gone.last}, which has gone: the chain is broken"
            )
    for before, after in pairwise(manifest.tables):
        if after.first != before.last + 1:
            span = f"{_moment(before.until_ms / 1000)} to {_moment(after.since_ms / 1000)}"
            found.append(f"node {manifest.node}: records {before.last + 1} to {after.first - 1} ({span}) are in no table")
        elif after.previous != before.chain:
            found.append(
                f"node {manifest.node}: record {after.first} does not follow record {before.last}: the chain is broken"
            )
    return found


def fault_of(path: Path, octets: int) -> str:
    try:
        size = path.stat().st_size
    except OSError:
        return f"{path} is not there"
    return "" if size == octets else f"{path} has {size} bytes, not {octets}: it was altered"
