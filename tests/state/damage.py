"""Makes a store's file unwritable while a gate has it open.

In: the file. Out: a table's place that the gate cannot follow; the file is whole again when the test wants it. Never: a lost row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

NOWHERE = 9999
"""A page that no file of a test has."""


@contextmanager
def damaged(store: Path) -> Iterator[None]:
    """What stands with the position is nowhere in the file."""
    before = _move(store, NOWHERE)
    yield
    _move(store, before)


def _move(store: Path, page: int) -> int:
    """Where it was before."""
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        before: int = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
        db.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'meta'", (page,))
        version = db.execute("PRAGMA schema_version").fetchone()[0]
        db.execute(f"PRAGMA schema_version = {version + 1}")  # who has the file open looks again
    return before
