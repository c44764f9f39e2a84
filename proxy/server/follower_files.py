"""Copies state, rule sets, tables and erased segments to the journal's follower.

In: the paths of the gate's data, a connection to the follower. Out: the follower's copy as it is here. Never: octets that the gate sends
itself (follower_link.py), the keys of the archive, a file of the gate changed.

One pass compares size and time of change. First comes what is new, then the tables' manifests, then the state; only then goes what is not
here any more: so the follower's state is never older than its journal begins.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower_protocol import FollowerFault
from proxy.cluster.truncated_copy import segments
from proxy.config import Follower, StoragePaths
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header
from proxy.runtime import atomic_files
from proxy.server import backup

ANSWER_S = 120.0  # the follower waits up to a minute for the octets that a state counts


class Updated(NamedTuple):
    """What one pass did."""

    copied: int  # files
    bytes: int
    removed: int


class _Present(NamedTuple):
    path: Path
    size: int
    mtime_ns: int


class Connection(Protocol):
    """What is needed of a socket."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...


def connect(follower: Follower, context: ssl.SSLContext | None) -> socket.socket:
    """OSError."""
    connection = socket.create_connection(follower.address, timeout=follower.away_s)
    if context is not None:
        connection = context.wrap_socket(connection, server_hostname=follower.tls_name or follower.address.host)
    connection.settimeout(ANSWER_S)
    return connection


class FollowerFiles:
    """A connection to the follower for files."""

    def __init__(self, connection: Connection, places: StoragePaths) -> None:
        self._socket, self._places = connection, places
        self._frames = protocol.Frames()
        self._answers: Iterator[tuple[int, bytes]] = iter(())

    def update(self) -> Updated:
        """One pass. FollowerFault, OSError, BackupError."""
        journal, archive = self._places.journal, self._places.archive
        identity = (journal / backup.IDENTITY).read_text().strip()
        node = self._places.node
        self._socket.sendall(protocol.hello("files", identity, protocol.epoch_of(journal), node, self._places.gate))
        welcome = protocol.content_of(self._answer(protocol.WELCOME))
        protocol.refuse_other_node(welcome, node)
        known = {str(name): tuple(told) for name, told in welcome["files"].items()}
        state = _newest(self._places.store)  # before anything is read of it
        here = _below(self._places.revisions, backup.REVISIONS)
        if archive is not None:
            tables = _below(archive, backup.ARCHIVE, but=self._places.keys)
            here |= {name: one for name, one in tables.items() if self._places.has_in_archive(Path(name).parts[1])}
        followed = [Path(name).name for name in known if name.startswith(f"{backup.JOURNAL}/") and name.endswith(".journal")]
        here |= _erased(journal, max(followed, default=""))
        copied = size = 0
        for name, one in sorted(here.items(), key=lambda item: item[0].endswith(backup.MANIFEST)):
            if known.get(name) != (one.size, one.mtime_ns):
                with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile: the next pass sees that
                    if self._put(name, one):  # else it is a segment whose octets are just being sent
                        copied, size = copied + 1, size + one.size
        if backup.STATE not in known or known[backup.STATE][1] < state:
            size += self._put_state(state)
            copied += 1
        first = (segments(journal) or [""])[0]
        gone = [
            name
            for name in known
            if (name.startswith((f"{backup.REVISIONS}/", f"{backup.ARCHIVE}/")) and name not in here)
            or (name.startswith(f"{backup.JOURNAL}/") and name.endswith(".journal") and Path(name).name < first)
        ]
        if gone:
            self._socket.sendall(protocol.fields(protocol.REMOVE, {"paths": gone}))
            self._answer(protocol.ACK)
        return Updated(copied, size, len(gone))

    def _put(self, name: str, one: _Present, behind: int = 0) -> int:
        """0 where the follower did not take it."""
        with one.path.open("rb") as file:
            told = {"path": name, "size": one.size, "mtime_ns": one.mtime_ns, "behind": behind}
            self._socket.sendall(protocol.fields(protocol.FILE, told))
            left = one.size
            while left:
                piece = file.read(min(left, protocol.PIECE_BYTES))
                if not piece:
                    raise FollowerFault(f"{one.path}: became shorter while it was copied (the next pass copies it)")
                self._socket.sendall(protocol.frame(protocol.PIECE, piece))
                left -= len(piece)
        return protocol.count_of(self._answer(protocol.ACK))

    def _put_state(self, mtime_ns: int) -> int:
        beside = self._places.store.with_name(f"{self._places.store.name}.follower")
        beside.unlink(missing_ok=True)
        try:
            backup.copy_state(self._places.store, beside)
            size = beside.stat().st_size
            if not self._put(backup.STATE, _Present(beside, size, mtime_ns), backup.position_of(beside).counted):
                raise FollowerFault(
                    f"{backup.STATE}: the follower lacks the octets that it counts (is the gate connected to it?)"
                )
            return size
        finally:
            atomic_files.remove_file(beside)

    def _answer(self, wanted: int) -> bytes:
        while True:
            for kind, body in self._answers:
                if kind == protocol.REFUSED:
                    raise FollowerFault(str(protocol.content_of(body).get("why")))
                if kind != wanted:
                    raise FollowerFault("the follower's answer is none to what was sent")
                return body
            data = self._socket.recv(protocol.PIECE_BYTES)
            if not data:
                raise ConnectionResetError("the follower has closed the connection")
            self._answers = iter(list(self._frames.feed(data)))


def _newest(store: Path) -> int:
    return max(path.stat().st_mtime_ns for path in (store, Path(f"{store}-wal")) if path.exists())


def _below(folder: Path, area: str, but: Path | None = None) -> dict[str, _Present]:
    """Files that are not being written; ``but``: a folder of keys."""
    found = {}
    for path in folder.rglob("*"):
        if path.name.endswith(atomic_files.HALF) or (but is not None and path.is_relative_to(but)):
            continue
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if path.is_file():
                found[f"{area}/{path.relative_to(folder)}"] = _Present(path, status.st_size, status.st_mtime_ns)
    return found


def _erased(journal: Path, last: str) -> dict[str, _Present]:
    """Segments that an erasure has altered, of those that the follower has: up to ``last``."""
    found = {}
    for name in segments(journal):
        path = journal / name
        if name <= last:
            with contextlib.suppress(FileNotFoundError, SegmentFault), path.open("rb") as file:
                if unpack_header(file.read(HEADER_BYTES)).redacted:
                    status = path.stat()
                    found[f"{backup.JOURNAL}/{name}"] = _Present(path, status.st_size, status.st_mtime_ns)
    return found
