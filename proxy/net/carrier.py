"""Carriers' side: links to one carrier, kept up, and the lane that flows over them.

In: submits from the lane, at the pacer's rate. Out: the carrier's answers and delivers for the relay. Never: verdicts.
"""

from __future__ import annotations

import asyncio
import math
import random
import ssl
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

import structlog

from proxy.config import Carrier, Timers
from proxy.ids import CarrierIds
from proxy.net.lane import Lane
from proxy.net.link import Link, Turns
from proxy.net.pacing import Pacer
from proxy.relay import Relay
from proxy.tally import Tally
from proxy.transit import Apart, Transit, by_person, waited
from proxy.way_back import WayBack
from proxy.wire import Frame, Received, Session
from proxy.wire.frame import are_all
from proxy.wire.tables import DELIVER_SM, ESME_RINVCMDID, ESME_RMSGQFUL, ESME_RTHROTTLED, status_name

log = structlog.get_logger()

BACKOFF_S, BACKOFF_MAX_S = 0.5, 30.0
"""First and longest wait before a connection is tried again, each with up to a half of jitter."""
LATE_MAX = 4096
"""Unanswered submits of a link that are still recognised when their answer comes late."""
PARKED_MAX = 16
"""Submits that wait for one link whose window is full while others flow: one person's messages keep to one link."""


class CarrierLink(Link):
    """One connection to the carrier: it sends, receives, or both."""

    noisy_at = math.inf  # there is nobody else to be spared: what it says late or twice is read as fast as it comes

    def __init__(self, house: CarrierHouse, kind: str, slot: int) -> None:
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
        self.parked: deque[Transit] = deque()
        self._announced = False
        self._seen = ("", False)  # state and closing when the house last heard of a change
        self._late: OrderedDict[int, Transit] = OrderedDict()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        carrier = self.house.carrier
        self.session.start_bind(self.kind, carrier.system_id, carrier.password)
        self.house.links.append(self)
        super().connection_made(transport)

    def on_received(self, received: Received, now: float) -> None:
        house = self.house
        if received.answers:
            house.answers(received.answers, time.monotonic())
        for sequence, frame in received.strays:
            transit = self._late.pop(sequence, None)
            if transit is not None:
                house.relay.answered_late(transit, house.as_told([(transit, frame)])[0][1])
        if received.requests:
            self._deal_with_all(received.requests, now)
        session = self.session
        if (session.state, session.closing is None) != self._seen:
            self._changed()
        while self.parked and session.free > 0:
            self._send(self.parked.popleft())
        house.pacer.wake()

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
        if session.bound and not self._announced:
            self._announced = True
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

    def on_overdue(self, tickets: Iterable[tuple[int, Transit]]) -> None:
        now_s = self.turns.loop.time()
        for sequence, transit in tickets:
            transit.answered_s = now_s
            self._late[sequence] = transit
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)
            self.house.relay.unanswered(transit)
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
            self.house.tally.bad_pdus["carrier", kind, self.house.carrier.name] += 1
        kinds.clear()

    @property
    def sends(self) -> bool:
        session = self.session
        return session.can_send and not self.lost and session.closing is None and self.slot not in self.house.off

    def send(self, transit: Transit) -> None:
        """Sends now, or as soon as this link has window."""
        if self.session.free > 0 and not self.parked:
            self._send(transit)
        else:
            self.parked.append(transit)

    def send_all(self, transits: list[Transit], now_s: float) -> None:
        """Sends what this link has window for, parks the rest; the caller asks for the write."""
        session = self.session
        fits = 0 if self.parked else session.free
        if fits < len(transits):
            self.parked += transits[max(fits, 0) :]
            transits = transits[: max(fits, 0)]
        session.send_all(transits, now_s)

    def _send(self, transit: Transit) -> None:
        self.session.send(transit.data, transit, self.turns.loop.time())
        self.turns.has_output(self)

    def answer(self, data: bytes) -> None:
        self.answer_all((data,))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        self.session.write_all(answers)
        self.turns.has_output(self)


class CarrierHouse:
    """One account at a carrier: its lane, its pacer, its links."""

    def __init__(
        self, carrier: Carrier, timers: Timers, turns: Turns, tally: Tally, ids: CarrierIds | None = None, owner: str = ""
    ) -> None:
        """``ids``: how its message ids become what providers see, None where they pass byte for byte. ``owner``: the provider
        whose own account it is, empty for the carrier's common one."""
        self.carrier = carrier
        self.ids = ids
        self.owner = owner
        self.timers = timers
        self.turns = turns
        self.tally = tally
        self.links: list[CarrierLink] = []
        self.up: list[CarrierLink] = []
        """Links that can send now."""
        self.pacer = Pacer(carrier.tps, self._flow, turns.flush, self._waiting)
        self.lane = Lane(carrier.name, carrier.code, carrier.tps, self.pacer.wake)
        self.drained: frozenset[int] = frozenset()
        """Slots that orders keep unbound, …"""
        self.held_links = tuple(range(1, carrier.links + 1))
        self.held: frozenset[int] = frozenset(range(1, self.slots + 1))
        """… those that are ours and no other process's, …"""
        self.off: frozenset[int] = frozenset()
        """… and those that for either reason take no submit, and stay unbound once theirs are answered."""
        self.tls: ssl.SSLContext | None = None
        """For links from now on; None where they are not encrypted."""
        self.relay: Relay
        self.way_back: WayBack
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._enabled = [asyncio.Event() for _ in range(self.slots)]
        for enabled in self._enabled:
            enabled.set()

    @property
    def slots(self) -> int:
        """How many links the settings want."""
        return self.carrier.links * len(self._kinds)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return ("transceiver",) if self.carrier.bind == "transceiver" else ("transmitter", "receiver")

    def start(self, relay: Relay, way_back: WayBack) -> None:
        self.relay, self.way_back = relay, way_back
        for slot in range(1, self.slots + 1):
            self._tasks.append(self.turns.loop.create_task(self._keep_up(self.kind_of(slot), slot)))
        self._tasks.append(self.turns.loop.create_task(self.pacer.run()))

    async def stop(self) -> None:
        """Unbinds; links close when the carrier has answered or after a second."""
        self._stopping = True
        for link in self.links:
            link.session.unbind()
            self.turns.has_output(link)
        self.turns.flush()
        if self.links:
            await asyncio.wait([link.gone for link in self.links], timeout=1.0)
        for task in self._tasks:
            task.cancel()
        for link in list(self.links):
            link.close()

    # -- keeping links up

    def kind_of(self, slot: int) -> str:
        """``transmitter | receiver | transceiver``"""
        return self._kinds[(slot - 1) % len(self._kinds)]

    def drain(self, slots: frozenset[int]) -> None:
        """These slots are drained from now on, all others are not."""
        self.drained = slots
        self._switch()

    def hold(self, links: Iterable[int]) -> None:
        """These of the account's links (from 1) are ours from now on, the others another process's."""
        kinds, self.held_links = len(self._kinds), tuple(links)
        self.held = frozenset((link - 1) * kinds + place for link in self.held_links for place in range(1, kinds + 1))
        self._switch()

    @property
    def links_used(self) -> int:
        """How many of the account's links are ours, those included that are still up though we gave them up."""
        return len({(link.slot - 1) // len(self._kinds) + 1 for link in self.links} | set(self.held_links))

    def pace(self, tps: float, part: float = 0.0) -> None:
        """So many of the account's messages a second are ours from now on; of our equal ``part`` a second's worth may wait even so: what is
        ours follows what is wanted within three beats, and nobody is sent away meanwhile."""
        self.pacer.limit(tps)
        self.lane.limit_to(max(tps, part))

    def _switch(self) -> None:
        off = self.drained | (frozenset(range(1, self.slots + 1)) - self.held)
        if off == self.off:
            return
        self.off = off
        for slot, enabled in enumerate(self._enabled, 1):
            if slot in off:
                enabled.clear()
            else:
                enabled.set()
        self.look_at_links()
        self._nowhere_to_go()

    async def _keep_up(self, kind: str, slot: int) -> None:
        wait_s = BACKOFF_S
        while not self._stopping:
            await self._enabled[slot - 1].wait()
            link = CarrierLink(self, kind, slot)
            try:
                async with asyncio.timeout(self.timers.bind_s):  # asyncio.wait_for may swallow the cancel of a stop
                    await self._connect(link)
            except OSError as error:
                log.warning("carrier unreachable", carrier=self.account, kind=kind, error=str(error))
            else:
                await link.gone
                if link.session.refused_status:
                    status = status_name(link.session.refused_status)
                    log.error("carrier refused our bind", carrier=self.account, kind=kind, status=status)
                elif slot in self.off:
                    log.info("carrier link drained", carrier=self.account, kind=kind)
                elif not self._stopping:
                    log.warning("carrier link down", carrier=self.account, kind=kind, why=link.session.closing or "closed")
                if link._announced:
                    wait_s = BACKOFF_S
            if not self._stopping:
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
                wait_s = min(BACKOFF_MAX_S, wait_s * 2)

    async def _connect(self, link: CarrierLink) -> None:
        carrier = self.carrier
        name = (carrier.tls_name or carrier.host) if self.tls is not None else None
        await self.turns.loop.create_connection(lambda: link, carrier.host, carrier.port, ssl=self.tls, server_hostname=name)

    def lost(self, link: CarrierLink) -> None:
        if link in self.links:
            self.links.remove(link)
        self.look_at_links()
        self._nowhere_to_go()

    def _nowhere_to_go(self) -> None:
        if not self.up:
            for transit in self.lane.take(self.lane.size):
                self.relay.unsent(transit, "no-route")

    def tick(self) -> None:
        for link in list(self.links):
            link.tick()
        self.pacer.recover(self.turns.loop.time())

    # -- the lane's way over the links

    def look_at_links(self) -> None:
        """Called whenever a link comes up or goes."""
        self.up = [link for link in self.links if link.sends]
        self.lane.up = bool(self.up)
        self.pacer.wake()

    def _flow(self, most: int) -> int:
        """Hands at most so many submits from the lane to links; how many it were. One person's messages keep to one link, and
        wait there (parked) while its window is full, though others flow."""
        sent = self._pay(most) if self.lane.debt else 0
        while sent < most and (room := self._room()):
            transits = self.lane.take(min(room, most - sent))
            if not transits:
                break
            sent += len(transits)
            self._spread(transits)
        if sent:
            for link in self.up:
                self.turns.has_output(link)
        return sent

    def _waiting(self) -> int:
        """How many submits are to leave, or to be paid for."""
        return self.lane.size + self.lane.debt

    def _room(self) -> int:
        """How many submits may go whoever they are for; 1 where some link would have to park its own; 0 for none."""
        free = []
        for link in self.up:
            if len(link.parked) >= PARKED_MAX:
                return 0
            free.append(0 if link.parked else max(0, link.session.free))
        return (min(free) or min(sum(free), 1)) if free else 0

    def _spread(self, transits: list[Transit]) -> None:
        up, now_s = self.up, self.turns.loop.time()
        if len(up) == 1:
            up[0].send_all(transits, now_s)
            return
        for link, share in zip(up, by_person(transits, len(up)), strict=True):
            if share:
                link.send_all(share, now_s)

    def send(self, transit: Transit) -> None:
        """Hands a submit to the link that carries this person's messages."""
        up = self.up
        if not up:
            self.relay.unsent(transit, "no-route")
            return
        assert transit.message is not None
        up[transit.message.recipient % len(up)].send(transit)

    def answers(self, answers: list[tuple[Transit, Frame]], now_s: float) -> None:
        if self.ids is not None:
            answers = self.as_told(answers)
        responses, name = self.tally.carrier_responses, self.carrier.name
        took, bad = waited(answers, now_s)
        self.tally.submit_seconds[name].observe_all(took)
        if self.lane.apart:
            self._answered_apart(answers, now_s)
        else:
            self.relay.answered_all(answers, now_s)
        if len(bad) < len(answers):
            responses[name, "ESME_ROK"] += len(answers) - len(bad)
        for status in bad:
            responses[name, status_name(status)] += 1
            if status in (ESME_RTHROTTLED, ESME_RMSGQFUL):
                self.pacer.throttled(now_s)

    def as_told(self, answers: list[tuple[Transit, Frame]]) -> list[tuple[Transit, Frame]]:
        """Answers with the ids that providers see; what they taught goes into the journal with them, and is synced before they are
        told: else a receipt after a power loss would be spelt in another way."""
        ids = self.ids
        if ids is None:
            return answers
        told = [(transit, frame.with_body(ids.answer(frame.data[16:]))) for transit, frame in answers]
        for learnt in ids.news:
            self.relay.note_first(learnt)
        ids.news.clear()
        if ids.doubt:
            log.warning("carrier's ids are not as the settings say", carrier=self.account, why=ids.doubt)
            ids.doubt = ""
        return told

    def _answered_apart(self, answers: list[tuple[Transit, Frame]], now_s: float) -> None:
        """While there are requests of other kinds on the way."""
        for transit, frame in answers:
            transit.answered_s = now_s
            if isinstance(transit, Apart):
                transit.answered(frame)
            else:
                self.relay.answered(transit, frame)

    def _pay(self, most: int) -> int:
        """Counts messages that left within others (submit_multi) against the rate; how many of ``most`` that takes."""
        paid = min(most, self.lane.debt)
        self.lane.debt -= paid
        return paid

    # -- for metrics

    @property
    def name(self) -> str:
        """What commands call it: ``bj``, ``jia@bj``; one of its links is ``bj/1``."""
        return f"{self.owner}@{self.carrier.name}" if self.owner else self.carrier.name

    @property
    def account(self) -> str:
        """What people call it."""
        return f"{self.carrier.name} ({self.owner}'s account)" if self.owner else self.carrier.name

    def states(self) -> dict[str, int]:
        up = sum(link.session.bound for link in self.links)
        down = max(0, len(self.held) - up)
        drained = min(down, len(self.drained & self.held))  # one that still waits for answers is up
        return {"up": up, "down": down - drained, "drained": drained}

    def window_limit(self) -> int:
        return self.carrier.window * len(self.held) // len(self._kinds)

    def window_in_use(self) -> int:
        return sum(link.session.window - link.session.free for link in self.links if link.session.can_send)
