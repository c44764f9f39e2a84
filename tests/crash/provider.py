"""Provider: one company that sends single and long messages, to one and to many, asks, cancels and replaces, and logs what it is told.

In: whom to write to, one connection to the gate. Out: PDUs, Evidence. Never: what the gate should do.

One provider takes its time with every deliver.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from functools import partial

from tests.crash.evidence import Evidence, Mail, Message, Question, Submit
from tests.crash.peers import BACK, RECEIPT, UCS2, Peer
from tests.crash.texts import UDH, part_of, text_of
from tests.e2e.pdus import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RSUBMITFAIL,
    ESME_RSYSERR,
    QUERY_SM,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Pdu,
    bind,
    message,
    message_id,
    pdu,
    read_message,
)
from tests.pdus import cancel, multi, query, replace

WINDOW = 16
"""Submits of one provider unanswered at most; parts that belong to what was begun go all the same."""
LAZY, LAZY_S = "bing", 0.05
"""A provider that acknowledges delivers only after so long: its mailbox is never empty for long."""
APART_S = 0.02
"""Parts that do not come in one read come within so many seconds."""
AGAIN = 0.5
"""Of parts that the carrier refused, or of which nobody knows, so many are sent once more."""
RESENT_MAX = 2


class Provider(Peer):
    """One company with one bind at a time."""

    def __init__(self, evidence: Evidence, rng: random.Random, name: str, sign: str, port: str) -> None:
        super().__init__()
        self.evidence = evidence
        self.rng = rng
        self.name = name
        self.sign = sign
        self.port = port
        self.bound = False
        self.open: dict[int, Callable[[Pdu], None]] = {}
        """What is to be done with the answer, by sequence."""
        self.news = asyncio.Event()
        """Something was answered, or the connection went."""
        self._waiting: list[asyncio.Future[None]] = []
        self._sequence = 0
        self._reference = 0

    # -- the connection

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
            async with asyncio.timeout(within_s):  # asyncio.wait_for swallows a cancel that comes together with the news
                await self.news.wait()
        except TimeoutError:
            return

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.bound = False
        self.news.set()
        self._look()

    @property
    def free(self) -> bool:
        return self.bound and len(self.open) < WINDOW

    def _next(self, then: Callable[[Pdu], None]) -> int:
        self._sequence += 1
        self.open[self._sequence] = then
        return self._sequence

    def got(self, found: Pdu) -> None:
        if found.command == BIND_TRANSCEIVER | RESPONSE:
            self.bound = found.status == 0
            if not self.bound:
                self.abort()
        elif found.command & RESPONSE:
            then = self.open.pop(found.sequence, None)
            if then is None:
                self.evidence.surprises.append(f"{self.name}: an answer to nothing ({found.sequence})")
            else:
                then(found)
                self._look()
        elif found.command == DELIVER_SM:
            self._delivered(found)
        elif found.command in (ENQUIRE_LINK, UNBIND):
            self.write(pdu(found.command | RESPONSE, found.sequence))
        self.news.set()

    # -- answers, waited for

    async def told(self, submits: Iterable[Submit]) -> None:
        """Until all of these are answered; returns without when the connection goes."""
        left = list(submits)
        while self.bound and not all(submit.told for submit in left):
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def ask(self, recipient: str) -> Submit:
        """A submit and its answer, waited for; returns without one when the connection goes."""
        assert self.bound, self.name
        submit = self.submit(recipient)
        await self.told([submit])
        return submit

    # -- single messages

    def submit(self, recipient: str) -> Submit:
        submit = self.evidence.submit(self.evidence.message(self.name, recipient))
        text = text_of(self.sign, submit.serial).encode("utf-16-be")
        body = message(self.port.encode(), recipient.encode(), text, data_coding=UCS2)
        self.write(pdu(SUBMIT_SM, self._next(partial(self._answered, submit)), body))
        return submit

    def _answered(self, submit: Submit, found: Pdu) -> None:
        self.evidence.told(submit, found.status, message_id(found))

    def replace(self, old: Submit, *, banned: bool = False) -> Submit:
        """The text of a message that was acknowledged becomes another."""
        submit = self.evidence.submit(old.message, banned=banned, replaces=True)
        text = text_of(self.sign, submit.serial, banned=banned).encode("utf-16-be")
        sequence = self._next(partial(self._answered, submit))
        self.write(replace(old.told[0][1].encode(), self.port.encode(), text, sequence))
        return submit

    # -- to many

    def submit_multi(self, recipients: list[str]) -> list[Submit]:
        """One text to several persons, each of them once."""
        assert len(set(recipients)) == len(recipients)
        submits = [self.evidence.submit(self.evidence.message(self.name, person)) for person in recipients]
        group = {submit.recipient: submit for submit in submits}
        for submit in submits:
            submit.group = group
        sequence = self._next(partial(self._many_answered, submits))
        text = text_of(self.sign, submits[0].serial)
        self.write(multi(self.port.encode(), [int(person) for person in recipients], text, sequence))
        return submits

    def _many_answered(self, submits: list[Submit], found: Pdu) -> None:
        name, _, rest = found.body.partition(b"\0")  # without a body it is refused as it stands, as by a gate that stops
        refused: dict[str, int] = {} if rest else {submit.recipient: found.status for submit in submits}
        for _ in range(rest[0] if rest else 0):
            end = rest.index(0, 3)
            refused[rest[3:end].decode()] = int.from_bytes(rest[end + 1 : end + 5], "big")
            rest = rest[:1] + rest[end + 5 :]
        if not refused.keys() <= {submit.recipient for submit in submits}:
            self.evidence.surprises.append(f"{self.name}: told of persons it did not write to ({refused})")
        for submit in submits:
            status = refused.get(submit.recipient, found.status)
            self.evidence.told(submit, status, "" if status else name.decode())

    # -- long messages

    def begin(self, recipient: str, way: str, parts: int = 2, *, banned: bool = False) -> Message:
        """A long message. ``way``: its parts come ``together`` in one read, ``apart``, or ``late``: each when the one before it is
        answered, which is after a verdict on what was there."""
        whole = self.evidence.message(self.name, recipient, parts)
        self._reference = (self._reference + 1) % 256
        reference, order = self._reference, list(range(1, parts + 1))
        if self.rng.random() < 0.3:
            self.rng.shuffle(order)
        if way == "together":
            self.write(b"".join([self._part(whole, reference, part, banned) for part in order]))
        elif way == "late":
            self._one_by_one(whole, reference, order, banned)
        else:
            for part in order:
                self._later(partial(self._send_part, whole, reference, part, banned))
        return whole

    async def ask_long(self, recipient: str) -> Message:
        """A long message whose parts come together, and their answers, waited for."""
        whole = self.begin(recipient, "together")
        await self.told(whole.submits)
        return whole

    def _later(self, do: Callable[[], object]) -> None:
        """Soon, if the bind still stands."""
        life = self.evidence.life
        delay_s = self.rng.uniform(0, APART_S)
        asyncio.get_running_loop().call_later(delay_s, lambda: do() if life == self.evidence.life else None)

    def _one_by_one(self, whole: Message, reference: int, left: list[int], banned: bool) -> None:
        if left:
            then = partial(self._one_by_one, whole, reference, left[1:], banned)
            self._send_part(whole, reference, left[0], banned, then)

    def _send_part(
        self, whole: Message, reference: int, part: int, banned: bool, then: Callable[[], None] | None = None
    ) -> None:
        if self.bound:
            self.write(self._part(whole, reference, part, banned, then))

    def _part(self, whole: Message, reference: int, part: int, banned: bool, then: Callable[[], None] | None = None) -> bytes:
        submit = self.evidence.submit(whole, part, banned=banned)
        text = part_of(self.sign, submit.serial, reference, whole.parts, part, banned=banned)
        body = message(self.port.encode(), whole.recipient.encode(), text, data_coding=UCS2, esm_class=UDH)
        return pdu(SUBMIT_SM, self._next(partial(self._part_answered, submit, reference, then)), body)

    def _part_answered(self, submit: Submit, reference: int, then: Callable[[], None] | None, found: Pdu) -> None:
        self._answered(submit, found)
        whole = submit.message
        tries = sum(other.part == submit.part for other in whole.submits)
        if found.status in (ESME_RSUBMITFAIL, ESME_RSYSERR) and tries < RESENT_MAX and self.rng.random() < AGAIN:
            self._send_part(whole, reference, submit.part, submit.banned, then)
        elif then is not None:
            then()

    # -- questions

    def question(self, command: int, about: Submit) -> Question | None:
        """A query_sm or cancel_sm about a message that was acknowledged; None if this was asked before."""
        name = about.told[0][1]
        key = (command, name, self.name)
        if key in self.evidence.questions:
            return None
        write = query if command == QUERY_SM else cancel
        sequence = self._next(lambda found: asked.told.append(found.status))
        asked = Question(
            self.name, command, about, self.evidence.life, write(name.encode(), self.port.encode(), sequence=sequence)
        )
        self.evidence.questions[key] = asked
        self.write(asked.data)
        return asked

    # -- delivers

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
