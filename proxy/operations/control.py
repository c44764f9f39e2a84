"""Serves commands on the gate's control socket (setting ``control``).

In: lines of a client on this machine. Out: lines for it: ``{"ok": …}`` at the end, or ``{"error": "…"}``. Never: a command's own logic (one
file for each group of them), a client without deadline, a line without bound, a socket that others than its owner may open.

    client  {"v": 1, "command": "stop", "args": {"province": ["北京"], "for_s": 86400, "why": "…"}}
    gate    {"v": 1, "ok": {…}}                 or    {"v": 1, "error": "what is wrong, and what to do", "cause": "role"}

A connection carries one command. A command with a long answer sends lines of its own before the last one; a command with long input reads
more lines. The kernel says who asks (SO_PEERCRED), or the ``token`` beside the command does. The name is journalled with what was done, and
must have the role that the command takes (model/roles.py).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from proxy.model.roles import Asker, Permission
from proxy.operations import json_lines
from proxy.operations.authorization import TOKEN_MAX, Authorization, CommandRefused
from proxy.operations.json_lines import ControlError, ControlSocket, Peer, next_line, read_line

__all__ = ["Call", "ControlError", "ControlServer", "Handler", "CommandRefused"]

log = structlog.get_logger()

SPEAKS_FOR = "for"
"""Key of a supervisor's request: [account, uid, pid] of the client that it asks for."""


class Call:
    """One command of one client."""

    def __init__(
        self, name: str, args: Mapping[str, Any], asker: Asker, peer: Peer, authorization: Authorization, reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        self.args = args
        self.asker = asker
        self.who = f"{asker.name} (uid {peer.uid}, pid {peer.pid})"
        """For the journal: ``li (uid 1000, pid 4711)``: a person of the settings, else the account."""
        self._name, self._authorization = name, authorization
        self._reader, self._writer = reader, writer

    @property
    def strict(self) -> bool:
        """Whether the settings list people; otherwise every client is the same person."""
        return self._authorization.strict

    @property
    def known(self) -> frozenset[str]:
        """Names of all who have a token."""
        return self._authorization.known

    def others_who_may(self, wanted: Permission) -> list[str]:
        """Names of the others who have a permission."""
        return [name for name in self._authorization.holders(wanted) if name != self.asker.name]

    def demand(self, wanted: Permission, more: str = "") -> None:
        """CommandRefused where the asker lacks a permission beyond the command's own; ``more``: the option that needs it."""
        self._authorization.demand(self.asker, wanted, f"{self._name}{more}")

    async def say(self, said: Mapping[str, Any]) -> None:
        """Sends one more line; CommandRefused where the client does not read it in time."""
        try:
            await json_lines.write_line(self._writer, said)
        except TimeoutError:
            raise CommandRefused("the client does not read") from None

    async def hear(self) -> Mapping[str, Any]:
        """Reads one more line of the client; CommandRefused where none comes in time, or it is malformed."""
        return read_line(await next_line(self._reader, json_lines.HEAR_S))

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        return self._reader.at_eof() or self._writer.is_closing()


Handler = Callable[[Call], Awaitable[Mapping[str, Any]]]


class ControlServer(ControlSocket):
    def __init__(
        self, path: Path, commands: Mapping[str, Handler], authorization: Authorization | None = None, group: str = "",
        front: int = 0, *, wanted: Mapping[str, Permission],
    ) -> None:  # fmt: skip
        """``wanted``: each command's permission; a command without one is not served. ``group``: its accounts may open the socket, too.
        ``front``: process id of the gate's supervisor, which names the client it asks for; 0: there is none."""
        super().__init__(path, group, self._answer)
        self._commands = commands
        self._authorization, self._wanted = authorization or Authorization(), wanted
        self._supervisor_pid = front

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any] | None:
        """Returns the last line for the client; None where the client sent nothing."""
        name = "?"
        try:
            asked = read_line(await next_line(reader, json_lines.REQUEST_S))
            if asked.get("v") != json_lines.VERSION:
                raise CommandRefused(
                    f"this gate speaks version {json_lines.VERSION} of the control protocol, not {asked.get('v')!r:.20}"
                )
            name, args = str(asked.get("command")), asked.get("args", {})
            if name not in self._commands:
                from proxy.config.yaml_file import unknown

                raise CommandRefused(unknown("command", name, self._commands))
            if not isinstance(args, dict):
                raise CommandRefused("args: must be a mapping")
            peer, token = self._peer(writer, asked), _token(asked)
            asker = await self._authorization.asker(peer.account, token)
            self._authorization.demand(asker, self._wanted[name], name)
            return {"ok": await self._commands[name](Call(name, args, asker, peer, self._authorization, reader, writer))}
        except CommandRefused as refused:
            more = {"cause": refused.cause, "rows": refused.rows}
            return {"error": str(refused), **{name: one for name, one in more.items() if one}}
        except (OSError, TimeoutError):
            return None
        except Exception as error:  # whatever failed: messages go on, and the client gets an error
            log.error("a command failed: a fault of gate106, please report it", command=name, exc_info=error)
            said = f"{name}: failed inside the gate, the log has more (a fault of gate106, please report it)"
            return {"error": said, "cause": "fault"}

    def _peer(self, writer: asyncio.StreamWriter, asked: Mapping[str, Any]) -> Peer:
        """The client. CommandRefused where another process than the supervisor names somebody else."""
        peer = json_lines.peer_of(writer)
        if SPEAKS_FOR not in asked:
            return peer
        if not self._supervisor_pid or (peer.uid, peer.pid) != (os.geteuid(), self._supervisor_pid):
            raise CommandRefused(f"{SPEAKS_FOR}: only the supervisor of this gate speaks for others")
        account, uid, pid = asked[SPEAKS_FOR]
        return Peer(str(account), int(uid), int(pid))


def _token(asked: Mapping[str, Any]) -> str:
    """The request's token; empty: none was given."""
    token = asked.get("token", "")
    if not isinstance(token, str) or len(token) > TOKEN_MAX:
        raise CommandRefused(f"token: must be text of 1 to {TOKEN_MAX} characters")
    return token
