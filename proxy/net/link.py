"""Link: one transport driving one session. Reading, joined writing, flow control.

In: bytes from a socket. Out: frames for ``on_received``; bytes, joined, once per loop turn. Never: what a frame means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from proxy.wire import Received, Session

UNREAD_BYTES_MAX = 256 * 1024
"""So much of our output may wait for a peer that does not read; then we stop reading from it (DESIGN §4)."""
UNREAD_S_MAX = 30.0
"""A peer that has not read for so long is cut off."""


class Turns:
    """Runs ``work`` once per loop turn in which somebody asked for it, then writes to every peer that has output."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.work: Callable[[], None] = lambda: None
        self.opened: Callable[[Link], None] | None = None
        """Hears of each connection before anything is read from it or written to it, while somebody wants to."""
        self._scheduled = self._running = False
        self._dirty: dict[Link, None] = {}

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

    def __init__(self, session: Session, turns: Turns) -> None:
        self.session = session
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
        transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX, low=UNREAD_BYTES_MAX // 4)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        if self.turns.opened is not None:
            self.turns.opened(self)
        self.turns.has_output(self)

    def data_received(self, data: bytes) -> None:
        received = self.session.receive(data, self.turns.loop.time())
        self.on_received(received, time.time())
        self.count_bad(self.session.bad)
        self.turns.has_output(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        self.on_lost()
        self.turns.wake()

    def pause_writing(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()
            self._unread_timer = self.turns.loop.call_later(UNREAD_S_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- for subclasses

    def on_received(self, received: Received, now: float) -> None:
        raise NotImplementedError

    def on_lost(self) -> None:
        raise NotImplementedError

    def on_overdue(self, tickets: Iterable[Any]) -> None:
        """Requests of ours that nobody answered in time."""

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
        if self.session.closing is not None:
            transport.close()

    def tick(self) -> None:
        """A few times a second: the session's timers."""
        overdue = self.session.tick(self.turns.loop.time())
        if overdue:
            self.on_overdue(overdue)
        self.turns.has_output(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
