"""Copies the PDUs of a link to listeners, for traces.

In: a Link, listeners. Out: each PDU that is read or written, in order. Never: a byte altered, held back, or waited for; what it means.

A tap stands between transport and link only while a trace runs: an untapped link has no cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from proxy.net.link import Link, Turns
from proxy.wire.tables import HEADER_BYTES, PDU_BYTES_MAX

OnPdu = Callable[[Link, bool, bytes], None]
"""Listener: (link, whether we wrote the PDU (otherwise read), the PDU)."""
WantsLink = Callable[[Link], bool]
"""Whether a listener wants a link that has just opened, and is not bound yet."""


class Tap(asyncio.Protocol):
    """One tapped link with all its listeners."""

    def __init__(self, link: Link) -> None:
        assert link.transport is not None
        self.link = link
        self.listeners: list[OnPdu] = []
        self._transport = link.transport
        self._rest = link.session.rest
        self._lost = False  # framing is lost: the session reports it and closes

    def open(self) -> None:
        self._transport.set_protocol(self)
        self.link.transport = cast("asyncio.Transport", _ObservedTransport(self._transport, self._wrote))

    def close(self) -> None:
        if self.link.transport is not None and not self._transport.is_closing():
            self._transport.set_protocol(self.link)
        self.link.transport = self._transport

    # -- read

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._rest = self._notify(False, self._rest)
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
        self._notify(True, data)  # a session writes whole PDUs

    def _notify(self, ours: bool, data: bytes) -> bytes:
        """Passes each whole PDU to the listeners; returns the octets left over."""
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES and not self._lost:
            length = int.from_bytes(data[at : at + 4], "big")
            if not HEADER_BYTES <= length <= PDU_BYTES_MAX:
                self._lost = True
                break
            if at + length > end:
                break
            for on_pdu in self.listeners:
                on_pdu(self.link, ours, data[at : at + length])
            at += length
        return b"" if self._lost else data[at:]


class _ObservedTransport:
    """A transport that reports what is written to it."""

    def __init__(self, transport: asyncio.Transport, wrote: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._wrote = wrote

    def write(self, data: bytes) -> None:
        self._wrote(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Taps:
    """All tapped links, and listeners that wait for new ones."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._taps: dict[Link, Tap] = {}
        self._waiting: dict[OnPdu, WantsLink] = {}

    def listen(self, links: Iterable[Link], on_pdu: OnPdu, wants: WantsLink | None = None) -> None:
        """From now on ``on_pdu`` gets the PDUs of exactly these links, and of each new link that it ``wants``, from its first PDU on."""
        wanted = {link for link in links if link.transport is not None and not link.lost}
        for link in wanted:
            self._tap(link, on_pdu)
        self._waiting.pop(on_pdu, None)
        if wants is not None:
            self._waiting[on_pdu] = wants
        self._turns.opened = self._opened if self._waiting else None
        for link, tap in list(self._taps.items()):
            if link not in wanted and on_pdu in tap.listeners:
                tap.listeners.remove(on_pdu)
            if not tap.listeners:
                tap.close()
                del self._taps[link]

    def _opened(self, link: Link) -> None:
        for on_pdu, wants in self._waiting.items():
            if wants(link):
                self._tap(link, on_pdu)

    def _tap(self, link: Link, on_pdu: OnPdu) -> None:
        tap = self._taps.get(link)
        if tap is None:
            tap = self._taps[link] = Tap(link)
            tap.open()
        if on_pdu not in tap.listeners:
            tap.listeners.append(on_pdu)
