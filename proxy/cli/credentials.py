"""Commands that make credentials: ``hash-password``, ``token``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import fail, print_line


@command("hash-password", example="gate106 hash-password < password.txt")
def hash_password() -> None:
    """Read a password from standard input (from a terminal unseen, and twice), print what to write into the settings instead of it."""
    from proxy.net.authenticator import hash_password as hashed

    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        fail("no password on standard input")
    typer.echo(hashed(password))


@command("token", example="gate106 token prometheus.token")
def token(
    file: Annotated[Path, typer.Argument(help="The file the token is written to; it must not be there yet.")],
) -> None:
    """Make a token for a program that reads over HTTP: write it to a file that only its owner may read, print its hash for the settings."""
    from proxy.operations.http_auth import hash_token, new_token

    made = new_token()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{made}\n")
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    print_line(hash_token(made))
