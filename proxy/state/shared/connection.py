"""Sends commands to one Valkey server and matches answers in order.

In: commands as words. Out: a future for each answer. Never: a retry, a cancelled call. An overdue answer closes the connection,
and with it every pending call, because answers can no longer be matched to calls.

    StoreDown  ─┬─ overdue, refused, closed: a pending call may have been carried out or not
                └─ Moved      this server does not have the keys, or not now: nothing was done
                   ├─ Redirected   and names the server that has the key
                   └─ SplitKeys    some of a call's keys are on one server, some on another, while their slot moves
    StoreRefused              the server understood and refused: a fault of ours, or of its settings

A process that was itself suspended (stopped, or without CPU time) finds its deadline past while the answer waits in the socket.
So a timer that fires late reads the socket once more before the connection is closed.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import cython
import hiredis

LATE_S = 0.05
"""A timer that fires later than this shows that the process itself was suspended."""
READ_BYTES = 64 * 1024
PENDING_MAX = 10_000
"""Pending calls on one connection: more than a gate has recipients in judgment at once, so only a fault reaches it."""
_MOVED = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "UNKILLABLE", "BUSY")
"""First words of errors that mean: not on this server, or not now."""
_REDIRECTION = re.compile(r"(ASK|MOVED) (\d+) (.*):(\d+)")

Word = bytes | str | int
Words = tuple[Word, ...]
"""A command."""


class ServerAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class StoreDown(OSError):
    """The store did not answer: it is unknown whether the command was carried out."""

    def __str__(self) -> str:
        return self.strerror or ""


class Moved(StoreDown):
    """This server does not have the keys, or not yet: nothing was done."""


class Redirected(Moved):
    """Redis Cluster Specification, *Redirection and resharding*: another server has the key."""

    def __init__(self, text: str, slot: int, address: ServerAddress, *, asking: bool) -> None:
        super().__init__(0, text)
        self.slot, self.address, self.asking = slot, address, asking
        """``asking``: its slot is moving there (ASK); else it has moved there (MOVED)."""


class SplitKeys(Moved):
    """TRYAGAIN: the keys of a call are on two servers while their slot moves."""


class StoreRefused(Exception):
    """The server refused the command."""


class Answers:
    """The answers to a turn's commands, which go to several servers: the last server wakes the caller, once."""

    def __init__(self, count: int, servers: int) -> None:
        self.rows: list[Any] = [None] * count
        self.failures: dict[int, Exception] = {}
        """Of the commands that failed, by their places."""
        self._left = servers
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def server_done(self) -> None:
        self._left -= 1
        if not self._left and not self.complete.done():  # else the caller was cancelled
            self.complete.set_result(None)


class Portion:
    """One server's portion of the answers, in place of a future."""

    def __init__(self, answers: Answers, places: list[int]) -> None:
        self._answers, self._places = answers, places

    def done(self) -> bool:
        return False

    def set_result(self, rows: list[Any]) -> None:
        found = self._answers.rows
        for place, row in zip(self._places, rows, strict=True):
            if isinstance(row, Exception):
                self._answers.failures[place] = row
            else:
                found[place] = row
        self._answers.server_done()

    def set_exception(self, why: Exception) -> None:
        self._answers.failures |= dict.fromkeys(self._places, why)
        self._answers.server_done()

    def exception(self) -> None:
        """Nothing is to be marked as retrieved."""


_SIZE_LINES = [b"\r\n$%d\r\n" % size for size in range(1024)]


@cython.ccall
def size_line(word: bytes) -> bytes:
    """What stands in front of a word in a command, the end of the word before included."""
    size = len(word)
    return _SIZE_LINES[size] if size < 1024 else b"\r\n$%d\r\n" % size


def bulk(word: bytes) -> bytes:
    """A word of a command, without its end."""
    return size_line(word) + word


def command(words: Words) -> bytes:
    """The octets of a command (RESP: an array of bulk strings)."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type] # a tuple of any length
    return packed


class Connection(asyncio.Protocol):
    """One connection, made by ``connect``; ``lost`` is called once when it ends."""

    def __init__(self, address: ServerAddress, deadline_s: float, lost: Callable[[Connection], None]) -> None:
        self.address = address
        self.up = True
        self.why = ""
        """Why it ended."""
        self.prepared = False
        """Whether it was checked and has the gate's functions (servers.py)."""
        self.crosses_slots = False
        """Whether a function may use keys of several slots in one call (lua_library.py)."""
        self.fileno = -1
        """Of the socket, where ``read_now`` can read it: without TLS, until the connection ends."""
        self._deadline_s, self._lost = deadline_s, lost
        self._reader = hiredis.Reader(replyError=self._failure)
        self._pending: deque[tuple[asyncio.Future[Any] | Portion, float, int]] = (
            deque()
        )  # …, and how many replies; 0: one, no list
        self._rows: list[Any] = []  # of the oldest call, if it is a pipeline
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    # -- calls

    @property
    def awaits(self) -> bool:
        """Whether a call has no answer yet."""
        return bool(self._pending)

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """Sends a command; the future has its answer (bytes, an int, a list, None), or StoreDown or StoreRefused."""
        return self.send(command(words))

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """``call`` with a command that is packed already."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._send(packed, answer, 0)
        return answer

    def pipeline(self, calls: Sequence[bytes], answer: Portion) -> None:
        """Sends packed commands, about keys of any slots of the server, in one write."""
        self._send(b"".join(calls), answer, len(calls))

    def _send(self, commands: bytes, answer: asyncio.Future[Any] | Portion, replies: int) -> None:
        if not self.up or self._transport is None or len(self._pending) >= PENDING_MAX:
            set_failure(answer, StoreDown(0, f"no connection to {self.address}"))
            return
        due_s = self._loop.time() + self._deadline_s
        self._pending.append((answer, due_s, replies))
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._check_deadline, due_s, False)
        self._transport.write(commands)

    def _check_deadline(self, due_s: float, again: bool) -> None:
        """Ends the connection if the oldest call is overdue. ``again``: the socket has been read since the last check."""
        self._timer = None
        if not self._pending:
            return
        now_s, oldest_s = self._loop.time(), self._pending[0][1]
        if oldest_s > now_s:
            self._timer = self._loop.call_at(oldest_s, self._check_deadline, oldest_s, False)
        elif now_s - due_s > LATE_S and not again:
            self._timer = self._loop.call_later(LATE_S, self._check_deadline, now_s + LATE_S, True)
        else:
            self.end(f"{self.address} has not answered for {self._deadline_s:g} s")

    def end(self, why: str) -> None:
        """Closes the connection; all pending calls fail with StoreDown."""
        if not self.up:
            return
        self.up, self.why, self.fileno = False, why, -1
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        pending, self._pending = self._pending, deque()
        for answer, _, _ in pending:
            if not answer.done():
                set_failure(answer, StoreDown(0, why))
        self._lost(self)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent
        if transport.get_extra_info("sslcontext") is None:
            self.fileno = transport.get_extra_info("socket").fileno()

    def read_now(self) -> None:
        """Reads what the server has answered, before the loop does."""
        try:
            data = os.read(self.fileno, READ_BYTES)
        except OSError:  # nothing there; or the connection is lost, which the loop will tell
            return
        if data:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        reader, rows = self._reader, self._rows
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                answer, _, replies = self._pending[0]
                if replies:
                    rows.append(reply)
                    if len(rows) < replies:
                        continue
                    reply = rows
                    rows = self._rows = []
                self._pending.popleft()
                if answer.done():  # the caller was cancelled
                    continue
                if isinstance(reply, Exception):
                    set_failure(answer, reply)
                else:
                    answer.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.end(f"{self.address} does not speak RESP: {error}")

    def _failure(self, text: str) -> StoreDown | StoreRefused:
        if found := _REDIRECTION.fullmatch(text):
            address = ServerAddress(found[3] or self.address.host, int(found[4]))
            return Redirected(f"{self.address}: {text}", int(found[2]), address, asking=found[1] == "ASK")
        if text.startswith(_MOVED):
            return (SplitKeys if text.startswith("TRYAGAIN") else Moved)(0, f"{self.address}: {text}")
        return StoreRefused(text)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(f"{self.address} closed the connection" + (f": {exc}" if exc else ""))


def set_failure(answer: asyncio.Future[Any] | Portion, why: Exception) -> None:
    """Fails a future. Its caller may have been cancelled, or may have stopped after another error."""
    answer.set_exception(why)
    answer.exception()  # marks it as retrieved, else asyncio logs it


class ServerLogin(NamedTuple):
    """User, password, database and TLS context for a server."""

    user: str = ""
    password: str = ""
    database: int = 0
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"ServerLogin({self.user!r}, database={self.database}, tls={self.tls is not None})"


async def connect(
    address: ServerAddress, login: ServerLogin, deadline_s: float, lost: Callable[[Connection], None]
) -> Connection:
    """Connects and logs in. Raises StoreDown if the server does not answer in time, StoreRefused if it refuses the login."""
    loop = asyncio.get_running_loop()
    made = Connection(address, deadline_s, lost)
    try:
        async with asyncio.timeout(max(1.0, 2 * deadline_s)):  # a handshake of TLS is more than a call
            await loop.create_connection(lambda: made, address.host, address.port, ssl=login.tls)
    except TimeoutError:
        made.end("")
        raise StoreDown(0, f"{address} does not answer") from None
    except OSError as error:
        made.end("")
        raise StoreDown(0, f"{address}: {error.strerror or error}") from None
    try:
        if login.password:
            await made.call("AUTH", login.user or "default", login.password)
        if login.database:
            await made.call("SELECT", login.database)
    except StoreRefused as error:
        made.end("")
        raise StoreRefused(f"{address} does not let us in: {error}") from None
    return made
