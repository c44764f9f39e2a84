"""Carrier: takes submits, refuses or ignores some, answers questions, sends receipts and replies, and logs exactly what it did and saw.

In: a seeded random, the gate's connections. Out: answers and delivers, Evidence. Never: what the gate should do.

Who refuses and who returns: peers.py. Of every third message that is accepted there is a receipt. A deliver that was not acknowledged is
sent again after the next bind, and one that was refused for now a little later, as a carrier does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

from tests.crash.evidence import ACCEPTED, IGNORED, Arrival, Evidence, Mail, Receipt, Refusal, Return, Submit
from tests.crash.peers import BACK, NOT_NOW, RECEIPT, REFUSES, RETURNS, UCS2, Peer
from tests.crash.texts import recognise
from tests.e2e.pdus import (
    BINDS,
    CANCEL_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RCANCELFAIL,
    ESME_RQUERYFAIL,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    Pdu,
    message,
    pdu,
    read_message,
    tlv,
)

CONFIRMATION = "退订已生效".encode("utf-16-be")
"""How the gate's own words begin."""
SLOW_S, LATE_S = 0.02, 0.4
"""How long a carrier takes that does not answer at once, or when nobody waits for its answer any more."""
FULL, FULL_REFUSED = ("3", "7"), 0.9
"""Persons whose number ends so have a full phone: so many of their messages are refused, and with them all parts of a long one."""
AGAIN_S = 0.1
"""After so long a deliver that was refused for now comes again."""
DELIVERED = 2
"""message_state of a query_sm_resp."""
REFUSALS = {QUERY_SM: ESME_RQUERYFAIL, CANCEL_SM: ESME_RCANCELFAIL, REPLACE_SM: ESME_RREPLACEFAIL}
"""What a carrier says that refuses, if not ESME_RSUBMITFAIL."""


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

    def fate(self, command: int, recipient: str = "") -> tuple[int, float]:
        """What becomes of a request, and after how many seconds it is answered."""
        drawn = 1.0 if self.calm else self.rng.random()
        refusal = REFUSALS.get(command, ESME_RSUBMITFAIL)
        if drawn < 0.02:
            return IGNORED, 0
        if drawn < 0.05:
            return self.rng.choice((ACCEPTED, refusal)), LATE_S
        if drawn < 0.17 or (recipient.endswith(FULL) and drawn < FULL_REFUSED):
            return refusal, 0
        return ACCEPTED, SLOW_S if drawn < 0.25 else 0

    def new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:08x}"

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
        self.evidence = carrier.evidence
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
        command = found.command
        if command in BINDS:
            self.bound = True
            self.write(pdu(command | RESPONSE, found.sequence, b"carrier\0" + tlv(0x0210, b"\x34")))
            self.carrier.again(self)
        elif command in (SUBMIT_SM, REPLACE_SM):
            self._submit(found)
        elif command == SUBMIT_MULTI:
            self._submit_multi(found)
        elif command in (QUERY_SM, CANCEL_SM):
            self._question(found)
        elif command == DELIVER_SM | RESPONSE:
            self._acknowledged(self.unanswered.pop(found.sequence), found.status)
        elif command in (ENQUIRE_LINK, UNBIND):
            self.write(pdu(command | RESPONSE, found.sequence))

    # -- submits

    def _submit(self, found: Pdu) -> None:
        """A submit_sm or replace_sm; the answer to the latter names no message."""
        carrier = self.carrier
        if found.command == SUBMIT_SM and (fields := read_message(found.data)).short_message.startswith(CONFIRMATION):
            self.evidence.refusals[fields.destination].confirmed += 1
            self.write(pdu(SUBMIT_SM | RESPONSE, found.sequence, b"own\0"))
            return
        ((serial, person),) = recognise(found.data)
        submit = self.evidence.find(serial, person)
        fate, after_s = carrier.fate(found.command, submit.recipient)
        name = carrier.new_id() if fate == ACCEPTED and not submit.replaces else ""
        self._arrived(submit, fate, name)
        if fate != IGNORED:
            answer = pdu(found.command | RESPONSE, found.sequence, name.encode() + b"\0" if name else b"", fate)
            carrier.answer(submit.recipient, partial(self.write, answer), after_s)
        self._reached(submit, fate)

    def _submit_multi(self, found: Pdu) -> None:
        """Ignored as a whole, or each address on its own; the accepted ones share an id."""
        carrier = self.carrier
        submits = [self.evidence.find(serial, person) for serial, person in recognise(found.data)]
        whole, after_s = carrier.fate(SUBMIT_MULTI)
        fates = [carrier.fate(SUBMIT_MULTI, one.recipient)[0] if whole == ACCEPTED else whole for one in submits]
        fates = [ESME_RSUBMITFAIL if fate == IGNORED != whole else fate for fate in fates]
        name = carrier.new_id() if ACCEPTED in fates else ""
        for submit, fate in zip(submits, fates, strict=True):
            self._arrived(submit, fate, name if fate == ACCEPTED else "")
        if whole != IGNORED:
            refused = [(submit, fate) for submit, fate in zip(submits, fates, strict=True) if fate]
            listed = b"".join(b"\1\1" + one.recipient.encode() + b"\0" + fate.to_bytes(4, "big") for one, fate in refused)
            body = name.encode() + b"\0" + bytes((len(refused),)) + listed
            answer = pdu(SUBMIT_MULTI | RESPONSE, found.sequence, body, 0 if name else ESME_RSUBMITFAIL)
            carrier.answer(submits[0].recipient, partial(self.write, answer), after_s)
        for submit, fate in zip(submits, fates, strict=True):
            self._reached(submit, fate)

    def _arrived(self, submit: Submit, fate: int, name: str) -> None:
        submit.arrived.append(Arrival(self.evidence.life, fate, name))

    def _reached(self, submit: Submit, fate: int) -> None:
        """What a person and the carrier do of their own accord when a message is there."""
        if fate != ACCEPTED or submit.replaces:
            return
        if submit.recipient.startswith(REFUSES) and not self.carrier.calm and submit.recipient not in self.evidence.refusals:
            refusal = self.evidence.refusals[submit.recipient] = Refusal(submit.recipient, submit.provider)
            self.deliver(refusal)
        if submit.serial % 3 == 0:
            receipt = self.evidence.receipts[submit.serial] = Receipt(submit.serial, submit.provider)
            self.deliver(receipt)

    # -- questions

    def _question(self, found: Pdu) -> None:
        rest = found.body.split(b"\0", 1)[1] if found.command == CANCEL_SM else found.body
        message_id, rest = rest.split(b"\0", 1)
        port = rest[2:].split(b"\0", 1)[0].decode()
        asked = self.evidence.questions[found.command, message_id.decode(), self.carrier.ports[port]]
        fate, after_s = self.carrier.fate(found.command)
        asked.arrived.append(fate)
        if fate == IGNORED:
            return
        body = message_id + b"\0\0" + bytes((DELIVERED, 0)) if found.command == QUERY_SM and fate == ACCEPTED else b""
        answer = pdu(found.command | RESPONSE, found.sequence, body, fate)
        self.carrier.answer("", partial(self.write, answer), after_s)

    # -- delivers

    def _acknowledged(self, mail: Mail, status: int) -> None:
        evidence = self.evidence
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
