"""Counts who else sent, or got, the same text around a message.

In: the archive, journals whose newest records are in no table yet, the keys, the message, the time. Out: counts by provider, port and
signature; the persons' sealed numbers where they were asked for. Never: a whole number.

Two messages have the same text if the signature or the port is the same and the texts are nearly alike (a name, a code, a link differ), or
if the texts are equal, from any sender. Of a long message the first part is compared: tables have parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from proxy.archive.complaint_matching import alike
from proxy.archive.coverage import ArchiveSources, CandidateFile, CoverageReport, LocalJournal, answered, matching_rows
from proxy.archive.parquet import engine
from proxy.archive.query import Query
from proxy.archive.secret_keys import ArchiveKeys

ALIKE = 0.85
BEGINNING_LEAST = 20  # characters: less of a message says nothing of the rest
TEXTS_MAX = 200_000  # that are compared; a campaign with more names in it is counted by its signature and port alone
PERSONS_MAX = 2_000_000


class Campaign(NamedTuple):
    """Messages of one campaign by one provider, from one port, under one signature."""

    provider: str
    port: str
    signature: str
    passed: int
    refused: int
    persons: int


class SweepResult(NamedTuple):
    campaign: list[Campaign]
    texts: int
    truncated: bool
    covered: CoverageReport
    sealed: list[tuple[bytes, str, str, int]]  # (sealed number, provider, port, time in ms) of each passed, where asked for


def sweep(
    archive: Path, journals: Iterable[LocalJournal], keys: ArchiveKeys, *, text: str, signature: str, port: str, since: float, until: float,
    persons: bool = False, begins: bool = False,
) -> SweepResult:  # fmt: skip
    """``begins``: the text is the first part of a long message. Errors are those of ``finding.find``."""
    question = Query(since=since, until=until, text=text).checked()
    values = {"since": int(since * 1000), "until": int(until * 1000), "text": text, "signature": signature, "port": port}

    def swept(sources: ArchiveSources, coverage: CoverageReport) -> SweepResult:
        with engine() as database:
            database.register("tail", sources.table(keys))
            _gather(database, coverage.files, values)
            by_text = "SELECT text, bool_or(parts > 1) FROM near GROUP BY text LIMIT $most"
            texts = database.execute(by_text, {"most": TEXTS_MAX + 1}).fetchall()
            found_same = [one for one, is_part in texts[:TEXTS_MAX] if _same(text, one, begins=begins, is_part=is_part)]
            same = pa.table({"text": pa.array(found_same, pa.string())})
            database.register("same", same)
            found = database.execute(_COUNTS).fetchall()
            sealed = database.execute(_PERSONS, {"most": PERSONS_MAX}).fetchall() if persons else []
        campaign = [Campaign(*row) for row in found]
        return SweepResult(campaign, same.num_rows, len(texts) > TEXTS_MAX, coverage, sealed)

    return answered(archive, journals, question._replace(text=""), swept)


def _same(text: str, other: str, *, begins: bool, is_part: bool) -> bool:
    """Where one of them is only the beginning of a message, as much of the other is compared with it."""
    if alike(text, other, ALIKE):
        return True
    shorter = min(len(text), len(other))
    if shorter < BEGINNING_LEAST or not (begins if shorter == len(text) else is_part):
        return False
    return alike(text[:shorter], other[:shorter], ALIKE)


def _gather(database: duckdb.DuckDBPyConnection, files: Iterable[CandidateFile], values: dict[str, Any]) -> None:
    """All that may be of the campaign, as a table of the engine's own. A long message counts by its first part."""
    columns = "person, sealed, time_ms, provider, port, signature, text, outcome, parts"
    fits = (
        "kind = 'verdict' AND part <= 1 AND time_ms BETWEEN $since AND $until AND (text = $text OR "
        "($signature <> '' AND signature = $signature) OR ($port <> '' AND port = $port))"
    )
    rows, named = matching_rows(columns, fits, files)
    database.execute(f"CREATE TEMP TABLE near AS {rows}", values | named)


_COUNTS = """
SELECT provider, port, signature, count(*) FILTER (outcome = 'allow'), count(*) FILTER (outcome <> 'allow'),
       count(DISTINCT person) FILTER (outcome = 'allow')
FROM near SEMI JOIN same USING (text) GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3"""
_PERSONS = "SELECT sealed, provider, port, time_ms FROM near SEMI JOIN same USING (text) WHERE outcome = 'allow' ORDER BY time_ms LIMIT $most"
