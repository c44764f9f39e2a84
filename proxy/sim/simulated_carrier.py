"""Simulates an SMSC on asyncio.

It takes binds, answers submits after a set delay, refuses, throttles or ignores by rule, sends receipts and replies, and logs what it received.
For the demo and tests; the bench answers from bench/load_generator.py.
"""

from __future__ import annotations

import asyncio
import math
import signal
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

from proxy.sim import pdus
from proxy.sim.pdus import Sms

LOG_MAX = 2_000_000  # log lines kept; a demo writes some thousands. Beyond it only counters go on
LINES_WAITING_MAX = 100_000  # delivers waiting for a bind or for window; more are dropped and counted
IGNORE = "ignore"
UNANSWERED = -1  # the status of a submit that got no answer: ignored by rule, or caught by an outage
IN_FLIGHT_MIN, HUSH_S_MAX = 3, 3.0
"""An outage begins with silence until this many submits are in flight, so that it always costs a provider an answer; at most this long."""
GOODBYE_S_MAX = 5.0  # how long an outage waits for the other side to close, too

Rule = Callable[[Sms], int | str]  # the answer to one submit: 0 = accept, a status = refuse with it, ``IGNORE`` = never answer


def by_ending(endings: dict[str, int | str]) -> Rule:
    """A rule by the last digits of the recipient's number: {"0001": 0x58, "0002": IGNORE}."""

    def rule(sms: Sms) -> int | str:
        return next((fate for ending, fate in endings.items() if sms.destination.endswith(ending)), 0)

    return rule


@dataclass(slots=True)
class Conduct:
    """How the carrier behaves. All defaults: take everything, at once, log nothing."""

    delay_s: float = 0.0
    rule: Rule | None = None
    log: bool = False
    receipt_after_s: float | None = None  # from a submit that asked for it (registered_delivery); None = never
    first_id: int = 1
    hex_answers: bool = False  # answers write the id in hexadecimal, receipts in decimal without leading zeros, as many do
    accounts: dict[str, str] | None = None  # system_id → password; None lets everybody in
    window: int = 32  # delivers unanswered per connection


@dataclass(slots=True)
class ReceivedSubmit:
    """One submit as the carrier saw it. ``status`` is UNANSWERED until, and unless, an answer was written."""

    at: float
    sms: Sms
    status: int
    message_id: str


@dataclass(slots=True)
class SentDeliver:
    """One deliver_sm the carrier sent. ``status`` is None while it is unanswered."""

    kind: str  # receipt | reply
    source: str
    destination: str
    text: str
    status: int | None = None
    sent_s: float = 0.0  # monotonic
    took_s: float = 0.0  # from the line to its acknowledgement


@dataclass(slots=True)
class Outage:
    """A time without links; both ends by the wall clock, for the journal's times are."""

    began: float
    ended: float = math.inf


@dataclass(slots=True)
class CarrierLog:
    submits: list[ReceivedSubmit] = field(default_factory=list)
    delivers: list[SentDeliver] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)  # answers by status; UNANSWERED counts what will never get one
    bad: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    outages: list[Outage] = field(default_factory=list)


class SimulatedCarrier:
    """The SMSC: all its connections share ids, conduct and log."""

    def __init__(self, conduct: Conduct | None = None) -> None:
        self.conduct = conduct or Conduct()
        self.log = CarrierLog()
        self.received = 0  # submits received, on every path
        self.next_id = self.conduct.first_id
        self.lines: set[CarrierConnection] = set()
        self.port = 0
        self.away = False  # during an outage: no answers, and new connections are closed
        self._waiting: deque[tuple[SentDeliver, bytes]] = deque()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listens; returns the port."""
        self._server = await asyncio.get_running_loop().create_server(lambda: CarrierConnection(self), host, port, ssl=tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in list(self.lines):
            line.close()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Drops all connections without a word, as a broken cable would."""
        for line in list(self.lines):
            line.abort()

    async def outage(self, lasts_s: float) -> None:
        """Drops all links silently; they can bind again after ``lasts_s``. Both sides see the same cut, so that the logs can be compared to the
        last message: first no more answers are sent (those due are lost), then our half of each connection ends, and what the other side still
        writes is read and logged until it closes, too."""
        outage = Outage(time.time())
        self.log.outages.append(outage)
        self.away = True
        enough = self.received + IN_FLIGHT_MIN
        await self._until(lambda: self.received >= enough and not any(line.unanswered for line in self.lines), HUSH_S_MAX)
        for line in list(self.lines):
            line.hang_up()
        await self._until(lambda: not self.lines, GOODBYE_S_MAX)
        self.cut()
        await asyncio.sleep(lasts_s)
        self.away = False
        outage.ended = time.time()

    @staticmethod
    async def _until(true: Callable[[], bool], most_s: float) -> None:
        deadline = time.monotonic() + most_s
        while not true() and time.monotonic() < deadline:  # noqa: ASYNC110  # an outage is rare; an event would cost every submit
            await asyncio.sleep(0.005)

    def reply(self, recipient: str, port: str, text: str) -> None:
        """A person answers a port (MO): sent on a connection that receives, or as soon as there is one."""
        body = text.encode("utf-16-be")
        self._deliver(SentDeliver("reply", recipient, port, text), pdus.deliver_sm(recipient, port, body))

    def send_receipt(self, sms: Sms, message_id: str) -> None:
        """``message_id`` as the answer wrote it: what the log says and the provider must read."""
        named = str(int(message_id, 16)) if self.conduct.hex_answers else message_id
        data = pdus.receipt(sms, named, "DELIVRD", time.strftime("%y%m%d%H%M"), 0)
        self._deliver(SentDeliver("receipt", sms.destination, sms.source, f"id:{message_id}"), data)

    def _deliver(self, delivered: SentDeliver, data: bytes) -> None:
        if len(self._waiting) >= LINES_WAITING_MAX:
            self.log.dropped += 1
            return
        self._waiting.append((delivered, data))
        self.pump()

    def pump(self) -> None:
        """Hands waiting delivers to connections with window left, the least busy first."""
        while self._waiting and not self.away:
            lines = [line for line in self.lines if line.receives and len(line.unanswered) < self.conduct.window]
            if not lines:
                return
            delivered, data = self._waiting.popleft()
            self.log.delivers.append(delivered)
            min(lines, key=lambda line: len(line.unanswered)).deliver(delivered, data)

    @property
    def waiting(self) -> int:
        """Delivers not yet sent, or sent and not yet answered."""
        return len(self._waiting) + sum(len(line.unanswered) for line in self.lines)


class CarrierConnection(asyncio.Protocol):
    def __init__(self, carrier: SimulatedCarrier) -> None:
        self.carrier = carrier
        self.kind = 0
        self.unanswered: dict[int, SentDeliver] = {}
        self._rest = b""
        self._sequence = 0
        self._transport: asyncio.Transport | None = None

    @property
    def receives(self) -> bool:
        return self.kind in (pdus.BIND_RECEIVER, pdus.BIND_TRANSCEIVER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if self.carrier.away:
            self.close()
            return
        self.carrier.lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.carrier.lines.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def hang_up(self) -> None:
        """Ends our half of the connection; reading goes on."""
        if self._transport is not None:
            self._transport.write_eof()

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        try:
            whole, self._rest = pdus.split(self._rest + data)
        except ValueError:
            self.carrier.log.bad["framing"] += 1
            self.close()
            return
        answers: list[bytes] = []
        for one in whole:
            self._take(one, int.from_bytes(one[4:8], "big"), answers)
        self.write(b"".join(answers))

    def _take(self, data: bytes, command: int, answers: list[bytes]) -> None:
        sequence = int.from_bytes(data[12:16], "big")
        if command in (pdus.BIND_RECEIVER, pdus.BIND_TRANSMITTER, pdus.BIND_TRANSCEIVER):
            answers.append(self._bind(data, command, sequence))
            asyncio.get_running_loop().call_soon(self.carrier.pump)
        elif command == pdus.SUBMIT_SM:
            self._submit(data, sequence, answers)
        elif command == pdus.DELIVER_SM_RESP:
            delivered = self.unanswered.pop(sequence, None)
            if delivered is not None:
                delivered.status = int.from_bytes(data[8:12], "big")
                delivered.took_s = time.monotonic() - delivered.sent_s
            self.carrier.pump()
        elif command == pdus.UNBIND:
            self.kind = 0
            answers.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
        elif command == pdus.ENQUIRE_LINK:
            answers.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
        elif not command & pdus.RESPONSE:
            self.carrier.log.bad["command"] += 1
            answers.append(pdus.pdu(pdus.GENERIC_NACK, 0x03, sequence))

    def _bind(self, data: bytes, command: int, sequence: int) -> bytes:
        system_id, password, *_ = data[16:].split(b"\0")
        accounts = self.carrier.conduct.accounts
        if accounts is not None and accounts.get(system_id.decode("latin-1")) != password.decode("latin-1"):
            return pdus.pdu(command | pdus.RESPONSE, 0x0D, sequence)  # ESME_RBINDFAIL
        self.kind = command
        return pdus.pdu(command | pdus.RESPONSE, 0, sequence, b"carrier\0\x02\x10\x00\x01\x34")

    def _submit(self, data: bytes, sequence: int, answers: list[bytes]) -> None:
        carrier, conduct = self.carrier, self.carrier.conduct
        carrier.received += 1
        if not self.kind:
            answers.append(pdus.pdu(pdus.SUBMIT_SM_RESP, 0x04, sequence))  # ESME_RINVBNDSTS
            return
        try:
            sms = pdus.read(data)
        except (ValueError, IndexError):
            carrier.log.bad["submit"] += 1
            answers.append(pdus.pdu(pdus.SUBMIT_SM_RESP, 0x08, sequence))
            return
        line = ReceivedSubmit(time.time(), sms, UNANSWERED, "")
        if conduct.log and len(carrier.log.submits) < LOG_MAX:
            carrier.log.submits.append(line)
        fate = conduct.rule(sms) if conduct.rule else 0
        if not isinstance(fate, int):
            carrier.log.statuses[UNANSWERED] += 1
        elif conduct.delay_s:
            asyncio.get_running_loop().call_later(conduct.delay_s, self._answer_late, line, fate, sequence)
        else:
            answers.append(self._answer(line, fate, sequence))

    def _answer_late(self, line: ReceivedSubmit, status: int, sequence: int) -> None:
        self.write(self._answer(line, status, sequence))

    def _answer(self, line: ReceivedSubmit, status: int, sequence: int) -> bytes:
        """The answer to a submit, noted in its line; nothing when the link is no more."""
        carrier, conduct = self.carrier, self.carrier.conduct
        if carrier.away or self._transport is None:
            carrier.log.statuses[UNANSWERED] += 1
            return b""
        line.status = status
        carrier.log.statuses[status] += 1
        if status:
            return pdus.pdu(pdus.SUBMIT_SM_RESP, status, sequence)
        line.message_id = format(carrier.next_id, "010x" if conduct.hex_answers else "010d")
        carrier.next_id += 1
        if line.sms.registered & 1 and conduct.receipt_after_s is not None:
            asyncio.get_running_loop().call_later(conduct.receipt_after_s, carrier.send_receipt, line.sms, line.message_id)
        return pdus.pdu(pdus.SUBMIT_SM_RESP, 0, sequence, line.message_id.encode() + b"\0")

    def deliver(self, delivered: SentDeliver, data: bytes) -> None:
        self._sequence += 1
        delivered.sent_s = time.monotonic()
        self.unanswered[self._sequence] = delivered
        self.write(data[:12] + self._sequence.to_bytes(4, "big") + data[16:])


def serve_carrier(host: str, port: int, conduct: Conduct, tell: Callable[[str], None]) -> None:
    """Runs a carrier for the command line until SIGINT or SIGTERM, then reports what it received."""

    async def run() -> SimulatedCarrier:
        carrier = SimulatedCarrier(conduct)
        tell(f"carrier on {host}:{await carrier.start(host, port)}")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await carrier.stop()
        return carrier

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        carrier = runner.run(run())
    tell(
        f"{carrier.received} submits received, answers by status {dict(carrier.log.statuses)}, {len(carrier.log.delivers)} delivers sent"
    )
