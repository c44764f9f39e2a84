"""Counts the messages of days up to the same time of day.

In: the archive's folder, the beginnings of days. Out: counts by outcome, and of opt-outs. Never: a person; a record in no table yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from proxy.archive.coverage import determine_coverage
from proxy.archive.parquet import engine
from proxy.archive.pending_segments import ArchiveSources, gather_sources
from proxy.archive.query import Query

DAY_S = 86_400.0
OPTOUTS = "optouts"


class DayCounts(NamedTuple):
    since: float
    counts: dict[str, int] | None
    """By outcome, and OPTOUTS; None where no table reaches back to that day."""


class ComparedDays(NamedTuple):
    seconds: float
    """Of each day, from its beginning; 0 where nothing of the first day is in a table yet."""
    days: list[DayCounts]


def compared_days(archive: Path, begins: Sequence[float]) -> ComparedDays:
    """``begins``: of today, and of the days it is compared with. It ends where a node's tables of today end. Raises ManifestError, OSError,
    duckdb.Error."""
    sources = gather_sources(archive, (), Query(since=min(begins), until=begins[0] + DAY_S))
    ends = [manifest.tables[-1].until_ms / 1000 for _, manifest in sources.manifests if manifest.tables]
    seconds = max(0.0, min(ends, default=0.0) - begins[0])
    if not seconds:
        return ComparedDays(0.0, [])
    first = min(manifest.tables[0].since_ms for _, manifest in sources.manifests if manifest.tables) / 1000
    return ComparedDays(
        seconds, [DayCounts(one, _counts(sources, one, one + seconds) if first < one + seconds else None) for one in begins]
    )


def _counts(sources: ArchiveSources, since: float, until: float) -> dict[str, int]:
    files = [str(one.path) for one in determine_coverage(sources, Query(since=since, until=until)).files]
    if not files:
        return {}
    sql = (
        f"SELECT CASE kind WHEN 'verdict' THEN outcome ELSE '{OPTOUTS}' END, count(*) FROM read_parquet($files) "  # noqa: S608 # ours
        "WHERE kind IN ('verdict', 'optout') AND time_ms >= $since AND time_ms <= $until GROUP BY ALL"
    )
    with engine() as database:
        values = {"files": files, "since": int(since * 1000), "until": int(until * 1000)}
        return dict(database.execute(sql, values).fetchall())
