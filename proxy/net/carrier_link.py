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

LATE_MAX = 4096
"""Unanswered submits of a link whose late answer is still recognised."""


class LinkOwner(Protocol):
    """What a link uses of its account (carrier.CarrierAccount)."""

    carrier: Carrier
    owner: str
    timers: SmppTimers
    turns: Turns
    tally: GateCounters
    relay: Relay
    deliver_relay: DeliverRelay
    pacer: Pacer
    malformed: MalformedLog
    links: list[CarrierLink]
    off: frozenset[int]
    """Slots that take no submit, and stay unbound once theirs are answered."""

    @property
    def name(self) -> str:
        """Its name in commands."""

    @property
    def account(self) -> str:
        """Its name for people."""

    def answers(self, answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        """The carrier answered these."""

    def late(self, pending: PendingSubmit, frame: Frame) -> None:
        """The carrier answered a submit that had been given up."""

    def refresh_links(self) -> None:
        """A link came up, or is about to close."""

    def lost(self, link: CarrierLink) -> None:
        """The link's connection is lost."""

    def send(self, pending: PendingSubmit) -> None:
        """Sends a submit over another link."""


class CarrierLink(Link):
    """One connection to the carrier: it sends, receives, or both."""

    noisy_at = math.inf  # a carrier is never slowed down: late and repeated answers are read as fast as they come

    def __init__(self, carrier_account: LinkOwner, kind: str, slot: int) -> None:
        """``slot``: which of the account's links this is, from 1, over reconnects."""
        timers = carrier_account.timers
        super().__init__(
            Session("carrier", timers, carrier_account.turns.loop.time(), carrier_account.carrier.window), carrier_account.turns
        )
        self.carrier_account = carrier_account
        self.kind = kind  # transmitter | receiver | transceiver
        self.slot = slot
        self.since = 0.0
        """When it was bound."""
        self.bound_s = 0.0
        """The same by the monotonic clock."""
        self.carrier, self.owner = carrier_account.carrier.name, carrier_account.owner
        self.gone = carrier_account.turns.loop.create_future()
        """Done when the connection is lost."""
        self.parked: deque[PendingSubmit] = deque()
        self.announced = False
        """Whether it has been up."""
        self._last_state = ("", False)  # state and whether it was open, at the last change
        self._late: OrderedDict[int, PendingSubmit] = OrderedDict()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        carrier = self.carrier_account.carrier
        self.session.start_bind(self.kind, carrier.system_id, carrier.password)
        self.carrier_account.links.append(self)
        super().connection_made(transport)

    def on_received(self, received: Received, now: float) -> None:
        carrier_account, (requests, answers, strays) = self.carrier_account, received
        if answers:
            carrier_account.answers(answers, time.monotonic())
        for sequence, frame in strays:
            pending = self._late.pop(sequence, None)
            if pending is not None:
                carrier_account.late(pending, frame)
        if requests:
            self._process_all(requests, now)
        session = self.session
        if (session.state, session.closing is None) != self._last_state:
            self._state_changed()
        self._send_parked()
        carrier_account.pacer.wake()

    def _send_parked(self) -> None:
        """Sends parked submits as far as the window allows, also while the link is drained. While either side unbinds they wait for the end of
        the link, and go over another one."""
        session = self.session
        while self.parked and session.free > 0 and session.can_send and session.closing is None:
            self._send(self.parked.popleft())

    def _process_all(self, requests: list[Frame], now: float) -> None:
        if are_all(requests, DELIVER_SM):
            self.carrier_account.deliver_relay.deliver_all(self, requests, now)
            return
        for frame in requests:
            if frame.command_id == DELIVER_SM:
                self.carrier_account.deliver_relay.deliver_all(self, [frame], now)
            else:
                self.session.answer(frame, ESME_RINVCMDID)

    def _state_changed(self) -> None:
        """The link may have come up, or be about to close."""
        session = self.session
        self._last_state = session.state, session.closing is None
        if session.bound and not self.announced:
            self.announced = True
            self.since, self.bound_s = time.time(), self.turns.loop.time()
        self.carrier_account.refresh_links()

    def tick(self) -> None:
        super().tick()
        if (self.session.state, self.session.closing is None) != self._last_state:
            self._state_changed()
        if self.slot in self.carrier_account.off and self.in_flight == 0 and self.session.bound:
            self.session.unbind()  # all it had sent is answered

    side = "carrier"

    @property
    def party(self) -> str:
        """The account's name in commands."""
        return self.carrier_account.name

    @property
    def label(self) -> str:
        """The link's name in commands: ``bj/1``."""
        return f"{self.carrier_account.name}/{self.slot}"

    @property
    def in_flight(self) -> int:
        """Submits on this link that the carrier has not answered, parked ones included."""
        return self.session.window - self.session.free + len(self.parked)

    def on_overdue(self, tickets: Iterable[tuple[int, PendingSubmit]]) -> None:
        now_s = self.turns.loop.time()
        for sequence, pending in tickets:
            pending.answered_s = now_s
            self._late[sequence] = pending
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)
            self.carrier_account.relay.unanswered(pending)
        self._send_parked()
        self.carrier_account.pacer.wake()

    def on_lost(self) -> None:
        relay = self.carrier_account.relay
        for pending in self.session.abandon():
            pending.answered_s = time.monotonic()
            relay.unanswered(pending)
        parked, self.parked = self.parked, deque()
        self.carrier_account.lost(self)
        for pending in parked:
            self.carrier_account.send(pending)
        if not self.gone.done():
            self.gone.set_result(None)

    def on_disturbance(self, cause: str) -> None:
        self.carrier_account.tally.disturbances["carrier", cause, self.carrier_account.carrier.name] += 1

    def count_bad(self, kinds: list[str]) -> None:
        for kind in kinds:
            self.carrier_account.malformed.note(kind)
        kinds.clear()

    @property
    def sends(self) -> bool:
        session = self.session
        return session.can_send and not self.lost and session.closing is None and self.slot not in self.carrier_account.off

    def send(self, pending: PendingSubmit) -> None:
        """Sends now, or as soon as this link has window."""
        if self.session.free > 0 and not self.parked:
            self._send(pending)
        else:
            self.parked.append(pending)

    def send_all(self, submits: list[PendingSubmit], now_s: float) -> None:
        """Sends what this link has window for, parks the rest; the caller asks for the write."""
        session = self.session
        fits = 0 if self.parked else session.free
        if fits < len(submits):
            self.parked += submits[max(fits, 0) :]
            submits = submits[: max(fits, 0)]
        session.send_all(submits, now_s)

    def _send(self, pending: PendingSubmit) -> None:
        self.session.send(pending.data, pending, self.turns.loop.time())
        self.turns.has_output(self)

    def answer(self, data: bytes) -> None:
        self.answer_all((data,))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        self.session.write_all(answers)
        self.turns.has_output(self)
