"""Damage: a store's file that cannot be written any more, while a gate has it open, and is whole again when the test wants it.

In: the file. Out: the place of a table that the gate cannot follow. Never: a row lost.
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
