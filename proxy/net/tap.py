"""Copies the PDUs of a link to listeners, for traces.

In: a Link, listeners. Out: each PDU that is read or written, in order. Never: a byte altered, held back, or waited for; what it means.

A tap stands between transport and link only while somebody listens: an untapped link pays nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from proxy.net.link import Link, Turns
from proxy.wire.tables import HEADER_BYTES, PDU_BYTES_MAX

Hear = Callable[[Link, bool, bytes], None]
"""Which link, whether we wrote it (else: read), the PDU."""
Wants = Callable[[Link], bool]
"""Whether somebody wants to hear a link that has just opened, and is not bound yet."""


class Tap(asyncio.Protocol):
    """One tapped link, whoever listens."""

    def __init__(self, link: Link) -> None:
        assert link.transport is not None
        self.link = link
        self.hears: list[Hear] = []
        self._transport = link.transport
        self._rest = link.session.rest
        self._lost = False  # framing was: the session says so and closes

    def open(self) -> None:
        self._transport.set_protocol(self)
        self.link.transport = cast("asyncio.Transport", _Written(self._transport, self._wrote))

    def close(self) -> None:
        if self.link.transport is not None and not self._transport.is_closing():
            self._transport.set_protocol(self.link)
        self.link.transport = self._transport

    # -- read

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._rest = self._tell(False, self._rest)
        self.link.data_received(data)

    def eof_received(self) -> bool | None:
        return self.link.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.connection_lost(exc)

    def pause_writing(self) -> None:
        self.link.pause_writing()

    def resume_writing(self) -> None:
        self.link.resume_writing()

    # -- written

    def _wrote(self, data: bytes) -> None:
        self._tell(True, data)  # a session writes whole PDUs

    def _tell(self, ours: bool, data: bytes) -> bytes:
        """Tells each whole PDU; what is left of the last."""
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES and not self._lost:
            length = int.from_bytes(data[at : at + 4], "big")
            if not HEADER_BYTES <= length <= PDU_BYTES_MAX:
                self._lost = True
                break
            if at + length > end:
                break
            for hear in self.hears:
                hear(self.link, ours, data[at : at + length])
            at += length
        return b"" if self._lost else data[at:]


class _Written:
    """A transport that tells what is written to it."""

    def __init__(self, transport: asyncio.Transport, wrote: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._wrote = wrote

    def write(self, data: bytes) -> None:
        self._wrote(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Taps:
    """All links that are tapped, and who waits for new ones."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._taps: dict[Link, Tap] = {}
        self._wants: dict[Hear, Wants] = {}

    def listen(self, links: Iterable[Link], hear: Hear, wants: Wants | None = None) -> None:
        """From now on ``hear`` is told what passes over these links, and over each that opens and that it ``wants``, from its first
        PDU on; and over no other."""
        wanted = {link for link in links if link.transport is not None and not link.lost}
        for link in wanted:
            self._tap(link, hear)
        self._wants.pop(hear, None)
        if wants is not None:
            self._wants[hear] = wants
        self._turns.opened = self._opened if self._wants else None
        for link, tap in list(self._taps.items()):
            if link not in wanted and hear in tap.hears:
                tap.hears.remove(hear)
            if not tap.hears:
                tap.close()
                del self._taps[link]

    def _opened(self, link: Link) -> None:
        for hear, wants in self._wants.items():
            if wants(link):
                self._tap(link, hear)

    def _tap(self, link: Link, hear: Hear) -> None:
        tap = self._taps.get(link)
        if tap is None:
            tap = self._taps[link] = Tap(link)
            tap.open()
        if hear not in tap.hears:
            tap.hears.append(hear)
