"""Groups the texts of a period by what became of them.

In: the archive, journals whose newest records are in no table yet, the keys, a period, the messages that complaints name. Out: each text
once, with signature, category, verdict and reason. Never: a person; a digit of a text.

Of a long message each part counts as a text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from proxy.archive.coverage import ArchiveSources, CoverageReport, LocalJournal, answered, matching_rows
from proxy.archive.parquet import engine
from proxy.archive.query import Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.model.number import masked_repr

TEXTS_MAX = 300_000
"""Different texts that are read, those sent most often first: about 150 MB."""


@masked_repr
class TextOutcome(NamedTuple):
    """One text, under one signature, with one verdict."""

    text: str  # every number is one 0
    signature: str
    category: str
    verdict: str
    reason: str
    judged: bool  # whether some rule objected
    complained: bool  # whether a complaint names one of these messages
    messages: int


class TextOutcomes(NamedTuple):
    texts: list[TextOutcome]
    truncated: bool  # there are more than TEXTS_MAX
    covered: CoverageReport


def text_outcomes(
    archive: Path, journals: Iterable[LocalJournal], keys: ArchiveKeys, *, since: float, until: float, complained: Iterable[str],
) -> TextOutcomes:  # fmt: skip
    """``complained``: messages as NODE:RECORD. Errors are those of ``search.find``."""
    question = Query(since=since, until=until).checked()
    named = [one.split(":") for one in complained if one.count(":") == 1]
    pairs = [(int(node), int(record)) for node, record in named if node.isdecimal() and record.isdecimal()]
    cases = pa.table(
        {"node": pa.array([one for one, _ in pairs], pa.uint16()), "sequence": pa.array([one for _, one in pairs], pa.uint64())}
    )
    return answered(archive, journals, question, lambda sources, coverage: _grouped(sources, coverage, question, keys, cases))


def _grouped(sources: ArchiveSources, coverage: CoverageReport, question: Query, keys: ArchiveKeys, cases: Any) -> TextOutcomes:
    fits, values = question.fits()
    columns = "regexp_replace(text, '[0-9*]+', '0', 'g') AS text, signature, category, outcome, reason, rules <> '' AS judged, node, sequence"
    rows, named = matching_rows(columns, f"{fits} AND text <> ''", coverage.files)
    sql = (
        "SELECT text, signature, category, outcome, reason, judged, bool_or(cases.node IS NOT NULL), count(*) AS messages "  # noqa: S608
        f"FROM ({rows}) AS sent LEFT JOIN cases ON cases.node = sent.node AND cases.sequence = sent.sequence "
        "GROUP BY ALL ORDER BY messages DESC, text, signature, category, outcome, reason LIMIT $most"
    )
    with engine() as database:
        database.register("tail", sources.table(keys))
        database.register("cases", cases)
        found = database.execute(sql, values | named | {"most": TEXTS_MAX + 1}).fetchall()
    return TextOutcomes([TextOutcome(*row) for row in found[:TEXTS_MAX]], len(found) > TEXTS_MAX, coverage)
