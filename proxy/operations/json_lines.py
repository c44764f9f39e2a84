"""Holds conversations in JSON lines on a Unix socket.

In: connections. Out: lines, and the peer that the kernel names. Never: a client without deadline, a line without bound, a socket that
others than its owner may open, what a command means. The gate and the workers' supervisor use it.
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

from proxy.operations.authorization import CommandRefused

VERSION = 1
LINE_BYTES_MAX = 256 * 1024
"""Longest line in either direction: a chunk of a list has some 60 KB."""
CLIENTS_MAX = 16
BUSY = {"error": f"{CLIENTS_MAX} commands are being served already: try again", "cause": "busy"}
REQUEST_S = 5.0
"""Time limit for a client's first line."""
HEAR_S = 30.0
"""Time limit for each further line."""
SAY_S = 30.0
"""Time limit for reading a line of the gate."""
PATH_BYTES_MAX = 107  # unix(7): sun_path

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Mapping[str, Any] | None]]
"""A conversation: returns the last line for the client, without ``v``; None if it was sent already, or the client is gone."""


class ControlError(Exception):
    """The socket cannot be opened; the text says why."""


class Peer(NamedTuple):
    """The peer, as the kernel names it."""

    account: str
    uid: int
    pid: int


class ControlSocket:
    """A socket in the file system where each client has one conversation: 0600, or 0660 for a group; removed in the end if it is still ours."""

    def __init__(self, path: Path, group: str, converse: Converse) -> None:
        self.path = path
        self._group, self._converse = group, converse
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> int:
        """Conversations going on now."""
        return len(self._clients)

    async def start(self) -> None:
        """ControlError: another gate answers there, or something else is in the way."""
        await asyncio.to_thread(_remove_stale_socket, self.path)
        try:
            found = _bound(self.path, self._group)
            self._server = await asyncio.start_unix_server(self._accept, sock=found, limit=LINE_BYTES_MAX)
            self._inode = self.path.lstat().st_ino
        except LookupError as error:
            raise ControlError(f"control {self.path}: {error} (settings: control_group)") from error
        except OSError as error:
            raise ControlError(f"control {self.path}: cannot listen there: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Hangs up on everybody, and takes the socket away if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        writer.transport.set_write_buffer_limits(0)  # so that ``drain`` means read, or nearly
        try:
            if len(self._clients) > CLIENTS_MAX:
                last: Mapping[str, Any] | None = BUSY
            else:
                last = await self._converse(reader, writer)
            if last is not None:
                await write_line(writer, {"v": VERSION, **last})
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it is gone, or the gate is about to be
        finally:
            self._clients.discard(task)
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # it had its time to read
            else:
                writer.close()


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


async def write_line(writer: asyncio.StreamWriter, said: Mapping[str, Any]) -> None:
    """One line; TimeoutError where the client does not read it in time."""
    writer.write(as_line(said))
    async with asyncio.timeout(SAY_S):
        await writer.drain()


async def next_line(reader: asyncio.StreamReader, within_s: float) -> bytes:
    try:
        async with asyncio.timeout(within_s):
            line = await reader.readline()
    except TimeoutError:
        raise CommandRefused(f"nothing was said for {within_s:g} s") from None
    except ValueError:  # the stream's own limit
        raise CommandRefused(f"a line is longer than {LINE_BYTES_MAX} bytes") from None
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the client hung up")
    return line


def read_line(line: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise CommandRefused("a line is no JSON") from None
    if not isinstance(said, dict):
        raise CommandRefused("a line is no JSON object")
    return said


# ----------------------------------------------------------------------------------------------------------------- socket


def _remove_stale_socket(path: Path) -> None:
    """Makes the folder, and removes a stale socket left by a killed gate."""
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
    """A spelling of the path that fits into a socket address: a long one goes through its open folder."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
