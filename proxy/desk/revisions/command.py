"""Implements ``gate106 rules reload``, ``push``, ``export`` and ``import-templates``, and ``check``.

``check``, ``rules show-schema`` and ``settings`` ask no gate.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.backtest.command import kept_revision, push_base
from proxy.desk.revisions.operations import event_lines
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.command_line import TokenFile
from proxy.operations.declaration import ZIP, Program, command
from proxy.operations.parameters import Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, Why


@command("rules reload", example="gate106 rules reload")
def reload(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Read rules and accounts again, as SIGHUP does, and report their faults. Exit 1 if there are any."""
    answer = terminal.ask(config, control, "rules.reload")
    if not json:
        for problem in (*answer["problems"], *answer.get("late", ())):
            terminal.warn(problem)
    changed = "in force now" if answer["changed"] else "unchanged"
    waits = f"; {answer['proposed']} waits for a second person" if answer["proposed"] else ""
    rest = " (mistakes: the old ones stay)" if answer["problems"] else waits
    terminal.print_answer(answer, json, [f"revision {answer['revision']}, {changed}{rest}"])
    raise typer.Exit(1 if answer["problems"] else 0)


@command("rules push", example="gate106 rules push rules/caps.yaml --why 'a tighter cap from December'")
def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Rules files; others stay as they are in force.")],
    why: Why,
    on: Annotated[str, typer.Option("--on", help="What they were made of; default: what waits, or is in force.")] = "",
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Bring rules files to the gate without writing them into its folder: with two persons they wait for the second, else they are
    in force when the command ends. The folder's own set is kept out then, until its files change."""
    if not on:
        answer = terminal.ask(config, control, "rules")
        on = answer["proposed"]["revision"] if answer["proposed"] else answer["revision"]
    texts = {path.name: _text(path) for path in files}
    answer = terminal.push_rules(config, control, on, texts, why)
    terminal.print_answer(answer, json, event_lines(answer))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        terminal.fail(f"{path}: is no UTF-8")


@command(
    "rules export", Program(permission=Permission.TAKE_OUT, out="-", media=ZIP, required=("why",)),
    example="gate106 rules export rules/",
)  # fmt: skip
def export(
    folder: Annotated[
        Path, typer.Argument(help="Where to: a folder, of rules perhaps (files of other names stay), or a new file.zip.")
    ],
    revision: Annotated[str, Text("Which set; default: the one in force.", 16, "[0-9a-f]{4,16}")] = "",
    why: Annotated[str, Reason("Why, of a file.zip: lists of numbers are in it, and the journal keeps it.")] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write the files of a kept set into a folder, so that pushed rules reach the folder of the rules and its history; or into a ZIP for
    another person."""
    from proxy.operations.files import bundle

    settings = terminal.settings_of(config)
    kept, name = kept_revision(revision or terminal.ask(config, control, "rules")["revision"], settings)
    written = list[str]()
    files = kept.files(name)
    if folder.suffix == bundle.ZIP:
        terminal.ask(config, control, "look", what="rules export", unmasked=True, why=why, details=name)
        bundle.write_bundle(folder, files)
        written += files
        files = {}
    for file, data in files.items():
        path = folder / file
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            written.append(file)
    what = f"written: {', '.join(sorted(written))}" if written else "nothing was to be written"
    terminal.print_answer({"revision": name, "written": sorted(written)}, json, [f"{name} is in {folder}; {what}"])


@command("check", Program(permission=Permission.SEE, only=()), example="gate106 check rules/")
def check(
    rules: Annotated[
        Path | None, typer.Argument(help="The folder with rules; default rules/, or what the settings say.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Compare with these settings, too.")] = None,
    json: Json = False,
) -> None:
    """Lint rules, compare registries and run tests; every problem as file:line. Exit 1 if there is any; warnings do not count."""
    from proxy.config.reader import line_of
    from proxy.desk.revisions.rule_text import titled
    from proxy.i18n.catalog import in_language
    from proxy.i18n.phrases import both
    from proxy.policy.loading.check import check as check_rules
    from proxy.policy.loading.problem import NO_RULE, Problem

    language = terminal.printed_language()
    found = terminal.settings_of(config, language) if config is not None else None
    named = "" if rules or found is None else f"{config}:{line_of('rules', config)}: rules: "
    rules = rules or (found.rules if found else Path("rules"))
    if not rules.is_dir():
        absent = in_language(f"{rules}: no such folder (name the folder that holds your rules)", language)
        terminal.fail(both(f"{named}{absent}"))
    report = check_rules(rules, found.providers if found else None, time.time())
    if not (report.rules or report.problems or (found and found.rules_may_be_empty)):  # `serve` does not begin with it
        (report.problems if found else report.warnings).append(Problem(str(rules), 1, NO_RULE))
    for key in found.sealing.keys if found and config else ():
        if not os.path.lexists(key):  # the gate's own user may open it, others need not
            why = "no such file (sealing.keys names it: bring it back from the backup; `gate106 journal make-key` makes a new one)"
            report.problems.append(Problem(str(config), line_of("sealing", config), f"{key}: {why}"))
    if json:
        terminal.as_json(report.as_dict())
        raise typer.Exit(1 if report.problems else 0)
    if language == "zh":
        says = {rule: f"{say}（{rule}）" for rule, say in report.says.items()}
        report.problems, report.warnings = (titled(some, says, places=True) for some in (report.problems, report.warnings))
    for problem in report.problems:
        terminal.warn(both(f"{problem.file}:{problem.line}: {in_language(problem.text, language)}"))
    for doubt in report.warnings:
        terminal.warn(both(f"{doubt.file}:{doubt.line}: {in_language(f'warning: {doubt.text}', language)}"))
    beside = f", {len(report.warnings)} warnings" if report.warnings else ""
    if report.unknown_region:
        terminal.print_line(
            in_language(f"the region of {100 * report.unknown_region:.1f} % of numbers in use is unknown", language)
        )
    counted = f"{report.rules} rules, {report.tests} tests, {len(report.problems)} problems{beside}"
    terminal.print_line(f"{rules}: {in_language(counted, language)}")
    raise typer.Exit(1 if report.problems else 0)


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
    from proxy.desk.revisions import table_rows
    from proxy.desk.revisions.template_file import read_template_list
    from proxy.operations.files.upload import read_sheet
    from proxy.policy.registries.typed_rows import COLUMNS

    base, files, now = push_base(config, control)
    registered, columns = registered_signatures(files), COLUMNS["templates"]
    found = read_sheet(file, lambda rows: read_template_list(file.name, rows, registered, signature, provider), "imported")
    before = decoded(files.get(TABLE, f"{','.join(columns)}\n".encode()), TABLE)
    text, changes = table_rows.merged(TABLE, before, [one.cells for one in found.rows])
    rows = [
        {"line": one.line, "change": change, "untyped": list(one.untyped), **dict(zip(columns, one.cells, strict=True))}
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
        event = terminal.push_rules(config, control, base, {TABLE: text}, why)
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
