"""The soak's providers: two binds each, the standard mix with its long messages, a number on every submit, binds lost and back.

In: how many submits fall due. Out: what the gate answered and delivered, in the tallies; what went astray, counted. Never: more in flight
than a window; a list that grows with the traffic.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Sequence

from proxy.model.message import Category
from proxy.sim import pdus
from proxy.sim.encoded_submits import FILLINGS, Card, DeckPorts, deck
from tests.soak.smsc import NUMBER, TAG, number_of
from tests.soak.tally import ACCEPTED, ANSWERED, CUT, Tally
from tests.soak.transceiver import Transceiver
from tests.soak.way_back import PROVIDERS, RESTLESS

BINDS = 2
WINDOW = 200
"""Of each bind."""
_TLV = NUMBER.pack(TAG, 4, 0)[:4]


class Company:
    """One provider: what it has to say, and what went wrong there."""

    def __init__(self, owner: int, name: str, ports: DeckPorts, cards: list[Card]) -> None:
        self.owner, self.name = owner, name
        self.ports, self.cards = ports, cards
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
        self._people, self._person = people, first
        self._card = next(place for place in range(first, len(company.cards)) if company.cards[place].fresh)

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


class Bind(Transceiver):
    """One transceiver in its seat."""

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat.company.name)
        self.seat = seat
        self.leaves = False
        """The run is over: the gate says goodbye."""

    @property
    def room(self) -> int:
        """How many more may be in flight; 0 when it is gone."""
        return WINDOW - len(self.in_flight) if self.up else 0

    def drop(self) -> None:
        if not self.leaves:
            super().drop()

    def lost(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self.seat.submits.flags[number] |= CUT

    def odd(self, what: str) -> None:
        self.seat.company.astray[what] += 1

    def answered(self, number: int, status: int, message_id: bytes) -> None:
        company = self.seat.company
        company.statuses[status] += 1
        self.seat.submits.flags[number] |= ANSWERED if status else ANSWERED | ACCEPTED
        if not status and message_id != b"%010d" % number:
            company.astray["answers with another message's id"] += 1

    def delivered(self, data: bytes) -> None:
        company, number, sms = self.seat.company, number_of(data), pdus.read(data)
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
    """All of them say the same, each from ports of its own, and each seat begins elsewhere: making a deck takes half a second."""
    ports = {name: DeckPorts.under(prefix) for name, prefix in PROVIDERS.items()}
    first = next(iter(ports.values()))
    cards = [_asks_for_receipt(card) for card in deck("standard", first)]
    found = []
    for owner, (name, own) in enumerate(ports.items()):
        heads = {pdus.head(first.of(category)): pdus.head(own.of(category)) for category in Category}
        found.append(Company(owner, name, own, [card._replace(address=heads[card.address]) for card in cards]))
    return found


def ports_of(companies: Sequence[Company]) -> list[tuple[str, str, Category]]:
    """(port, no province, category), as the registry of ports has them."""
    return [(one.ports.of(category), "", category) for one in companies for category in Category]


__all__ = ["BINDS", "RESTLESS", "WINDOW", "Bind", "Company", "Seat", "companies", "ports_of"]
