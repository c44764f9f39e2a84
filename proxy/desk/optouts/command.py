"""Implements the commands of ``gate106 optout``.

trace (a person's opt-outs, from the journal; a running gate records the look), audit (marketing sent after an opt-out).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from proxy.desk.optouts.doubtful_operations import ROW, decided_lines
from proxy.model.roles import Permission
from proxy.operations.declaration import Program, command
from proxy.operations.parameters import WHY_MAX, Flag, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, Why, ask, fail, note, print_answer, printed_language


@command(
    "optout trace",
    Program(permission=Permission.LOOK, only=("to", "unmasked", "why")),
    example="gate106 optout trace --to 13800210500 --config gate106.yaml",
)
def trace(
    to: Annotated[str, Text("The person's number, in any spelling.", 100)],
    config: Config = CONFIG,
    folder: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    unmasked: Annotated[bool, Flag("Show the whole number; needs --why and a running gate, whose journal keeps both.")] = False,
    why: Annotated[str | None, Text("Why; required with --unmasked.", WHY_MAX)] = None,
    control: Control = None,
    json: Json = False,
) -> None:
    """Trace a person's opt-outs: replies received, how they were understood, what they stopped and when, what went out since. The journal of a
    running gate records the look."""
    from proxy.desk.optouts import recipient_trace as optout_trace

    if unmasked and why is None:
        fail("optout trace: --unmasked needs --why")
    optout_trace.person_of(to)
    if missed := _record_look(config, control, to=to, unmasked=unmasked, why=why):
        if unmasked:
            fail(f"{missed}; --unmasked is written into its journal first")
        if folder is None:  # else it may be a copy, whose gate is elsewhere or gone
            note(f"{missed}; so no journal keeps that somebody looked")
    answer = optout_trace.trace_optouts(to, config, folder, time.time())
    told, english = answer.as_dict(unmasked), json or printed_language() == "en"
    print_answer(told, json, answer.as_text(unmasked).splitlines() if english else optout_trace.chinese_lines(told))


@command("optout audit", example="gate106 optout audit --config gate106.yaml")
def audit(
    config: Config = CONFIG,
    folder: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the standard input ends, a line of JSON a second: the gate runs this.")
    ] = False,
    since: Annotated[
        float,
        typer.Option(
            "--since", help="With --follow, the first time: what was sent earlier (seconds since 1970) is no finding."
        ),
    ] = 0.0,
    json: Json = False,
) -> None:
    """Audit the last 30 days of the journal, by replies and messages: marketing sent after a reply had asked to stop it. Exit 1 if there is
    any. Numbers are masked."""
    from proxy.archive.audit import audit_run
    from proxy.model import redact
    from proxy.runtime import child_process

    if follow:
        for answer in audit_run.follow(config, since, child_process.parent_lives):
            typer.echo(redact.as_json(answer, None))
        return
    found = audit_run.once(audit_run.journals_of(config, folder), time.time())
    lines = [
        f"{one['sent']}  {one['person']} got marketing from {one['port']} ({one['provider']}), refused {one['refused']} at {one['refused_at']}"
        for one in found
    ]
    print_answer(
        {"sent_after_optout": len(found), "found": found}, json, [*lines, f"marketing sent after an opt-out: {len(found)}"]
    )
    if found:
        raise typer.Exit(1)


def _record_look(config: Path, control: Path | None, *, to: str, unmasked: bool, why: str | None) -> str:
    """Has the gate record the look; why it could not, empty if it did."""
    from proxy.config import SettingsError, control_path
    from proxy.operations import client

    try:
        client.ask(control or control_path(config), "look", what="optout trace", to=to, unmasked=unmasked, why=why)
    except client.CannotAsk as error:
        return str(error)
    except SettingsError as error:  # whoever reads the journal's place in them next says so, too
        return str(error) if unmasked else ""
    return ""


@command("optout decide", example='gate106 optout decide 4f1c09d2a7be --no --why "asks about the order, not to stop"')
def decide(
    row: Annotated[str, ROW],
    why: Why,
    yes: Annotated[bool, typer.Option("--yes", help="They asked to stop: held marketing is refused for good.")] = False,
    no: Annotated[bool, typer.Option("--no", help="They did not: held marketing may be sent again.")] = False,
    standing: Annotated[bool, Flag("Decide equal words in an equal context so in future, too.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Decide about all replies of a row."""
    if yes == no:
        fail("optout decide: say --yes or --no")
    answer = ask(config, control, "optout.decide", row=row, says="yes" if yes else "no", standing=standing, why=why)
    print_answer(answer, json, decided_lines(answer))
