"""Control: the socket through which people operate a running gate (setting ``control``). One command a connection, JSON lines.

In: lines of a client on this machine. Out: lines for it: ``{"ok": …}`` at the end, or ``{"error": "…"}``. Never: a command's own logic
(one file for each group of them), a client without deadline, a line without bound, a socket that others than its owner may open.

    client  {"v": 1, "command": "stop", "args": {"province": ["北京"], "for_s": 86400, "why": "…"}}
    gate    {"v": 1, "ok": {…}}                 or    {"v": 1, "error": "what is wrong, and what to do", "cause": "role"}

A command that tells much says lines of its own before the last one, a command that is told much hears some; each says so. Who asks is
what the kernel says (SO_PEERCRED), or whose ``token`` stands beside the command; it is journalled with what was done, and must have the
role that the command takes (proxy/roles.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import pwd
import shutil
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from proxy.ops.door import TOKEN_MAX, Door, Refused
from proxy.roles import COMMANDS, Asker, Permission
from proxy.yamlfile import unknown

__all__ = ["Args", "Call", "ControlError", "ControlServer", "Handler", "Refused", "reachable"]

log = structlog.get_logger()

VERSION = 1
LINE_BYTES_MAX = 256 * 1024
"""Of one line, either way: a chunk of a list has some 60 KB."""
CLIENTS_MAX = 16
REQUEST_S = 5.0
"""A client says what it wants within so long, …"""
HEAR_S = 30.0
"""… each further line within so long, …"""
SAY_S = 30.0
"""… and reads what it is told within so long."""
SPEAKS_FOR = "for"
"""Key of a supervisor's request: [account, uid, pid] of whom it speaks for."""
WHY_MAX = 500
"""Characters of a reason."""
PATH_BYTES_MAX = 107  # unix(7): sun_path


class ControlError(Exception):
    """The socket cannot be opened; the text says why."""


class Args:
    """What a client said beside the command's name; Refused with the name where something is not as it must be."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._known: list[str] = []

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._values.get(name)

    def text(self, name: str, default: str | None = None, most: int = 1000) -> str:
        """``default`` None: it must be there."""
        found = self._take(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, str) or not found.strip() or len(found) > most:
            raise Refused(f"{name}: must be text of 1 to {most} characters")
        return found

    def why(self) -> str:
        """Why it is done: whoever reads the journal must be able to tell."""
        return " ".join(self.text("why", most=WHY_MAX).split())

    def texts(self, name: str, most: int = 100) -> list[str]:
        found = self._take(name)
        if found is None:
            return []
        if not isinstance(found, list) or len(found) > most or not all(isinstance(one, str) and one for one in found):
            raise Refused(f"{name}: must be a list of at most {most} texts")
        return found

    def rows(self, name: str, most: int) -> list[Args]:
        """A list of mappings."""
        found = self._take(name)
        if not isinstance(found, list) or len(found) > most or not all(isinstance(one, dict) for one in found):
            raise Refused(f"{name}: must be a list of at most {most} mappings")
        return [Args(one) for one in found]

    def number(self, name: str, default: float | None, least: float, most: float) -> float:
        found = self._take(name)
        if found is None and default is not None:
            return default
        if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
            raise Refused(f"{name}: must be a number from {least:g} to {most:g}")
        return float(found)

    def seconds(self, name: str, default: float | None, least: float, most: float) -> float:
        """A ``number`` that people say with a unit (``for_s``: --for 24h), and are told so."""
        found = self._values.get(name)
        try:
            return self.number(name, default, least, most)
        except Refused:
            said = f", not {_spelt(found)}" if isinstance(found, int | float) and not isinstance(found, bool) else ""
            raise Refused(f"{name.removesuffix('_s')}: must be from {_spelt(least)} to {_spelt(most)}{said}") from None

    def flag(self, name: str) -> bool:
        found = self._take(name)
        if not isinstance(found, bool | None):
            raise Refused(f"{name}: must be true or false")
        return bool(found)

    def done(self) -> None:
        """All was asked for: what is left is unknown."""
        for name in self._values:
            if name not in self._known:
                raise Refused(unknown("argument", str(name), self._known))


def _spelt(seconds: float) -> str:
    """``86400`` → ``24h``, ``2678400`` → ``31d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


class Peer(NamedTuple):
    """Who is at the other end, as the kernel says."""

    account: str
    uid: int
    pid: int


class Call:
    """One command of one client."""

    def __init__(
        self, name: str, args: Args, asker: Asker, peer: Peer, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:  # fmt: skip
        self.args = args
        self.asker = asker
        self.who = f"{asker.name} (uid {peer.uid}, pid {peer.pid})"
        """For the journal: ``li (uid 1000, pid 4711)``: a person of the settings, else the account."""
        self._name, self._door = name, door
        self._reader, self._writer = reader, writer

    @property
    def strict(self) -> bool:
        """Whether people are told apart: else all who get here are one."""
        return self._door.strict

    @property
    def known(self) -> frozenset[str]:
        """Names of all who have a token."""
        return self._door.known

    def demand(self, wanted: Permission, more: str = "") -> None:
        """Refused where whoever asks may not have this besides what the command itself takes; ``more``: the option that wants it."""
        self._door.demand(self.asker, wanted, f"{self._name}{more}")

    async def say(self, said: Mapping[str, Any]) -> None:
        """One more line; Refused where the client does not read it in time."""
        self._writer.write(as_line(said))
        try:
            async with asyncio.timeout(SAY_S):
                await self._writer.drain()
        except TimeoutError:
            raise Refused("the client does not read") from None

    async def hear(self) -> Mapping[str, Any]:
        """One more line of the client; Refused where none comes in time, or it is none."""
        return read_line(await next_line(self._reader, HEAR_S))

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        return self._reader.at_eof() or self._writer.is_closing()


Handler = Callable[[Call], Awaitable[Mapping[str, Any]]]


class ControlSocket:
    """The socket itself: 0600, or 0660 for a group; it is removed in the end if it is still ours."""

    def __init__(
        self, path: Path, group: str, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        self.path = path
        self._group, self._accept = group, accept
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def open(self) -> None:
        """ControlError: another gate answers there, or something else is in the way."""
        await asyncio.to_thread(_make_way, self.path)
        try:
            found = _bound(self.path, self._group)
            self._server = await asyncio.start_unix_server(self._accept, sock=found, limit=LINE_BYTES_MAX)
            self._inode = self.path.lstat().st_ino
        except LookupError as error:
            raise ControlError(f"control {self.path}: {error} (settings: control_group)") from error
        except OSError as error:
            raise ControlError(f"control {self.path}: cannot listen there: {error.strerror or error}") from error

    def close(self) -> None:
        """Nobody new is let in."""
        if self._server is not None:
            self._server.close()

    def remove(self) -> None:
        if self._server is None:
            return
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        self._server = None


class ControlServer:
    def __init__(
        self,
        path: Path,
        commands: Mapping[str, Handler],
        door: Door | None = None,
        wanted: Mapping[str, Permission] = COMMANDS,
        group: str = "",
        front: int = 0,
    ) -> None:
        """``wanted``: what each command asks for; one without an entry is not served. ``group``: whose accounts may open it, too.
        ``front``: the process of the gate's supervisor, which says whom it speaks for; 0 where there is none."""
        self.path = path
        self._commands = commands
        self._door, self._wanted = door or Door(), wanted
        self._front = front
        self._socket = ControlSocket(path, group, self._accept)
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Opens the socket. Raises ControlError."""
        await self._socket.open()

    async def stop(self) -> None:
        """Hangs up on everybody, and takes the socket away if it is still ours."""
        self._socket.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._socket.remove()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        writer.transport.set_write_buffer_limits(0)  # so that ``drain`` means read, or nearly
        try:
            answer = await self._answer(reader, writer)
            if answer is not None:
                writer.write(as_line({"v": VERSION, **answer}))
                async with asyncio.timeout(SAY_S):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it is gone, or the gate is about to be
        finally:
            self._clients.discard(task)
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # it had its time to read
            else:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any] | None:
        """What the client is told in the end; None where it said nothing."""
        if len(self._clients) > CLIENTS_MAX:
            return {"error": f"{CLIENTS_MAX} commands are being served already: try again", "cause": "busy"}
        name = "?"
        try:
            asked = read_line(await next_line(reader, REQUEST_S))
            if asked.get("v") != VERSION:
                raise Refused(f"this gate speaks version {VERSION} of the control protocol, not {asked.get('v')!r:.20}")
            name, args = str(asked.get("command")), asked.get("args", {})
            if name not in self._commands:
                raise Refused(unknown("command", name, self._commands))
            if not isinstance(args, dict):
                raise Refused("args: must be a mapping")
            peer, token = self._peer(writer, asked), Args(asked).text("token", "", most=TOKEN_MAX)
            asker = await self._door.asker(peer.account, token)
            self._door.demand(asker, self._wanted[name], name)
            return {"ok": await self._commands[name](Call(name, Args(args), asker, peer, self._door, reader, writer))}
        except Refused as refused:
            return {"error": str(refused), **({"cause": refused.cause} if refused.cause else {})}
        except (OSError, TimeoutError):
            return None
        except Exception as error:  # whatever it is, traffic goes on and the client is told
            log.error("a command failed: a fault of gate106, please report it", command=name, exc_info=error)
            said = f"{name}: failed inside the gate, the log has more (a fault of gate106, please report it)"
            return {"error": said, "cause": "fault"}

    def _peer(self, writer: asyncio.StreamWriter, asked: Mapping[str, Any]) -> Peer:
        """Who asks. Refused where somebody else than the supervisor says whom they speak for."""
        peer = peer_of(writer)
        if SPEAKS_FOR not in asked:
            return peer
        if not self._front or (peer.uid, peer.pid) != (os.geteuid(), self._front):
            raise Refused(f"{SPEAKS_FOR}: only the supervisor of this gate speaks for others")
        account, uid, pid = asked[SPEAKS_FOR]
        return Peer(str(account), int(uid), int(pid))


def peer_of(writer: asyncio.StreamWriter) -> Peer:
    peer = writer.get_extra_info("socket")
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", packed)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "unknown"
    return Peer(name, uid, pid)


# ------------------------------------------------------------------------------------------------------------------ lines


def as_line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


async def next_line(reader: asyncio.StreamReader, within_s: float) -> bytes:
    try:
        async with asyncio.timeout(within_s):
            line = await reader.readline()
    except TimeoutError:
        raise Refused(f"nothing was said for {within_s:g} s") from None
    except ValueError:  # the stream's own limit
        raise Refused(f"a line is longer than {LINE_BYTES_MAX} bytes") from None
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the client hung up")
    return line


def read_line(line: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("a line is no JSON") from None
    if not isinstance(said, dict):
        raise Refused("a line is no JSON object")
    return said


# ----------------------------------------------------------------------------------------------------------------- socket


def _make_way(path: Path) -> None:
    """Makes the folder, and removes a socket nobody answers at: what a gate that was killed leaves behind."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlError(f"control {path}: {error.strerror}: {error.filename}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise ControlError(f"control {path}: something that is no socket is there (name another path in the settings)")
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(1.0)
    try:
        with probe, reachable(path) as there:
            probe.connect(there)
    except OSError as error:
        if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
            raise ControlError(f"control {path}: {error.strerror or error}") from error
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    raise ControlError(f"control {path}: another gate answers there (each needs a path of its own)")


def _bound(path: Path, group: str) -> socket.socket:
    """OSError, LookupError where there is no such group."""
    found = socket.socket(socket.AF_UNIX)
    found.setblocking(False)
    mask = os.umask(0o177)
    try:
        with reachable(path) as there:
            found.bind(there)
        if group:
            shutil.chown(path, group=group)
            path.chmod(0o660)
    except (OSError, LookupError):
        found.close()
        raise
    finally:
        os.umask(mask)
    return found


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A spelling of the path that fits into an address: a long one goes by way of its open folder."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
