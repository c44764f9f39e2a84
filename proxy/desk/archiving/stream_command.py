"""Implements ``gate106 journal push``."""

from __future__ import annotations

import typer

from proxy.operations import terminal
from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config
from proxy.runtime import hardening


@command("journal push", example="gate106 journal push --config /etc/gate106/gate106.yaml < /dev/tty")
def push(config: Config = CONFIG) -> None:
    """Send the journal's records to the event stream (the setting stream) until the standard input ends, a line of JSON a second about how
    far it is. The gate runs this; one process at a time sends a journal."""
    from proxy.archive.stream import sender
    from proxy.model import redact
    from proxy.runtime.child_process import parent_lives

    hardening.restrict_umask()
    try:
        for status in sender.follow(config, lambda: parent_lives(0)):
            typer.echo(redact.as_json(status, None))
    except sender.CannotStream as error:
        terminal.fail(error)
