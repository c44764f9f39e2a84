"""Lists one provider's refused messages, page by page, for that provider.

Never: another provider's message; a reason that says something about a person; a number that is not masked.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive.coverage import determine_coverage
from proxy.archive.parquet import engine
from proxy.archive.pending_segments import LocalJournal, gather_sources
from proxy.archive.query import Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.i18n.refusal_hints import public_reason
from proxy.model.number import mask

_COLUMNS = "time_ms, account, port, sealed, category, signature, reason, status, part, parts"


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


class RefusalPage(NamedTuple):
    refusals: list[RefusedSubmit]
    more: bool


def refused_submits(
    archive: Path,
    journals: Iterable[LocalJournal],
    keys: ArchiveKeys,
    provider: str,
    since: float,
    until: float,
    skip: int,
    limit: int,
) -> RefusalPage:
    """One page in order of time, after ``skip`` rows. Raises TailError, ManifestError, JournalDamaged, OSError, duckdb.Error."""
    question = Query(since=since, until=until, provider=provider)
    sources = gather_sources(archive, journals, question)
    files = [str(one.path) for one in determine_coverage(sources, question).files]
    where = "kind = 'verdict' AND provider = $provider AND outcome <> 'allow' AND time_ms >= $since AND time_ms < $until"
    order = "time_ms, node, sequence, place"
    sql = f"SELECT {_COLUMNS}, node, sequence, place FROM tail WHERE {where}"  # noqa: S608 # names of ours; what was asked for are values
    values: dict[str, Any] = {"provider": provider, "since": int(since * 1000), "until": int(until * 1000)}
    if files:
        sql += f" UNION ALL SELECT {_COLUMNS}, node, sequence, place FROM read_parquet($files) WHERE {where}"  # noqa: S608 # likewise
        values["files"] = files
    with engine() as database:
        database.register("tail", sources.table(keys))
        found = database.execute(f"SELECT * FROM ({sql}) ORDER BY {order} LIMIT {limit + 1} OFFSET {skip}", values)  # noqa: S608 # likewise
        rows = found.fetchall()
    return RefusalPage([_refusal(row, keys) for row in rows[:limit]], len(rows) > limit)


def _refusal(row: tuple[Any, ...], keys: ArchiveKeys) -> RefusedSubmit:
    time_ms, account, port, sealed, category, signature, reason, *rest = row
    number = keys.unseal(sealed)
    to = mask(number) if number else ""
    return RefusedSubmit(time_ms / 1000, account, port, to, category, signature, public_reason(reason), *rest[:3])
