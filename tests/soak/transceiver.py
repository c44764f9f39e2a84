"""Transceiver: a simulated provider's bind, with its own hand for SMPP. What an answer or a deliver means, its heirs say.

In: octets of the gate. Out: ``answered``, ``delivered``, ``lost``, ``odd``. Never: a deliver that is not acknowledged at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from proxy.sim import pdus

PASSWORD = "secret"  # of simulated providers, on loopback


class Transceiver(asyncio.Protocol):
    """Bound by itself as soon as it is connected."""

    def __init__(self, system_id: str) -> None:
        self.system_id = system_id
        loop = asyncio.get_running_loop()
        self.bound: asyncio.Future[bool] = loop.create_future()
        """True: bound; False: refused, or lost before."""
        self.gone: asyncio.Future[bool] = loop.create_future()
        self.in_flight: dict[int, int] = {}
        """Sequence number → what the provider calls that submit."""
        self.sequence = 1
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    # -- for heirs

    def answered(self, number: int, status: int, message_id: bytes) -> None:
        """A submit_sm_resp."""
        raise NotImplementedError

    def delivered(self, data: bytes) -> None:
        """A deliver_sm: it is acknowledged behind this."""
        raise NotImplementedError

    def lost(self, numbers: Collection[int]) -> None:
        """The connection is gone; these have no answer."""
        raise NotImplementedError

    def odd(self, what: str) -> None:
        """The gate said what it should not."""
        raise AssertionError(what)

    # -- the connection

    @property
    def up(self) -> bool:
        return self._transport is not None

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def drop(self) -> None:
        """Without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is one in all but name
        self.write(pdus.bind("transceiver", self.system_id, PASSWORD))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.lost(self.in_flight.values())
        self.in_flight.clear()
        for future in (self.bound, self.gone):
            if not future.done():
                future.set_result(False)

    def data_received(self, data: bytes) -> None:
        whole, self._rest = pdus.split(self._rest + data)
        answers = []
        for one in whole:
            _, command, status, sequence = pdus.HEADER.unpack_from(one)
            if command == pdus.SUBMIT_SM_RESP and sequence in self.in_flight:
                self.answered(self.in_flight.pop(sequence), status, one[16:].rstrip(b"\0"))
            elif command == pdus.DELIVER_SM:
                self.delivered(one)
                answers.append(pdus.pdu(pdus.DELIVER_SM_RESP, 0, sequence, b"\0"))
            elif command in (pdus.ENQUIRE_LINK, pdus.UNBIND):
                answers.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
            elif command == pdus.BINDS["transceiver"] | pdus.RESPONSE and not self.bound.done():
                self.bound.set_result(not status)
            else:
                self.odd(f"command 0x{command:08x}, status 0x{status:x}, to nothing")
        self.write(b"".join(answers))
