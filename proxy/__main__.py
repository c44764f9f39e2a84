"""Assembles the command line of gate106 from the commands of its rooms.

In: a command line. Out: text, JSON, an exit code. Never: a command of its own. Commands of the desk's features are in ``desk/*/``, all
others in cli/. Each has ``--help`` with an example; an error is one clear line on stderr and exit 2, never a traceback.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import backup, check, credentials, serve, simulation
from proxy.desk.archiving import command as journal
from proxy.desk.backtest import command as backtest
from proxy.desk.complaints import command as complaint
from proxy.desk.connections import binds_command, links_command, trace_command
from proxy.desk.consents import command as consent
from proxy.desk.data_subjects import command as subject
from proxy.desk.evidence import command as evidence
from proxy.desk.explain import command as explain
from proxy.desk.operator_orders import command as stop
from proxy.desk.optouts import command as optout
from proxy.desk.penalties import command as penalty
from proxy.desk.precheck import command as precheck
from proxy.desk.providers import command as provider
from proxy.desk.reply_paths import probe_command
from proxy.desk.reports import command as report
from proxy.desk.revisions import command as rules
from proxy.desk.search import command as find
from proxy.desk.suppression import command as suppress
from proxy.operations.terminal import use_token_file
from proxy.runtime import hardening

app = typer.Typer(
    name="gate106",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def top(
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", envvar="GATE106_TOKEN_FILE", help="Your token, in a file that nobody else may read."),
    ] = None,
    worker: Annotated[
        int | None,
        typer.Option("--worker", min=1, max=64, help="Of a gate of several workers: look at this one's journal, ask this one."),
    ] = None,
) -> None:
    """The carrier's gate for 106 bulk SMS: an SMPP 3.4 proxy that decides every message by rules kept in files.

    Where the settings list people, GATE106_TOKEN_FILE in the environment says whose commands these are.
    """
    if token_file is not None:
        use_token_file(token_file)
    if worker is not None:
        os.environ["GATE106_WORKER"] = str(worker)


serve.add_to(app)
simulation.add_to(app)
check.add_to(app)
credentials.add_to(app)
backup.add_to(app)
app.add_typer(optout.app, name="optout")
app.add_typer(journal.app, name="journal")
app.add_typer(binds_command.app, name="binds")
app.add_typer(links_command.app, name="links")
app.add_typer(stop.app, name="stop")
app.add_typer(stop.shadow_app, name="shadow")
app.add_typer(suppress.app, name="suppress")
app.add_typer(consent.app, name="consent")
app.add_typer(subject.app, name="subject")
app.add_typer(provider.app, name="provider")
app.add_typer(rules.app, name="rules")
app.add_typer(complaint.app, name="complaint")
app.add_typer(penalty.app, name="penalty")
app.add_typer(evidence.app, name="evidence")
probe_command.add_to(optout.app)
trace_command.add_to(app)
backtest.add_to(app)
report.add_to(app)
explain.add_to(app)
find.add_to(app)
precheck.add_to(app)


@cache
def whole() -> Callable[[], object]:
    """All commands, made of their functions' signatures: console/fork_server.py makes them before it copies the process."""
    return typer.main.get_command(app)


def main() -> None:
    """The entry point: click's usage errors exit 2 as they are; what nobody foresaw is one line, too."""
    hardening.restrict_umask()
    try:
        whole()()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
