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
"""How much output may wait for a peer that does not read; beyond it we stop reading from that peer (DESIGN §4)."""
CLOSE_S = 1.0
"""A connection that we close is aborted after so long if the peer does not read the rest of our output."""
PIECE_BYTES = 16 * 1024
"""How much of one peer's input is processed in one turn: all that a client with a window of 80 has in flight."""
NOISY_PIECE_BYTES = 512
"""How much of a noisy peer's: four submits, or thirty enquire_links."""
NOISY_AT, NOISE_MAX = 100, 2000
"""From how many PDUs that led to nothing a peer is noisy, until all are forgiven; and how many are counted at most, so that a quiet while
makes up for all."""
DISTURBING = {
    "no bind in time": "no-bind",
    "too much before a bind": "no-bind",
    "no answer to our unbind": "silent",
    "no answer to our enquire_link": "silent",
    "does not read what it is told": "unread",
}
"""Why the session is over → the label ``cause`` of ``gate106_disturbances_total``, beside ``flood``. Lost framing is a bad PDU."""
FORGIVEN_PER_S = 100
"""PDUs that lead to nothing and do no harm, a second."""


class Turns:
    """Runs ``work`` once per loop turn in which ``wake`` was called, then writes to every peer that has output."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.scheduler = LinkScheduler(loop)
        self.work: Callable[[], None] = lambda: None
        self.ended: Callable[[], None] = lambda: None
        """Called behind each turn, once its output is written."""
        self.opened: Callable[[Link], None] | None = None
        """Called with each new connection before anything is read or written; None: nobody listens (pdu_tap.py)."""
        self._scheduled = self._running = False
        self._dirty: dict[Link, None] = {}
        self._before_output: list[Callable[[], None]] = []

    @property
    def coming(self) -> bool:
        """Whether a turn is scheduled: something has arrived."""
        return self._scheduled

    def wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._run)

    def has_output(self, link: Link) -> None:
        self._dirty[link] = None
        if not self._scheduled and not self._running:  # a running turn ends with a flush anyway
            self.wake()

    def before_output(self, call: Callable[[], None]) -> None:
        """Calls a function at the end of this turn or of the next one, before output is written."""
        self._before_output.append(call)
        if not self._running:
            self.wake()

    def _run(self) -> None:
        self._scheduled, self._running = False, True
        try:
            self.work()
            while self._before_output:
                self._before_output.pop()()
        finally:
            self._running = False
            self.flush()
            self.ended()

    def flush(self) -> None:
        """One joined write per peer."""
        dirty, self._dirty = self._dirty, {}
        for link in dirty:
            link.flush()


class Link(asyncio.Protocol):
    """Subclasses process what was received, and the loss of the connection."""

    unread_bytes_max = UNREAD_BYTES_MAX
    """How much output may be unread before we stop reading."""
    noisy_at: float = NOISY_AT
    """With more PDUs that led to nothing the peer is read slowly."""
    piece_bytes = PIECE_BYTES
    """How much input is processed in one turn, while the peer is not noisy."""

    def __init__(self, session: Session, turns: Turns) -> None:
        self.session = session
        self.noise = 0
        """PDUs that led to nothing and are not forgiven yet."""
        self.noisy = False
        """Whether the peer is read slowly because of them."""
        self._forgiven_s = 0.0  # when some were forgiven last
        self.due_s = 0.0
        """When ``tick`` has work again, by the loop's clock; 0 after each read or write."""
        self._unprocessed = b""  # read and not processed yet: nothing more is read meanwhile
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
        self.limit_unread(self.unread_bytes_max)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        if self.turns.opened is not None:
            self.turns.opened(self)
        self.turns.has_output(self)

    def data_received(self, data: bytes) -> None:
        if self._unprocessed or len(data) > self.piece_bytes or self.noisy:
            self._hold_back(data)
        else:
            self._process(data)

    def _process(self, data: bytes) -> None:
        session = self.session
        self.due_s = 0.0
        received = session.receive(data, self.turns.loop.time())
        self.on_received(received, time.time())
        if session.unhandled_pdus:
            self.noise += session.unhandled_pdus
            session.unhandled_pdus = 0
        if self.noise > self.noisy_at and not self.noisy:
            self.noisy = True
            self.on_disturbance("flood")
        if session.bad:
            self.count_bad(session.bad)
        if session.has_output:
            self.turns.has_output(self)
        else:
            self.turns.wake()

    def _hold_back(self, data: bytes) -> None:
        """Holds back input that is too long for one turn, or of a noisy peer, and all input after it."""
        if self._unprocessed:
            self._unprocessed += data  # it was on its way when we stopped reading
            return
        self._unprocessed = data
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self.turns.scheduler.add(self)

    def process_piece(self) -> bool:
        """Processes one piece of the input held back; returns whether there is more."""
        if self._lost or self.session.closing is not None:
            self._unprocessed = b""
            return False
        size = NOISY_PIECE_BYTES if self.noisy else self.piece_bytes
        piece, self._unprocessed = self._unprocessed[:size], self._unprocessed[size:]
        self._process(piece)
        if self._unprocessed:
            return True
        self._resume_reading()
        return False

    def _resume_reading(self) -> None:
        """Resumes reading, unless output is unread or input is held back."""
        if (
            self.transport is not None
            and not self._unprocessed
            and self._unread_timer is None
            and not self.transport.is_closing()
        ):
            self.transport.resume_reading()

    def limit_unread(self, unread_bytes: int) -> None:
        """Sets how much output may wait for this peer."""
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=unread_bytes, low=unread_bytes // 4)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        if self.session.closing in DISTURBING:
            self.on_disturbance(DISTURBING[self.session.closing])
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
        self._resume_reading()

    def _cut_off(self) -> None:
        """Aborts the connection of a peer that has not read for too long."""
        self.session.closing = "does not read what it is told"
        if self.transport is not None:
            self.transport.abort()

    # -- for subclasses

    def on_received(self, received: Received, now: float) -> None:
        raise NotImplementedError

    def on_lost(self) -> None:
        raise NotImplementedError

    def on_overdue(self, tickets: Iterable[Any]) -> None:
        """Requests of ours without an answer in time."""

    def on_disturbance(self, cause: str) -> None:
        """The peer was slowed down or cut off; ``cause``: see DISTURBING."""

    def count_bad(self, kinds: list[str]) -> None:
        """Counts the kinds of malformed PDUs since the last call; must empty the list."""
        kinds.clear()

    # -- for its owner

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
        """Runs the session's timers; needed from ``due_s`` on, harmless before."""
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
        """Closes once our output is read, or after CLOSE_S."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.close()
        if transport.get_write_buffer_size():
            self.turns.loop.call_later(CLOSE_S, transport.abort)
