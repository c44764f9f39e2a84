"""Journals of some hours of a gate without sockets, for tests of the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from proxy.archive import manifest, rolling, table_filters
from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.disk import Disk
from proxy.wire import submit_sm_resp
from tests.harness import NOON, SHANGHAI, Harness

HOUR = 3600.0
DAY = 86_400.0


def busy(harness: Harness, hours: int, people: int = 4, start: int = 0) -> None:
    """So many hours in which everybody gets a message that the carrier takes, or is refused one by the cap."""
    for hour in range(start, start + hours):
        harness.now = NOON + hour * HOUR
        for person in range(people):
            harness.submit("jia", SHANGHAI + person, f"【甲店】第{hour}号上新 拒收请回复R", sequence=person + 1)
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % transit.recorded))
        synced(harness)


def nights(harness: Harness, count: int = 1, people: int = 4) -> None:
    """So many midnights with an hour before and an hour after each, and one more behind: what is closed is of one day more."""
    for night in range(count):
        busy(harness, 2, people, start=11 + 24 * night)
    busy(harness, 1, people, start=13 + 24 * (count - 1))


def synced(harness: Harness) -> None:
    harness.journal.note_synced(harness.journal.sync())
    harness.journal.mark(harness.now)
    harness.journal.note_synced(harness.journal.sync())


class Shelf:
    """An archive folder with its keys."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "archive"
        self.keys = ArchiveKeys(tmp_path / "keys", make=True)
        self.disks: dict[int, Disk] = {}
        """The journals of several nodes, where a test keeps them."""

    def roll(self, disk: Disk, now: float, **more: Any) -> rolling.RollResult:
        return rolling.roll(disk, self.folder, self.keys, now, **more)

    def manifest(self, node: int = 0) -> manifest.Manifest:
        return manifest.load(manifest.node_folder(self.folder, node))

    def files(self) -> set[str]:
        """All that lies there and is a table, or half of one."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.name.endswith(rolling.SWEPT)}

    def named(self, node: int = 0) -> set[str]:
        """What the manifest says should."""
        names = [file.name for file in self.manifest(node).files()]
        return {f"node-{node}/{one}" for name in names for one in (name, str(table_filters.path_of(Path(name))))}

    def rows(self, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        """Of all tables, in the order of the journal."""
        files = [str(self.folder / "node-0" / file.name) for file in self.manifest().files()]
        if not files:
            return []
        return duckdb.execute(
            f"SELECT {columns} FROM read_parquet(?) WHERE {where} ORDER BY sequence, place", [files]
        ).fetchall()
