"""Combines all nodes' tables with journal records in no table yet.

A gate has one journal, a gate of several workers one for each; of nodes on other machines only the tables are available.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from proxy.archive import parquet
from proxy.archive.manifest import Manifest, journal_folder, load, node_folders
from proxy.archive.query import PersonRow, Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.segment_index import SegmentIndex
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
