"""Implements ``gate106 consent import``, ``proof`` and ``export``, which read or write files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from proxy.desk.consents.consent_text import batch_lines, unenforced
from proxy.desk.consents.operations import CATEGORIES, DUE_DAYS, DUE_DAYS_MAX
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.parameters import DAY, Choice, Integer, Text, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json

COLUMNS = ("number", "advertiser", "category", "given", "until", "version")

Batches = Annotated[list[int], typer.Argument(metavar="BATCH…", help="Which batches, by number.")]


class NumberTerms(NamedTuple):
    """What a number agreed to."""

    advertiser: str
    category: str
    given: int
    until: int
    version: str

    def as_args(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value or name == "given"}


@command(
    "consent import",
    Program(
        permission=Permission.ENTER,
        answer={"batches": [int], "numbers": int, "new": int, "due": float, "enforced": bool},
        takes_file=True,
    ),
    example="gate106 consent import consents.csv --proof form.pdf --source app --advertiser 京选商城 --given 2026-11-01 "
    '--why "handed in by jia"',
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: a number a row, perhaps with columns of what it agreed to.")],
    source: Annotated[str, Text("Where they agreed: app, form, hotline …", 200)],
    why: Why,
    proof: Annotated[Path | None, typer.Option("--proof", help="The file that shows it; without one its provider gets a task.")] = None,
    provider: Annotated[str | None, Text("Who handed it in: a provider of the settings.", 200)] = None,
    advertiser: Annotated[str, Text("Whose messages, where no column says so; else anybody's.", 180)] = "",
    category: Annotated[str, Choice("marketing or a sub-category, where no column says so; else any.", CATEGORIES)] = "",
    given: Annotated[str | None, Text("When they agreed, where no column says so.", pattern=DAY)] = None,
    until: Annotated[str | None, Text("Until when, where no column says so; else until it is taken back.", pattern=DAY)] = None,
    version: Annotated[str, Text("Of the words they agreed to.", 200)] = "",
    due: Annotated[int, Integer("Working days within which a missing proof must come.", 1, DUE_DAYS_MAX)] = DUE_DAYS,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Take consents in: all of a file or, with any bad row, nothing. They count when the command ends; their proof waits for a review."""
    from proxy.operations.files.number_list import read_number_file
    from proxy.operations.files.upload import upload_numbers

    default = NumberTerms(advertiser, category, _day(given, "--given"), _day(until, "--until", _end), version)
    digest = _sha256(proof) if proof is not None else None
    args = {"source": source, "provider": provider, "proof": digest, "due_days": due, "file": file.name[:255], "why": why}

    def unfit(people: Any) -> str:
        dateless = any(not terms.given for terms in people.by)
        return "when they agreed is said neither by a column `given` nor by --given" if dateless else ""

    answer = upload_numbers(
        file, terminal.socket_of(config, control), "consent.import", "batches", args,
        lambda heard: read_number_file(file, default, heard, COLUMNS, _terms), unfit,
    )  # fmt: skip
    for line in unenforced(answer):
        terminal.warn(line)
    missing = f"; its proof is missing, until the end of {terminal.last_day(answer['due'])}" if answer["due"] else ""
    lines = [f"{file.name}: {answer['rows']} rows, {answer['numbers']} consents in batches {_span(answer['batches'])}{missing}"]
    terminal.print_answer(answer, json, lines)


def _terms(said: Mapping[str, str], default: NumberTerms) -> NumberTerms:
    """The terms of one row; ValueError."""
    from proxy.model.redact import read_csv_cell

    advertiser, category = read_csv_cell(said.get("advertiser", "")), said.get("category", "")
    given, until = said.get("given", ""), said.get("until", "")
    return NumberTerms(
        advertiser or default.advertiser, category or default.category, _moment(given, "given") if given else default.given,
        _end(until, "until") if until else default.until, said.get("version", "") or default.version,
    )  # fmt: skip


def _moment(text: str, name: str) -> int:
    """Days stay days: of each day there is one batch, not one of each second."""
    from proxy.policy import time_windows

    try:
        at = int(time_windows.moment(text)[0])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return at - (at + time_windows.OFFSET_S) % time_windows.DAY_S


def _end(text: str, name: str) -> int:
    """The end of a day: registers count it in full."""
    from proxy.policy import time_windows

    return _moment(text, name) + time_windows.DAY_S


def _day(text: str | None, flag: str, read: Callable[[str, str], int] = _moment) -> int:
    if text is None:
        return 0
    try:
        return read(text, flag)
    except ValueError as error:
        terminal.fail(error)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        terminal.fail(f"{path}: {error.strerror or error}")


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


@command("consent prove", example='gate106 consent prove 7 --file form.pdf --why "sent by jia"')
def add_proof(
    batches: Batches,
    file: Annotated[Path, typer.Option("--file", help="What shows it.")],
    why: Why, config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Note the proof of batches that came without: their task is done, a review is due."""
    answer = terminal.ask(config, control, "consent.proof", batches=[str(one) for one in batches], proof=_sha256(file), why=why)
    terminal.print_answer(answer, json, batch_lines(answer))


@command(
    "consent export",
    Program(permission=Permission.TAKE_OUT, out="--out", media=CSV),
    example='gate106 consent export --out consents.csv --why "asked for by the regulator"',
)
def export(
    why: Why,
    out: Annotated[Path, typer.Option("--out", help="The file (only its owner may read it); it must not be there yet.")],
    batches: Annotated[list[int] | None, typer.Argument(metavar="[BATCH…]", help="Only these.")] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write consents as CSV with whole numbers. The journal keeps that it was done."""
    from proxy.operations.files.csv_export import export_rows

    args = {"why": why, "batches": [str(one) for one in batches or ()]}
    heads = (*COLUMNS, "batch", "state", "source", "provider", "proof")
    rows = export_rows(out, terminal.socket_of(config, control), "consent.export", args, heads, _export_rows)
    terminal.print_answer({"rows": rows, "file": str(out)}, json, [f"{out}: {rows} rows"])


def _export_rows(line: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    from proxy.model.redact import csv_cell as cell

    one = line["batch"]
    given, until = terminal.format_time(one["given"])[:10], terminal.last_day(one["until"]) if one["until"] else ""
    after = (
        cell(one["advertiser"]), one["category"], given, until, cell(one["version"]), one["number"], one["state"], cell(one["source"]),
        one["provider"], one["proof"],
    )  # fmt: skip
    return ((number, *after) for number in line["numbers"])
