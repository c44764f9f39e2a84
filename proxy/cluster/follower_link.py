"""Sends the journal's octets to a follower on another machine.

In: where the synced octets end, the follower's acknowledgements. Out: ``journal.synced`` for answers that wait; ``journal.held`` while the
follower is away and the settings say ``defer``. Never: octets that this machine has not synced (so the follower is never ahead of a gate
that lost power), an answer before the follower has synced its records (mode ``sync``).

    journal synced here → octets from the position on → follower writes, syncs, acknowledges → ``journal.synced`` → answers

After a connection is lost the follower says where its copy ends, with a digest; the gate goes on from there, or refuses a copy of other
octets. A follower that knows a newer epoch refuses: then this node was replaced, and stops.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, cast

import structlog

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower_protocol import FollowerFault
from proxy.config import Follower
from proxy.journal.disk import OsDisk
from proxy.journal.write_ahead_log import Journal
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

CONTACT_S = 3.0  # how long a start waits for the follower: it may know that this node was replaced
RETRY_S = 0.2
PING_S = 0.5
UNACKNOWLEDGED_BYTES = 1 << 20
"""A follower that lacks no more than this, all of it on its way, has caught up."""


class FollowerLink:
    def __init__(
        self,
        settings: Follower,
        journal: Journal,
        context: ssl.SSLContext | None,
        wake: Callable[[], None],
        stop: Callable[[str], None],
        node: int | None = None,
        gate: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wake``: answers may go. ``stop``: this node was replaced. ``node``, ``gate``: whose copy it is (follower_protocol.py)."""
        self._settings, self._journal, self._context = settings, journal, context
        self._disk = cast("OsDisk", journal.disk)
        self._wake, self._stop, self._monotonic = wake, stop, monotonic
        self._node, self._gate = node, gate
        self._needed = self._in_force = False  # whether answers must wait for the follower; whether they do
        self.away = "it was not in reach yet"
        """Why the follower has not caught up; empty when it has."""
        self._logged = False  # whether it was away for the log, too
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._end, self._durable = journal.end, journal.durable
        self._position = "", 0  # what was sent ends there
        self._sent = 0  # octets of this connection
        self._waiting: deque[tuple[int, int]] = deque()  # octets of this connection, the last record that they complete
        self._acknowledged = 0
        self._unsafe: deque[tuple[int, float]] = (
            deque()
        )  # records that the follower may lack, and since when: one in 0.1 s, or in 1 %
        self._heard_s = 0.0
        journal.on_durable = self._on_durable

    # -- for the rest of the gate

    async def contact(self) -> None:
        """Waits CONTACT_S for the follower. FollowerFault where it refuses this journal."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(first))
        await asyncio.wait([first], timeout=CONTACT_S)
        if first.done():
            first.result()

    def need(self) -> None:
        """From now on answers wait for the follower, where the settings say so."""
        self._needed = self._settings.mode == "sync"
        self._in_force = self._needed and (not self.away or self._settings.when_away == "defer")
        if self.away:
            self._is_away(self.away)

    @property
    def kept(self) -> bool:
        """Whether the follower has what the settings promise."""
        if self._settings.mode == "sync":
            return not self.away
        return self.lag_s <= self._settings.behind_s

    @property
    def lag_s(self) -> float:
        """Since when the follower may lack a record."""
        return self._monotonic() - self._unsafe[0][1] if self._unsafe else 0.0

    def notes(self) -> list[str]:
        """For /readyz."""
        if self.kept:
            return []
        if self._settings.mode == "sync":
            return [f"follower: it lacks records, for {self.away}; with when_away: go_on answers do not wait for it"]
        return [f"follower: it is {self.lag_s:.0f} s behind, more than behind_s: {self.away or 'it is slow'}"]

    async def close(self) -> None:
        self._journal.on_durable = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- sending

    def _on_durable(self, sequence: int, segment: str, end: int) -> None:
        self._end, self._durable = (segment, end), sequence
        now_s = self._monotonic()
        if not self._unsafe or now_s - self._unsafe[-1][1] >= max(0.1, self.lag_s / 100):
            self._unsafe.append((sequence, now_s))
        if not self._in_force:
            self._journal.synced = sequence
        self._send()

    def _send(self) -> None:
        """Sends what is synced here, as long as the connection takes it."""
        while self._transport is not None and not self._paused and self._position < self._end:
            name, offset = self._position
            data = b""
            try:
                end = self._end[1] if name == self._end[0] else self._disk.size(name) if name else 0
                if offset < end:
                    data = self._disk.read(name, min(end - offset, protocol.PIECE_BYTES), offset)
            except FileNotFoundError:  # retention has removed it: the journal says so
                pass
            except OSError as error:
                self.away = in_words(error)
                self._transport.abort()
                return
            if not data:
                self._position = min(one for one in self._disk.list() if one > name), 0
                continue
            self._transport.write(protocol.octets(name, offset, data))
            self._sent += len(data)
            self._position = name, offset + len(data)
            if self._position == self._end:
                self._waiting.append((self._sent, self._durable))

    def _acknowledge(self, count: int) -> None:
        self._heard_s = self._monotonic()
        while self._waiting and self._waiting[0][0] <= count:
            self._acknowledged = self._waiting.popleft()[1]
        if self._position == self._end and self._sent - count < UNACKNOWLEDGED_BYTES:
            if count == self._sent:
                self._acknowledged = self._durable
            self._is_back()
        while self._unsafe and self._unsafe[0][0] <= self._acknowledged:
            self._unsafe.popleft()
        if self._in_force and self._acknowledged > self._journal.synced:
            self._journal.synced = self._acknowledged
            self._wake()

    # -- away and back

    def _is_away(self, why: str) -> None:
        if not self.away or not self._logged:
            self._logged = True
            log.error("follower away", why=why, when_away=self._settings.when_away or "go_on")
        self.away = why
        if self._needed and self._settings.when_away == "defer":
            self._journal.held = f"the follower at {self._where} is away ({why}), and when_away is defer: bring it back"
        elif self._needed:
            self._in_force = False
            self._journal.synced = self._journal.durable
            self._wake()

    def _is_back(self) -> None:
        if self.away:
            log.info("follower has caught up")
        self.away = self._journal.held = ""
        self._in_force = self._needed

    @property
    def _where(self) -> str:
        return f"{self._settings.address.host}:{self._settings.address.port}"

    # -- connection

    async def _run(self, first: asyncio.Future[None]) -> None:
        while True:
            why = "it has closed the connection"
            try:
                await self._connected(first)
            except FollowerFault as fault:
                why = f"follower at {self._where}: {fault}"
                if fault.fenced:
                    await asyncio.to_thread(protocol.fence, self._disk.path, why)
                if not first.done():
                    first.set_exception(FollowerFault(why, fenced=fault.fenced))
                    return
                if fault.fenced:
                    self._needed = self._in_force = True  # no answer goes any more
                    self._journal.held = why
                    self._stop(why)
                    return
            except TimeoutError:
                why = f"it has not answered for {self._settings.away_s:g} s"
            except OSError as error:
                why = in_words(error)
            finally:
                if self._transport is not None:
                    self._transport.abort()
                    self._transport = None
            self._is_away(why)
            await asyncio.sleep(RETRY_S)

    async def _connected(self, first: asyncio.Future[None]) -> None:
        """From the connection's beginning to its end. FollowerFault, OSError, TimeoutError."""
        loop, settings = asyncio.get_running_loop(), self._settings
        async with asyncio.timeout(settings.away_s):
            transport, connection = await loop.create_connection(
                lambda: _Connection(self), *settings.address, ssl=self._context,
                server_hostname=(settings.tls_name or settings.address.host) if self._context is not None else None,
            )  # fmt: skip
        try:
            journal, epoch = self._journal.identity.hex(), protocol.epoch_of(self._disk.path)
            transport.write(protocol.hello("octets", journal, epoch, self._node, self._gate))
            async with asyncio.timeout(settings.away_s + CONTACT_S):  # it reads a segment for the digest
                welcome = await connection.welcome
            protocol.refuse_other_node(welcome, self._node)
            self._position = await asyncio.to_thread(self._continued, welcome, self._end)
            if not first.done():
                first.set_result(None)
            self._sent, self._paused, self._heard_s = 0, False, self._monotonic()
            self._waiting.clear()
            self._transport = transport
            while not connection.ended.done():
                self._send()
                transport.write(protocol.frame(protocol.PING))
                await asyncio.wait([connection.ended], timeout=min(PING_S, settings.away_s / 3))
                if self._monotonic() - self._heard_s > settings.away_s:
                    raise TimeoutError
            connection.ended.result()
        finally:
            self._transport = None
            transport.abort()

    def _continued(self, welcome: dict[str, Any], end: tuple[str, int]) -> tuple[str, int]:
        """Where to go on. FollowerFault where its copy is not of our octets."""
        name, offset = str(welcome.get("segment", "")), int(welcome.get("offset", 0))
        if not name:
            return "", 0
        if (name, offset) > end:
            raise FollowerFault(
                f"its copy goes on to {name}:{offset}, and this journal ends at {end[0]}:{end[1]}: this is not the newest copy of the node. "
                "Restore it from the follower (gate106 backup restore), or move the follower's folder away to begin a new copy"
            )
        try:
            data = self._disk.read(name, offset)
        except FileNotFoundError:
            return "", 0  # retention has removed it: the follower gets what is left
        if blake2b(data, digest_size=16).hexdigest() != welcome.get("digest"):
            raise FollowerFault(
                f"its copy of {name} differs from this journal: find out which of them was altered; a new copy begins when the follower's "
                "folder is moved away"
            )
        return name, offset


class _Connection(asyncio.Protocol):
    def __init__(self, link: FollowerLink) -> None:
        loop = asyncio.get_running_loop()
        self._link, self._frames = link, protocol.Frames()
        self.welcome: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1 << 20)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                self._take(kind, body)
        except FollowerFault as fault:
            self._end(fault)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == protocol.ACK:
            self._link._acknowledge(protocol.count_of(body))  # a part of it
        elif kind == protocol.WELCOME and not self.welcome.done():
            self.welcome.set_result(protocol.content_of(body))
        elif kind == protocol.REFUSED:
            content = protocol.content_of(body)
            self._end(FollowerFault(str(content.get("why")), fenced=content.get("fenced") is True))
        else:
            raise FollowerFault(protocol.NOT_OURS)

    def _end(self, error: Exception) -> None:
        for one in (self.welcome, self.ended):
            if not one.done():
                one.set_exception(error)
                one.exception()  # whoever awaits it gets it; nobody may
        assert self._transport is not None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.welcome.done():
            self.welcome.set_exception(exc or ConnectionResetError("it has closed the connection"))
            self.welcome.exception()
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._link._paused = True  # as above

    def resume_writing(self) -> None:
        self._link._paused = False  # as above
        self._link._send()  # as above
