"""Implements ``gate106 complaint`` import, match, sweep and export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.complaints.operations import CASE_ID, STOPPED_BY, WORD_MAX
from proxy.journal.records.complaints import STATES
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.parameters import DURATION, Choice, Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json

LINE_ROWS = 100
DAY_S = 86_400.0
EXPORT_ROWS, MOVED_UP = 1000, 100
"""Asked for at a time, and of these again with the next: a case that is decided meanwhile stands elsewhere, and what was behind it moves up."""


@command(
    "complaint import",
    Program(
        permission=Permission.ENTER, takes_file=True, answer={"filed": int, "would_file": int, "known": int, "cases": [int]},
    ),
    example='gate106 complaint import 12321-2026-11-12.xlsx --why "batch of 12 November" --check',
)  # fmt: skip
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GBK) or XLSX; its first row names the columns.")],
    why: Annotated[str, Reason()],
    source: Annotated[str, Text("Who sent it.", WORD_MAX)] = "12321",
    check: Annotated[bool, Flag("Read it and say what would be filed; file nothing.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """File a batch of complaints as cases with due dates: all rows or none; a complaint that is a case already is not filed twice."""
    import hashlib
    import time

    from proxy.desk.complaints.batch_file import read_batch
    from proxy.operations import client
    from proxy.operations.files.upload import read_sheet

    batch = read_sheet(file, lambda rows: read_batch(file.name, rows, time.time()), "filed")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    args = {"source": source, "batch": digest, "why": why, "check": check}
    with client.Conversation(terminal.socket_of(config, control), "complaint.import", args) as talk:
        talk.hear()  # go
        for start in range(0, len(batch.rows), LINE_ROWS):
            talk.say({"rows": batch.rows[start : start + LINE_ROWS]})
        talk.say({"end": True, "rows": len(batch.rows)})
        answer = talk.answer()
    cases = answer["cases"]
    span = "" if not cases else f": case {cases[0]}" if len(cases) == 1 else f": cases {cases[0]} to {cases[-1]}"
    would = f"{answer['would_file']} would be filed" if check else f"{answer['filed']} filed{span}"
    terminal.print_answer(answer, json, [f"{file.name}: {len(batch.rows)} rows, {would}, {answer['known']} known already"])


@command(
    "complaint match", Program(permission=Permission.ENTER),
    example='gate106 complaint match 17 --message 1:4711 --why "text and time agree"',
)  # fmt: skip
def match(
    id_: Annotated[str, CASE_ID],
    message: Annotated[str | None, Text("It was this one, of those that are proposed.", 40)] = None,
    why: Annotated[str, Reason()] = "",
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Propose messages that the case may be about, with why; with --message, note which it was. Exit 1 if nothing fits."""
    from proxy.desk.complaints.case_search import find_matches, match_dict, match_lines, note_match

    answer = terminal.ask(config, control, "complaint.show", id=id_, to_find=True, why=why or None)
    if message is not None:
        if not why.strip():
            terminal.fail("match: --message needs --why (the journal keeps it)")
        note_match(answer, message.strip(), why, config, control, json)
        return
    found = find_matches(answer, config)
    terminal.print_answer(match_dict(found), json, match_lines(answer, found))
    raise typer.Exit(0 if found.candidates else 1)


@command(
    "complaint sweep", Program(permission=Permission.LOOK),
    example='gate106 complaint sweep 17 --stop signature --for 24h --why "bought numbers"',
)  # fmt: skip
def sweep(
    id_: Annotated[str, CASE_ID],
    within: Annotated[str, Text("How far around the message.", 8, DURATION)] = "24h",
    stop: Annotated[str | None, Choice("Stop the campaign: by signature, port or provider.", STOPPED_BY)] = None,
    for_: Annotated[str, Text("How long the stop lasts, at most 31d.", 8, DURATION)] = "24h",
    out: Annotated[Path | None, typer.Option("--export", help="Whole numbers of who got it, as CSV. Needs --why.")] = None,
    why: Annotated[str, Reason()] = "",
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Count who else got the text of a case's message, by provider; stop the campaign in the same step."""
    from proxy.desk.complaints.case_search import sweep_campaign, sweep_lines

    if (stop is not None or out is not None) and not why.strip():
        terminal.fail("sweep: --stop and --export need --why (the journal keeps it)")
    answer = terminal.ask(config, control, "complaint.show", id=id_)
    if not answer["message"]:
        terminal.fail(f"case {answer['id']} is matched to no message yet (gate106 complaint match {answer['id']})")
    found, typed = sweep_campaign(answer, terminal.seconds(within, "--within") or DAY_S, out, why, config, control)
    order: Mapping[str, Any] | None = None
    if stop is not None:
        order = terminal.ask(config, control, "complaint.stop", id=id_, by=stop, for_s=terminal.seconds(for_), why=why)[
            "stopped"
        ]
    lines = list(sweep_lines(found, out, typed=typed))
    if order is not None:
        lines.append(
            f"{order['name']}: {order['about']}, until {terminal.format_time(order['until'])} (`gate106 stop lift {order['name']}`)"
        )
    covered = {"chain_holds": not (found.covered.faults or found.covered.missing)}
    said = {"campaign": [one._asdict() for one in found.campaign], "texts": found.texts, "truncated": found.truncated}
    terminal.print_answer(said | {"covered": covered, "typed": typed, "stopped": order}, json, lines)


@command(
    "complaint export", Program(permission=Permission.TAKE_OUT, out="-", media=CSV),
    example="gate106 complaint export answers.csv --state valid",
)  # fmt: skip
def export(
    file: Annotated[Path, typer.Argument(help="The CSV or XLSX file to write.")],
    state: Annotated[str | None, Choice("Only these.", tuple(STATES))] = None,
    provider: Annotated[str | None, Text("Only of this provider.")] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write cases to a file: reference, decision, by whom, why. Numbers are masked."""
    from proxy.operations.files.row_files import write_table

    terminal.note_unknown(config, provider)
    cases, skip = dict[int, Mapping[str, Any]](), 0
    while True:
        export = None if skip else "complaint export"  # it is written down once
        answer = terminal.ask(
            config, control, "complaint.list", export=export, state=state, provider=provider, skip=skip, limit=EXPORT_ROWS
        )
        news = [one for one in answer["cases"] if one["id"] not in cases]
        cases |= {one["id"]: one for one in news}
        if not answer["more"] or not news:
            break
        skip += EXPORT_ROWS - MOVED_UP
    heads = (
        "case", "reference", "source", "number", "time", "state", "provider", "port", "signature", "message", "decided", "why",
    )  # fmt: skip
    rows = [_exported(one) for one in cases.values()]
    try:
        write_table(file, heads, rows)
    except OSError as error:
        terminal.fail(f"{file}: {error.strerror or error}")
    terminal.print_answer({"file": str(file), "cases": len(rows)}, json, [f"{file}: {len(rows)} cases"])


def _exported(one: Mapping[str, Any]) -> list[object]:
    from proxy.model.redact import csv_cell

    last = next((event for event in reversed(one["events"]) if event["what"] == one["state"]), one["events"][-1])
    at, decided = terminal.format_time(one["at"]), terminal.format_time(one["decided"])
    words = (one["reference"], one["source"], one["to"], at, one["state"], one["provider"], one["port"], one["signature"])
    return [one["id"], *map(csv_cell, words), one["message"], decided, csv_cell(last["why"])]
