"""Lists one provider's refused and deferred messages for that provider, in pages.

Never: another provider's message; a reason that says something about a person; a number that is not masked.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive.coverage import LocalJournal, determine_coverage, gather_sources, matching_rows
from proxy.archive.parquet import engine
from proxy.archive.query import Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.i18n.refusal_hints import public_reason
from proxy.model.message import Outcome
from proxy.model.number import mask
from proxy.model.reasons import REASONS

_COLUMNS = "time_ms, account, port, sealed, category, signature, reason, status, part, parts, node, sequence, outcome"


class RefusedSubmit(NamedTuple):
    at: float
    account: str
    port: str
    to: str  # masked
    category: str
    signature: str
    reason: str  # the reason as providers see it
    status: int
    part: int
    parts: int
    message: str
    """The record, as the operator finds it (node and number)."""
    verdict: str  # reject or defer


class RefusalPage(NamedTuple):
    refusals: list[RefusedSubmit]
    more: bool
    reasons: Mapping[str, tuple[int, int]]
    """(refused, deferred) of the whole span, by the reason as providers see it; the most frequent first."""


def refused_submits(
    archive: Path,
    journals: Iterable[LocalJournal],
    keys: ArchiveKeys,
    provider: str,
    since: float,
    until: float,
    skip: int,
    limit: int,
    reason: str = "",
    *,
    newest: bool = False,
) -> RefusalPage:
    """One page in order of time, after ``skip`` rows; ``newest``: those first. ``reason``: only these, as providers see them. Raises
    TailError, ManifestError, JournalDamaged, OSError, duckdb.Error."""
    question = Query(since=since, until=until, provider=provider)
    sources = gather_sources(archive, journals, question)
    where = "kind = 'verdict' AND provider = $provider AND outcome <> 'allow' AND time_ms >= $since AND time_ms < $until"
    order = ", ".join(f"{column} DESC" if newest else column for column in ("time_ms", "node", "sequence", "place"))
    sql, files = matching_rows(f"{_COLUMNS}, place", where, determine_coverage(sources, question).files)
    values = {"provider": provider, "since": int(since * 1000), "until": int(until * 1000)} | files
    only = [name for name in REASONS if public_reason(name) == reason]
    wanted = "WHERE list_contains($only, reason)" if reason else ""
    with engine() as database:
        database.register("tail", sources.table(keys))
        counts = database.execute(f"SELECT reason, outcome, count(*) FROM ({sql}) GROUP BY reason, outcome", values).fetchall()  # noqa: S608 # names of ours
        page = f"SELECT * FROM ({sql}) {wanted} ORDER BY {order} LIMIT {limit + 1} OFFSET {skip}"  # noqa: S608 # likewise
        rows = database.execute(page, values | {"only": only} if reason else values).fetchall()
    refused, deferred = defaultdict[str, int](int), defaultdict[str, int](int)
    for name, outcome, count in counts:
        (deferred if outcome == Outcome.DEFER.word else refused)[public_reason(name)] += count
    reasons = {name: (refused[name], deferred[name]) for name in {**refused, **deferred}}
    frequent = dict(sorted(reasons.items(), key=lambda one: (*(-count for count in one[1]), one[0])))
    return RefusalPage([_refusal(row, keys) for row in rows[:limit]], len(rows) > limit, frequent)


def _refusal(row: tuple[Any, ...], keys: ArchiveKeys) -> RefusedSubmit:
    time_ms, account, port, sealed, category, signature, reason, status, part, parts, node, sequence, outcome, _ = row
    number = keys.unseal(sealed)
    return RefusedSubmit(
        time_ms / 1000, account, port, mask(number) if number else "", category, signature, public_reason(reason), status, part, parts,
        f"{node}:{sequence}", outcome,
    )  # fmt: skip
