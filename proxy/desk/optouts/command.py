"""Implements the commands of ``gate106 optout``.

trace (a person's opt-outs, from the journal; a running gate records the look), audit (marketing sent after an opt-out), doubtful, decide and
end-standing (replies that may be an opt-out), paths (ports by which replies reach the gate).
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    note,
    note_unknown,
    print_answer,
    print_line,
    socket_of,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = Annotated[str, typer.Argument(metavar="ROW", help="Its name, as `gate106 optout doubtful` shows it.")]
app = typer.Typer(help="People who refused.", no_args_is_help=True, rich_markup_mode=None)


@app.command("trace", epilog="Example: gate106 optout trace --to 13800210500 --config gate106.yaml")
def trace(
    to: Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")],
    config: Config = CONFIG,
    folder: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    unmasked: Annotated[
        bool,
        typer.Option("--unmasked", help="Show the whole number; needs --why and a running gate, whose journal keeps both."),
    ] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why; required with --unmasked.")] = None,
    control: Control = None,
    json: Json = False,
) -> None:
    """Trace a person's opt-outs: replies received, how they were understood, what they stopped and when, what went out since. The journal of a
    running gate records the look."""
    from proxy.desk.optouts import recipient_trace as optout_trace

    if unmasked and why is None:
        fail("optout trace: --unmasked needs --why")
    try:
        optout_trace.person_of(to)
        if missed := _record_look(config, control, to=to, unmasked=unmasked, why=why):
            if unmasked:
                fail(f"{missed}; --unmasked is written into its journal first")
            if folder is None:  # else it may be a copy, whose gate is elsewhere or gone
                note(f"{missed}; so no journal keeps that somebody looked")
        answer = optout_trace.trace_optouts(to, config, folder, time.time())
    except optout_trace.CannotTrace as error:
        fail(error)
    print_answer(answer.as_dict(unmasked), json, answer.as_text(unmasked).splitlines())


@app.command("audit", epilog="Example: gate106 optout audit --config gate106.yaml")
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

    try:
        if follow:
            for answer in audit_run.follow(config, since, _parent_lives):
                typer.echo(redact.as_json(answer, None))
            return
        found = audit_run.once(audit_run.journals_of(config, folder), time.time())
    except audit_run.CannotAudit as error:
        fail(error)
    lines = [
        f"{one['sent']}  {one['person']} got marketing from {one['port']} ({one['provider']}), refused {one['refused']} at {one['refused_at']}"
        for one in found
    ]
    print_answer(
        {"sent_after_optout": len(found), "found": found}, json, [*lines, f"marketing sent after an opt-out: {len(found)}"]
    )
    if found:
        raise typer.Exit(1)


def _parent_lives(seconds: float) -> bool:
    """Waits; whether the gate still holds the other end of the standard input."""
    import select
    import sys

    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return not ready


COLUMNS = (
    "prefix", "provider", "state", "keywords", "advertisements", "replies", "since proof", "expected", "last proof", "last probe",
)  # fmt: skip
KEYWORDS_SHOWN = 4


@app.command("paths", epilog="Example: gate106 optout paths --state silent")
def paths(
    state: Annotated[str | None, typer.Option("--state", help="proven, unproven, silent or dead.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only prefixes of this provider.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """List the ports by which replies reach the gate: each registered prefix with advertisements, replies and the last proof, doubtful ones
    first."""
    if as_csv and json:
        fail("optout paths: --csv or --json, not both")
    note_unknown(config, provider)
    found, answer = _paths(config, control, {"state": state, "provider": provider})
    if json:
        as_json(dict(answer) | {"paths": found})
    elif as_csv:
        from proxy.model.redact import csv_cell

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([one.replace(" ", "_") for one in COLUMNS])
        writer.writerows([csv_cell(str(one)) for one in _row(path, "")] for path in found)
    else:
        table(COLUMNS, (_row(path, "-") for path in found), "there are no such prefixes")
        rate = answer["rate"]
        print_line(
            f"19 of 20 proven prefixes are answered more often than once in {1 / rate:,.0f} advertisements"
            if rate
            else "too few prefixes are proven to say what silence is"
        )


def _paths(config: Path, control: Path | None, args: Mapping[str, Any]) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    from proxy.operations.client import CannotAsk, Conversation

    try:
        with Conversation(socket_of(config, control), "optout.paths", {k: v for k, v in args.items() if v}) as conversation:
            found = [said["path"] for said in conversation.lines()]
            return found, conversation.ending
    except CannotAsk as error:
        fail(error)


def _row(path: Mapping[str, Any], nothing: str) -> Sequence[object]:
    keywords = [one["keyword"] for one in path["keywords"] if one["keyword"] and one["advertisements"]]
    more = f" +{len(keywords) - KEYWORDS_SHOWN}" if len(keywords) > KEYWORDS_SHOWN else ""
    return (
        path["prefix"], path["provider"], path["state"], " ".join(keywords[:KEYWORDS_SHOWN]) + more or nothing, path["advertisements"],
        path["replies"], path["advertisements_since_proof"], f"{path['expected']:.1f}",
        format_time(path["proven_at"]) if path["proven_at"] else nothing, format_time(path["probed_at"]) if path["probed_at"] else nothing,
    )  # fmt: skip


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


@app.command("doubtful", epilog="Example: gate106 optout doubtful --state open")
def doubtful(
    state: Annotated[str, typer.Option("--state", help="open, lapsed (undecided for 7 days), decided or standing.")] = "open",
    limit: Annotated[int, typer.Option("--limit", help="How many rows.")] = 100,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """List replies that may be a refusal: equal words in an equal context are one row."""
    answer = ask(config, control, "optout.doubtful", state=state, limit=limit)
    if json:
        print_answer(answer, True, ())
        return
    if state in ("decided", "standing"):
        table(
            ("row", "replies", "words", "says", "when", "by", "why"),
            (
                (
                    one["row"], one["replies"], one["words"], _says(one), format_time(one["time"]), one["who"], one["why"],
                )
                for one in answer["decisions"]
            ),
            f"no decisions are {state}",
        )  # fmt: skip
    else:
        table(
            ("row", "replies", "words", "since", "holds", "answers"),
            (
                (
                    one["row"],
                    one["replies"],
                    one["words"] or "(unreadable)",
                    format_time(one["oldest"]),
                    _holds(one),
                    _answered(one),
                )
                for one in answer["rows"]
            ),
            f"no doubtful replies are {state}",
        )
    if answer["more"]:
        note("there are more rows (--limit)")


@app.command("decide", epilog='Example: gate106 optout decide 4f1c09d2a7be --no --why "asks about the order, not to stop"')
def decide(
    row: Row,
    why: Why,
    yes: Annotated[bool, typer.Option("--yes", help="They asked to stop: held marketing is refused for good.")] = False,
    no: Annotated[bool, typer.Option("--no", help="They did not: held marketing may be sent again.")] = False,
    standing: Annotated[
        bool, typer.Option("--standing", help="Decide equal words in an equal context so in future, too.")
    ] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Decide about all replies of a row."""
    if yes == no:
        fail("optout decide: say --yes or --no")
    answer = ask(config, control, "optout.decide", row=row, says="yes" if yes else "no", standing=standing, why=why)
    done = f"{answer['refused']} people are left alone from now on" if yes else f"{answer['lifted']} holds are lifted"
    future = "; replies like these are decided so in future" if standing else ""
    print_answer(answer, json, [f"row {answer['row']}: {answer['says']}, {answer['replies']} replies: {done}{future}"])


@app.command(
    "end-standing", epilog='Example: gate106 optout end-standing 4f1c09d2a7be --why "the shop asks something else now"'
)
def end_standing(row: Row, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """End a standing decision: replies like those wait for a decision again. What was decided stays."""
    answer = ask(config, control, "optout.end-standing", row=row, why=why)
    print_answer(answer, json, [f"row {answer['row']}: the decision {answer['says']} stands no more"])


def _says(one: Mapping[str, Any]) -> str:
    return ("yes" if one["yes"] else "no") + (", standing" if one["standing"] else "")


def _holds(one: Mapping[str, Any]) -> str:
    if not one["holding"]:
        return "nothing"
    if one["state"] == "lapsed":
        return "refused" if one["then"] == "refuse" else "ended"
    return f"until {format_time(one['until'])}, then {'refused' if one['then'] == 'refuse' else 'nothing'}"


def _answered(one: Mapping[str, Any]) -> str:
    what = one["answered"]
    if not what["category"]:
        return f"nothing from {one['port']}"
    return what["text"] or " ".join(filter(None, (what["category"], what["signature"] or what["advertiser"])))
