"""Receives journals and files of gates on another machine.

In: connections of gates. Out: folders like that of ``gate106 backup make``, from which ``gate106 backup restore`` makes nodes. Never: an
acknowledgement of octets that are not synced, whichever process wrote them; octets of an old epoch; a key.

    COPY/journal/     the journal's own octets, as they come          COPY/archive/     tables of the journal at rest
    COPY/state.db     the store as of a checkpoint                    COPY/revisions/   kept rule sets
    COPY/node-8/      the same of a node on a shared store: a gate, or one of its workers

One thread a connection, blocking: it writes what has arrived, syncs once, acknowledges. FollowerSession is a connection without its socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import structlog

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower_protocol import FollowerFault
from proxy.cluster.truncated_copy import segment_end, segments
from proxy.runtime import atomic_files
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

LOCK = "follower.lock"
NODE = re.compile(r"node-\d+")
JOURNAL, STATE, AREAS = "journal", "state.db", ("revisions", "archive", "journal")
CONNECTIONS_MAX = 128  # three a node: for octets, the one before that it has given up, for files
SILENCE_S = 30.0  # a gate says something every half second
RECEIVED_BYTES = 1 << 20
STATE_S = 60.0  # how long a state waits for the octets that it counts


class FollowerFolder:
    """A node's copy. One process has it: the follower, or a restore."""

    def __init__(self, folder: Path) -> None:
        """FollowerFault, OSError."""
        self.folder, self.journal = folder, folder / JOURNAL
        atomic_files.make_folder(self.journal)
        folder.chmod(0o700)
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FollowerFault(
                f"{folder}: the node is connected to its follower, or is being restored: end it first"
                if NODE.fullmatch(folder.name)
                else f"{folder}: a follower runs there: end it first (gate106 follower serve)"
            ) from None
        atomic_files.sync_folder(folder)  # a restore knows a follower's folder by the lock
        half = f"*{atomic_files.HALF}"
        for path in [*folder.glob(half), *(path for area in AREAS for path in (folder / area).rglob(half))]:  # by a kill
            atomic_files.remove_file(path)
        self._file, self._name, self._size = -1, "", 0
        self._new = False  # whether the folder lacks the segment's name
        self._unsure = True
        """Whether a sync failed, here or in a process before: the system may hold as clean what never reached the disk."""
        self._replacing = threading.Lock()  # a segment is written, or replaced as a whole

    def close(self) -> None:
        self._release()
        os.close(self._lock)

    def greet(self, hello: dict[str, Any]) -> bool:
        """Accepts the gate's journal and epoch, durably; whether the epoch is new. FollowerFault."""
        identity, epoch = hello.get("journal"), hello.get("epoch")
        if not isinstance(identity, str) or not isinstance(epoch, int):
            raise FollowerFault(protocol.NOT_OURS)
        ours = self.journal / "identity"
        if not ours.exists():
            atomic_files.write_file(ours, identity.encode() + b"\n")
        elif ours.read_text().strip() != identity:
            raise FollowerFault(
                f"its {self.folder.name} is of another journal: restore this node from it if the node has lost its disk (gate106 backup "
                "restore), else move that folder away; two gates cannot have one number"
                if NODE.fullmatch(self.folder.name)
                else "it follows another journal: each gate needs a follower's folder of its own"
            )
        if epoch < (known := protocol.epoch_of(self.journal)):
            raise FollowerFault(
                f"this node has epoch {epoch}, and was replaced by one with epoch {known} that was restored from the follower. It must "
                "not serve: move its journal and store away (keep them: they are evidence)",
                fenced=True,
            )
        if epoch > known:
            protocol.begin_epoch(self.journal, epoch)
        protocol.note_gate(self.folder, hello.get("gate"))
        return epoch > known

    def end(self) -> tuple[str, int, str]:
        """Segment, offset and digest; cuts what a loss of power has left of a group, and syncs what is left."""
        self._release()
        while names := segments(self.journal):
            path = self.journal / names[-1]
            _, whole = segment_end(path)
            if whole:
                data = path.read_bytes()[:whole]
                with path.open("r+b") as file:
                    if self._unsure:
                        _write(file.fileno(), data, 0)
                    self._unsure = True  # until the sync has succeeded
                    os.ftruncate(file.fileno(), whole)
                    os.fsync(file.fileno())
                atomic_files.sync_folder(self.journal)
                self._name, self._size, self._unsure = names[-1], whole, False
                return self._name, whole, blake2b(data, digest_size=16).hexdigest()
            atomic_files.remove_file(path)
        self._name, self._size = "", 0
        return "", 0, ""

    def append(self, name: str, offset: int, data: memoryview) -> int:
        """Writes octets; returns how many. FollowerFault where they do not follow what is there."""
        if name != self._name:
            if name < self._name or offset:
                raise FollowerFault(f"octets of {name}:{offset} do not follow {self._name}:{self._size}")
            self.sync()
            self._release()
            self._name, self._size = name, 0
        if offset != self._size:
            raise FollowerFault(f"octets of {name}:{offset} do not follow {self._name}:{self._size}")
        if self._file < 0:
            with self._replacing:
                self._file = os.open(self.journal / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._new = True
        _write(self._file, data, offset)
        self._size = offset + len(data)
        return len(data)

    def sync(self) -> None:
        if self._file >= 0:
            try:
                os.fdatasync(self._file)
            except OSError:
                self._unsure = True
                raise
            if self._new:
                atomic_files.sync_folder(self.journal)
                self._new = False

    def _release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # -- files

    def files(self) -> dict[str, tuple[int, int]]:
        """Path → size and time of change, of all that is not octets."""
        paths = [path for area in AREAS for path in (self.folder / area).rglob("*") if path.is_file()]
        paths += [self.folder / STATE] if (self.folder / STATE).exists() else []
        return {str(path.relative_to(self.folder)): ((found := path.stat()).st_size, found.st_mtime_ns) for path in paths}

    def put(self, path: Path) -> bool:
        """What lies beside a file takes its place; False where that is a segment which octets are written to."""
        with self._replacing:
            if path.parent == self.journal and path.name == self._name:
                if self._file >= 0:
                    return False
                self._name, self._size = "", 0
            atomic_files.commit_file(path)
            return True

    def path(self, name: object) -> Path:
        """FollowerFault where a name leads elsewhere."""
        pure = PurePosixPath(str(name))
        inside = pure.parts and pure.parts[0] in AREAS and len(pure.parts) > 1 and ".." not in pure.parts
        if pure.parts[:1] == (JOURNAL,):
            inside = len(pure.parts) == 2 and bool(protocol.SEGMENT.fullmatch(pure.name)) and pure.name <= self._last()
        if not inside and str(pure) != STATE:
            raise FollowerFault(f"{name}: is no file of a copy")
        return self.folder / pure

    def _last(self) -> str:
        return (segments(self.journal) or [""])[-1]

    def has(self, sequence: int, wait_s: float) -> bool:
        """Whether the octets up to a record are here, synced, or come in time."""
        deadline = time.monotonic() + wait_s
        while True:
            last = self._last()
            if last and segment_end(self.journal / last)[0] >= sequence:
                atomic_files.sync_file(self.journal / last)
                atomic_files.sync_folder(self.journal)
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)


class FollowerServer:
    def __init__(self, folder: FollowerFolder, context: ssl.SSLContext | None) -> None:
        """``folder``: below it are the copies of nodes on shared stores."""
        self._root, self._context = folder.folder, context
        self._places = threading.Semaphore(CONNECTIONS_MAX)
        self._nodes = {"": _Node(folder, connections=1)}  # it stays
        self._opening = threading.Lock()

    def serve(self, listener: socket.socket) -> NoReturn:
        while True:
            connection, peer = listener.accept()
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket, peer: object) -> None:
        try:
            connection.settimeout(SILENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._talk(connection)
        except FollowerFault as fault:
            log.warning("gate refused", peer=str(peer), why=str(fault))
            told = {"why": str(fault), "fenced": fault.fenced, "passes": fault.passes}
            with contextlib.suppress(OSError):
                connection.sendall(protocol.fields(protocol.REFUSED, told))
        except _Ended:
            pass
        except OSError as error:
            log.warning("connection of a gate lost", peer=str(peer), why=str(error))
        finally:
            with contextlib.suppress(OSError):
                connection.close()
            self._places.release()

    def _talk(self, connection: socket.socket) -> None:
        session = FollowerSession()
        while session.hello is None:
            session.take_hello(_received(connection))
        with self._node(protocol.folder_of(session.hello.get("node"))) as node:
            node.talk(connection, session)

    @contextlib.contextmanager
    def _node(self, name: str) -> Iterator[_Node]:
        """A node's copy, which this process has while the node is connected."""
        with self._opening, _blamed(self._root / name):
            node = self._nodes.get(name) or _Node(FollowerFolder(self._root / name))
            self._nodes[name] = node
            node.connections += 1
        try:
            yield node
        finally:
            with self._opening:
                node.connections -= 1
                if not node.connections:
                    del self._nodes[name]
                    node.folder.close()


class _Node:
    """A node's copy, and its connections."""

    def __init__(self, folder: FollowerFolder, connections: int = 0) -> None:
        self.folder, self.connections = folder, connections
        self._greeting, self._one_gate, self._one_copier = threading.Lock(), threading.Lock(), threading.Lock()
        self._writing: socket.socket | None = None

    def talk(self, connection: socket.socket, session: FollowerSession) -> None:
        with self._greeting:
            if session.greet(self.folder):
                self._give_up()  # of the node that was replaced
        if session.for_files:
            with self._one_copier:
                self._answer(connection, session)
            return
        self._give_up()
        if not self._one_gate.acquire(timeout=SILENCE_S):
            raise FollowerFault("another connection of this gate is still open")
        try:
            self._writing = connection
            self._answer(connection, session)
        finally:
            self._writing = None
            self._one_gate.release()

    def _give_up(self) -> None:
        """Ends the connection that octets came over: the gate has given it up, or was replaced."""
        if (before := self._writing) is not None:
            with contextlib.suppress(OSError):
                before.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _answer(connection: socket.socket, session: FollowerSession) -> None:
        connection.sendall(session.welcome())
        while True:
            if answer := session.receive(_received(connection)):
                connection.sendall(answer)


class FollowerSession:
    """One connection of a gate: bytes in, answers out. FollowerFault where the gate is to be told, and the connection to end."""

    def __init__(self) -> None:
        self._folder: FollowerFolder
        self._frames = protocol.Frames()
        self._count = 0
        self._incoming: _Incoming | None = None
        self.hello: dict[str, Any] | None = None
        """What the gate said first: its node decides which folder greets it."""

    @property
    def for_files(self) -> bool:
        return self.hello is not None and self.hello.get("for") == "files"

    def take_hello(self, data: bytes) -> None:
        for kind, body in self._frames.feed(data):
            if kind != protocol.HELLO or self.hello is not None:
                raise FollowerFault(protocol.NOT_OURS)
            self.hello = protocol.content_of(body)

    def greet(self, folder: FollowerFolder) -> bool:
        """Whether the gate's epoch is new."""
        self._folder = folder
        with _blamed(folder.folder):
            return folder.greet(self.hello or {})

    def welcome(self) -> bytes:
        node = (self.hello or {}).get("node")
        with _blamed(self._folder.folder):
            if self.for_files:
                return protocol.fields(protocol.WELCOME, {"files": self._folder.files(), "node": node})
            name, offset, digest = self._folder.end()
        log.info("gate follows on", node=node, segment=name, offset=offset)
        return protocol.fields(protocol.WELCOME, {"segment": name, "offset": offset, "digest": digest, "node": node})

    def receive(self, data: bytes) -> bytes:
        with _blamed(self._folder.folder):
            take = self._file if self.for_files else self._octets
            frames = [*self._frames.feed(data)]
            answers = [take(kind, body) for kind, body in frames]
            if self.for_files or not frames:
                return b"".join(answers)
            self._folder.sync()
            return protocol.ack(self._count)

    def _octets(self, kind: int, body: bytes) -> bytes:
        if kind == protocol.OCTETS:
            self._count += self._folder.append(*protocol.octets_of(body))
        elif kind != protocol.PING:
            raise FollowerFault(protocol.NOT_OURS)
        return b""

    def _file(self, kind: int, body: bytes) -> bytes:
        if kind == protocol.REMOVE:
            for name in protocol.content_of(body)["paths"]:
                atomic_files.remove_file(self._folder.path(name))
            return protocol.ack(1)
        if kind == protocol.FILE:
            self._incoming = _Incoming(self._folder, protocol.content_of(body))
        elif kind == protocol.PIECE and self._incoming is not None:
            self._incoming.write(body)
        else:
            raise FollowerFault(protocol.NOT_OURS)
        if not self._incoming.whole:
            return b""
        incoming, self._incoming = self._incoming, None
        return protocol.ack(incoming.commit())


@contextlib.contextmanager
def _blamed(folder: Path) -> Iterator[None]:
    """The gate is told of a disk that refuses: it passes, and the gate tries again."""
    try:
        yield
    except OSError as error:
        raise FollowerFault(f"it cannot write its copy in {folder}: {in_words(error)}", passes=True) from error


class _Ended(Exception):  # no error
    """The gate has closed the connection."""


class _Incoming:
    """A file that is being received."""

    def __init__(self, folder: FollowerFolder, told: dict[str, Any]) -> None:
        self._folder, self._path = folder, folder.path(told.get("path"))
        self._left, self._mtime_ns, self._behind = int(told["size"]), int(told["mtime_ns"]), int(told.get("behind", 0))
        self._half = atomic_files.temporary_path(self._path)
        self._half.unlink(missing_ok=True)
        self._half.touch(0o600)

    def write(self, data: bytes) -> None:
        with self._half.open("ab") as file:
            file.write(data)
        self._left -= len(data)

    @property
    def whole(self) -> bool:
        return self._left <= 0

    def commit(self) -> int:
        """1 where the file is in its place; 0 where it is of no use."""
        if self._left or (self._behind and not self._folder.has(self._behind, STATE_S)):
            atomic_files.remove_file(self._half)
            return 0
        os.utime(self._half, ns=(self._mtime_ns, self._mtime_ns))
        return int(self._folder.put(self._path))


def _write(file: int, data: bytes | memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(file, data[done:], offset + done)


def _received(connection: socket.socket) -> bytes:
    """All that has arrived, up to RECEIVED_BYTES. _Ended, OSError."""
    data = connection.recv(RECEIVED_BYTES)
    if not data:
        raise _Ended
    pieces, size = [data], len(data)
    while size < RECEIVED_BYTES and (_pending(connection) or select.select([connection], [], [], 0)[0]):
        data = connection.recv(RECEIVED_BYTES)
        if not data:
            break
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)


def _pending(connection: socket.socket) -> int:
    return connection.pending() if isinstance(connection, ssl.SSLSocket) else 0
