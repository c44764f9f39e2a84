"""Relays submits without reading a field, to compare the gate with.

In: ``python -m proxy.sim.bench.bare_relay --carrier PORT --window N``; prints its own port as a line of JSON, ends with SIGTERM.
``--cert PEM``: providers connect over TLS. Out: the same submits with other sequence numbers, windows kept, one joined write a peer and loop
turn; a receipt goes to any of the providers, and is answered at once. Never: a verdict, a journal, a recipient's record.

What it costs is the cost of moving SMPP with asyncio on uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

import uvloop

from proxy.sim import pdus
from proxy.sim.pdus import HEADER

QUEUE_MAX = 100_000  # submits waiting for the carrier's window; providers' own windows keep it far below
LINKS = 2  # connections to the carrier, as the gate's usual settings have


class RelayLink(asyncio.Protocol):
    """One connection; what is written in a loop turn is joined."""

    def __init__(self, relay: BareRelay) -> None:
        self.relay = relay
        self._rest = b""
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()


class CarrierLink(RelayLink):
    """One connection to the carrier. ``pending`` maps our sequence number to (provider's connection, its number)."""

    def __init__(self, relay: BareRelay) -> None:
        super().__init__(relay)
        self.pending: dict[int, tuple[ProviderLink, bytes]] = {}
        self.bound: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._out.append(pdus.bind("transceiver", "relay", "secret"))
        self.flush()

    @property
    def free(self) -> int:
        return self.relay.window - len(self.pending)

    def send(self, data: bytes, owner: ProviderLink, number: bytes) -> None:
        self._sequence = self._sequence + 1 if self._sequence < 0x7FFFFFFF else 1
        self.pending[self._sequence] = (owner, number)
        if self.relay.rewrite is None:
            self._out += (data[:12], self._sequence.to_bytes(4, "big"), data[16:])
        else:
            self._out.append(self.relay.rewrite(data, self._sequence))
        self.relay.has_output(self)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        unpack, pending = HEADER.unpack_from, self.pending
        while place + 16 <= end:
            length, command, _, sequence = unpack(data, place)
            if place + length > end:
                break
            if command == pdus.SUBMIT_SM_RESP:
                owner, number = pending.pop(sequence)
                owner.answer(data[place : place + length], number)
            elif command == pdus.DELIVER_SM:
                self.relay.deliver(data[place : place + length])
                self._out += (_ACK, data[place + 12 : place + 16], b"\0")
                self.relay.has_output(self)
            elif command & pdus.RESPONSE and not self.bound.done():
                self.bound.set_result(None)
            place += length
        self._rest = data[place:]
        self.relay.pump()


class ProviderLink(RelayLink):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.relay.providers.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.relay.providers.remove(self)

    def answer(self, data: bytes, number: bytes) -> None:
        if self.relay.rewrite is None:
            self._out += (data[:12], number, data[16:])
        else:
            self._out.append(self.relay.rewrite(data, int.from_bytes(number, "big")))
        self.relay.has_output(self)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        unpack, relay = HEADER.unpack_from, self.relay
        while place + 16 <= end:
            length, command, _, _ = unpack(data, place)
            if place + length > end:
                break
            if command == pdus.SUBMIT_SM:
                relay.submit(data[place : place + length], self, data[place + 12 : place + 16])
            elif not command & pdus.RESPONSE:
                body = b"relay\0" if command in pdus.BINDS.values() else b""
                self._out.append(
                    pdus.pdu(command | pdus.RESPONSE, 0, int.from_bytes(data[place + 12 : place + 16], "big"), body)
                )
                relay.has_output(self)
            place += length
        self._rest = data[place:]


class BareRelay:
    """Providers' submits in arrival order to the carrier's links, windows kept; one joined write per peer and loop turn."""

    def __init__(self, window: int, rewrite: Callable[[bytes, int], bytes] | None = None) -> None:
        """``rewrite``: the PDU under another sequence number; None: its octets are replaced."""
        self.window = window
        self.rewrite = rewrite
        self.links: list[CarrierLink] = []
        self.providers: list[ProviderLink] = []
        self._delivered = 0
        self._queue: deque[tuple[bytes, ProviderLink, bytes]] = deque()
        self._dirty: dict[RelayLink, None] = {}

    def submit(self, data: bytes, owner: ProviderLink, number: bytes) -> None:
        if not self._queue:
            for link in self.links:
                if link.free > 0:
                    link.send(data, owner, number)
                    self.links.append(self.links.pop(0))
                    return
        if len(self._queue) < QUEUE_MAX:
            self._queue.append((data, owner, number))
        else:
            owner.answer(pdus.pdu(pdus.SUBMIT_SM_RESP, 0x14, 0), number)

    def deliver(self, data: bytes) -> None:
        """A receipt, to one provider after the other."""
        if self.providers:
            self._delivered += 1
            owner = self.providers[self._delivered % len(self.providers)]
            owner.answer(data, (self._delivered & 0x7FFFFFFF or 1).to_bytes(4, "big"))

    def pump(self) -> None:
        queue = self._queue
        for link in self.links:
            while queue and link.free > 0:
                link.send(*queue.popleft())

    def has_output(self, side: RelayLink) -> None:
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty[side] = None

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for side in dirty:
            side.flush()


_ACK = HEADER.pack(17, pdus.DELIVER_SM_RESP, 0, 0)[:12]


async def _serve(carrier: int, relay: BareRelay, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(LINKS):
        _, link = await loop.create_connection(lambda: CarrierLink(relay), "127.0.0.1", carrier)
        await asyncio.wait_for(link.bound, 10)
        relay.links.append(link)
    server = await loop.create_server(lambda: ProviderLink(relay), "127.0.0.1", 0, ssl=tls)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()


def main(rewrite: Callable[[bytes, int], bytes] | None = None) -> int:
    """Runs the relay that the command line describes."""
    parser = argparse.ArgumentParser(description="A relay without rules, to compare the gate with.")
    parser.add_argument("--carrier", type=int, required=True, help="the carrier's port on loopback")
    parser.add_argument("--window", type=int, default=200, help="unanswered submits per link to the carrier")
    parser.add_argument("--cert", help="certificate and key, in one file")
    options = parser.parse_args()
    tls = None
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert)
    uvloop.run(_serve(options.carrier, BareRelay(options.window, rewrite), tls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
