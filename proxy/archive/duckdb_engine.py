"""Opens DuckDB with bounded memory, without network or disk writes.

In: how much memory, where it may spill. Out: a connection. Never: an extension fetched, a row of a query in a file.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

QUESTION_MEMORY = "1GB"
"""For a question; it holds some batches of rows and the newest that fit."""


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
