"""Peers: what the carrier's and the providers' ends of a connection have in common, and how people answer.

In: bytes. Out: PDUs, one after another. Never: what the gate should do.
"""

from __future__ import annotations

import asyncio
from typing import cast

from tests.e2e.pdus import Pdu, split

REFUSES, RETURNS = ("139", "136"), "136"
"""Persons whose number begins so answer the first message that reaches them with an opt-out; those of RETURNS ask to be written to
again as soon as that is acknowledged."""
BACK = "START".encode("utf-16-be")
UCS2 = 8
RECEIPT = 4
NOT_NOW = 0x64
"""ESME_RX_T_APPN"""


class Peer(asyncio.Protocol):
    """One connection, cut into PDUs."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for found in split(self._buffer):
            self.got(found)

    def got(self, found: Pdu) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
