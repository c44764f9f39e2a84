"""Sends a command to the gate's control socket (blocking).

In: where the gate listens, a command's name and arguments. Out: its answer, or ``CannotAsk`` with what to do. Never: a loop, a retry.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from proxy.operations.json_lines import VERSION, reachable

CONNECT_S = 5.0
TOKEN = "GATE106_TOKEN"  # noqa: S105 # the name of the variable
"""Environment variable with the user's token: never on a command line, which everybody on the machine can read."""
PIECE_CHARACTERS = 40_000
"""Of a text in one line: at most four bytes each, six where they are escaped."""
ANSWER_S = 120.0
"""After so long without a line the gate is taken for broken."""


class CannotAsk(Exception):
    """The gate cannot be reached, or refuses; the text is for people. ``cause`` and ``rows``: as authorization.CommandRefused has them, if the
    gate sends them."""

    def __init__(self, text: object, cause: str = "", rows: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(text)
        self.cause, self.rows = cause, rows


class NobodyAnswers(CannotAsk):
    """No gate listens there."""


class Conversation:
    """One command: ``say`` sends more lines, ``hear`` reads one, ``answer`` reads up to the last."""

    def __init__(self, path: Path, command: str, args: Mapping[str, Any], token: str | None = None) -> None:
        """``token``: whose command it is; None: as the environment says."""
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CONNECT_S)
        try:
            with reachable(path) as there:
                self._socket.connect(there)
        except PermissionError:
            self._socket.close()
            raise CannotAsk(f"{path}: only the user the gate runs as may command it (and root)") from None
        except (OSError, TimeoutError):
            self._socket.close()
            raise NobodyAnswers(f"no gate answers at {path}: is it running? (`control` in the settings)") from None
        self._socket.settimeout(ANSWER_S)
        self._lines = self._socket.makefile("rb")
        said = {"v": VERSION, "command": command, "args": {name: one for name, one in args.items() if one is not None}}
        if token is None:
            token = os.environ.get(TOKEN, "").strip()
        try:
            self.say(said | {"token": token} if token else said)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def say(self, said: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n")
        except (OSError, UnicodeEncodeError) as error:
            self._said_no()
            raise CannotAsk(f"{self.path}: the gate hung up: {error}") from None

    def _said_no(self) -> None:
        """Raises the gate's own error, if it sent one before it hung up."""
        try:
            self.answer()
        except (OSError, ValueError):
            return

    def hear(self) -> Mapping[str, Any]:
        """The next line, whatever it is; CannotAsk where it is an error."""
        try:
            line = self._lines.readline()
        except (OSError, TimeoutError):
            raise CannotAsk(f"{self.path}: the gate does not answer") from None
        if not line.endswith(b"\n"):
            raise CannotAsk(f"{self.path}: the gate hung up before it answered (the log has more)")
        said: Mapping[str, Any] = json.loads(line)
        if "error" in said:
            raise CannotAsk(said["error"], said.get("cause", ""), said.get("rows", ()))
        return said

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """Lines before the last; then ``ending`` has what it said."""
        while "ok" not in (said := self.hear()):
            yield said
        self.ending: Mapping[str, Any] = said["ok"]

    def answer(self) -> Mapping[str, Any]:
        """What the last line says."""
        for _ in self.lines():
            pass
        return self.ending


def push_files(conversation: Conversation, texts: Mapping[str, str]) -> None:
    """Sends rule files by name to ``rules.push``, in lines of bounded length."""
    for name, text in texts.items():
        for start in range(0, max(1, len(text)), PIECE_CHARACTERS):
            conversation.say({"file": name, "text": text[start : start + PIECE_CHARACTERS]})
    conversation.say({"end": True})


def ask(path: Path, command: str, **args: Any) -> Mapping[str, Any]:
    """One command without more ado; arguments that are None are left out."""
    with Conversation(path, command, args) as conversation:
        return conversation.answer()
