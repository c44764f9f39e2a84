"""Implements ``gate106 rules import-templates``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.revisions.operations import event_lines
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.command_line import TokenFile
from proxy.operations.declaration import Program, command
from proxy.operations.parameters import Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json

TABLE = "registries/templates.csv"
SHOWN = 40
"""Of each sort, in lines for people."""


@command(
    "rules import-templates",
    Program(
        permission=Permission.ENTER, takes_file=True,
        answer={
            "revision": str, "in_force": str, "proposed": str, "added": int, "changed": int, "same": int, "left_out": [object],
            "untyped": [object], "placeholders": [object], "ignored": [str], "rows": [object],
        },
    ),
    example='gate106 rules import-templates templates.xlsx --provider jia --why "list of 1 December" --check',
)  # fmt: skip
def import_templates(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GB18030) or XLSX; its first row names the columns.")],
    why: Annotated[str, Reason()],
    provider: Annotated[str, Text("The provider of rows that name none; empty: any.")] = "",
    signature: Annotated[str, Text("The signature of a list that has no such column.", 20)] = "",
    check: Annotated[bool, Flag("Read it and show what would change; change nothing.")] = False,
    token_file: TokenFile = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Import a template list of an operator or a cloud into registries/templates.csv: all rows or none. Templates with the same code are
    replaced, others stay. With two persons the change waits for the second."""
    from proxy.config.yaml_file import decoded
    from proxy.desk.backtest.command import kept_revision
    from proxy.desk.revisions import table_rows
    from proxy.desk.revisions.template_file import read_template_list
    from proxy.operations.client import CannotAsk, Conversation, push_files
    from proxy.operations.files.upload import read_sheet
    from proxy.policy.registries.typed_rows import COLUMNS

    if token_file is not None:
        terminal.use_token_file(token_file)
    settings = terminal.settings_of(config)
    assert settings is not None
    now = terminal.ask(config, control, "rules")
    base = now["proposed"]["revision"] if now["proposed"] else now["revision"]
    kept, name = kept_revision(base, settings)
    files = kept.files(name)
    found = read_sheet(
        file,
        lambda rows: read_template_list(file.name, rows, registered_signatures(files), signature, provider),
        "imported",
    )
    before = decoded(files.get(TABLE, f"{','.join(COLUMNS['templates'])}\n".encode()), TABLE)
    text, changes = table_rows.merged(TABLE, before, [one.cells for one in found.rows])
    rows = [
        {
            "line": one.line,
            "change": change,
            "untyped": list(one.untyped),
            **dict(zip(COLUMNS["templates"], one.cells, strict=True)),
        }
        for one, change in zip(found.rows, changes, strict=True)
    ]
    answer: dict[str, Any] = {
        "file": file.name, "revision": base, "in_force": now["revision"], "proposed": "",
        "added": changes.count("added"), "changed": changes.count("changed"), "same": changes.count("same"),
        "left_out": [{"line": line, "template": template, "state": state} for line, template, state in found.left_out],
        "untyped": [{"line": one.line, "template": one.cells[0], "variables": list(one.untyped)} for one in found.rows if one.untyped],
        "placeholders": [
            {"line": one.line, "template": one.cells[0], "words": list(one.placeholders)} for one in found.rows if one.placeholders
        ],
        "ignored": found.ignored, "rows": rows,
    }  # fmt: skip
    event: Mapping[str, Any] = {}
    if not check and text != before:
        try:
            with Conversation(terminal.socket_of(config, control), "rules.push", {"on": base, "why": why}) as said:
                push_files(said, {TABLE: text})
                event = said.answer()
        except CannotAsk as error:
            terminal.fail(error)
        answer |= {one: event[one] for one in ("revision", "in_force", "proposed")}
    terminal.print_answer(answer, json, [*_lines(answer, check=check), *(event_lines(event) if event else ())])


def registered_signatures(files: Mapping[str, bytes]) -> set[str]:
    """The signatures of a set, as they are looked up."""
    from proxy.policy.registries.rows import rows
    from proxy.policy.registries.typed_rows import COLUMNS
    from proxy.policy.text.folding import normal_signature

    data = files.get("registries/signatures.csv", b"")
    return {normal_signature(cells["signature"]) for _, cells in rows("signatures.csv", data, COLUMNS["signatures"], [])}


def _lines(answer: Mapping[str, Any], *, check: bool) -> Iterator[str]:
    for change in ("added", "changed"):
        shown = [one for one in answer["rows"] if one["change"] == change]
        for one in shown[:SHOWN]:
            yield f"  {change} {one['template']}: 【{one['signature']}】 {one['text']}"
        if len(shown) > SHOWN:
            yield f"  … and {len(shown) - SHOWN} more {change}"
    for one in answer["left_out"][:SHOWN]:
        yield f"  left out, line {one['line']}: {one['template']} is {one['state']}"
    for one in answer["untyped"][:SHOWN]:
        variables = " ".join(one["variables"])
        yield f"  no type, line {one['line']}: {one['template']} has {variables}: any text without a contact fits"
    for one in answer["placeholders"][:SHOWN]:
        words = " ".join(one["words"])
        yield f"  fixed text, line {one['line']}: {one['template']} has {words}: if it stands for a value, write a variable ({{name:≤8}})"
    verb = "would be " if check else ""
    yield (
        f"{answer['file']}: {verb}{answer['added']} added, {answer['changed']} changed; {answer['same']} are the same, "
        f"{len(answer['left_out'])} not approved, {len(answer['untyped'])} with variables that have no type"
    )
