"""Implements the commands of ``gate106 suppress``.

add, remove, show, lists, import, export.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

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
    print_answer,
    print_line,
    seconds,
    socket_of,
    table,
    warn,
)

app = typer.Typer(
    help="People who get no marketing: enter refusals, take them back, look; lists in and out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

To = Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")]
Scope = Annotated[str, typer.Option("--scope", help="all, advertiser, signature, provider, port or category.")]
Value = Annotated[str | None, typer.Option("--value", help="Which advertiser, signature …; all has none.")]
Source = Annotated[str, typer.Option("--source", help="Who says so: officer, complaint, import or hotline (an app, too).")]
Lasts = Annotated[str | None, typer.Option("--for", help="How long (180d); for good if it is not said.")]
NOT_ENFORCED = "gate106: no rule in force asks `suppressed`: this is remembered, and stops nothing"


def _warn(answer: Any) -> None:
    if not answer["enforced"]:
        warn(NOT_ENFORCED)


def _words(one: Any) -> str:
    return f"{one['about']}, by {one['source']} since {format_time(one['since'])}" + (
        f", until {format_time(one['until'])}" if one["until"] else ""
    )


@app.command(
    "add", epilog='Example: gate106 suppress add --to 13800210500 --scope provider --value jia --for 180d --why "case 4711"'
)
def add(
    to: To,
    why: Why,
    scope: Scope = "all",
    value: Value = None,
    source: Source = "officer",
    lasts: Lasts = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Enter a refusal for a person: in force at once, on disk before it is said to be."""
    answer = ask(config, control, "suppress.add", to=to, scope=scope, value=value, source=source, for_s=seconds(lasts), why=why)
    _warn(answer)
    print_answer(answer, json, (f"{answer['to']}: {_words(one)}" for one in answer["added"]))


@app.command(
    "remove", epilog='Example: gate106 suppress remove --to 13800210500 --scope provider --value jia --why "withdrawn"'
)
def remove(
    to: To,
    why: Why,
    scope: Annotated[str | None, typer.Option("--scope", help="Only refusals of this scope.")] = None,
    value: Annotated[str | None, typer.Option("--value", help="Only of this one, as `suppress show` names it.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Only by these: officer, complaint, import; reply and hotline must be named.")
    ] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Take refusals back, from the person's record and from lists; what a person said by reply only if it is named."""
    from proxy.desk.suppression.signature_search import with_names

    answer = with_names(
        ask(config, control, "suppress.remove", to=to, scope=scope, value=value, source=source, why=why), to, config
    )
    print_answer(answer, json, (f"{answer['to']}: removed {_words(one)}" for one in answer["removed"]))


@app.command("show", epilog="Example: gate106 suppress show --to 13800210500")
def show(to: To, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Show a person's opt-outs, also those on lists. The journal records the look."""
    from proxy.desk.suppression.signature_search import with_names

    answer = with_names(ask(config, control, "suppress.show", to=to), to, config)
    _warn(answer)
    if json:
        as_json(answer)
        return
    for one in answer["refusals"]:
        print_line(f"{answer['to']}: {_words(one)} ({one['kept']})" + ("" if one["in_force"] else ": over"))
    if not answer["refusals"]:
        print_line(f"{answer['to']}: nothing is suppressed")


@app.command("lists", epilog="Example: gate106 suppress lists")
def lists(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """List what was imported: how many numbers of which scope, value, source and expiry."""
    answer = ask(config, control, "suppress.lists")
    if json:
        as_json(answer)
        return
    table(
        ("about", "source", "numbers", "newest", "until"),
        ((one["about"], one["source"], one["numbers"], format_time(one["newest"]), format_time(one["until"])) for one in answer["lists"]),
        "there are no lists",
    )  # fmt: skip


@app.command(
    "import", epilog='Example: gate106 suppress import red-list.csv --source complaint --for 180d --why "12321, October"'
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: a number a row; see `gate106 suppress export` for more columns.")],
    why: Why,
    scope: Scope = "all",
    value: Value = None,
    source: Source = "import",
    lasts: Lasts = None,
    off: Annotated[
        bool, typer.Option("--remove", help="Take these numbers off the lists of this scope and value instead.")
    ] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Take a list in, of any size: all of it or, with any bad row, nothing. In force and on disk when the command ends."""
    import time
    from functools import partial

    from proxy.operations.files.number_list import ListedRefusal, read_number_file
    from proxy.operations.files.upload import upload_numbers

    for_s = seconds(lasts)
    default = ListedRefusal(scope, value or "", source, int(time.time() + for_s) if for_s else 0)
    args = {"remove": off, "file": file.name[:255], "why": why}
    answer = upload_numbers(
        file, socket_of(config, control), "suppress.import", "keys", args, partial(read_number_file, file, default)
    )
    _warn(answer)
    if json:
        as_json(answer)
    else:
        done = "taken off" if off else "new"
        print_line(
            f"{file.name}: {answer['rows']} rows, {answer['numbers']} numbers, {answer['changed']} of them {done}; in force"
        )


@app.command("export", epilog='Example: gate106 suppress export --out suppressed.csv --why "handed to the new node"')
def export(
    why: Why,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file (only its owner may read it); else standard output.")
    ] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write everybody who is suppressed, records and lists, as CSV with whole numbers. The journal keeps that it was done."""
    import os

    from proxy.operations.client import CannotAsk, Conversation
    from proxy.operations.files.number_list import COLUMNS, export_row

    rows = 0
    try:
        with Conversation(socket_of(config, control), "suppress.export", {"why": why}) as conversation:
            file = (
                sys.stdout
                if out is None
                else os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="")
            )
            try:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                for said in conversation.lines():
                    writer.writerows(export_row(number, said["refusal"]) for number in said["numbers"])
                    rows += len(said["numbers"])
            finally:
                if out is not None:
                    file.close()
    except FileExistsError:
        fail(f"{out}: is there already")
    except OSError as error:
        fail(f"{out or 'standard output'}: {error.strerror or error}")
    except CannotAsk as error:
        fail(error)
    if json:
        as_json({"rows": rows, "file": str(out) if out else None})
    elif out is not None:
        print_line(f"{out}: {rows} rows")
