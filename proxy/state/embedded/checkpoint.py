"""Writes checkpoints of the store to a SQLite file.

It runs in another thread than the event loop.

In: rows (number, packed value; empty means gone), positions in the journal. Out: the same after a restart. Never: tables in
memory, the loop.

A slice of some hundred rows is one statement over one blob: ``executemany`` would release the interpreter lock and wait for it
once a row, which beside a busy loop takes minutes instead of a second.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from proxy.state import StoreUnreadable

APPLICATION_ID = 0x67313036  # "g106" in the file's header: not somebody else's database
FORMAT = 3  # 2: records stand in groups, and there is a mailbox; 3: there are orders and lists
PAGE_BYTES = 16 << 10
"""Page size of a new file. A group of records has some 3 KB: a checkpoint of a million recipients took 0.26 s of CPU time, 0.54 s with pages of
4 KB, and 0.22 s with 32 KB, which would write the most when few groups change."""
BUSY_S = 5.0
_DISK_FAULTS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_AUTH: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
"""SQLite errors caused by the disk, not by the file: the file is unchanged, and waiting or making room helps."""
_TABLES = (
    "records", "aggregates", "mailbox", "orders", "listed", "history", "consented", "erased", "told", "cases", "penalties",
    "hours", "hours_apart", "dictionary", "doubtful", "decisions", "reply_paths", "probes", "recycled",
    "erasure_requests",
)  # fmt: skip
_INDEX_ROW = b"%20d%9d%9d"  # key, offset from 1, length
_CUT = """WITH RECURSIVE cut(at) AS (VALUES(1) UNION ALL SELECT at + 38 FROM cut WHERE at + 38 < :end)
INSERT OR REPLACE INTO {table}(key, data)
SELECT CAST(substr(:rows, at, 20) AS INTEGER),
       substr(:data, CAST(substr(:rows, at + 20, 9) AS INTEGER), CAST(substr(:rows, at + 29, 9) AS INTEGER)) FROM cut"""
_GONE_ROW = b"%20d"
_DROP = """WITH RECURSIVE cut(at) AS (VALUES(1) UNION ALL SELECT at + 20 FROM cut WHERE at + 20 < :end)
DELETE FROM {table} WHERE key IN (SELECT CAST(substr(:rows, at, 20) AS INTEGER) FROM cut)"""


def _room(folder: Path) -> int:
    """Free bytes on the file system; 1 if they are unknown."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 1
    return status.f_bavail * status.f_frsize if status.f_favail or not status.f_files else 0


class Slice:
    """Rows of one table, joined so that one statement writes them all. It is made on the loop and written in the thread."""

    __slots__ = ("table", "rows", "data", "gone")

    def __init__(self, table: str, rows: list[tuple[int, bytes]]) -> None:
        assert table in _TABLES
        index, parts, at = [], [], 1
        self.table = table
        gone = []
        for key, packed in rows:
            if not packed:
                gone.append(_GONE_ROW % _signed(key))
                continue
            index.append(_INDEX_ROW % (_signed(key), at, len(packed)))
            parts.append(packed)
            at += len(packed)
        self.rows = b"".join(index)
        self.data = b"".join(parts)
        self.gone = b"".join(gone)


def _signed(key: int) -> int:
    """SQLite's integers are signed: the upper half of 64-bit keys is stored negative."""
    return key - (1 << 64) if key >> 63 else key


class CheckpointFile:
    """One SQLite database. Disk errors are raised as OSError, errors of its contents as StoreUnreadable."""

    def __init__(self, path: Path | None, connection: sqlite3.Connection | None = None) -> None:
        """``connection``: an open database instead of a file (a simulation keeps it across restarts)."""
        self.path = path
        self._mine = connection is None
        try:
            self._db = connection or sqlite3.connect(
                path or ":memory:", isolation_level=None, timeout=BUSY_S, check_same_thread=False, cached_statements=16
            )
            self._db.isolation_level = None
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._prepare()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def unreadable(self, error: object) -> StoreUnreadable:
        return StoreUnreadable(
            f"store {self.path}: {error}; restore it from a copy, or move it away and start with --accept-loss"
        )

    def _fault(self, error: sqlite3.Error) -> OSError | StoreUnreadable:
        """The exception for a SQLite error: of the disk, or of the file's contents."""
        # the low octet: the rest says which call failed
        number = _DISK_FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if number is None:
            return self.unreadable(error)
        if number == errno.EIO and self.path is not None and not _room(self.path.parent):
            number = errno.ENOSPC  # SQLite has one code for a shared-memory file that cannot grow, and for a broken disk
        return OSError(number, f"{os.strerror(number)} ({error})", f"store {self.path}")

    def _prepare(self) -> None:
        db = self._db
        application, form = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise StoreUnreadable(f"store {self.path}: this is the database of another program; name another file")
        if form > FORMAT:
            raise StoreUnreadable(
                f"store {self.path}: its format {form} is newer than this gate knows ({FORMAT}); use a newer gate"
            )
        if tables and form < FORMAT:
            raise self.unreadable(f"its format {form} was never released, this gate knows {FORMAT}")
        if not tables:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}(key INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")

    def meta(self) -> dict[str, str]:
        return dict(self._run("SELECT name, value FROM meta").fetchall())

    def rows(self, table: str) -> Iterator[tuple[int, bytes]]:
        assert table in _TABLES
        try:
            for key, data in self._db.execute(f"SELECT key, data FROM {table}"):  # noqa: S608  # one of _TABLES
                yield key & 0xFFFF_FFFF_FFFF_FFFF, data
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def set_meta(self, values: dict[str, str]) -> None:
        """Durable when it returns."""
        self.begin()
        self.commit(values)

    def begin(self) -> None:
        self._run("BEGIN IMMEDIATE")

    def empty(self, table: str) -> None:
        assert table in _TABLES
        self._run(f"DELETE FROM {table}")  # noqa: S608  # one of _TABLES

    def write(self, piece: Slice) -> None:
        if piece.rows:
            values = {"end": len(piece.rows) + 1, "rows": piece.rows, "data": piece.data}
            self._run(_CUT.format(table=piece.table), values)
        if piece.gone:
            self._run(_DROP.format(table=piece.table), {"end": len(piece.gone) + 1, "rows": piece.gone})

    def commit(self, values: dict[str, str]) -> None:
        self._many("INSERT OR REPLACE INTO meta VALUES(?, ?)", list(values.items()))
        self._run("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._run("ROLLBACK")

    def _run(self, sql: str, values: dict[str, object] | tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _many(self, sql: str, rows: list[tuple[str, str]]) -> None:
        try:
            self._db.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def close(self) -> None:
        if self._mine:
            self._db.close()
