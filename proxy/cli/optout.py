"""optout: ``gate106 optout trace``: what became of a person's refusals, read from the journal, which a running gate is told of first;
``audit``: marketing that was sent after an opt-out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import CONFIG, Config, Control, Json, fail, note, tell

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
    """Tell what became of a person's refusals: what was received, as what it was read, what stopped when, what went out since. The
    journal of a running gate keeps that somebody looked."""
    from proxy import optout_trace

    if unmasked and why is None:
        fail("optout trace: --unmasked needs --why")
    try:
        optout_trace.person_of(to)
        if missed := _noted(config, control, to=to, unmasked=unmasked, why=why):
            if unmasked:
                fail(f"{missed}; --unmasked is written into its journal first")
            if folder is None:  # else it may be a copy, whose gate is elsewhere or gone
                note(f"{missed}; so no journal keeps that somebody looked")
        told = optout_trace.trace_optouts(to, config, folder, time.time())
    except optout_trace.CannotTrace as error:
        fail(error)
    tell(told.as_dict(unmasked), json, told.as_text(unmasked).splitlines())


@app.command("audit", epilog="Example: gate106 optout audit --config gate106.yaml")
def audit(
    config: Config = CONFIG,
    folder: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the standard input ends, a line of JSON a second: the gate runs this.")
    ] = False,
    since: Annotated[
        float, typer.Option("--since", help="With --follow, the first time: seconds since 1970.", hidden=True)
    ] = 0.0,
    json: Json = False,
) -> None:
    """Read the last 30 days of the journal a second time, by what people wrote and what they were sent: marketing that went out after a
    reply had asked to stop it. Exit 1 if there is any. Numbers are masked."""
    from proxy import shown
    from proxy.archive import following

    try:
        if follow:
            for told in following.follow(config, since, _goes_on):
                typer.echo(shown.as_json(told, None))
            return
        found = following.once(following.journals_of(config, folder), time.time())
    except following.CannotAudit as error:
        fail(error)
    lines = [
        f"{one['sent']}  {one['person']} got marketing from {one['port']} ({one['provider']}), refused {one['refused']} at {one['refused_at']}"
        for one in found
    ]
    tell({"sent_after_optout": len(found), "found": found}, json, [*lines, f"marketing sent after an opt-out: {len(found)}"])
    if found:
        raise typer.Exit(1)


def _goes_on(seconds: float) -> bool:
    """Waits, and says whether the gate still holds the other end of the standard input."""
    import select
    import sys

    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return not ready


def _noted(config: Path, control: Path | None, *, to: str, unmasked: bool, why: str | None) -> str:
    """The gate is told that somebody looks; why it could not be, empty if it was."""
    from proxy.config import SettingsError, control_path
    from proxy.ops import client

    try:
        client.ask(control or control_path(config), "look", what="optout trace", to=to, unmasked=unmasked, why=why)
    except client.CannotAsk as error:
        return str(error)
    except SettingsError as error:  # whoever reads the journal's place in them next says so, too
        return str(error) if unmasked else ""
    return ""
