"""Implements ``gate106 consent import``, ``proof`` and ``export``, which read or write files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from proxy.desk.consents.consent_text import batch_lines, terms_line, unenforced
from proxy.desk.consents.operations import CATEGORIES, DUE_DAYS, DUE_DAYS_MAX
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.files.upload import CHECKED, IGNORE, SKIP_BAD
from proxy.operations.parameters import DAY, Choice, Flag, Integer, Text, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json
from proxy.policy import time_windows
from proxy.policy.registries.table_words import ANY, UNSAID, end_of, word_of
from proxy.policy.registries.table_words import CATEGORIES as CATEGORY_WORDS

_CATEGORIES = {name: CATEGORY_WORDS[name] for name in CATEGORIES}
_CATEGORY_WORDS = (*CATEGORIES, *(word for words in _CATEGORIES.values() for word in words[:2]), "任何", "any")
HEADS = ("number", "advertiser", "category", "given", "until", "version")

Batches = Annotated[list[int], typer.Argument(metavar="BATCH…", help="Which batches, by number.")]


class NumberTerms(NamedTuple):
    """What a number agreed to."""

    advertiser: str
    category: str
    given: int
    until: float
    version: str
    source: str = ""
    """Of the whole file."""

    def as_args(self) -> dict[str, Any]:
        said = self._asdict() | {"advertiser": "" if self.advertiser in ANY else self.advertiser}
        return {name: value for name, value in said.items() if (value or name == "given") and name != "source"}


@command(
    "consent import",
    Program(
        permission=Permission.ENTER,
        answer={"batches": [int], "numbers": int, "new": int, "due": float, "enforced": bool} | CHECKED,
        takes_file=True,
    ),
    example="gate106 consent import consents.csv --proof form.pdf --source app --advertiser 京选商城 --given 2026-11-01 "
    '--until good --why "handed in by jia"',
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: a number a row, perhaps with columns of what it agreed to.")],
    why: Why,
    source: Annotated[str, Text("Where they agreed (app, form, hotline …), where no column says so.", 200)] = "",
    proof: Annotated[Path | None, typer.Option("--proof", help="The file that shows it; without one its provider gets a task.")] = None,
    provider: Annotated[str | None, Text("Who handed it in: a provider of the settings.", 200)] = None,
    advertiser: Annotated[str, Text("Whose messages, where no column says so; any (任何): anybody's.", 180)] = "",
    category: Annotated[str, Choice("marketing or a sub-category, where no column says so; else any.", _CATEGORY_WORDS)] = "",
    given: Annotated[str | None, Text("When they agreed, where no column says so.", pattern=DAY)] = None,
    until: Annotated[
        str | None, Text("Until when, where no column says so; good: until it is taken back.", pattern=f"{DAY}|good|长期")
    ] = None,
    version: Annotated[str, Text("Of the words they agreed to.", 200)] = "",
    due: Annotated[int, Integer("Working days within which a missing proof must come.", 1, DUE_DAYS_MAX)] = DUE_DAYS,
    ignore: Annotated[list[str] | None, IGNORE] = None,
    skip_bad: Annotated[bool, SKIP_BAD] = False,
    check: Annotated[bool, Flag("Say what would be stored; store nothing.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Take consents in: all of a file or, with any bad row, nothing. They count when the command ends; their proof waits for a review."""
    from proxy.operations.files.number_list import read_number_file
    from proxy.operations.files.upload import check_lines, upload_numbers
    from proxy.policy.registries.table_words import CONSENTS

    try:
        end = UNSAID if until is None else _end(until, "--until")
        kind = _category("--category", category) if category else ""
        default = NumberTerms(advertiser.strip(), kind, _moment(given, "--given") if given else 0, end, version, source)
    except ValueError as error:
        terminal.fail(error)
    digest = _sha256(proof) if proof is not None else None
    args = {"provider": provider, "proof": digest, "due_days": due, "file": file.name[:255], "why": why}

    def unfit(people: Any) -> str:
        sources = {one.source for one in people.by}
        args["source"] = next(iter(sources), "")
        if len(sources) > 1:
            return f"its rows name several sources ({', '.join(sorted(sources))[:100]}): make a file of each"
        return "; ".join(words for words, said in _UNSAID if not all(map(said, people.by)))

    answer = upload_numbers(
        file, terminal.socket_of(config, control), "consent.import", "batches", args,
        lambda heard: read_number_file(file, default, heard, CONSENTS, _terms, ignore or ()), unfit, check=check,
        skip_bad=skip_bad,
    )  # fmt: skip
    for line in unenforced(answer):
        terminal.warn(line)
    if check:
        terminal.print_answer(answer | {"batches": [], "new": 0, "due": 0}, json, check_lines(answer, terms_line))
        raise typer.Exit(1 if answer["unknown"] else 0)
    missing = f"; its proof is missing, until the end of {terminal.last_day(answer['due'])}" if answer["due"] else ""
    lines = [f"{file.name}: {answer['rows']} rows, {answer['numbers']} consents in batches {_span(answer['batches'])}{missing}"]
    terminal.print_answer(answer, json, lines)


_UNSAID: Sequence[tuple[str, Callable[[NumberTerms], object]]] = (
    (
        "whose messages is said neither by a column `advertiser` nor by --advertiser (any: anybody's)",
        lambda one: one.advertiser,
    ),
    ("where they agreed is said neither by a column `source` nor by --source", lambda one: one.source),
    ("when they agreed is said neither by a column `given` nor by --given", lambda one: one.given),
    (
        "until when is said neither by a column `until` nor by --until (good: until it is taken back)",
        lambda one: one.until != UNSAID,
    ),
)
"""What a file and its command must say of all rows."""


def _terms(said: Mapping[str, str], default: NumberTerms) -> NumberTerms:
    """The terms of one row; ValueError."""
    from proxy.model.redact import read_csv_cell

    advertiser, category = read_csv_cell(said.get("advertiser", "")) or default.advertiser, said.get("category", "")
    given, until = said.get("given", ""), said.get("until", "")
    if not advertiser and "advertiser" in said:
        raise ValueError("advertiser: is empty: write any where anybody's messages are meant")
    for name, unsaid in (("given", not default.given), ("source", not default.source)):
        if unsaid and not said.get(name, unsaid):
            raise ValueError(f"{name}: is empty, and the command does not say it either")
    if default.until == UNSAID and not said.get("until", "-"):
        raise ValueError("until: is empty: write the last day, or 'for good'")
    kind = _category("category", category) if category else default.category
    return NumberTerms(
        advertiser, kind, _moment(given, "given") if given else default.given, _end(until, "until") if until else default.until,
        said.get("version", "") or default.version, said.get("source", "") or default.source,
    )  # fmt: skip


def _category(name: str, written: str) -> str:
    """The gate's word; empty for any. ValueError."""
    return "" if written in ANY else word_of(name, written, _CATEGORIES)


def _moment(text: str, name: str) -> int:
    """Days stay days: of each day there is one batch, not one of each second."""
    try:
        at = int(time_windows.table_moment(text)[0])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return at - (at + time_windows.OFFSET_S) % time_windows.DAY_S


def _end(text: str, name: str) -> float:
    """The end of a day, which registers count in full; 0: none."""
    at = end_of(name, text)
    rest = (at + time_windows.OFFSET_S) % time_windows.DAY_S
    return at - rest + time_windows.DAY_S if at and rest else at


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        terminal.fail(f"--proof: {path}: {error.strerror or error}")


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
    from proxy.operations.files.row_files import export_rows

    args = {"why": why, "batches": [str(one) for one in batches or ()]}
    heads = (*HEADS, "batch", "state", "source", "provider", "proof")
    rows = export_rows(out, terminal.socket_of(config, control), "consent.export", args, heads, _export_rows)
    terminal.print_answer({"rows": rows, "file": str(out)}, json, [f"{out}: {rows} rows"])


def _export_rows(line: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    from proxy.model.redact import csv_cell as cell

    one = line["batch"]
    given, until = terminal.format_time(one["given"])[:10], terminal.last_day(one["until"]) if one["until"] else "for good"
    after = (
        cell(one["advertiser"] or "any"), one["category"], given, until, cell(one["version"]), one["number"], one["state"], cell(one["source"]),
        one["provider"], one["proof"],
    )  # fmt: skip
    return ((number, *after) for number in line["numbers"])
