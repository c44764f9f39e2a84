"""Parked submits leave as soon as the link's window allows, never after unbind.

A lane whose last link is lost keeps nothing.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.config import Carrier, SmppTimers
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Content, Message, Sender
from proxy.net.carrier import CarrierAccount
from proxy.net.carrier_link import CarrierLink
from proxy.net.link import Turns
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import response, submit_sm, submit_sm_resp, unbind
from proxy.wire.frame import Frame
from proxy.wire.tables import BIND_TRANSCEIVER, SUBMIT_SM, UNBIND, UNBIND_RESP

RESPONSE_S = 10.0
WINDOW = 2


class Clock:
    """Stands for the loop: nothing here waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def call_soon(self, *_: object) -> None: ...

    def create_future(self) -> Any:
        return SimpleNamespace(done=lambda: True)


class Wire:
    """A carrier's harness with links that the test is the other end of."""

    def __init__(self, links: int = 2) -> None:
        self.clock = Clock()
        carrier = Carrier(
            name="bj", code="B1", host="127.0.0.1", port=2775, system_id="gate106", password="secret", bind="transceiver", links=links,
            window=WINDOW, tps=100, routes=frozenset(), prefixes=(), weight=1, strip="", receipts_by_text=False, receipt_id="same", tls=False,
        )  # fmt: skip
        timers = SmppTimers(bind_s=10.0, enquire_s=3600.0, response_s=RESPONSE_S, unread_s=30.0)
        self.harness = CarrierAccount(carrier, timers, Turns(cast("Any", self.clock)), GateCounters())
        self.unanswered: list[PendingSubmit] = []
        self.unsent: list[tuple[PendingSubmit, str]] = []
        self.harness.relay = cast("Any", SimpleNamespace(
            unanswered=self.unanswered.append, unsent=lambda transit, why: self.unsent.append((transit, why)),
            answered_all=lambda answers, now_s: None,
        ))  # fmt: skip
        self.links = [self._link(slot) for slot in range(1, links + 1)]

    def _link(self, slot: int) -> CarrierLink:
        link = CarrierLink(self.harness, "transceiver", slot)
        link.session.start_bind("transceiver", "gate106", "secret")
        self.harness.links.append(link)
        (asked,) = self.said(link)
        self.says(link, response(BIND_TRANSCEIVER, 0, asked.sequence_number, b"bj\0"))
        return link

    def says(self, link: CarrierLink, *pdus: bytes) -> None:
        link.data_received(b"".join(pdus))

    def said(self, link: CarrierLink) -> list[Frame]:
        """What the gate has written on this link since the last question."""
        data, found = link.session.output(), []
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append(Frame.of(data[:size]))
            data = data[size:]
        return found

    def transit(self, person: int) -> PendingSubmit:
        made = PendingSubmit(cast("Any", None), 1, submit_sm("1069001", str(person), b"x"), 0.0)
        made.message = Message(Sender.of("jia", "a", "1069001", "1069001"), person, Content("", "empty", b""))
        made.category = Category.MARKETING
        return made

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.harness.tick()


@pytest.fixture
def wire() -> Wire:
    return Wire()


def submits(frames: list[Frame]) -> int:
    return sum(frame.command_id == SUBMIT_SM for frame in frames)


def test_what_waits_for_the_window_of_a_silent_link_goes_once_the_carrier_is_not_waited_for_any_more(wire: Wire) -> None:
    link = wire.links[0]
    for _ in range(WINDOW + 3):
        link.send(wire.transit(13800210000))
    assert (submits(wire.said(link)), len(link.parked)) == (WINDOW, 3)
    wire.later(RESPONSE_S + 1)
    assert len(wire.unanswered) == WINDOW
    assert (submits(wire.said(link)), len(link.parked)) == (WINDOW, 1)
    assert wire.harness._sendable() > 0, "the other link is not kept waiting"


def test_after_the_carriers_unbind_nothing_is_sent_and_what_waits_goes_by_another_link(wire: Wire) -> None:
    first, second = wire.links
    for _ in range(WINDOW + 2):
        first.send(wire.transit(13800210000))
    asked = [frame.sequence_number for frame in wire.said(first)]
    wire.says(first, *(submit_sm_resp(sequence, 0, b"A1") for sequence in asked), unbind(77))
    assert [frame.command_id for frame in wire.said(first)] == [UNBIND_RESP]
    first.connection_lost(None)
    assert submits(wire.said(second)) == 2
    assert (wire.unanswered, wire.unsent) == ([], [])


def test_after_our_own_unbind_nothing_is_sent_either(wire: Wire) -> None:
    link = wire.links[0]
    for _ in range(WINDOW + 1):
        link.send(wire.transit(13800210000))
    asked = [frame.sequence_number for frame in wire.said(link)]
    link.session.unbind()
    (leave,) = wire.said(link)
    assert leave.command_id == UNBIND
    wire.says(link, *(submit_sm_resp(sequence, 0, b"A1") for sequence in asked))
    assert (wire.said(link), len(link.parked)) == ([], 1)
    wire.says(link, response(UNBIND, 0, leave.sequence_number))
    assert wire.said(link) == []


def test_a_link_that_is_drained_still_sends_what_waits_for_its_window(wire: Wire) -> None:
    link = wire.links[0]
    for _ in range(WINDOW + 1):
        link.send(wire.transit(13800210000))
    wire.harness.drain(frozenset({link.slot}))
    (sequence, *_) = [frame.sequence_number for frame in wire.said(link)]
    wire.says(link, submit_sm_resp(sequence, 0, b"A1"))
    assert (submits(wire.said(link)), len(link.parked)) == (1, 0)


def test_what_comes_into_a_lane_whose_last_link_was_lost_meanwhile_is_told_to_come_again(wire: Wire) -> None:
    """It was judged while there was a link, and the shared store took its time."""
    lane, late = wire.harness.lane, wire.transit(13800210000)
    assert lane.hold(late.category)
    for link in wire.links:
        link.connection_lost(None)
    lane.put_all([late])
    wire.later(0.1)
    assert wire.unsent == [(late, "no-route")]
    assert (lane.size, lane.held) == (0, [0, 0, 0])
