"""Implements ``gate106 suppress import`` and ``export``, which read and write files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.suppression.operations import CHECK, SOURCES, VALUE, unenforced
from proxy.i18n.phrases import WORDS, Bilingual
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.files.upload import CHECKED, IGNORE, SKIP_BAD
from proxy.operations.parameters import DURATION, Choice, Flag, Text, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json
from proxy.policy.registries.table_words import CATEGORIES, SCOPES, UNSAID, word_of
from proxy.policy.registries.table_words import SOURCES as SAID_BY
from proxy.policy.time_windows import DAY_S, OFFSET_S

SOURCE_WORDS = (*SOURCES, *(word for one in SOURCES for word in SAID_BY[one][:2]))


@command(
    "suppress import",
    Program(permission=Permission.ENTER, answer={"numbers": int, "changed": int, "enforced": bool} | CHECKED, takes_file=True),
    example='gate106 suppress import red-list.csv --source complaint --for 180d --why "12321, October"',
)
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX: a number a row, perhaps with columns (号码, 范围, 对象, 来源, 截止日期) in Chinese or English.")
    ],
    why: Why,
    scope: Annotated[str, Text("all, advertiser, signature, provider, port or category (全部, 广告主 …).", 40)] = "all",
    value: Annotated[str | None, VALUE] = None,
    source: Annotated[str, Choice("Who says so, where no column does: officer, complaint, import or hotline.", SOURCE_WORDS)] = "",
    for_: Annotated[str | None, Text("How long (180d), or good: for good; where no column says so.", 8, f"{DURATION}|good|长期")] = None,
    remove: Annotated[bool, Flag("Take these numbers off the lists of this scope and value instead.")] = False,
    ignore: Annotated[list[str] | None, IGNORE] = None,
    skip_bad: Annotated[bool, SKIP_BAD] = False,
    check: Annotated[bool, CHECK] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Take a list in, of any size: all of it or, with any bad row, nothing. In force and on disk when the command ends."""
    from proxy.operations.files.number_list import ListedRefusal, read_number_file
    from proxy.operations.files.upload import check_lines, upload_numbers

    for_s = terminal.seconds(for_) if for_ not in ("good", "长期") else 0.0
    end = int(time.time() + for_s) if for_s else 0.0 if remove or for_s == 0.0 else UNSAID
    try:
        scope = word_of("--scope", scope, SCOPES)
        value = word_of("--value", value, CATEGORIES) if scope == "category" and value else value
    except ValueError as error:
        terminal.fail(error)
    default = ListedRefusal(
        scope, value or "", word_of("--source", source, SAID_BY) if source else "import" if remove else "", end
    )
    args = {"remove": remove, "file": file.name[:255], "why": why}

    def unfit(people: Any) -> str:
        sourceless, endless = (any(not one.source for one in people.by), any(one.until == UNSAID for one in people.by))
        nobody = "who says so is said neither by a column `source` nor by --source" if sourceless else ""
        never = "until when is said neither by a column `until` nor by --for (good: for good)" if endless else ""
        return "; ".join(filter(None, (nobody, never)))

    answer = upload_numbers(
        file, terminal.socket_of(config, control), "suppress.import", "keys", args,
        lambda heard: read_number_file(file, default, heard, ignore=ignore or ()), unfit, check=check,
        counts_new=not remove, skip_bad=skip_bad,
    )  # fmt: skip
    for line in unenforced(answer):
        terminal.warn(line)
    if check:
        terminal.print_answer(answer | {"changed": 0}, json, check_lines(answer, _terms))
        raise typer.Exit(1 if answer["unknown"] else 0)
    done = f"{answer['changed']} of them {'taken off' if remove else 'new'}; in force"
    terminal.print_answer(answer, json, [f"{file.name}: {answer['rows']} rows, {answer['numbers']} numbers, {done}"])


def _terms(one: Mapping[str, Any]) -> Bilingual:
    day = (one["until"] + OFFSET_S) % DAY_S == 0
    until, source = terminal.last_day(one["until"]) if day else terminal.format_time(one["until"]), one["source"]
    english, chinese = (f"until the end of {until}", f"至 {until} 止") if day else (f"until {until}", f"至 {until}")
    return Bilingual(
        f"{one['about']}, {source}, {english if one['until'] else 'for good'}",
        f"{one['about_zh']}，{WORDS.get(source, source)}，{chinese if one['until'] else '长期'}",
    )


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
    from proxy.operations.files.number_list import COLUMNS, export_row
    from proxy.operations.files.row_files import export_rows

    rows = export_rows(
        out, terminal.socket_of(config, control), "suppress.export", {"why": why}, COLUMNS,
        lambda line: (export_row(number, line["refusal"]) for number in line["numbers"]),
    )  # fmt: skip
    terminal.print_answer({"rows": rows, "file": str(out) if out else None}, json, [f"{out}: {rows} rows"] if out else [])
