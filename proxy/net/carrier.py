"""Keeps the links of one carrier account up and feeds them.

In: submits from the lane, at the pacer's rate. Out: the carrier's answers and delivers for the relay. Never: verdicts.

carrier_link.py is one of the links.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Iterable

import structlog

from proxy.config import Carrier, SmppTimers
from proxy.model.counters import GateCounters
from proxy.net.answer_filter import AnswerFilter, MalformedLog
from proxy.net.carrier_link import CarrierLink
from proxy.net.lane import Lane
from proxy.net.link import Turns
from proxy.net.link_states import LinkStates
from proxy.net.pacing import Pacer
from proxy.relay.deliver import DeliverRelay
from proxy.relay.message_ids import CarrierIds
from proxy.relay.pending_submit import OtherRequest, PendingSubmit, answer_times, split_by_recipient
from proxy.relay.submit import Relay
from proxy.runtime.os_errors import in_words
from proxy.wire import Frame
from proxy.wire.tables import ESME_RMSGQFUL, ESME_RTHROTTLED, STATUS_NAMES, status_name

log = structlog.get_logger()

BACKOFF_S, BACKOFF_MAX_S = 0.5, 30.0
"""First and longest wait before a connection is tried again, each with up to a half of jitter."""
PARKED_MAX = 16
"""Submits that wait for one link whose window is full while others send: one person's messages keep to one link."""


class CarrierAccount:
    """One account at a carrier: its lane, its pacer, its links."""

    def __init__(
        self,
        carrier: Carrier,
        timers: SmppTimers,
        turns: Turns,
        tally: GateCounters,
        ids: CarrierIds | None = None,
        owner: str = "",
    ) -> None:
        """``ids``: translates message ids; None: they pass byte for byte. ``owner``: the provider whose own account it is, empty for the
        carrier's common one."""
        self.carrier = carrier
        self.owner = owner
        self.timers = timers
        self.turns = turns
        self.tally = tally
        self.malformed = MalformedLog(tally, carrier.name, self.account)
        self.answer_filter = AnswerFilter(self.malformed, ids, self.account)
        self.links: list[CarrierLink] = []
        self.up: list[CarrierLink] = []
        """Links that can send now."""
        self.pacer = Pacer(carrier.tps, self._send_from_lane, turns.flush, self._waiting, turns.before_output)
        self.lane = Lane(carrier.name, carrier.code, carrier.tps, self.pacer.wake)
        self.drained: frozenset[int] = frozenset()
        """Slots that orders keep unbound."""
        self.held_links = tuple(range(1, carrier.links + 1))
        self.held: frozenset[int] = frozenset(range(1, self.slots + 1))
        """Slots of this process; other processes have the rest."""
        self.off: frozenset[int] = frozenset()
        """Slots that for either reason take no submit, and stay unbound once their submits are answered."""
        self.tls: ssl.SSLContext | None = None
        """For new links; None where they are not encrypted."""
        self.relay: Relay
        self.deliver_relay: DeliverRelay
        self.link_states = LinkStates(self.account, self.name)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._enabled = [asyncio.Event() for _ in range(self.slots)]
        for enabled in self._enabled:
            enabled.set()

    @property
    def slots(self) -> int:
        """Links according to the settings."""
        return self.carrier.links * len(self._kinds)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return ("transceiver",) if self.carrier.bind == "transceiver" else ("transmitter", "receiver")

    def start(self, relay: Relay, deliver_relay: DeliverRelay) -> None:
        self.relay, self.deliver_relay = relay, deliver_relay
        self.answer_filter.relay = relay
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
        """Drains exactly these slots from now on."""
        self.drained = slots
        self._apply_slots()

    def hold(self, links: Iterable[int]) -> None:
        """Takes these links of the account (from 1); other processes have the rest."""
        kinds, self.held_links = len(self._kinds), tuple(links)
        self.held = frozenset((link - 1) * kinds + place for link in self.held_links for place in range(1, kinds + 1))
        self._apply_slots()

    @property
    def links_used(self) -> int:
        """Links of the account that this process holds, including given-up ones that are still up."""
        return len({(link.slot - 1) // len(self._kinds) + 1 for link in self.links} | set(self.held_links))

    def pace(self, tps: float, part: float = 0.0) -> None:
        """Sets this process's share of the account's rate. ``part``: its equal part of the rate. The lane's bound never falls below a second of
        ``part``: a share follows demand within three refreshes, and no submit is refused meanwhile."""
        self.pacer.limit(tps)
        self.lane.limit_to(max(tps, part))

    def _apply_slots(self) -> None:
        off = self.drained | (frozenset(range(1, self.slots + 1)) - self.held)
        if off == self.off:
            return
        self.off = off
        for slot, enabled in enumerate(self._enabled, 1):
            if slot in off:
                enabled.clear()
            else:
                enabled.set()
        self.refresh_links()
        self._return_unroutable()

    async def _keep_up(self, kind: str, slot: int) -> None:
        wait_s = BACKOFF_S
        while not self._stopping:
            await self._enabled[slot - 1].wait()
            link = CarrierLink(self, kind, slot)
            try:
                async with asyncio.timeout(self.timers.bind_s):  # asyncio.wait_for may swallow the cancel of a stop
                    await self._connect(link)
            except (OSError, ValueError) as error:  # ValueError: a name that cannot be written as DNS and TLS have it
                self.link_states.failed(slot, kind, in_words(error), self.turns.loop.time())
            else:
                await link.gone
                now_s = self.turns.loop.time()
                if link.session.refused_status:
                    why = f"it refused our bind: {status_name(link.session.refused_status)}"
                    self.link_states.failed(slot, kind, why, now_s, by_smpp=True)
                elif slot in self.off:
                    log.info("carrier link drained", carrier=self.account, link=f"{self.name}/{slot}", kind=kind)
                elif not self._stopping:
                    closing = link.session.closing
                    self.link_states.failed(slot, kind, closing or "closed", now_s, by_smpp=closing is not None)
                if link.announced:
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
        self.refresh_links()
        self._return_unroutable()

    def _return_unroutable(self) -> None:
        if not self.up and self.lane.size:
            for pending in self.lane.take(self.lane.size):
                self.relay.unsent(pending, "no-route")

    def tick(self) -> None:
        for link in list(self.links):
            link.tick()
        self._return_unroutable()  # submits decided while the last link was lost
        self.pacer.recover(self.turns.loop.time())
        now_s = self.turns.loop.time()
        self.malformed.tick(now_s)
        if not self._stopping:
            bound_s = {link.slot: link.bound_s for link in self.links if link.session.bound}
            self.link_states.tick(now_s, self.held - self.off, bound_s)

    # -- from the lane to the links

    def refresh_links(self) -> None:
        """Called whenever a link comes up or goes down."""
        self.up = [link for link in self.links if link.sends]
        self.lane.up = bool(self.up)
        self.pacer.wake()

    def _send_from_lane(self, most: int) -> int:
        """Hands at most ``most`` submits from the lane to links; returns how many. One person's messages keep to one link, and wait there
        (parked) while its window is full, though others send."""
        sent = self._pay_debt(most) if self.lane.debt else 0
        while sent < most and self.lane.size and (room := self._sendable()):
            submits = self.lane.take(min(room, most - sent))
            sent += len(submits)
            self._distribute(submits)
        if sent:
            for link in self.up:
                self.turns.has_output(link)
        return sent

    def _waiting(self) -> int:
        """Submits that wait to be sent, or were sent within others and still count against the rate."""
        return self.lane.size + self.lane.debt

    def _sendable(self) -> int:
        """How many submits of any recipients fit; 1 if a link would have to park its own; 0 for none."""
        free = []
        for link in self.up:
            if len(link.parked) >= PARKED_MAX:
                return 0
            free.append(0 if link.parked else max(0, link.session.free))
        return (min(free) or min(sum(free), 1)) if free else 0

    def _distribute(self, submits: list[PendingSubmit]) -> None:
        up, now_s = self.up, self.turns.loop.time()
        if len(up) == 1:
            up[0].send_all(submits, now_s)
            return
        for link, share in zip(up, split_by_recipient(submits, len(up)), strict=True):
            if share:
                link.send_all(share, now_s)

    def send(self, pending: PendingSubmit) -> None:
        """Hands a submit to the link that carries this person's messages."""
        up = self.up
        if not up:
            self.relay.unsent(pending, "no-route")
            return
        assert pending.message is not None
        up[pending.message.recipient % len(up)].send(pending)

    def answers(self, answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        took, bad, odd = answer_times(answers, now_s)
        if odd or self.answer_filter.ids is not None:
            answers = self.answer_filter.filtered(answers, odd, now_s)
        tally, name = self.tally, self.carrier.name
        tally.submit_seconds[name].observe_all(took)
        if self.lane.apart:
            self._answer_mixed(answers, now_s)
        else:
            self.relay.answered_all(answers, now_s)
        if len(bad) < len(took):
            tally.carrier_responses[name, "ESME_ROK"] += len(took) - len(bad)
        for status in bad:
            tally.count_response(name, status, STATUS_NAMES.get(status))
            if status in (ESME_RTHROTTLED, ESME_RMSGQFUL):
                self.pacer.throttled(now_s)

    def late(self, pending: PendingSubmit, frame: Frame) -> None:
        """The carrier answered a submit that had been given up."""
        filtered = self.answer_filter.filtered_late(pending, frame)
        if filtered is not None:
            self.relay.answered_late(pending, filtered)

    def _answer_mixed(self, answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        """Answers while requests of other kinds are in flight, too."""
        for pending, frame in answers:
            pending.answered_s = now_s
            if isinstance(pending, OtherRequest):
                pending.answered(frame)
            else:
                self.relay.answered(pending, frame)

    def _pay_debt(self, most: int) -> int:
        """Counts messages sent within others (submit_multi) against the rate; returns how many of ``most`` that uses."""
        paid = min(most, self.lane.debt)
        self.lane.debt -= paid
        return paid

    # -- for metrics

    @property
    def name(self) -> str:
        """Its name in commands: ``bj``, ``jia@bj``; one of its links is ``bj/1``."""
        return f"{self.owner}@{self.carrier.name}" if self.owner else self.carrier.name

    @property
    def account(self) -> str:
        """Its name for people."""
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
