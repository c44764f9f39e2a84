"""Implements ``gate106 today``: today's messages beside those of earlier days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.operations import terminal
from proxy.operations.declaration import command
from proxy.operations.files.journal_access import places_of
from proxy.operations.terminal import CONFIG, Config, Json, format_time

if TYPE_CHECKING:
    from proxy.archive.day_counts import ComparedDays

BACK_DAYS = (0, 1, 7)
"""Today, yesterday, the same day last week."""
ROWS = ("allow", "defer", "reject", "optouts")


@command("today", example="gate106 today")
def today(config: Config = CONFIG, json: Json = False) -> None:
    """Compare today's messages and opt-outs with yesterday's and with those of the same day last week, each up to the same time of day.

    Counted is what is in the tables of the journal at rest: a gate adds to them once an hour."""
    found = _compared(places_of(config).archive.folder, time.time())
    terminal.print_answer(
        {"until": found.days[0].since + found.seconds if found.days else 0.0, "days": [one._asdict() for one in found.days]},
        json,
        _lines(found),
    )


def _compared(archive: Path, now: float) -> ComparedDays:
    import duckdb

    from proxy.archive.day_counts import DAY_S, compared_days
    from proxy.archive.manifest import ManifestError
    from proxy.policy.time_windows import OFFSET_S

    midnight = (now + OFFSET_S) // DAY_S * DAY_S - OFFSET_S
    try:
        return compared_days(archive, [midnight - back * DAY_S for back in BACK_DAYS])
    except (ManifestError, OSError, duckdb.Error) as error:
        terminal.fail(error)


def _lines(found: ComparedDays) -> Iterator[str]:
    if not found.days:
        yield "no record of today is in a table yet (the gate adds to them once an hour)"
        return
    yield f"up to {format_time(found.days[0].since + found.seconds)[11:16]} of each day"
    rows = [(row, *(_cell(one.counts, row) for one in found.days)) for row in ROWS]
    yield from terminal.table_lines(("messages", *(format_time(one.since)[:10] for one in found.days)), rows, "")


def _cell(counts: dict[str, int] | None, row: str) -> Any:
    return "-" if counts is None else f"{counts.get(row, 0):,}"
