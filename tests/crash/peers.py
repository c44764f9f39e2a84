"""Peers: a carrier and providers on one asyncio loop, which log exactly what they did and saw.

In: a seeded random, connections. Out: traffic, Evidence. Never: what the gate should do.

Persons whose number begins with REFUSES answer the first message that reaches them with an opt-out, those of RETURNS ask
to be written to again as soon as that is acknowledged; of every third message that is
accepted there is a receipt. A deliver that was not acknowledged is sent again after the next bind, and one that was refused for now a
little later, as a carrier does. One provider takes its time with every deliver.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import cast

from tests.crash.evidence import ACCEPTED, IGNORED, Arrival, Evidence, Mail, Receipt, Refusal, Return, Submit
from tests.e2e.pdus import (
    BIND_TRANSCEIVER,
    BINDS,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RSUBMITFAIL,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Pdu,
    bind,
    message,
    message_id,
    pdu,
    read_message,
    split,
    tlv,
)

REFUSES, RETURNS = ("139", "136"), "136"
CONFIRMATION = "退订已生效".encode("utf-16-be")
"""How the gate's own words begin."""
BACK = "START".encode("utf-16-be")
UCS2 = 8
RECEIPT = 4
WINDOW = 16
"""Submits of one provider unanswered at most."""
SLOW_S = 0.02
"""How long a carrier takes that does not answer at once."""
LAZY, LAZY_S = "bing", 0.05
"""A provider that acknowledges delivers only after so long: its mailbox is never empty for long."""
AGAIN_S = 0.1
"""After so long a deliver that was refused for now comes again."""
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


class Carrier:
    def __init__(self, evidence: Evidence, rng: random.Random, ports: dict[str, str]) -> None:
        """``ports``: port → provider."""
        self.evidence = evidence
        self.rng = rng
        self.ports = ports
        self.calm = False
        """Takes everything at once, instead of refusing, ignoring or taking its time now and then; and nobody opts out any more."""
        self.lines: list[CarrierLine] = []
        self.port = 0
        self.ids = 0
        self._hold = ""
        self._held: list[Callable[[], None]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: CarrierLine(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in list(self.lines):
            line.abort()

    @property
    def bound(self) -> int:
        return sum(line.bound for line in self.lines)

    def fate(self) -> tuple[int, float]:
        """What becomes of a submit, and after how many seconds it is answered."""
        drawn = 1.0 if self.calm else self.rng.random()
        if drawn < 0.02:
            return IGNORED, 0
        if drawn < 0.17:
            return ESME_RSUBMITFAIL, 0
        return ACCEPTED, SLOW_S if drawn < 0.25 else 0

    def hold(self, recipients: str) -> None:
        """Submits to numbers that begin so are not answered until ``release``."""
        self._hold = recipients

    @property
    def held(self) -> int:
        return len(self._held)

    def release(self) -> None:
        held, self._held, self._hold = self._held, [], ""
        for answer in held:
            answer()

    def answer(self, recipient: str, write: Callable[[], None], after_s: float) -> None:
        """Now, later, or when it is released."""
        if self._hold and recipient.startswith(self._hold):
            self._held.append(write)
        elif after_s:
            asyncio.get_running_loop().call_later(after_s, write)
        else:
            write()

    def opt_out(self, recipient: str, provider: str) -> None:
        """A person answers a provider's port with a refusal."""
        refusal = self.evidence.refusals[recipient] = Refusal(recipient, provider)
        self.lines[0].deliver(refusal)

    def again(self, line: CarrierLine) -> None:
        """What nobody acknowledged is sent again; a line that is still up may yet be answered on."""
        waiting = {id(mail) for other in self.lines for mail in other.unanswered.values()}
        for mail in self.evidence.mail:
            if not mail.acknowledged and id(mail) not in waiting:
                line.deliver(mail)


class CarrierLine(Peer):
    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self.carrier = carrier
        self.bound = False
        self.unanswered: dict[int, Mail] = {}
        self._sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.carrier.lines.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.bound = False
        self.carrier.lines.remove(self)

    def got(self, found: Pdu) -> None:
        if found.command in BINDS:
            self.bound = True
            self.write(pdu(found.command | RESPONSE, found.sequence, b"carrier\0" + tlv(0x0210, b"\x34")))
            self.carrier.again(self)
        elif found.command == SUBMIT_SM:
            self._submit(found)
        elif found.command == DELIVER_SM | RESPONSE:
            self._acknowledged(self.unanswered.pop(found.sequence), found.status)
        elif found.command in (ENQUIRE_LINK, UNBIND):
            self.write(pdu(found.command | RESPONSE, found.sequence))

    def _submit(self, found: Pdu) -> None:
        carrier = self.carrier
        fields = read_message(found.data)
        if fields.short_message.startswith(CONFIRMATION):
            carrier.evidence.refusals[fields.destination].confirmed += 1
            self.write(pdu(SUBMIT_SM | RESPONSE, found.sequence, b"own\0"))
            return
        submit = carrier.evidence.submits[serial_of(fields.short_message)]
        fate, after_s = carrier.fate()
        carrier.ids += 1
        name = f"{carrier.ids:08x}" if fate == ACCEPTED else ""
        submit.arrived.append(Arrival(carrier.evidence.life, fate, name))
        if fate == IGNORED:
            return
        answer = pdu(SUBMIT_SM | RESPONSE, found.sequence, name.encode() + b"\0" if name else b"", fate)
        carrier.answer(submit.recipient, partial(self.write, answer), after_s)
        if fate == ACCEPTED and fields.destination.startswith(REFUSES) and not carrier.calm:
            self._refuse(fields.destination, fields.source)
        if fate == ACCEPTED and submit.serial % 3 == 0:
            receipt = carrier.evidence.receipts[submit.serial] = Receipt(submit.serial, submit.provider)
            self.deliver(receipt)

    def _refuse(self, recipient: str, port: str) -> None:
        refusals = self.carrier.evidence.refusals
        if recipient not in refusals:
            refusals[recipient] = Refusal(recipient, self.carrier.ports[port])
            self.deliver(refusals[recipient])

    def _acknowledged(self, mail: Mail, status: int) -> None:
        evidence = self.carrier.evidence
        evidence.acknowledged(mail, status)
        if status == NOT_NOW:
            asyncio.get_running_loop().call_later(AGAIN_S, self.deliver, mail)
        elif isinstance(mail, Refusal) and mail.recipient.startswith(RETURNS) and mail.recipient not in evidence.returns:
            back = evidence.returns[mail.recipient] = Return(mail.recipient, mail.provider, evidence.now())
            self.deliver(back)

    def deliver(self, mail: Mail) -> None:
        if self.transport is None:
            return  # it comes again on the next line
        self._sequence += 1
        self.unanswered[self._sequence] = mail
        port = next(port for port, provider in self.carrier.ports.items() if provider == mail.provider)
        if not isinstance(mail, Receipt):
            text = "R".encode("utf-16-be") if isinstance(mail, Refusal) else BACK
            body = message(mail.recipient.encode(), port.encode(), text, data_coding=UCS2)
        else:
            said = f"id:{mail.serial:08x} sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
            body = message(b"13800210000", port.encode(), said.encode(), esm_class=RECEIPT)
        self.write(pdu(DELIVER_SM, self._sequence, body))


class Provider(Peer):
    """One company with one bind at a time."""

    def __init__(self, evidence: Evidence, name: str, sign: str, port: str) -> None:
        super().__init__()
        self.evidence = evidence
        self.name = name
        self.sign = sign
        self.port = port
        self.bound = False
        self.open: dict[int, Submit] = {}
        self.news = asyncio.Event()
        """Something was answered, or the connection went."""
        self._asking: dict[int, asyncio.Future[None]] = {}
        self._sequence = 0

    async def bind(self, port: int) -> bool:
        """Whether the gate lets it in."""
        self._buffer.clear()
        self.open.clear()
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        except OSError:
            return False
        self.write(bind(BIND_TRANSCEIVER, 1, self.name, "secret"))
        self._sequence = 1
        while self.transport is not None and not self.bound:
            await self.something()
        return self.bound

    async def something(self, within_s: float = 5.0) -> None:
        """Waits for news, and no longer than told."""
        self.news.clear()
        try:
            await asyncio.wait_for(self.news.wait(), within_s)
        except TimeoutError:
            return

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.bound = False
        self.news.set()
        for serial in list(self._asking):
            self._answered(serial)

    def _answered(self, serial: int) -> None:
        asking = self._asking.pop(serial, None)
        if asking is not None and not asking.done():
            asking.set_result(None)

    @property
    def free(self) -> bool:
        return self.bound and len(self.open) < WINDOW

    def submit(self, recipient: str) -> Submit:
        submit = self.evidence.submit(self.name, recipient)
        self._sequence += 1
        self.open[self._sequence] = submit
        text = text_of(self.sign, submit.serial)
        self.write(pdu(SUBMIT_SM, self._sequence, message(self.port.encode(), recipient.encode(), text, data_coding=UCS2)))
        return submit

    async def ask(self, recipient: str) -> Submit:
        """A submit and its answer, waited for; returns without one when the connection goes."""
        assert self.free, f"{self.name}: more asked at once than WINDOW"
        submit = self.submit(recipient)
        self._asking[submit.serial] = answered = asyncio.get_running_loop().create_future()
        await answered
        return submit

    def got(self, found: Pdu) -> None:
        if found.command == SUBMIT_SM | RESPONSE:
            submit = self.open.pop(found.sequence, None)
            if submit is None:
                self.evidence.surprises.append(f"{self.name}: an answer to nothing ({found.sequence})")
            else:
                self.evidence.told(submit, found.status, message_id(found))
                self._answered(submit.serial)
        elif found.command == BIND_TRANSCEIVER | RESPONSE:
            self.bound = found.status == 0
            if not self.bound:
                self.abort()
        elif found.command == DELIVER_SM:
            self._delivered(found)
        elif found.command in (ENQUIRE_LINK, UNBIND):
            self.write(pdu(found.command | RESPONSE, found.sequence))
        self.news.set()

    def _delivered(self, found: Pdu) -> None:
        fields = read_message(found.data)
        evidence = self.evidence
        mail: Mail | None
        if fields.esm_class & RECEIPT:
            mail = evidence.receipts.get(int(fields.short_message[3:11], 16))
        else:
            back = fields.short_message == BACK
            mail = evidence.returns.get(fields.source) if back else evidence.refusals.get(fields.source)
        if mail is None:
            evidence.surprises.append(f"{self.name}: a deliver of nobody ({fields.short_message!r})")
        else:
            mail.got.append(self.name)
        answer = partial(self.write, pdu(DELIVER_SM | RESPONSE, found.sequence, b"\0"))
        if self.name == LAZY:
            asyncio.get_running_loop().call_later(LAZY_S, answer)
        else:
            answer()


def text_of(sign: str, serial: int) -> bytes:
    """An advertisement that no other equals."""
    return f"【{sign}】新品上架 {serial:07d} 拒收请回复R".encode("utf-16-be")


def serial_of(body: bytes) -> int:
    return int(body.decode("utf-16-be").split()[1])
