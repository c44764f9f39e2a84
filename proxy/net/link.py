"""Connects one transport to one session: reads, joined writes, flow control.

In: bytes from a socket. Out: frames for ``on_received``; bytes, joined, once per loop turn. Never: what a frame means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from proxy.net.scheduler import LinkScheduler
from proxy.wire import Received, Session

UNREAD_BYTES_MAX = 256 * 1024
"""So much of our output may wait for a peer that does not read; then we stop reading from it (DESIGN §4)."""
LAST_WORDS_S = 1.0
"""A connection that we close, and whose peer does not read the last of what we said, is cut off after so long."""
PIECE_BYTES = 16 * 1024
"""So much of what one peer sends is dealt with in one turn: all that a client with a window of 80 has on its way."""
NOISY_PIECE_BYTES = 512
"""So much of a noisy one's: four submits, or thirty enquire_links."""
NOISY_AT, NOISE_MAX = 100, 2000
"""With so many PDUs that led to nothing a peer is noisy, until all are forgiven; no more are counted, so that some quiet makes up for all."""
DISTURBING = {
    "no bind in time": "no-bind",
    "too much before a bind": "no-bind",
    "no answer to our unbind": "silent",
    "no answer to our enquire_link": "silent",
    "does not read what it is told": "unread",
}
"""Why the session is over → the label ``cause`` of ``gate106_disturbances_total``, beside ``flood``. Lost framing is a bad PDU."""
FORGIVEN_PER_S = 100
"""So many in a second disturb nobody."""


class Turns:
    """Runs ``work`` once per loop turn in which somebody asked for it, then writes to every peer that has output."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.turnstile = LinkScheduler(loop)
        self.work: Callable[[], None] = lambda: None
        self.opened: Callable[[Link], None] | None = None
        """Hears of each connection before anything is read from it or written to it, while somebody wants to."""
        self._scheduled = self._running = False
        self._dirty: dict[Link, None] = {}

    @property
    def coming(self) -> bool:
        """Whether there is to be a turn: something has come."""
        return self._scheduled

    def wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._run)

    def has_output(self, link: Link) -> None:
        self._dirty[link] = None
        if not self._scheduled and not self._running:  # a running turn ends with a flush anyway
            self.wake()

    def _run(self) -> None:
        self._scheduled, self._running = False, True
        try:
            self.work()
        finally:
            self._running = False
            self.flush()

    def flush(self) -> None:
        """One joined write per peer."""
        dirty, self._dirty = self._dirty, {}
        for link in dirty:
            link.flush()


class Link(asyncio.Protocol):
    """Subclasses say what to do with what was received, and when the peer is gone."""

    unread_bytes_max = UNREAD_BYTES_MAX
    """With so much of our output unread we stop reading."""
    noisy_at: float = NOISY_AT
    """With more PDUs that led to nothing the peer is heard slowly."""
    piece_bytes = PIECE_BYTES
    """So much is dealt with in one turn, while the peer is not noisy."""

    def __init__(self, session: Session, turns: Turns) -> None:
        self.session = session
        self.noise = 0
        """PDUs that led to nothing, and are not forgiven yet."""
        self.noisy = False
        """Whether they are so many that the peer is heard slowly."""
        self._forgiven_s = 0.0  # when some were forgiven last
        self.due_s = 0.0
        """When ``tick`` has something to do again, by the loop's clock; 0 after whatever was read or written."""
        self._kept = b""  # read, and not dealt with yet: nothing more is read meanwhile
        self.turns = turns
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        """The peer's address, without the port."""
        self._unread_timer: asyncio.TimerHandle | None = None
        self._lost = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's own class, which does not inherit from it
        self.transport = transport
        self.let_wait(self.unread_bytes_max)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        if self.turns.opened is not None:
            self.turns.opened(self)
        self.turns.has_output(self)

    def data_received(self, data: bytes) -> None:
        if self._kept or len(data) > self.piece_bytes or self.noisy:
            self._keep(data)
        else:
            self._deal_with(data)

    def _deal_with(self, data: bytes) -> None:
        session = self.session
        self.due_s = 0.0
        received = session.receive(data, self.turns.loop.time())
        self.on_received(received, time.time())
        if session.asides:
            self.noise += session.asides
            session.asides = 0
        if self.noise > self.noisy_at and not self.noisy:
            self.noisy = True
            self.disturbed("flood")
        if session.bad:
            self.count_bad(session.bad)
        if session.has_output:
            self.turns.has_output(self)
        else:
            self.turns.wake()

    def _keep(self, data: bytes) -> None:
        """There is too much of it for one turn, or the peer is noisy: it waits for its turn, and so does what comes behind it."""
        if self._kept:
            self._kept += data  # it was on its way when we stopped reading
            return
        self._kept = data
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self.turns.turnstile.add(self)

    def hear(self) -> bool:
        """Deals with one piece of what was kept back; whether there is more."""
        if self._lost or self.session.closing is not None:
            self._kept = b""
            return False
        size = NOISY_PIECE_BYTES if self.noisy else self.piece_bytes
        piece, self._kept = self._kept[:size], self._kept[size:]
        self._deal_with(piece)
        if self._kept:
            return True
        self._read_on()
        return False

    def _read_on(self) -> None:
        """Unless something still stands against it."""
        if self.transport is not None and not self._kept and self._unread_timer is None and not self.transport.is_closing():
            self.transport.resume_reading()

    def let_wait(self, unread_bytes: int) -> None:
        """How much of our output may wait for this peer from now on."""
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=unread_bytes, low=unread_bytes // 4)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        if self.session.closing in DISTURBING:
            self.disturbed(DISTURBING[self.session.closing])
        self.on_lost()
        self.turns.wake()

    def pause_writing(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()
            self._unread_timer = self.turns.loop.call_later(self.session.timers.unread_s, self._cut_off)

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        self._read_on()

    def _cut_off(self) -> None:
        """The peer has not read for too long."""
        self.session.closing = "does not read what it is told"
        if self.transport is not None:
            self.transport.abort()

    # -- for subclasses

    def on_received(self, received: Received, now: float) -> None:
        raise NotImplementedError

    def on_lost(self) -> None:
        raise NotImplementedError

    def on_overdue(self, tickets: Iterable[Any]) -> None:
        """Requests of ours that nobody answered in time."""

    def disturbed(self, cause: str) -> None:
        """The peer was slowed down or cut off, and why."""

    def count_bad(self, kinds: list[str]) -> None:
        """What malformed PDUs the session has met since the last call; must empty the list."""
        kinds.clear()

    # -- for the house

    @property
    def lost(self) -> bool:
        return self._lost

    def flush(self) -> None:
        transport = self.transport
        if transport is None or self._lost:
            return
        data = self.session.output()
        if data:
            transport.write(data)
            self.due_s = 0.0
        if self.session.closing is not None:
            self.close()

    def tick(self) -> None:
        """From ``due_s`` on, and whenever else: the session's timers."""
        session, now_s = self.session, self.turns.loop.time()
        overdue = session.tick(now_s)
        if overdue:
            self.on_overdue(overdue)
        if self.noise:
            self._forgive(now_s)
        self.due_s = now_s if self.noise else session.due(now_s)
        if session.has_output:
            self.turns.has_output(self)

    def _forgive(self, now_s: float) -> None:
        forgiven = int(min(1.0, now_s - self._forgiven_s) * FORGIVEN_PER_S)
        if forgiven:
            self._forgiven_s = now_s
            self.noise = max(0, min(self.noise, NOISE_MAX) - forgiven)
            self.noisy = self.noisy and self.noise > 0

    def close(self) -> None:
        """Once what we said is read: a peer that does not read it is not waited for."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.close()
        if transport.get_write_buffer_size():
            self.turns.loop.call_later(LAST_WORDS_S, transport.abort)
