"""Implements ``gate106 report``: one day, counted from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.model.roles import Permission
from proxy.operations.declaration import PDF, Program, command
from proxy.operations.files.journal_access import disk_of, gates_of, reading
from proxy.operations.parameters import DAY, Choice, Integer, Text
from proxy.operations.terminal import CONFIG, Json, choose_language, fail, note, print_answer, settings_of

if TYPE_CHECKING:
    from proxy.archive.signed_heads import Head
    from proxy.config import Settings
    from proxy.desk.reports.daily_report import DayReport, NamesOf

REPEATS_S = 900
"""Reading begins this long before the day: repeats refer to refusals before midnight."""


@command(
    "report",
    Program(permission=Permission.SEE, only=("day", "least")),
    Program(permission=Permission.SEE, at="report/pdf", only=("day", "lang"), out="--pdf", media=PDF),
    example="gate106 report --day 2026-11-11 --pdf sheet.pdf",
)
def report(
    day: Annotated[str | None, Text("Which day in China: 2026-11-11; default yesterday.", pattern=DAY)] = None,
    config: Annotated[Path, typer.Option("--config", help="The settings (YAML): journal and rules.")] = CONFIG,
    journal: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page that opens offline.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as a PDF.")] = None,
    least: Annotated[int, Integer("Smaller counts are hidden.", 1, 1_000_000)] = 10,
    lang: Annotated[str | None, Choice("zh or en; default: of the locale, zh where it is neither.", ("zh", "en"))] = None,
    json: Json = False,
) -> None:
    """Report a day: messages sent, refused and deferred, by reason, province, provider and signature; rates of opt-outs, unknown regions, hits
    of shadow rules. It contains no number and no text, and small counts are hidden."""
    from proxy.desk.reports.report_text import View, as_dict, as_text

    language = choose_language(lang)
    settings = settings_of(config, lang or "en")
    assert settings is not None
    gates = gates_of(settings, journal)
    since = _midnight(day)
    sheet = _counted(gates, since, since + 86_400)
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


def _midnight(day: str | None) -> float:
    from proxy.config.mapping_reader import CHINA

    try:
        of = date.fromisoformat(day) if day is not None else datetime.now(CHINA).date() - timedelta(days=1)
    except ValueError:
        fail(f"--day: '{day}' is no day (like 2026-11-11)")
    return datetime(of.year, of.month, of.day, tzinfo=CHINA).timestamp()


def _counted(gates: Sequence[Settings], since: float, until: float) -> DayReport:
    """Of all workers of a gate, or of the one that there is."""
    from proxy.desk.backtest.commit_groups import groups_between
    from proxy.desk.reports.daily_report import DayCounter
    from proxy.policy.loading.load_rules import load
    from proxy.policy.loading.problem import RulesError

    first = gates[0]
    try:
        rules = load(first.rules, category_tag=first.category_tag)
    except RulesError as error:
        fail(f"{first.rules}: the rules cannot be loaded: {error.problems[0]}")
    names = _names({rules.revision: tuple(rule.id for rule in rules.rules)}, first)
    counting = DayCounter(since, until, rules.regions, names)
    for gate in gates:
        with reading(gate.journal):
            counting.read(groups_between(disk_of(gate.journal, gate.sealing), since - REPEATS_S, until))
    return counting.sheet


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
    try:
        path.write_bytes(data)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    note(f"written: {path}")
