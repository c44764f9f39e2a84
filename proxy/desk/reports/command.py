"""Implements ``gate106 report``: a day or a month, counted from the journal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.desk.reports import month_report, month_text
from proxy.model.roles import Permission
from proxy.operations.declaration import PDF, XLSX, Program, command
from proxy.operations.files.journal_access import disk_of, gates_of, reading
from proxy.operations.parameters import DAY, MONTH, Choice, Integer, Text
from proxy.operations.terminal import (
    CONFIG,
    Control,
    Json,
    choose_language,
    fail,
    load_rules,
    note,
    print_answer,
    settings_of,
    table_lines,
)
from proxy.policy import time_windows
from proxy.policy.time_windows import DAY_S

if TYPE_CHECKING:
    from proxy.archive.signed_heads import Head
    from proxy.config import Settings
    from proxy.desk.backtest.environment import NamesOf
    from proxy.desk.reports.daily_report import DayCountCache, DayReport

REPEATS_S = 900
"""Reading begins this long before the day: repeats refer to refusals before midnight."""


def last_month() -> str:
    """The last one that is over, in China."""
    return time_windows.local(time_windows.month_span(time_windows.local(time.time())[:7])[0] - 1)[:7]


@command(
    "report",
    Program(permission=Permission.SEE, only=("day", "month", "least", "lang")),
    Program(permission=Permission.SEE, at="report/pdf", only=("day", "month", "lang"), out="--pdf", media=PDF),
    Program(permission=Permission.SEE, at="report/xlsx", only=("month", "lang"), required=("month",), out="--xlsx", media=XLSX),
    example="gate106 report --day 2026-11-11 --pdf sheet.pdf",
    bare={"--month": last_month},
)
def report(
    day: Annotated[str | None, Text("Which day in China: 2026-11-11; default yesterday.", pattern=DAY)] = None,
    month: Annotated[
        str | None, Text("A month instead, beside the one before: 2026-11; without a value the last.", pattern=MONTH)
    ] = None,
    config: Annotated[Path, typer.Option("--config", help="The settings (YAML): journal and rules.")] = CONFIG,
    journal: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page that opens offline.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as a PDF.")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write a month as a spreadsheet, a sheet for each table.")] = None,
    least: Annotated[int, Integer("Smaller counts are hidden.", 1, 1_000_000)] = 10,
    lang: Annotated[str | None, Choice("zh or en; default: of the locale, zh where it is neither.", ("zh", "en"))] = None,
    audit_s: Annotated[
        float | None, typer.Option("--audit-within", hidden=True, help="Seconds for the second reading of opt-outs, for pages.")
    ] = None,
    control: Control = None,
    json: Json = False,
) -> None:
    """Report a day: messages sent, refused and deferred, by reason, province, provider and signature; rates of opt-outs, unknown regions, hits
    of shadow rules. It contains no number and no text, and small counts are hidden. A month adds complaints and their due dates, penalties,
    how soon opt-outs worked, ports without replies and the month before."""
    from proxy.desk.reports.report_text import View, as_dict, as_text

    language = choose_language(lang)
    settings = settings_of(config, lang or "en")
    if month is not None:
        if day is not None:
            fail("report: --day or --month, not both")
        for path, ending in ((html, ".html"), (pdf, ".pdf"), (xlsx, ".xlsx")):
            if path is not None and path.suffix.lower() != ending:
                fail(f"--{ending[1:]}: {path}: name it {ending}")
        made = _month(settings, month, least, config, journal, control, audit_s)
        _write_month(made, language, html, pdf, xlsx)
        print_answer(month_text.as_dict(made, language), json, _month_lines(made, language))
        return
    if xlsx is not None:
        fail("report: --xlsx is of a --month")
    gates = gates_of(settings, journal)
    since = _midnight(day)
    sheet = _counter(gates)(since, since + DAY_S)
    if not sheet.records:
        fail(f"{journal or settings.journal}: the journal has nothing of that day")
    view = View(sheet, least, _heads(settings, since))
    if html is not None:
        from proxy.desk.reports.offline_html import page

        _write(html, page(view, language).encode())
    if pdf is not None:
        from proxy.desk.reports.report_pdf import paper

        _write(pdf, paper(view, language))
    print_answer(as_dict(view), json, as_text(view))


def _month(
    settings: Settings,
    month: str,
    least: int,
    config: Path,
    journal: Path | None,
    control: Path | None,
    audit_s: float | None,
) -> month_report.MonthReport:
    from proxy.archive.audit import audit_run
    from proxy.desk.reports.daily_report import DayCountCache

    try:
        since, until = time_windows.month_span(month)
    except ValueError:
        fail(f"--month: '{month}' is no month (like 2026-11; a day is --day 2026-11-11)")
    gates = gates_of(settings, journal)
    earlier = time_windows.local(since - 1)[:7]
    disks = [disk_of(gate.journal, gate.sealing) for gate in gates]
    kept = None
    if journal is None and settings.archive.folder.is_dir():
        kept = DayCountCache(settings.archive.folder, disks, time.time())
    sheet, days = _days(gates, since, until, kept)
    if not sheet.records:
        fail(f"{journal or settings.journal}: the journal has nothing of that month ({month})")
    before, _ = _days(gates, *time_windows.month_span(earlier), kept)
    after_optout = kept.find_audit(since, until) if kept is not None else None
    if after_optout is None:
        after_optout = audit_run.sent_after_optouts(audit_run.journals_of(config, journal), since, until, audit_s)
        if kept is not None and after_optout is not None:
            kept.keep_audit(since, until, after_optout)
    desk = _desk(control or settings.control, month, earlier)
    return month_report.MonthReport(month, since, until, sheet, days, before, desk, after_optout, least)


def _days(
    gates: Sequence[Settings], since: float, until: float, kept: DayCountCache | None
) -> tuple[DayReport, dict[str, Counter[str]]]:
    """The sum of its days, and the fates of each."""
    from proxy.desk.reports.daily_report import FATES, DayReport

    whole, days = DayReport(since, until), dict[str, Counter[str]]()
    counted = _counter(gates)
    for midnight in range(int(since), min(int(until), int(time.time()) + 1), DAY_S):
        sheet = kept.find(midnight, midnight + DAY_S) if kept is not None else None
        if sheet is None:
            sheet = counted(midnight, midnight + DAY_S)
            if kept is not None:
                kept.keep(sheet)
        if sheet.records:
            whole.add(sheet)
            days[time_windows.local(midnight)[:10]] = Counter({fate: sheet.total(fate) for fate in FATES})
    return whole, days


def _desk(control: Path, month: str, before: str) -> month_report.DeskFacts | None:
    """None where no gate answers."""
    from proxy.operations import client

    try:
        now = client.ask(control, "complaint.count", month=month)
        past = client.ask(control, "complaint.count", month=before)
        with client.Conversation(control, "optout.paths", {}) as talk:
            paths = [line["path"] for line in talk.lines()]
        penalties = client.ask(control, "penalty.list")["penalties"]
    except client.NobodyAnswers as error:
        note(f"complaints, penalties and ports are missing in the report: {error}")
        return None
    return month_report.DeskFacts(now["at"], now["counts"], past["counts"], penalties, paths)


def _month_lines(made: month_report.MonthReport, language: str) -> Iterator[str]:
    from proxy.i18n.phrases import in_language

    yield in_language(month_text.title_of(made), language)
    yield from month_text.texts(month_text.notes_of(made), language)
    for table in map(month_text.reduced, made.tables()):
        rows = [month_text.texts(row, language) for row in ([*table.rows, table.total] if table.total else table.rows)]
        yield from ("", in_language(table.title, language))
        heads, nothing = month_text.texts(table.heads, language), in_language(month_text.NOTHING_HERE, language)
        yield from table_lines(heads, rows if table.rows else [], nothing)
        if table.note:
            yield in_language(table.note, language)


def _write_month(made: month_report.MonthReport, language: str, html: Path | None, pdf: Path | None, xlsx: Path | None) -> None:
    if html is None and pdf is None and xlsx is None:
        return
    from proxy.desk.reports import month_files, report_pdf

    for path, kind in ((html, month_files.html), (pdf, report_pdf.month_paper), (xlsx, month_files.xlsx)):
        if path is not None:
            _write(path, kind(made, language))


def _midnight(day: str | None) -> float:
    from proxy.config.mapping_reader import CHINA

    try:
        of = date.fromisoformat(day) if day is not None else datetime.now(CHINA).date() - timedelta(days=1)
    except ValueError:
        fail(f"--day: '{day}' is no day (like 2026-11-11)")
    return datetime(of.year, of.month, of.day, tzinfo=CHINA).timestamp()


def _counter(gates: Sequence[Settings]) -> Callable[[float, float], DayReport]:
    """Counts a day of all workers of a gate, or of the one that there is."""
    from proxy.desk.backtest.commit_groups import groups_between
    from proxy.desk.reports.daily_report import DayCounter

    first = gates[0]
    rules = load_rules(first.rules, first.category_tag)
    names = _names({rules.revision: tuple(rule.id for rule in rules.rules)}, first)

    def counted(since: float, until: float) -> DayReport:
        counting = DayCounter(since, until, rules.regions, names)
        for gate in gates:
            with reading(gate.journal):
                counting.read(groups_between(disk_of(gate.journal, gate.sealing), since - REPEATS_S, until))
        return counting.sheet

    return counted


def _heads(settings: Settings, since: float) -> list[Head]:
    """Of that day; a report is good without."""
    from proxy.archive import signed_heads
    from proxy.config.mapping_reader import CHINA

    try:
        return signed_heads.of_day(settings.archive.folder, datetime.fromtimestamp(since, CHINA).date().isoformat())
    except (OSError, ValueError) as error:
        note(f"{settings.archive.folder}: a head of the journal cannot be read ({error}): gate106 journal verify")
        return []


def _names(known: dict[str, tuple[str, ...]], settings: Settings) -> NamesOf:
    """Names of rules by revision, of sets that are kept."""
    from proxy.policy.loading.load_rules import load
    from proxy.policy.loading.problem import RulesError
    from proxy.state.revision_store import RevisionStore

    kept = RevisionStore(settings.revisions.folder, settings.revisions.keep)

    def names_of(revision: str) -> tuple[str, ...]:
        if revision not in known:
            known[revision] = ()
            if kept.has(revision):
                try:
                    known[revision] = tuple(rule.id for rule in load(kept.path(revision)).rules)
                except RulesError as error:
                    note(f"{kept.path(revision)}: {error.problems[0]}: its rules have no names")
        return known[revision]

    return names_of


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    note(f"written: {path}")
