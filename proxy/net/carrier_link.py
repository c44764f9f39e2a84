"""Runs one connection to a carrier, from bind to close.

In: submits to send, the carrier's PDUs. Out: to its account: answers, delivers, and that the link came up or went down. Never: which link a
submit takes, when to connect (carrier.py), verdicts.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from proxy.config import Carrier, SmppTimers
from proxy.model.counters import GateCounters
from proxy.net.answer_filter import MalformedLog
from proxy.net.link import Link, Turns
from proxy.net.pacing import Pacer
from proxy.relay.deliver import DeliverRelay
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.wire import Frame, Received, Session
from proxy.wire.frame import are_all
from proxy.wire.tables import DELIVER_SM, ESME_RINVCMDID

log = structlog.get_logger()

LATE_MAX = 4096
"""Unanswered submits of a link that are still recognised when their answer comes late."""


class LinkOwner(Protocol):
    """The account a link is one of, as the link sees it (carrier.CarrierHouse)."""

    carrier: Carrier
    owner: str
    timers: SmppTimers
    turns: Turns
    tally: GateCounters
    relay: Relay
    way_back: DeliverRelay
    pacer: Pacer
    malformed: MalformedLog
    links: list[CarrierLink]
    off: frozenset[int]
    """Slots that take no submit, and stay unbound once theirs are answered."""

    @property
    def name(self) -> str:
        """What commands call it."""

    @property
    def account(self) -> str:
        """What people call it."""

    def answers(self, answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        """The carrier answered these."""

    def late(self, transit: PendingSubmit, frame: Frame) -> None:
        """The carrier answered what had been given up."""

    def look_at_links(self) -> None:
        """A link came up, or is about to go."""

    def lost(self, link: CarrierLink) -> None:
        """It is gone."""

    def send(self, transit: PendingSubmit) -> None:
        """Another link is to take this."""


class CarrierLink(Link):
    """One connection to the carrier: it sends, receives, or both."""

    noisy_at = math.inf  # there is nobody else to be spared: what it says late or twice is read as fast as it comes

    def __init__(self, house: LinkOwner, kind: str, slot: int) -> None:
        """``slot``: which of the account's links this is, from 1, over reconnects."""
        timers = house.timers
        super().__init__(Session("carrier", timers, house.turns.loop.time(), house.carrier.window), house.turns)
        self.house = house
        self.kind = kind  # transmitter | receiver | transceiver
        self.slot = slot
        self.since = 0.0
        """When it was bound."""
        self.carrier, self.owner = house.carrier.name, house.owner
        self.gone = house.turns.loop.create_future()
        """Done when the connection is lost."""
        self.parked: deque[PendingSubmit] = deque()
        self.announced = False
        """Whether it has been up."""
        self._seen = ("", False)  # state and closing when the house last heard of a change
        self._late: OrderedDict[int, PendingSubmit] = OrderedDict()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        carrier = self.house.carrier
        self.session.start_bind(self.kind, carrier.system_id, carrier.password)
        self.house.links.append(self)
        super().connection_made(transport)

    def on_received(self, received: Received, now: float) -> None:
        house, (requests, answers, strays) = self.house, received
        if answers:
            house.answers(answers, time.monotonic())
        for sequence, frame in strays:
            transit = self._late.pop(sequence, None)
            if transit is not None:
                house.late(transit, frame)
        if requests:
            self._deal_with_all(requests, now)
        session = self.session
        if (session.state, session.closing is None) != self._seen:
            self._changed()
        self._send_parked()
        house.pacer.wake()

    def _send_parked(self) -> None:
        """As much as there is window for, also while the link is drained; where the carrier or the gate is taking leave they wait for its end,
        and for another link."""
        session = self.session
        while self.parked and session.free > 0 and session.can_send and session.closing is None:
            self._send(self.parked.popleft())

    def _deal_with_all(self, requests: list[Frame], now: float) -> None:
        if are_all(requests, DELIVER_SM):
            self.house.way_back.deliver_all(self, requests, now)
            return
        for frame in requests:
            if frame.command_id == DELIVER_SM:
                self.house.way_back.deliver(self, frame, now)
            else:
                self.session.answer(frame, ESME_RINVCMDID)

    def _changed(self) -> None:
        """The link may have come up, or be about to go."""
        session = self.session
        self._seen = session.state, session.closing is None
        if session.bound and not self.announced:
            self.announced = True
            self.since = time.time()
            log.info("carrier link up", carrier=self.house.account, kind=self.kind)
        self.house.look_at_links()

    def tick(self) -> None:
        super().tick()
        if (self.session.state, self.session.closing is None) != self._seen:
            self._changed()
        if self.slot in self.house.off and self.in_flight == 0 and self.session.bound:
            self.session.unbind()  # all it had sent is answered

    side = "carrier"

    @property
    def whose(self) -> str:
        """The account, as commands call it."""
        return self.house.name

    @property
    def called(self) -> str:
        """What people call this link: ``bj/1``."""
        return f"{self.house.name}/{self.slot}"

    @property
    def in_flight(self) -> int:
        """Submits on this link that the carrier has not answered, those that wait for its window included."""
        return self.session.window - self.session.free + len(self.parked)

    def on_overdue(self, tickets: Iterable[tuple[int, PendingSubmit]]) -> None:
        now_s = self.turns.loop.time()
        for sequence, transit in tickets:
            transit.answered_s = now_s
            self._late[sequence] = transit
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)
            self.house.relay.unanswered(transit)
        self._send_parked()
        self.house.pacer.wake()

    def on_lost(self) -> None:
        relay = self.house.relay
        for transit in self.session.abandon():
            transit.answered_s = time.monotonic()
            relay.unanswered(transit)
        parked, self.parked = self.parked, deque()
        self.house.lost(self)
        for transit in parked:
            self.house.send(transit)
        if not self.gone.done():
            self.gone.set_result(None)

    def disturbed(self, cause: str) -> None:
        self.house.tally.disturbances["carrier", cause, self.house.carrier.name] += 1

    def count_bad(self, kinds: list[str]) -> None:
        for kind in kinds:
            self.house.malformed.note(kind)
        kinds.clear()

    @property
    def sends(self) -> bool:
        session = self.session
        return session.can_send and not self.lost and session.closing is None and self.slot not in self.house.off

    def send(self, transit: PendingSubmit) -> None:
        """Sends now, or as soon as this link has window."""
        if self.session.free > 0 and not self.parked:
            self._send(transit)
        else:
            self.parked.append(transit)

    def send_all(self, transits: list[PendingSubmit], now_s: float) -> None:
        """Sends what this link has window for, parks the rest; the caller asks for the write."""
        session = self.session
        fits = 0 if self.parked else session.free
        if fits < len(transits):
            self.parked += transits[max(fits, 0) :]
            transits = transits[: max(fits, 0)]
        session.send_all(transits, now_s)

    def _send(self, transit: PendingSubmit) -> None:
        self.session.send(transit.data, transit, self.turns.loop.time())
        self.turns.has_output(self)

    def answer(self, data: bytes) -> None:
        self.answer_all((data,))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        self.session.write_all(answers)
        self.turns.has_output(self)
