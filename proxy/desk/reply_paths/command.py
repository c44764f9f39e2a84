"""Implements ``gate106 optout probe`` and ``optout paths``.

Of a probe exit 0: the path is proven; 1: no reply came, or no carrier took the test message; 2: the command cannot be carried out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from proxy.desk.reply_paths.operations import PATH_COLUMNS, path_cells, path_lines
from proxy.operations import terminal
from proxy.operations.declaration import command
from proxy.operations.parameters import Choice
from proxy.operations.terminal import CONFIG, Config, Control, Json, Why
from proxy.policy.reply_paths import STATES

PROVEN = "proven"


@command("optout probe", example='gate106 optout probe --port 1069001 --why "monthly test"')
def probe(
    port: Annotated[str, typer.Option("--port", help="Send from this port, with its extension.")],
    why: Why,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="To this registered test number; may be repeated; all where none is named.")
    ] = None,
    keyword: Annotated[str | None, typer.Option("--keyword", help="What is to be replied; TD when nothing is said.")] = None,
    wait: Annotated[
        str | None,
        typer.Option("--wait", help="A reply must come within; optout.probe_s of the settings when nothing is said."),
    ] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Prove the way back of a port: send a test message to the operator's own numbers, and wait for the reply."""
    from proxy.operations.client import Conversation

    args = {"port": port, "to": to, "keyword": keyword, "wait_s": terminal.seconds(wait, "--wait"), "why": why, "follow": True}
    printed: set[str] = set()
    with Conversation(terminal.socket_of(config, control), "optout.probe", args) as conversation:
        for line in conversation.lines():
            if not json:
                _print_new(line["probe"], printed)
        ending = conversation.ending
    if json:
        terminal.as_json(ending)
    else:
        _print_new(ending, printed)
        terminal.print_line(_end(ending))
    raise typer.Exit(0 if ending["state"] == PROVEN else 1)


def _print_new(one: Mapping[str, Any], printed: set[str]) -> None:
    """Prints the lines that were not printed yet."""
    for line in _lines(one):
        if line not in printed:
            printed.add(line)
            terminal.print_line(line)


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    for each in one["tries"]:
        who = each["to"] + (f" ({each['note']})" if each["note"] else "")
        if each["accepted_ms"] is not None:
            yield f"{who}: taken by the carrier after {each['accepted_ms']:,} ms; reply {one['keyword']} to {one['port']}"
        if each["problem"]:
            yield f"{who}: {each['problem']}"
        if each["answered_ms"] is not None:
            yield f"{who}: replied {each['said']!r}, {each['answered_ms']:,} ms end to end"


def _end(one: Mapping[str, Any]) -> str:
    path = f"port prefix {one['prefix']} of {one['provider']}"
    answered = sum(each["answered_ms"] is not None for each in one["tries"])
    return {
        "proven": f"{path}: proven, {answered} of {len(one['tries'])} test numbers replied",
        "failed": f"{path}: dead, no reply within {one['within_s']:g} s",
        "not-sent": f"{path}: not tested, no carrier took a test message",
        "ended": f"{path}: not tested, the gate or its link to the carrier was away meanwhile",
    }.get(one["state"], f"{path}: {one['state']}")


@command("optout list-paths", example="gate106 optout list-paths --state silent")
def paths(
    state: Annotated[str | None, Choice("Only these.", STATES)] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only prefixes of this provider.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """List the ports by which replies reach the gate: each registered prefix with advertisements, replies and the last proof, doubtful ones
    first."""
    if as_csv and json:
        terminal.fail("optout paths: --csv or --json, not both")
    terminal.note_unknown(config, provider)
    answer = terminal.collect(config, control, "optout.paths", state=state, provider=provider)
    answer["paths"] = [line["path"] for line in answer.pop("lines")]
    if as_csv:
        from proxy.model.redact import csv_cell

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([one.replace(" ", "_") for one in PATH_COLUMNS])
        writer.writerows([csv_cell(str(one)) for one in path_cells(path, "")] for path in answer["paths"])
    else:
        terminal.print_answer(answer, json, path_lines(answer))
