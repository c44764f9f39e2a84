"""Counts the messages of days up to the same time of day.

In: the archive's folder, the beginnings of days. Out: counts by outcome, and of replies that opted out, as reports count them: by what
they stopped, which stays after an erasure. Never: a person; a record in no table yet.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from proxy.archive.coverage import ArchiveSources, determine_coverage, gather_sources
from proxy.archive.manifest import Manifest
from proxy.archive.parquet import engine
from proxy.archive.query import Query
from proxy.journal.scan import segment_name
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header

DAY_S = 86_400.0
OPTOUTS = "optouts"


class DayCounts(NamedTuple):
    since: float
    counts: dict[str, int] | None
    """By outcome, and OPTOUTS; None where no table has records of that time."""
    reasons: dict[str, int]
    """Of what was not allowed, those with the most first."""


class ComparedDays(NamedTuple):
    seconds: float
    """Of each day, from its beginning."""
    days: list[DayCounts]
    """Empty where nothing of the first one is in a table yet."""
    archived: float = 0.0
    """Up to when every node's records are in tables; 0 where there are none."""


def compared_days(archive: Path, begins: Sequence[float], journals: Sequence[Path] = ()) -> ComparedDays:
    """``begins``: of one day, and of the days it is compared with. It ends where a node's tables of the first day end, or later where its
    journal, one of ``journals``, went on later. Raises ManifestError, OSError, duckdb.Error."""
    sources = gather_sources(archive, (), Query(since=min(begins), until=begins[0] + DAY_S))
    ends = [_complete_until(manifest, journals) for _, manifest in sources.manifests if manifest.tables]
    if not ends or (seconds := min(ends) - begins[0]) < 0:
        return ComparedDays(0.0, [], min(ends, default=0.0))
    seconds = min(seconds, DAY_S)
    first = min(manifest.tables[0].since_ms for _, manifest in sources.manifests if manifest.tables) / 1000
    days = [_counts(sources, one, one + seconds) if first < one + seconds else DayCounts(one, None, {}) for one in begins]
    if days[0].counts is None:  # the tables reach into the day, and have nothing of it
        days[0] = DayCounts(begins[0], {}, {})
    return ComparedDays(seconds, days, min(ends))


def _complete_until(manifest: Manifest, journals: Sequence[Path]) -> float:
    """Until when the tables have all that a node wrote: the next segment begins there."""
    for folder in journals:
        with contextlib.suppress(OSError, SegmentFault), (folder / segment_name(manifest.last + 1)).open("rb") as file:
            header = unpack_header(file.read(HEADER_BYTES))
            if header.identity.hex() == manifest.identity:
                return header.created_ms / 1000
    return max(one.until_ms for one in manifest.tables) / 1000


def _counts(sources: ArchiveSources, since: float, until: float) -> DayCounts:
    files = [str(one.path) for one in determine_coverage(sources, Query(since=since, until=until)).files]
    if not files:
        return DayCounts(since, None, {})
    tables, within = "read_parquet($files, filename = true)", "time_ms >= $since AND time_ms < $until"
    sql = (
        f"WITH rows AS (SELECT *, parse_dirpath(parse_dirpath(filename)) AS home FROM {tables}) "  # noqa: S608 # ours
        f"SELECT CASE kind WHEN 'verdict' THEN outcome ELSE '{OPTOUTS}' END, reason, count(*) FILTER (kind = 'verdict') "
        "+ count(DISTINCT (person, port, time_ms)) FILTER (kind = 'stopped') FROM rows "  # a reply may refuse several
        f"WHERE kind IN ('verdict', 'stopped') AND {within} GROUP BY ALL "
        "UNION ALL SELECT first.outcome, first.reason, sum(again.status) "
        f"FROM (SELECT * FROM rows WHERE kind = 'repeated' AND {within}) again JOIN rows first "
        "ON first.kind = 'verdict' AND first.place = 0 AND first.sequence = again.verdict AND first.home = again.home GROUP BY ALL"
    )
    counts, reasons = Counter[str](), Counter[str]()
    with engine() as database:
        values = {"files": files, "since": int(since * 1000), "until": int(until * 1000) + 1}
        for what, reason, number in database.execute(sql, values).fetchall():
            counts[what] += number
            if what not in ("allow", OPTOUTS):
                reasons[reason] += number
    return DayCounts(since, dict(counts), dict(reasons.most_common()))
