"""Implements ``gate106 provider list-refusals``: refused messages as a provider may see them."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.operations import terminal
from proxy.operations.declaration import command
from proxy.operations.files.journal_access import places_of
from proxy.operations.terminal import CONFIG, Config, Json, languages
from proxy.runtime import hardening

COLUMNS = ("at", "account", "from", "to", "category", "signature", "reason", "hint", "status", "part", "parts", "message")
HOUR_S, DAY_S = 3600, 86_400


@command("provider list-refusals", example="gate106 provider list-refusals jia --day 2026-11-11 --out jia.csv")
def refusals(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The provider, as the settings call it.")],
    day: Annotated[str | None, typer.Option("--day", help="Of one day (in China); today where nothing is said.")] = None,
    hour: Annotated[str | None, typer.Option("--hour", help="Of the hour in which this moment is (2026-11-11 10:00).")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WORD", help="Only for this public reason.")] = "",
    skip: Annotated[int, typer.Option("--skip", min=0, help="How many to skip.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 1_000,
    out: Annotated[
        Path | None, typer.Option("--out", help="All of them, as CSV, into this file; it must not be there yet.")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="[zh|en]", autocompletion=languages, help="The language.")
    ] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List a provider's refused messages, with the public reason and a hint; numbers masked."""
    language, (since, until) = terminal.choose_language(lang), _span(day, hour)
    terminal.note_unknown(config, name)
    if out is None:
        rows, more, reasons = _page(config, name, since, until, reason, skip, limit, language)
        if json:
            terminal.as_json(
                {
                    "provider": name, "since": since, "until": until, "reasons": reasons, "refusals": rows,
                    "next": skip + limit if more else None,
                }
            )  # fmt: skip
        else:
            _write(sys.stdout, rows, head=not skip)
        return
    count = 0
    try:
        with os.fdopen(
            os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="", encoding="utf-8-sig"
        ) as file:
            more = True
            while more:
                rows, more, _ = _page(config, name, since, until, reason, count, 10_000, language)
                _write(file, rows, head=not count)
                count += len(rows)
    except FileExistsError:
        terminal.fail(f"{out}: is there already")
    except OSError as error:
        terminal.fail(f"{out}: {error.strerror or error}")
    if json:
        terminal.as_json({"provider": name, "since": since, "until": until, "rows": count, "file": str(out)})
    else:
        terminal.print_line(
            f"{out}: {count} refusals of {name}, {terminal.format_time(since)} to {terminal.format_time(until)}"
        )


def _span(day: str | None, hour: str | None) -> tuple[float, float]:
    import time

    from proxy.policy import time_windows

    if day is not None and hour is not None:
        terminal.fail("--day or --hour, not both")
    said, size = (hour, HOUR_S) if hour is not None else (day, DAY_S)
    try:
        at = time_windows.moment(said)[0] if said is not None else time.time()
    except ValueError as error:
        terminal.fail(f"{'--hour' if hour is not None else '--day'}: {error}")
    begin = (int(at) + time_windows.OFFSET_S) // size * size - time_windows.OFFSET_S
    return float(begin), float(begin + size)


def _page(
    config: Path, name: str, since: float, until: float, reason: str, skip: int, limit: int, language: str
) -> tuple[list[dict[str, Any]], bool, list[dict[str, Any]]]:
    """(refusals, whether there are more, all of the span by reason)."""
    import duckdb

    from proxy.archive.manifest import ManifestError
    from proxy.archive.provider_refusals import refused_submits
    from proxy.archive.unrolled_records import TailError
    from proxy.desk.search import command as find
    from proxy.i18n.refusal_hints import hint
    from proxy.journal.write_ahead_log import JournalError

    hardening.restrict_umask()
    places = places_of(config, every=True)
    keys = find.keys_of(places)
    try:
        page = refused_submits(places.archive.folder, find.journals_of(places), keys, name, since, until, skip, limit, reason)
    except (TailError, ManifestError, JournalError, OSError, duckdb.Error) as error:
        terminal.fail(error)
    rows = []
    for one in page.refusals:
        row: dict[str, Any] = one._asdict() | {"hint": hint(one.reason, language), "from": one.port}
        rows.append({column: row[column] for column in COLUMNS})
    return (
        rows,
        page.more,
        [{"reason": one, "hint": hint(one, language), "count": count} for one, count in page.reasons.items()],
    )


def _write(file: Any, rows: list[dict[str, Any]], *, head: bool) -> None:
    from proxy.model.redact import csv_cell, printable

    writer = csv.writer(file, lineterminator="\n")
    if head:
        writer.writerow(COLUMNS)
    for one in rows:
        told = one | {"at": terminal.format_time(one["at"]), "status": f"0x{one['status']:03X}"}
        writer.writerow([csv_cell(printable(str(told[column]))) for column in COLUMNS])
