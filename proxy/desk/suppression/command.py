"""Implements ``gate106 suppress import`` and ``export``, which read and write files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.desk.suppression.operations import SOURCE, VALUE, unenforced
from proxy.model.roles import Permission
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.parameters import DURATION, Flag, Text, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json, print_answer, seconds, socket_of, warn


@command(
    "suppress import",
    Program(permission=Permission.ENTER, answer={"numbers": int, "changed": int, "enforced": bool}, takes_file=True),
    example='gate106 suppress import red-list.csv --source complaint --for 180d --why "12321, October"',
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: a number a row; see `gate106 suppress export` for more columns.")],
    why: Why,
    scope: Annotated[str, Text("all, advertiser, signature, provider, port or category.", 40)] = "all",
    value: Annotated[str | None, VALUE] = None,
    source: Annotated[str, SOURCE] = "import",
    for_: Annotated[str | None, Text("How long (180d); for good if it is not said.", 8, DURATION)] = None,
    remove: Annotated[bool, Flag("Take these numbers off the lists of this scope and value instead.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Take a list in, of any size: all of it or, with any bad row, nothing. In force and on disk when the command ends."""
    import time
    from functools import partial

    from proxy.operations.files.number_list import ListedRefusal, read_number_file
    from proxy.operations.files.upload import upload_numbers

    for_s = seconds(for_)
    default = ListedRefusal(scope, value or "", source, int(time.time() + for_s) if for_s else 0)
    args = {"remove": remove, "file": file.name[:255], "why": why}
    answer = upload_numbers(
        file, socket_of(config, control), "suppress.import", "keys", args, partial(read_number_file, file, default)
    )
    for line in unenforced(answer):
        warn(line)
    done = f"{answer['changed']} of them {'taken off' if remove else 'new'}; in force"
    print_answer(answer, json, [f"{file.name}: {answer['rows']} rows, {answer['numbers']} numbers, {done}"])


@command(
    "suppress export",
    Program(permission=Permission.TAKE_OUT, out="--out", media=CSV),
    example='gate106 suppress export --out suppressed.csv --why "handed to the new node"',
)
def export(
    why: Why,
    out: Annotated[Path | None, typer.Option("--out", help="The file (only its owner may read it); else standard output.")] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write everybody who is suppressed, records and lists, as CSV with whole numbers. The journal keeps that it was done."""
    from proxy.operations.files.csv_export import export_rows
    from proxy.operations.files.number_list import COLUMNS, export_row

    rows = export_rows(
        out, socket_of(config, control), "suppress.export", {"why": why}, COLUMNS,
        lambda line: (export_row(number, line["refusal"]) for number in line["numbers"]),
    )  # fmt: skip
    print_answer({"rows": rows, "file": str(out) if out else None}, json, [f"{out}: {rows} rows"] if out else [])
