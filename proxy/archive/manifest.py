"""Lists a node's archived tables and removed ones, in one file.

In: a node's folder. Out: a ``Manifest``, from JSON and to it; the file is replaced in one step. Never: a file that it does not name is
used.

A table covers records ``first`` to ``last`` of its node, all of them. ``previous`` is the digest of the group before it, ``chain`` that of
its last group: tables are chained as segments are, and ``chain`` of the last one stands for every record before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from proxy.runtime import atomic_files

NAME = "manifest.json"
FORMAT = 1
REVISIONS_MAX = 2000  # sets of rules whose names are remembered; older ones are in their segments


class ManifestError(Exception):
    """The manifest cannot be used; the text says why and what to do."""


class TableFile(NamedTuple):
    name: str  # below the node's folder
    rows: int
    octets: int
    digest: str  # blake2b-256 of the whole file, hex
    least: int
    most: int  # persons in it are from here to there


class TableEntry(NamedTuple):
    first: int
    last: int
    since_ms: int
    until_ms: int  # the first and the last moment that something of it was written, whatever came first
    previous: str
    chain: str  # hex digests of groups: before its first record, and of its last
    segments: int
    day: str  # in China; of the time it was begun
    whole_day: bool  # or of one segment only
    files: tuple[TableFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class RemovedTables(NamedTuple):
    """All removed tables, as one range."""

    first: int
    last: int
    since_ms: int
    until_ms: int
    chain: str


@dataclass(slots=True)
class Manifest:
    node: int = 0
    identity: str = ""  # of the journal, 32 hex digits
    tables: list[TableEntry] = field(default_factory=list)
    gone: RemovedTables | None = None  # all that went, as one
    removed_to: int = 0  # the last record that a REMOVED record says went: tables of no later one may go
    erased: list[tuple[str, str, str]] = field(default_factory=list)
    """Of signed days of which something was erased: the digest of the table that was signed, of the one that is there, and the signature
    (signed_heads.py)."""
    rules: dict[str, list[str]] = field(default_factory=dict)  # revision → names of its rules, for breaches are numbers
    blooms: dict[str, str] = field(default_factory=dict)  # name of a file → digest of its filter (table_filters.py), if any

    @property
    def last(self) -> int:
        """The last record that is in a table; 0 if none is."""
        return self.tables[-1].last if self.tables else self.gone.last if self.gone else 0

    @property
    def chain(self) -> str:
        """The digest of the last group, hex; empty without tables."""
        return self.tables[-1].chain if self.tables else self.gone.chain if self.gone else ""

    def files(self) -> Iterable[TableFile]:
        for table in self.tables:
            yield from table.files

    # -- as bytes

    def pack(self) -> bytes:
        fields: dict[str, Any] = {
            "format": FORMAT,
            "node": self.node,
            "identity": self.identity,
            "gone": list(self.gone) if self.gone else None,
            "removed_to": self.removed_to,
            "erased": [list(one) for one in self.erased],
            "rules": self.rules,
            "blooms": {file.name: self.blooms[file.name] for file in self.files() if file.name in self.blooms},
            "tables": [[*table[:-1], [list(file) for file in table.files]] for table in self.tables],
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"

    @classmethod
    def unpack(cls, data: bytes) -> Manifest:
        """ManifestError."""
        try:
            fields = json.loads(data)
            if fields["format"] != FORMAT:
                raise ManifestError(f"format {fields['format']} is not known here (a newer gate wrote it?)")
            return cls(
                fields["node"],
                fields["identity"],
                [TableEntry(*row)._replace(files=tuple(TableFile(*file) for file in row[-1])) for row in fields["tables"]],
                RemovedTables(*fields["gone"]) if fields["gone"] else None,
                fields["removed_to"],
                [(was, now, signature) for was, now, signature in fields.get("erased", [])],
                fields["rules"],
                fields.get("blooms", {}),  # earlier gates made none
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ManifestError(f"cannot be read ({error!r})") from None

    def note_rules(self, rules: dict[str, Sequence[str]]) -> None:
        for revision, ids in rules.items():
            self.rules.pop(revision, None)
            self.rules[revision] = list(ids)
        for old in list(self.rules)[: max(0, len(self.rules) - REVISIONS_MAX)]:
            del self.rules[old]

    def write(self, folder: Path) -> None:
        atomic_files.write_file(folder / NAME, self.pack())


def node_folder(archive: Path, node: int) -> Path:
    return archive / f"node-{node}"


def journal_folder(archive: Path, node: int, identity: str) -> Path:
    """The folder of a node's journal: ``node-0``, or ``node-0-1a2b3c4d`` where that holds the tables of a journal that this node had
    before (``--accept-loss`` begins a new one). A journal that has no name yet has no such folder. ManifestError, OSError."""
    folder = node_folder(archive, node)
    return (
        folder if not identity or load(folder).identity in ("", identity) else folder.with_name(f"{folder.name}-{identity[:8]}")
    )


def load(folder: Path) -> Manifest:
    """A node's manifest; an empty one if there is no file yet. ManifestError, OSError."""
    try:
        return Manifest.unpack((folder / NAME).read_bytes())
    except FileNotFoundError:
        return Manifest()
    except ManifestError as error:
        raise ManifestError(f"{folder / NAME}: {error}") from None


def is_unchanged(folder: Path, manifest: Manifest) -> bool:
    """Whether a node's manifest is still the loaded one: tables may be merged or removed at any time. OSError."""
    try:
        return load(folder) == manifest
    except ManifestError:
        return False


def node_folders(archive: Path) -> list[Path]:
    return sorted(path for path in archive.glob("node-*") if path.is_dir())


def digest_of(path: Path) -> str:
    """blake2b-256 of a file, hex."""
    hashed = blake2b(digest_size=32)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()
