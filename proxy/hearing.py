"""Hearing: leads a person's reply from the carrier to their record, and the one sentence they get back to the carrier.

In: a deliver that is no receipt, whose port it came to, the time. Out: a ``Heard`` on its way into the record, counts, a confirmation
on a lane. Never: sockets, a clock of its own, handing the reply on (way_back.py).

The confirmation is a submit_sm of the gate itself: it comes after the opt-out is in force and can delay nothing, asks for no receipt,
is subject to no rule and counted in no cap, and what the carrier answers to it concerns nobody. It is synced to the journal before it
leaves, so a crash or a power loss may lose it and cannot double it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from proxy.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.number import NotARecipient, recipient_of
from proxy.recipient import OptOut
from proxy.relay import Relay
from proxy.replies import KINDS, Confirmation, Heard, RefusedSaid, Widening, understood, widened
from proxy.tally import Tally
from proxy.transit import Transit
from proxy.wire import Deliver, encode, submit_sm

TON_UNKNOWN, TON_INTERNATIONAL = 0, 1  # SMPP 3.4 §5.2.5


@dataclass(frozen=True, slots=True)
class Manners:
    """Settings: how replies are taken."""

    widen_after: int = 3
    """Refusals of so many advertisers …"""
    widen_days: int = 30
    """… within so many days are a refusal of all marketing; ``widen_after`` 0: never."""
    confirm: Mapping[str, str] = field(default_factory=dict)
    """The confirmation's text by provider; a provider that is not here, or has an empty text, has none."""


class Hearing:
    def __init__(
        self, relay: Relay, tally: Tally, manners: Manners, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.manners = manners
        self._relay = relay
        self._tally = tally
        self._clock = clock
        self.monotonic = monotonic

    def hear(self, deliver: Deliver, port: str, prefix: str, owner: str, now: float) -> Heard:
        """A reply was read. If its ``recipient`` is not 0 it is on its way into that person's record, and says what it was read as,
        and where that is recorded, once changes that come behind it for the same person are written."""
        text, said = understood(deliver)
        heard = Heard(deliver.source, text, port, prefix, owner, partial(self._written, now))
        heard.keyword = said.keyword
        if not said.depends and said.kind not in ("optout", "restore"):
            heard.kind = KINDS[said.kind]
            return heard
        try:
            recipient = recipient_of(deliver.source) if port else 0
        except NotARecipient:
            recipient = 0
        if not recipient:  # nobody whose record could say no, or nothing it could be said to: somebody should look
            heard.kind = "reply" if said.kind == "none" else "review"
            return heard
        heard.recipient = recipient
        self._relay.change(heard)
        if self._relay.rules.compares_texts:
            self._relay.change(RefusedSaid(heard, self._text_of))
        if self.manners.widen_after:
            self._relay.change(Widening(heard, self._widen, partial(self._widened, owner)))
        return heard

    # ------------------------------------------------------------------ written, in force

    def _written(self, read_at: float, heard: Heard) -> None:
        if heard.opt_out is not None:
            self._tally.optouts["reply", heard.opt_out.scope, heard.provider] += 1
            if heard.opt_out.scope == "advertiser":
                self._tally.apart.refused(heard.provider, int(heard.opt_out.value, 16))
            self._relay.when_synced(heard.recorded, partial(self._in_force, read_at, heard))
        elif heard.kind == "restore":
            self._relay.when_synced(heard.recorded, partial(self._restored, heard))

    def _text_of(self, template: int) -> str:
        return self._relay.rules.text_of(template)

    def _widen(self, refusals: Sequence[OptOut], now: float) -> OptOut | None:
        manners = self.manners
        return widened(refusals, manners.widen_after, manners.widen_days, now, self._relay.rules.registry.advertiser_of)

    def _widened(self, owner: str, change: Widening) -> None:
        assert change.opt_out is not None
        self._tally.optouts["reply", change.opt_out.scope, owner] += 1

    def _restored(self, heard: Heard) -> None:
        self._tally.restores[heard.provider,] += 1

    def _in_force(self, read_at: float, heard: Heard) -> None:
        self._tally.optout_effect_seconds.observe(max(0.0, self._clock() - read_at))
        text = self.manners.confirm.get(heard.provider, "")
        if text and not self._relay.draining:
            self._relay.change(Confirmation(heard, text, self._written_down))

    # ------------------------------------------------------------------ the confirmation

    def _written_down(self, confirmation: Confirmation, recorded: int) -> None:
        self._relay.when_synced(recorded, partial(self._say, confirmation))

    def _say(self, confirmation: Confirmation) -> None:
        """The record and the journal know of it: on its way, if there is one."""
        heard = confirmation.heard
        transit = self._own(confirmation)
        assert transit.message is not None
        assert transit.verdict is not None
        lane = self._relay.routes.lane(transit.message, transit.verdict)
        if lane is None or not lane.hold(transit.category):
            self._tally.confirmations[heard.provider, "unsent"] += 1
            return
        self._tally.confirmations[heard.provider, "sent"] += 1
        lane.put(transit)

    def _own(self, confirmation: Confirmation) -> Transit:
        """A submit of the gate itself: it has no bind that waits for an answer, and no entry (``entry_id`` 0)."""
        heard, text = confirmation.heard, confirmation.text
        octets, data_coding = encode(text)
        person = heard.source.removeprefix("+")
        ton = TON_INTERNATIONAL if person.startswith("86") else TON_UNKNOWN
        data = submit_sm(heard.port, person, octets, data_coding=data_coding, dest_ton=ton, registered_delivery=0)
        sender = Sender.of(heard.provider, "", heard.port, heard.prefix)
        transit = Transit(_Nobody(heard.provider), 0, data, self.monotonic())  # type: ignore[arg-type] # nothing is ever answered to it
        transit.message = Message(sender, heard.recipient, Content(text, "readable", b""))
        transit.category = Category.NOTICE
        facts = Facts(sender, Category.NOTICE, Category.NOTICE, Category.NOTICE)
        province = self._relay.rules.regions.of(heard.recipient)[0]
        transit.verdict = Verdict(Outcome.ALLOW, None, "", (), facts, province, 0, ())
        return transit


class _Nobody:
    """What a lane asks of a bind: whose turn it is."""

    __slots__ = ("access",)

    def __init__(self, provider: str) -> None:
        self.access = SimpleNamespace(provider=SimpleNamespace(name=provider))
