"""One provider, the gate and one carrier, with real sessions at both ends: what a carrier answers, and what the provider is told of it.

In: PDUs of the provider, any octets of the carrier. Out: PDUs that each side gets. Never: sockets, a clock that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy.config import Carrier, SmppTimers
from proxy.net.carrier import CarrierAccount
from proxy.net.carrier_link import CarrierLink
from proxy.net.link import Turns
from proxy.relay.deliver import DeliverRelay
from proxy.relay.message_ids import CarrierIds
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.wire import Frame, Session, read_fields, response
from proxy.wire.builders import bind
from proxy.wire.tables import BIND_TRANSCEIVER, DATA_SM, DELIVER_SM, QUERY_SM, SUBMIT_MULTI, SUBMIT_SM, VERSION_34
from tests.harness import Bind, Harness

RESPONSE_S = 10.0
TIMERS = SmppTimers(bind_s=10.0, enquire_s=3600.0, response_s=RESPONSE_S, unread_s=30.0)
ID_OCTETS_MAX = 64


class Clock:
    """Stands for the loop: nothing here waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def call_soon(self, *_: object) -> None: ...

    def create_future(self) -> Any:
        return SimpleNamespace(done=lambda: True)


class Line(Bind):
    """The provider's bind, with its session."""

    def __init__(self, access: Any, version: int) -> None:
        super().__init__(access, window=10_000, peer_version=version)
        self.session = Session("provider", TIMERS, 0.0, 100)
        (asked,) = self.session.receive(bind("transceiver", "jia", "secret", interface_version=version), 0.0).requests
        self.session.accept_bind(asked, "gate106")
        self.session.output()

    def answer_all(self, answers: list[bytes]) -> None:
        self.session.write_all(answers)

    @property
    def room(self) -> int:  # type: ignore[override] # nobody delivers to those of a harness
        return self.session.free

    def hand_all(self, items: Sequence[Item]) -> None:
        self.session.send_all(items, 0.0)


class Between:
    def __init__(self, folder: Path, *, code: str = "", version: int = VERSION_34, reserved_values: str = "refuse") -> None:
        """``code``: of the carrier, where ids are coded. ``version``: what the provider binds with. ``reserved_values``: its setting."""
        folder.mkdir(parents=True, exist_ok=True)
        self.harness = harness = Harness(folder, rules="rules: []\n", reserved_values=reserved_values)
        self.clock = Clock()
        carrier = Carrier(
            name="bj", code="B1", host="127.0.0.1", port=2775, system_id="gate106", password="secret", bind="transceiver", links=1,
            window=100, tps=1000, routes=frozenset(), prefixes=(), weight=1, strip="", receipts_by_text=False, receipt_id="same", tls=False,
        )  # fmt: skip
        self.ids = CarrierIds("bj", code) if code else None
        self.carrier = CarrierAccount(carrier, TIMERS, Turns(cast("Any", self.clock)), harness.tally, self.ids)
        harness.lanes["bj"] = harness.route = self.carrier.lane
        self.line = Line(harness.binds["jia"].access, version)
        self.deliver_relay = DeliverRelay(
            harness.relay,
            ReplyHandler(harness.relay, harness.tally, OptOutSettings(), lambda: harness.now, lambda: harness.now),
            harness.tally,
            harness.store.mailbox,
            lambda provider: cast("Any", (self.line,)) if provider == "jia" else (),
            {},
            frozenset(),
            lambda: harness.now,
            {"bj": self.ids} if self.ids is not None else None,
        )
        self.deliver_relay.open(Bounds(), ["jia", "yi"])
        self.carrier.relay = self.carrier.answer_filter.relay = harness.relay
        self.carrier.deliver_relay = self.deliver_relay
        self.link = self._bound()

    def _bound(self) -> CarrierLink:
        link = CarrierLink(self.carrier, "transceiver", 1)
        link.session.start_bind("transceiver", "gate106", "secret")
        self.carrier.links.append(link)
        asked = link.session.output()
        link.data_received(response(BIND_TRANSCEIVER, 0, int.from_bytes(asked[12:16], "big"), b"bj\0"))
        return link

    def _turn(self) -> None:
        for _ in range(3):
            self.harness.turn()
            self.deliver_relay.turn(self.harness.now)

    # -- the provider

    def sends(self, *pdus: bytes) -> list[Frame]:
        """What reaches the carrier of these."""
        line, harness = self.line, self.harness
        requests = line.session.receive(b"".join(pdus), 0.0).requests
        for frame in requests:
            if frame.command_id == SUBMIT_SM:
                harness.relay.submit_all(cast("Any", line), [frame], harness.now, harness.now)
            else:
                assert harness.commands.take(cast("Any", line), frame, harness.now, harness.now)
        self._turn()
        self.carrier._send_from_lane(1000)
        return split(self.link.session.output())

    def told(self) -> list[Frame]:
        """What the provider was told since the last question. What it was handed it acknowledges."""
        found = split(self.line.session.output())
        for frame in found:
            if frame.command_id == DELIVER_SM:
                acknowledged = response(DELIVER_SM, 0, frame.sequence_number, b"\0")
                self.deliver_relay.answered(self.line.session.receive(acknowledged, 0.0).answers, self.harness.now)
        self._turn()
        return found

    # -- the carrier

    def says(self, data: bytes) -> list[Frame]:
        """What the carrier is told for it; a link whose framing is lost is made anew."""
        link = self.link
        link.data_received(data)
        while link.process_piece():  # the rest of what is dealt with in several turns
            pass
        self._turn()
        said = split(link.session.output())
        if link.session.closing is not None:
            link.connection_lost(None)
            self.link = self._bound()
            self._turn()
        return said

    def waits(self) -> None:
        """Whatever the carrier has not answered by now it does not answer in time."""
        self.clock.now += RESPONSE_S + 1
        self.carrier.tick()
        self._turn()


def split(data: bytes) -> list[Frame]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(Frame.of(data[:size]))
        data = data[size:]
    return found


_WITH_ID = {command | 0x80000000 for command in (SUBMIT_SM, DATA_SM, SUBMIT_MULTI, QUERY_SM)}


def is_well_formed(frame: Frame) -> bool:
    """Whether a client that takes SMPP 3.4 at its word can read it. Raises Malformed where it cannot."""
    read_fields(frame)
    body = frame.body
    if frame.command_id in _WITH_ID and body:
        assert 0 <= body.find(0) <= ID_OCTETS_MAX
    return True
