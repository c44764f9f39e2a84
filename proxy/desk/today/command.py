"""Implements ``gate106 today``: today's messages beside those of earlier days."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import Program, command
from proxy.operations.files.journal_access import places_of
from proxy.operations.terminal import CONFIG, Config, Json, format_time
from proxy.policy.time_windows import DAY_S, OFFSET_S

if TYPE_CHECKING:
    from proxy.archive.day_counts import ComparedDays

DAY = {"since": float, "counts": object, "reasons": object}
BACK_DAYS = (0, 1, 7)
"""A day, the day before, the same day a week before."""
ROWS = ("allow", "defer", "reject", "optouts")
REASONS_SHOWN = 2


@command(
    "today",
    Program(
        permission=Permission.SEE,
        answer={"until": float, "days": [DAY], "archived": float, "yesterday": {"until": float, "days": [DAY]}},
    ),
    example="gate106 today",
)
def today(config: Config = CONFIG, json: Json = False) -> None:
    """Compare today's messages and opt-outs with yesterday's and with those of the same day last week, each up to the same time of day.

    Yesterday is compared with the day before and with the same day a week before, with the reasons that refused most.

    Counted is what is in the tables of the journal at rest: a gate adds to them once an hour."""
    places, now = places_of(config, every=True), time.time()
    archive, journals = places.archive.folder, [folder for folder, _ in places.journals]
    found, yesterday = _compared(archive, now, journals), _compared(archive, now - DAY_S, journals)
    terminal.print_answer(
        _as_dict(found) | {"archived": found.archived, "yesterday": _as_dict(yesterday)},
        json,
        [*_lines(found), *(_lines(yesterday) if yesterday.days else ())],
    )


def _as_dict(found: ComparedDays) -> dict[str, Any]:
    until = found.days[0].since + found.seconds if found.days else 0.0
    return {"until": until, "days": [one._asdict() for one in found.days]}


def _compared(archive: Path, now: float, journals: Sequence[Path] = ()) -> ComparedDays:
    """The day of ``now`` beside those before it."""

    from proxy.archive.day_counts import compared_days

    midnight = (now + OFFSET_S) // DAY_S * DAY_S - OFFSET_S
    return compared_days(archive, [midnight - back * DAY_S for back in BACK_DAYS], journals)


def _lines(found: ComparedDays) -> Iterator[str]:
    if not found.days:
        until = f"; there are tables up to {format_time(found.archived)[:16]}" if found.archived else ""
        yield f"no record of today is in a table yet{until} (a gate adds hours that are over: ten minutes after it starts, then once an hour)"
        return
    if found.seconds < DAY_S:
        yield f"up to {format_time(found.days[0].since + found.seconds)[11:16]} of each day"
    rows = [(row, *(_cell(one.counts, row) for one in found.days)) for row in ROWS]
    yield from terminal.table_lines(("messages", *(format_time(one.since)[:10] for one in found.days)), rows, "")
    if reasons := list(found.days[0].reasons.items())[:REASONS_SHOWN]:
        yield f"by reason: {', '.join(f'{name} {number:,}' for name, number in reasons)}"


def _cell(counts: dict[str, int] | None, row: str) -> Any:
    return "-" if counts is None else f"{counts.get(row, 0):,}"
