"""Commands that run the gate and its console: ``serve``, ``console serve``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, warn


@command("serve", example="gate106 serve --config gate106.yaml")
def serve(
    config: Annotated[Path, typer.Option(help="The settings (YAML).")] = CONFIG,
    accept_loss: Annotated[bool, typer.Option(help="Start although state and journal do not belong together.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="So many processes behind one port; more than one need a store that they share.")
    ] = 1,
) -> None:
    """Run the gate. SIGTERM drains and stops; SIGHUP reloads rules and accounts."""
    from proxy.model import log_setup
    from proxy.server import process
    from proxy.server.workers import supervisor

    try:
        code = supervisor.serve(config, workers) if workers > 1 else process.serve(config, accept_loss=accept_loss)
    except supervisor.WorkerReported as reported:
        raise typer.Exit(reported.code) from None
    except process.StartError as error:
        journal = log_setup.read_by_journal(sys.stderr)
        for line in f"gate106: {error}".splitlines():
            warn(log_setup.with_priority(log_setup.ERROR_PRIORITY, line) if journal else line)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


@command("console serve", example="gate106 console serve --config gate106.yaml")
def console(
    tied: Annotated[bool, typer.Option("--tied", help="End when standard input does: so the gate starts it.")] = False,
    config: Config = CONFIG,
) -> None:
    """Serve the console at `console.listen` of the settings. `gate106 serve` starts it by itself."""
    from proxy.console import app

    app.serve(config, tied)
