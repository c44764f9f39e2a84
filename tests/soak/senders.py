"""The soak's providers: two binds each, the standard mix with its long messages, a number on every submit, binds lost and back.

In: how many submits fall due. Out: what the gate answered and delivered, in the tallies; what went astray, counted. Never: more in flight
than a window; a list that grows with the traffic.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from proxy.message import Category
from proxy.sim import pdus
from proxy.sim.deck import FILLINGS, Card, Ports, deck
from tests.soak.smsc import NUMBER, TAG, number_of
from tests.soak.tally import ACCEPTED, ANSWERED, CUT, Tally
from tests.soak.way_back import PASSWORD, PROVIDERS, RESTLESS

BINDS = 2
WINDOW = 200
"""Of each bind."""
_TLV = NUMBER.pack(TAG, 4, 0)[:4]


class Company:
    """One provider: what it has to say, and what went wrong there."""

    def __init__(self, owner: int, name: str, prefix: str) -> None:
        self.owner, self.name = owner, name
        self.ports = Ports.under(prefix)
        self.cards = [_asks_for_receipt(card) for card in deck("standard", self.ports)]
        self.statuses: Counter[int] = Counter()
        self.astray: Counter[str] = Counter()
        self.losses = 0


def _asks_for_receipt(card: Card) -> Card:
    """The card with registered_delivery 1, and 8 octets more to come."""
    header = (int.from_bytes(card.header[:4], "big") + NUMBER.size).to_bytes(4, "big") + card.header[4:]
    before, after = card.before, card.after
    assert len(before) > 10, "what stands before the body is cut"
    return card._replace(header=header, before=before[:5] + b"\1" + before[6:], after=after)


class Seat:
    """A place for one bind: what is sent on it goes on where the one before was lost."""

    def __init__(self, company: Company, submits: Tally, replies: Tally, people: Sequence[bytes], first: int) -> None:
        self.company, self.submits, self.replies = company, submits, replies
        self.bind: Bind | None = None
        self._people, self._person, self._card = people, first, 0

    def send(self, count: int) -> None:
        bind, company, submits = self.bind, self.company, self.submits
        assert bind is not None
        cards, people = company.cards, self._people
        out: list[bytes] = []
        place, person, sequence = self._card, self._person, bind.sequence
        for _ in range(count):
            card = cards[place]
            place = place + 1 if place < len(cards) - 1 else 0
            person += card.fresh
            sequence = sequence % 0x7FFF_FFFF + 1
            number = submits.add(company.owner)
            bind.in_flight[sequence] = number
            filling = card.fillings[person & (FILLINGS - 1)]
            out += (
                card.header, sequence.to_bytes(4, "big"), card.address, people[person % len(people)],
                card.before, filling, card.after, _TLV, number.to_bytes(4, "big"),
            )  # fmt: skip
        self._card, self._person, bind.sequence = place, person, sequence
        bind.write(b"".join(out))

    def people_of(self, rng: random.Random) -> str:
        return rng.choice(self._people).rstrip(b"\0").decode()

    async def keep(self, port: int, rng: random.Random, lasts_s: tuple[float, float] | None) -> None:
        """One bind, kept up; the restless lose theirs after so many seconds, and stay away for a moment."""
        loop, company = asyncio.get_running_loop(), self.company
        while True:
            bind = Bind(self)
            try:
                await loop.create_connection(lambda bind=bind: bind, "127.0.0.1", port)  # type: ignore[misc]
                if await bind.bound:
                    self.bind = bind
                    if lasts_s:
                        loop.call_later(rng.uniform(*lasts_s), bind.drop)
                    await bind.gone
                    company.losses += 1
            except OSError as error:
                company.astray[f"could not connect: {error.strerror}"] += 1
            self.bind = None
            await asyncio.sleep(rng.uniform(0.2, 2.0))


class Bind(asyncio.Protocol):
    """One transceiver, with its own hand for SMPP."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        loop = asyncio.get_running_loop()
        self.bound: asyncio.Future[bool] = loop.create_future()
        self.gone: asyncio.Future[bool] = loop.create_future()
        self.in_flight: dict[int, int] = {}
        self.sequence = 1
        self.leaves = False
        """The run is over: what is lost now is not lost."""
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is one in all but name
        self.write(pdus.bind("transceiver", self.seat.company.name, PASSWORD))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for number in self.in_flight.values():
            self.seat.submits.flags[number] |= CUT
        self.in_flight.clear()
        for future in (self.bound, self.gone):
            if not future.done():
                future.set_result(False)

    @property
    def room(self) -> int:
        """How many more may be in flight; 0 when it is gone."""
        return WINDOW - len(self.in_flight) if self._transport is not None else 0

    def drop(self) -> None:
        if self._transport is not None and not self.leaves:
            self._transport.abort()

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        whole, self._rest = pdus.split(self._rest + data)
        answers, company = [], self.seat.company
        for one in whole:
            _, command, status, sequence = pdus.HEADER.unpack_from(one)
            if command == pdus.SUBMIT_SM_RESP:
                self._answered(one, status, sequence)
            elif command == pdus.DELIVER_SM:
                self._delivered(one)
                answers.append(pdus.pdu(pdus.DELIVER_SM_RESP, 0, sequence, b"\0"))
            elif command == pdus.BINDS["transceiver"] | pdus.RESPONSE and not self.bound.done():
                self.bound.set_result(not status)
            elif not command & pdus.RESPONSE:
                company.astray[f"command 0x{command:08x}"] += command not in (pdus.ENQUIRE_LINK, pdus.UNBIND)
                answers.append(pdus.pdu(command | pdus.RESPONSE, 0, sequence))
            else:
                company.astray[f"command 0x{command:08x}, status 0x{status:x}"] += 1
        self.write(b"".join(answers))

    def _answered(self, one: bytes, status: int, sequence: int) -> None:
        company, flags = self.seat.company, self.seat.submits.flags
        number = self.in_flight.pop(sequence, None)
        if number is None:
            company.astray["answers to nothing"] += 1
            return
        company.statuses[status] += 1
        flags[number] |= ANSWERED if status else ANSWERED | ACCEPTED
        if not status and one[16:].rstrip(b"\0") != b"%010d" % number:
            company.astray["answers with another message's id"] += 1

    def _delivered(self, one: bytes) -> None:
        company, number, sms = self.seat.company, number_of(one), pdus.read(one)
        receipt = bool(sms.esm_class & pdus.RECEIPT)
        tally = self.seat.submits if receipt else self.seat.replies
        if number is None or number >= tally.count:
            company.astray["delivers without their number"] += 1
            return
        tally.got(number)
        company.astray["receipts misrouted" if receipt else "replies misrouted"] += tally.owners[number] != company.owner
        if receipt:
            company.astray["receipts that name another id"] += not sms.body.startswith(b"id:%010d " % number)


def companies() -> list[Company]:
    return [Company(owner, name, prefix) for owner, (name, prefix) in enumerate(PROVIDERS.items())]


def ports_of(companies: Sequence[Company]) -> list[tuple[str, str, Category]]:
    """(port, no province, category), as the registry of ports has them."""
    return [(one.ports.of(category), "", category) for one in companies for category in Category]


__all__ = ["BINDS", "RESTLESS", "WINDOW", "Bind", "Company", "Seat", "companies", "ports_of"]
