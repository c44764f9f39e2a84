"""Implements ``gate106 filing`` import, export and letter, which read or write files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.desk.backtest.command import push_base
from proxy.desk.filings.filing_columns import TABLE_WORDS, TABLES, headings, table_of
from proxy.desk.filings.filing_file import read_sheet
from proxy.desk.filings.filing_rows import attached, export_rows, file_of
from proxy.desk.revisions.operations import event_lines
from proxy.i18n.phrases import LANGUAGES
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.files import upload
from proxy.operations.parameters import Choice, Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json

if TYPE_CHECKING:
    from proxy.desk.filings.filing_file import FilingFile
    from proxy.operations.files.row_files import Row

REGISTERED = {"rows": int, "sha256": str, "registered": bool, "revision": str, "proposed": bool}
CHANGED = {
    "rows": int,
    "own": str,
    "added": object,
    "changed": object,
    "ignored": [str],
    "unknown": [str],
    "warnings": [str],
    "revision": str,
    "proposed": bool,
}
CHOICES = (*TABLES, *(words[0] for words in TABLE_WORDS.values()))
Table = Annotated[str, Choice("The registry that the sheet's shared headings (状态, 有效期) belong to.", CHOICES)]


@command(
    "filing import", Program(permission=Permission.ENTER, takes_file=True, answer=CHANGED),
    example='gate106 filing import 报备结果.xlsx --why "results of the carriers, 1 December"',
)  # fmt: skip
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GBK) or XLSX; its first row names the columns.")],
    why: Annotated[str, Reason()],
    table: Table = "",
    ignore: Annotated[list[str] | None, upload.IGNORE] = None,
    check: Annotated[bool, Flag("Read it and say what would change; propose nothing.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Take filings, licences and ports from a sheet into the registries: all rows or none. With two persons the change waits for the second."""
    table = table_of(table)
    on, texts = _texts(config, control)

    def read(rows: Iterator[Row]) -> FilingFile:
        sheet = read_sheet(file.name, rows, texts, table, ignore or ())
        for warning in sheet.warnings:
            terminal.warn(warning)
        return sheet

    sheet = upload.read_sheet(file, read, "imported")
    if not check:
        upload.refuse_unknown(sheet)
    event = {} if check or not sheet.files else terminal.push_rules(config, control, on, sheet.files, why)
    lines = [*_counted(sheet, would=check), *(event_lines(event) if event else ())]
    answer = {
        "rows": sheet.read, "own": sheet.own, "added": sheet.added, "changed": sheet.changed, "ignored": sheet.ignored,
        "unknown": sheet.unknown, "warnings": sheet.warnings,
        "revision": event.get("revision", ""), "proposed": bool(event.get("proposed")),
    }  # fmt: skip
    terminal.print_answer(answer, json, lines)


def _counted(sheet: FilingFile, *, would: bool) -> list[str]:
    said = "; ".join(f"{table}: {sheet.added[table]} new, {sheet.changed[table]} changed" for table in sheet.added)
    if not said:
        return [f"{sheet.name}: {sheet.read} rows; nothing changes"]
    return [f"{sheet.name}: {sheet.read} rows; would be {said}" if would else f"{sheet.name}: {sheet.read} rows; {said}"]


@command(
    "filing export", Program(permission=Permission.TAKE_OUT, out="-", media=CSV),
    example="gate106 filing export filings.xlsx --table filings --lang zh",
)  # fmt: skip
def export(
    file: Annotated[Path, typer.Argument(help="The CSV or XLSX file to write; it must not be there yet.")],
    table: Annotated[str, Choice("Which registry.", CHOICES)] = "filings",
    lang: Annotated[str, Choice("The language of the headings.", tuple(LANGUAGES))] = "zh",
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write a registry of filings, as it is in force, with headings in Chinese or English; ``gate106 filing import`` reads it."""
    from proxy.model.redact import csv_cell
    from proxy.operations.files.row_files import write_table

    table = table_of(table)
    _, texts = _texts(config, control, in_force=True)
    rows = export_rows(table, texts.get(file_of(table), ""))
    cells = ([csv_cell(cell) for cell in row] for row in rows)
    write_table(file, headings(table, lang), cells, TABLE_WORDS[table][0] if lang == "zh" else table)
    terminal.print_answer({"rows": len(rows), "file": str(file)}, json, [f"{file}: {len(rows)} rows of {table}"])


@command(
    "filing register-letter",
    Program(at="filing/letter", permission=Permission.ENTER, takes_file=True, answer=REGISTERED),
    example='gate106 filing register-letter 授权书.pdf --of 云栖花园 --why "sent by the developer"',
)  # fmt: skip
def letter(
    file: Annotated[Path, typer.Argument(help="The authorisation letter, or the licence as a file. It stays where it is.")],
    of: Annotated[str, Text("Of this signature; with --licence: of this advertiser.", 100)],
    why: Annotated[str, Reason()] = "",
    licence: Annotated[str, Text("The kind of the advertiser's licence: 医疗广告审查证明.", 100)] = "",
    check: Annotated[bool, Flag("Say whether the registry in force holds this file's SHA-256; change nothing. Exit 1 if it does not.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Register the SHA-256 of an authorisation letter or of a licence, so that the file can be proved later."""
    if not check and not why.strip():
        terminal.fail("letter: --why is missing (the journal keeps it)")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    on, texts = _texts(config, control, in_force=check)
    table = "licences" if licence else "signatures"
    name = of.strip("【】 ")
    before = texts.get(file_of(table), "")
    text, count = attached(table, before, name, digest, licence)
    if not count:
        what = f"licence '{licence}' of '{name}'" if licence else f"signature '{name}'"
        terminal.fail(f"no {what} is registered ({file_of(table)})")
    registered = text == before
    answer: dict[str, Any] = {"rows": count, "sha256": digest, "registered": registered, "revision": "", "proposed": False}
    lines = [f"{digest}  {file.name}: {'registered' if registered else 'not registered'} ({count} rows)"]
    if not check and not registered:
        event = terminal.push_rules(config, control, on, {file_of(table): text}, why)
        answer |= {"registered": True, "revision": event["revision"], "proposed": bool(event["proposed"])}
        lines = [f"{digest}  {file.name}: in {count} rows", *event_lines(event)]
    terminal.print_answer(answer, json, lines)
    raise typer.Exit(1 if check and not registered else 0)


def _texts(config: Path, control: Path | None, *, in_force: bool = False) -> tuple[str, dict[str, str]]:
    """The set that waits, or is in force: its revision, and the texts of its registries of filings."""
    on, files, _ = push_base(config, control, in_force=in_force)
    names = {file_of(table) for table in TABLES}
    return on, {file: data.decode("utf-8-sig", "replace") for file, data in files.items() if file in names}
