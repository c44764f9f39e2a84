"""All commands of the command line, for a runner of typer."""

from __future__ import annotations

from proxy.__main__ import application

app = application()
