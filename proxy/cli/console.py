"""Command that serves the console in its own process: ``gate106 console``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, fail


@command("console", example="gate106 console --config gate106.yaml")
def console(
    tied: Annotated[bool, typer.Option("--tied", help="End when standard input does: so the gate starts it.")] = False,
    config: Config = CONFIG,
) -> None:
    """Serve the console at `console.listen` of the settings. `gate106 serve` starts it by itself."""
    from proxy.console import serving

    try:
        serving.serve(config, tied)
    except serving.CannotServe as error:
        fail(error)
