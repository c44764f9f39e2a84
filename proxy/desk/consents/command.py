"""Implements the commands of ``gate106 consent``.

Without a command it lists batches; import, tasks, show, review, proof, withdraw, export.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    as_json,
    ask,
    fail,
    format_time,
    group,
    last_day,
    print_answer,
    socket_of,
    table,
    warn,
)

app = group()
COLUMNS = ("number", "advertiser", "category", "given", "until", "version")
NOT_ENFORCED = "gate106: no rule in force asks `consent`: this is remembered, and stops nothing"

Batches = Annotated[list[int], typer.Argument(metavar="BATCH…", help="Which batches, by number.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Only those this provider handed in.")]


class NumberTerms(NamedTuple):
    """What a number agreed to."""

    advertiser: str
    category: str
    given: int
    until: int
    version: str

    def as_args(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value or name == "given"}


@app.callback(epilog="Example: gate106 consent --provider jia")
def batches(
    context: typer.Context,
    provider: Provider = None,
    advertiser: Annotated[str | None, typer.Option("--advertiser", help="Only of this advertiser.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="unreviewed, accepted, rejected or withdrawn.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """List what was imported: batches of consents (one for each advertiser, category, day, end and version), with their state."""
    if context.invoked_subcommand is not None:
        return
    found = _listed(config, control, "consent", provider=provider, advertiser=advertiser, state=state)
    if json:
        as_json({"batches": found})
        return
    _table(found, "there are no consents")


@app.command("tasks", epilog="Example: gate106 consent tasks")
def tasks(provider: Provider = None, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """List batches whose proof is missing, the most urgent first. Exit 1 if any is overdue."""
    found = _listed(config, control, "consent.tasks", provider=provider)
    if json:
        as_json({"batches": found})
    else:
        _table(
            found,
            "no proof is missing",
            ("until the end of", lambda one: last_day(one["due"]) + (" overdue" if one["overdue"] else "")),
        )
    raise typer.Exit(1 if any(one["overdue"] for one in found) else 0)


def _listed(config: Path, control: Path | None, command: str, **args: Any) -> list[dict[str, Any]]:
    from proxy.operations.client import CannotAsk, Conversation

    found: list[dict[str, Any]] = []
    try:
        with Conversation(socket_of(config, control), command, args) as conversation:
            for said in conversation.lines():
                found += said["batches"]
    except CannotAsk as error:
        fail(error)
    return found


def _table(
    found: Sequence[Mapping[str, Any]],
    nothing: str,
    more: Any = ("until the end of", lambda one: last_day(one["until"]) if one["until"] else ""),
) -> None:
    head, cell = more
    table(
        ("batch", "state", "advertiser", "category", "given", "version", "from", "numbers", head),
        (
            (
                one["number"], one["state"], one["advertiser"] or "any", one["category"] or "any", format_time(one["given"]), one["version"],
                one["provider"] or one["source"], one["numbers"], cell(one),
            )
            for one in found
        ),
        nothing,
    )  # fmt: skip


@app.command(
    "import",
    epilog="Example: gate106 consent import consents.csv --proof form.pdf --source app --advertiser 京选商城 --given 2026-11-01 "
    '--why "handed in by jia"',
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: a number a row, perhaps with columns of what it agreed to.")],
    source: Annotated[str, typer.Option("--source", help="Where they agreed: app, form, hotline …")],
    why: Why,
    proof: Annotated[Path | None, typer.Option("--proof", help="The file that shows it; without one its provider gets a task.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Who handed it in: a provider of the settings.")] = None,
    advertiser: Annotated[str, typer.Option("--advertiser", help="Whose messages, where no column says so; else anybody's.")] = "",
    category: Annotated[str, typer.Option("--category", help="marketing or a sub-category, where no column says so; else any.")] = "",
    given: Annotated[str | None, typer.Option("--given", help="When they agreed, where no column says so.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until when, where no column says so; else until it is taken back.")] = None,
    version: Annotated[str, typer.Option("--version", help="Of the words they agreed to.")] = "",
    due: Annotated[int, typer.Option("--due", min=1, max=60, help="Working days within which a missing proof must come.")] = 5,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
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
        file, socket_of(config, control), "consent.import", "batches", args,
        lambda heard: read_number_file(file, default, heard, COLUMNS, _terms), unfit,
    )  # fmt: skip
    if not answer["enforced"]:
        warn(NOT_ENFORCED)
    missing = f"; its proof is missing, until the end of {last_day(answer['due'])}" if answer["due"] else ""
    lines = [f"{file.name}: {answer['rows']} rows, {answer['numbers']} consents in batches {_span(answer['batches'])}{missing}"]
    print_answer(answer, json, lines)


def _terms(said: Mapping[str, str], default: NumberTerms) -> NumberTerms:
    """The terms of one row; ValueError."""
    from proxy.model.redact import read_csv_cell

    advertiser, category = read_csv_cell(said.get("advertiser", "")), said.get("category", "")
    given, until = said.get("given", ""), said.get("until", "")
    return NumberTerms(
        advertiser or default.advertiser,
        category or default.category,
        _moment(given, "given") if given else default.given,
        _end(until, "until") if until else default.until,
        said.get("version", "") or default.version,
    )


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
        fail(error)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


@app.command("show", epilog="Example: gate106 consent show --to 13800210500")
def show(
    to: Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show a person's consents and withdrawals. The journal records the look."""
    answer = ask(config, control, "consent.show", to=to)
    print_answer(answer, json, consent_lines(answer))


def consent_lines(answer: Mapping[str, Any]) -> list[str]:
    """A person's consents, for people."""
    lines = []
    for one in answer["consents"]:
        whose = f"{one['advertiser'] or 'any advertiser'}, {one['category'] or 'any category'}"
        until = f" until the end of {last_day(one['until'])}" if one["until"] else ""
        proof = f"proof {one['proof'][:16]}…" if one["proof"] else "no proof"
        lines.append(
            f"{answer['to']}: agreed to {whose} on {format_time(one['given'])}{until} ({one['source']} {one['version']}; {proof}; "
            f"batch {one['number']}, {one['state']}{' by ' + one['reviewer'] if one['reviewer'] else ''})"
        )
        lines += [f"  {line}" for line in _lines_of(one)]
    for one in answer["withdrawn"]:
        whose = f"{one['advertiser'] or 'all advertisers'}, {one['category'] or 'all categories'}"
        lines.append(f"{answer['to']}: took back {whose} on {format_time(one['time'])}")
    return lines or [f"{answer['to']}: no consent is known"]


def _lines_of(one: Mapping[str, Any]) -> list[str]:
    """What proves a consent by reply, and what ended it."""
    lines = []
    if (reply := one.get("reply")) is not None:
        lines.append(
            f"replied “{reply['text']}” to {reply['port']} on {format_time(reply['time'])}, to message {reply['message']} of "
            f"{format_time(reply['requested'])}: {one['wording']}"
        )
    if (ended := one.get("ended")) is not None:
        lines.append(f"ended by the {ended['by']} of {format_time(ended['time'])}")
    return lines


@app.command("review", epilog='Example: gate106 consent review 7 8 --verdict accepted --why "the form is signed"')
def review(
    batches: Batches,
    why: Why,
    verdict: Annotated[str, typer.Option("--verdict", help="accepted or rejected.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Accept or reject the proof of batches. Rejected consents do not count; another person than the one who brought the proof accepts it."""
    _changed(config, control, "consent.review", batches, json, verdict=verdict, why=why)


@app.command("proof", epilog='Example: gate106 consent proof 7 --file form.pdf --why "sent by jia"')
def add_proof(
    batches: Batches,
    file: Annotated[Path, typer.Option("--file", help="What shows it.")],
    why: Why,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Note the proof of batches that came without: their task is done, a review is due."""
    _changed(config, control, "consent.proof", batches, json, proof=_sha256(file), why=why)


@app.command(
    "withdraw", epilog='Example: gate106 consent withdraw --to 13800210500 --advertiser 京选商城 --why "asked by phone"'
)
def withdraw(
    why: Why,
    batches: Annotated[list[int] | None, typer.Argument(metavar="[BATCH…]", help="Whole batches, instead of a person.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Whose: the number, in any spelling.")] = None,
    advertiser: Annotated[str | None, typer.Option("--advertiser", help="Only of this advertiser; else of all.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="Only of this category; else of all.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Take a person's consent back, or whole batches: at once. What they agree to later counts again."""
    if to is None:
        _changed(config, control, "consent.withdraw", batches or [], json, why=why)
        return
    answer = ask(config, control, "consent.withdraw", to=to, advertiser=advertiser, category=category, why=why)
    if not answer["enforced"]:
        warn(NOT_ENFORCED)
    whose = f"{answer['advertiser'] or 'all advertisers'}, {answer['category'] or 'all categories'}"
    print_answer(answer, json, [f"{answer['to']}: taken back: {whose}"])


def _changed(config: Path, control: Path | None, command: str, batches: Sequence[int], json: bool, **args: Any) -> None:
    answer = ask(config, control, command, batches=[str(one) for one in batches], **args)
    print_answer(
        answer,
        json,
        (f"batch {one['number']}: {one['state']}, proof {one['proof'][:16] or 'missing'}" for one in answer["batches"]),
    )


@app.command("export", epilog='Example: gate106 consent export --out consents.csv --why "asked for by the regulator"')
def export(
    why: Why,
    out: Annotated[Path, typer.Option("--out", help="The file (only its owner may read it); it must not be there yet.")],
    batches: Annotated[list[int] | None, typer.Argument(metavar="[BATCH…]", help="Only these.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write consents as CSV with whole numbers. The journal keeps that it was done."""
    import os

    from proxy.model.redact import csv_cell as cell
    from proxy.operations.client import CannotAsk, Conversation

    args = {"why": why, "some": bool(batches), "batches": [str(one) for one in batches or ()]}
    rows = 0
    try:
        with (
            Conversation(socket_of(config, control), "consent.export", args) as conversation,
            os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*COLUMNS, "batch", "state", "source", "provider", "proof"))
            for said in conversation.lines():
                one = said["batch"]
                after = (
                    cell(one["advertiser"]), one["category"], format_time(one["given"])[:10], last_day(one["until"]) if one["until"] else "",
                    cell(one["version"]), one["number"], one["state"], cell(one["source"]), one["provider"], one["proof"],
                )  # fmt: skip
                writer.writerows((number, *after) for number in said["numbers"])
                rows += len(said["numbers"])
    except FileExistsError:
        fail(f"{out}: is there already")
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    except CannotAsk as error:
        fail(error)
    print_answer({"rows": rows, "file": str(out)}, json, [f"{out}: {rows} rows"])
