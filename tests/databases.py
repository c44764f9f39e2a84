"""Shares the database in which a process asks tables: opening one takes 25 ms of CPU time, and tests open thousands.

In: how the gate opens one. Out: a connection of its own to the one that is open, with temporary tables and views of its own. Never: a
database that lies in a file, or holds tables; one that could spill, which nothing is large enough for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import duckdb

anew = duckdb.connect


@cache
def _open(**config: Any) -> duckdb.DuckDBPyConnection:
    made = anew(config=config)
    made.execute("SET enable_external_file_cache = false")  # tests damage files that it has read
    return made


def shared(place: str = ":memory:", *, config: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
    """In place of ``duckdb.connect``."""
    if place != ":memory:" or not config or "memory_limit" not in config:
        return anew(place, config=config or {})
    return _open(**config | {"temp_directory": ""}).cursor()
