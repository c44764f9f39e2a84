"""Implements ``gate106 provider list-refusals``: what was refused, as providers see it."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.i18n.labels import REASONS
from proxy.i18n.phrases import WORDS
from proxy.operations import terminal
from proxy.operations.declaration import command
from proxy.operations.files.journal_access import journals_of, keys_of, places_of
from proxy.operations.parameters import Choice
from proxy.operations.terminal import CONFIG, Config, Json, languages
from proxy.runtime import hardening

COLUMNS: Mapping[str, str] = {
    "at": "时间", "account": "账号", "from": "端口", "to": "接收号码", "category": "类别", "signature": "签名", "reason": "原因",
    "hint": "处理办法", "status": "状态码", "part": "第几段", "parts": "共几段", "message": "编号", "verdict": "结果",
}  # fmt: skip
"""With their Chinese headings."""
WORDS_ZH: Mapping[str, str] = {**WORDS, **REASONS, "not-permitted": "不得发送给该号码"}
HOUR_S, DAY_S = 3600, 86_400
ORDERS = OLDEST, NEWEST = "oldest", "newest"
FIRST_S = HOUR_S
"""The first span that is read within a time."""


@command("provider list-refusals", example="gate106 provider list-refusals jia --day 2026-11-11 --out jia.csv")
def refusals(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The provider, as the settings call it.")],
    day: Annotated[str | None, typer.Option("--day", help="Of one day (in China); today where nothing is said.")] = None,
    hour: Annotated[str | None, typer.Option("--hour", help="Of the hour in which this moment is (2026-11-11 10:00).")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WORD", help="Only for this public reason.")] = "",
    skip: Annotated[int, typer.Option("--skip", min=0, help="How many to skip.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 1_000,
    order: Annotated[str, Choice("Which come first: oldest or newest.", ORDERS)] = OLDEST,
    out: Annotated[
        Path | None, typer.Option("--out", help="All of them, as CSV, into this file; it must not be there yet.")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="[zh|en]", autocompletion=languages, help="The language.")
    ] = None,
    keys: Annotated[bool, typer.Option("--keys", hidden=True, help="Headings and words as programs know them.")] = False,
    within: Annotated[float | None, typer.Option("--within", hidden=True, help="Seconds for reading, for pages.")] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List a provider's refused messages, with the public reason and a hint; numbers masked."""
    language, (since, until) = terminal.choose_language(lang), _span(day, hour)
    shown = "en" if keys else lang or terminal.printed_language()
    terminal.note_unknown(config, name)
    if out is None:
        rows, more, reasons, (read_from, read_until) = _page(
            config, name, since, until, reason, skip, limit, language, within, newest=order == NEWEST
        )
        if json:
            terminal.as_json(
                {
                    "provider": name, "since": since, "until": until, "read_from": read_from, "read_until": read_until, "reasons": reasons,
                    "refusals": rows, "next": skip + limit if more else None,
                }
            )  # fmt: skip
        else:
            _write(sys.stdout, rows, shown, head=not skip)
        return
    count = 0
    try:
        with os.fdopen(
            os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="", encoding="utf-8-sig"
        ) as file:
            more = True
            while more:
                rows, more, *_ = _page(config, name, since, until, reason, count, 10_000, language, newest=order == NEWEST)
                _write(file, rows, shown, head=not count)
                count += len(rows)
    except FileExistsError:
        terminal.fail(f"{out}: is there already")
    if json:
        terminal.as_json({"provider": name, "since": since, "until": until, "rows": count, "file": str(out)})
    else:
        terminal.print_line(
            f"{out}: {count} refusals of {name}, {terminal.format_time(since)} to {terminal.format_time(until)}"
        )


def _span(day: str | None, hour: str | None) -> tuple[float, float]:
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
    config: Path, name: str, since: float, until: float, reason: str, skip: int, limit: int, language: str, within_s: float | None = None,
    *, newest: bool,
) -> tuple[list[dict[str, Any]], bool, list[dict[str, Any]], tuple[float, float]]:  # fmt: skip
    """(refusals, whether there are more, all that was read by reason, the span that was read). ``within_s``: spans are read, each twice as
    long as the last, until the time is over."""

    from proxy.archive.provider_refusals import refused_submits
    from proxy.i18n.refusal_hints import hint

    hardening.restrict_umask()
    places, begun_at = places_of(config, every=True), time.monotonic()
    keys, journals, folder = keys_of(places), journals_of(places), places.archive.folder
    found, more, counts = list[Any](), False, dict[str, tuple[int, int]]()
    left, size_s = (since, until), until - since if within_s is None else FIRST_S
    while left[0] < left[1] and (left == (since, until) or within_s is None or time.monotonic() - begun_at < within_s):
        begin, end = (max(left[0], left[1] - size_s), left[1]) if newest else (left[0], min(left[0] + size_s, left[1]))
        page = refused_submits(folder, journals, keys, name, begin, end, skip, limit - len(found), reason, newest=newest)
        found, more = [*found, *page.refusals], more or page.more
        skip = max(0, skip - sum(sum(two) for one, two in page.reasons.items() if reason in ("", one)))
        for one, (refused, deferred) in page.reasons.items():
            before = counts.get(one, (0, 0))
            counts[one] = before[0] + refused, before[1] + deferred
        left, size_s = (left[0], begin) if newest else (end, left[1]), size_s * 2
    rows = []
    for one in found:
        row: dict[str, Any] = one._asdict() | {"hint": hint(one.reason, language), "from": one.port}
        rows.append({column: row[column] for column in COLUMNS})
    reasons = [
        {"reason": one, "hint": hint(one, language), "count": refused, "deferred": deferred}
        for one, (refused, deferred) in sorted(counts.items(), key=lambda one: (*(-count for count in one[1]), one[0]))
    ]
    return rows, more, reasons, (left[1], until) if newest else (since, left[0])


def _write(file: Any, rows: list[dict[str, Any]], language: str, *, head: bool) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if head:
        writer.writerow(heads(language))
    for one in rows:
        writer.writerow(cells(one, language))


def heads(language: str) -> Sequence[str]:
    """Of a file of refusals."""
    return tuple(COLUMNS.values() if language == "zh" else COLUMNS)


def cells(one: Mapping[str, Any], language: str) -> list[str]:
    """A row of a file of refusals."""
    from proxy.model.redact import csv_cell, printable

    part = {name: one[name] or 1 for name in ("part", "parts")}
    told = {**one, **part, "at": terminal.format_time(one["at"]), "status": f"0x{one['status']:03X}"}
    if language == "zh":
        told |= {name: WORDS_ZH.get(one[name], one[name]) for name in ("category", "reason", "verdict")}
    return [csv_cell(printable(str(told[column]))) for column in COLUMNS]
