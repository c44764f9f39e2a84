"""Applies a recipient's reply to their record and confirms opt-outs.

In: a deliver that is no receipt; its port; the time. Out: a ``ReplyEffect`` on its way into the record; counts; a confirmation on a lane.
Never: sockets, a clock of its own, handing the reply to the provider (deliver.py).

The confirmation is a submit_sm of the gate itself. It follows the opt-out's entry into force and delays nothing; it asks for no receipt; no
rule judges it, no cap counts it, and the carrier's answer to it is ignored. It is synced to the journal before it leaves, so a crash may
lose it but cannot send it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import Protocol

from proxy.journal.records.doubtful_replies import ReplyContext, pack_doubtful
from proxy.journal.records.names import NAMES_A_RECORD_MAX
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import OptOut
from proxy.policy import agreed
from proxy.relay.effects.consents import ConsentByReply
from proxy.relay.effects.optouts import (
    KINDS,
    Confirmation,
    Doubts,
    Naming,
    RefusedSaid,
    ReplyEffect,
    ReplyTo,
    Widening,
    understood,
    widened,
)
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state.lists.dictionary import Dictionary, port_name
from proxy.state.record.candidates import Port
from proxy.wire import Deliver, encode, submit_sm

ONE_MESSAGE = 70
"""Characters of a short message in UCS-2."""
EVERYBODY, THIS_PORT = "所有发送方", "本端口发送方"
"""Whom a confirmation names where it names no signature."""
TON_UNKNOWN, TON_INTERNATIONAL = 0, 1  # SMPP 3.4 §5.2.5


class DoubtfulInbox(Protocol):
    """Doubtful replies until somebody decides about them (desk/optouts/inbox.py)."""

    def standing(self, text: str, context: ReplyContext, port: str) -> bool | None:
        """What a standing decision says of such a reply."""

    def enter(self, body: bytes) -> None:
        """A doubtful reply whose record is written."""


@dataclass(frozen=True, slots=True)
class OptOutSettings:
    """Settings: how replies are taken."""

    widen_after: int = 3
    """Refusals of so many advertisers …"""
    widen_days: int = 30
    """… within so many days are a refusal of all marketing; ``widen_after`` 0: never."""
    confirm: Mapping[str, str] = field(default_factory=dict)
    """The confirmation's text by provider; a provider that is not here, or has an empty text, has none. ``{who}``: whom it stopped."""
    doubtful: str = "hold"
    """``hold``: a doubtful reply holds marketing until somebody decides about it; ``pass``: it does not."""
    doubtful_then: str = "refuse"
    """What such a hold becomes after 7 days without a decision: ``refuse`` or ``pass``."""
    accepts_consent: bool = False
    """Whether a consent by reply counts at once; else once it is reviewed."""


class ReplyHandler:
    def __init__(
        self,
        relay: Relay,
        tally: GateCounters,
        manners: OptOutSettings,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        dictionary: Dictionary | None = None,
    ) -> None:
        """``dictionary``: the store's."""
        self.manners = manners
        self.dictionary = Dictionary() if dictionary is None else dictionary
        self._traits: object = None
        self._traits_seen = 0
        self.inbox: DoubtfulInbox | None = None
        """Of doubtful replies; whoever wires it says which."""
        self._relay = relay
        self._tally = tally
        self._clock = clock
        self.monotonic = monotonic

    def port_of(self, spelt: str, owner: str, prefix: str) -> ReplyTo:
        """The port that a reply came to. ``owner``, ``prefix``: of the provider that owns it, empty if nobody does."""
        return ReplyTo(Port(spelt, owner, self._relay.directory.ports.near(spelt)), prefix)

    def hear(self, deliver: Deliver, port: str, prefix: str, owner: str, now: float) -> ReplyEffect:
        """A reply was read. If its ``recipient`` is not 0 it is on its way into that person's record, and says what it was read as,
        and where that is recorded, once changes that come behind it for the same person are written."""
        text, said = understood(deliver)
        self.write_names()  # with the reply: who reads it after a kill knows whom it names
        to = self.port_of(port, owner, prefix)
        heard = ReplyEffect(deliver.source, text, to, self.dictionary.port, partial(self._written, now), doubts=self._doubts())
        heard.keyword = said.keyword
        consents = deliver.state == "readable" and agreed(deliver.text) != ""
        if not said.depends and said.kind == "none" and not consents:
            heard.kind = KINDS[said.kind]
            return heard
        try:
            recipient = recipient_of(deliver.source) if port else 0
        except NotARecipient:
            recipient = 0
        if not recipient:  # nobody whose record could say no, or nothing it could be said to: somebody should look
            heard.kind = "reply" if said.kind == "none" else "review"
            return heard
        heard.recipient, heard.review = recipient, said.kind == "review"
        self._relay.change(heard)
        if self._relay.rules.compares_texts:
            self._relay.change(RefusedSaid(heard, self._text_of))
        if self.manners.widen_after:
            self._relay.change(Widening(heard, self._widen, partial(self._widened, owner)))
        if consents:
            relay, accepts = self._relay, self.manners.accepts_consent
            relay.change(ConsentByReply(heard, relay.rules, relay.store.listed.consented, accepts, self._consented))
        return heard

    def learn_names(self) -> None:
        """Ports and signatures that messages have brought since the last call: a few times a second, and before a reply is read."""
        for access in self._relay.directory.accesses.values():
            if ports := access.take_new_ports():
                self.dictionary.meet(map(port_name, ports))
        traits = self._relay.rules.reader.young_traits
        if traits is not self._traits:
            self._traits, self._traits_seen = traits, 0
        if len(traits) > self._traits_seen:
            new = islice(traits.values(), self._traits_seen, None)
            self.dictionary.meet([(one.signature_hash, one.signature) for one in new if one.signature])
            self._traits_seen = len(traits)

    def write_names(self) -> None:
        """The journal is told of what was learnt."""
        self.learn_names()
        names = self.dictionary.take_new()
        for start in range(0, len(names), NAMES_A_RECORD_MAX):
            self._relay.note(Naming(names[start : start + NAMES_A_RECORD_MAX]))

    def _doubts(self) -> Doubts | None:
        if self.inbox is None:
            return None
        manners = self.manners
        return Doubts(manners.doubtful == "hold", manners.doubtful_then == "pass", self.inbox.standing, self._text_of)

    # ------------------------------------------------------------------ written, in force

    def _written(self, read_at: float, heard: ReplyEffect) -> None:
        if heard.doubtful is not None and self.inbox is not None:
            self.inbox.enter(pack_doubtful(heard.doubtful))
        if heard.opt_outs:
            newest = heard.opt_outs[0]  # one reply counts once
            self._tally.optouts["reply", newest.scope, heard.provider] += 1
            if newest.scope == "advertiser":
                self._tally.apart.refused(heard.provider, int(newest.value, 16))
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

    def _consented(self, change: ConsentByReply) -> None:
        assert change.said is not None
        self._tally.consent_replies[change.said.provider, "accepted" if change.said.reviewer else "unreviewed"] += 1

    def _restored(self, heard: ReplyEffect) -> None:
        self._tally.restores[heard.provider,] += 1

    def _in_force(self, read_at: float, heard: ReplyEffect) -> None:
        self._tally.optout_effect_seconds.observe(max(0.0, self._clock() - read_at))
        text = self.manners.confirm.get(heard.provider, "")
        if text and not self._relay.draining:
            self._relay.change(Confirmation(heard, confirmation(text, heard, self._known_as), self._written_down))

    def _known_as(self, signature: int) -> str:
        """An advertiser's signature as people know it; empty where it is not known any more."""
        row = self._relay.rules.registry.row_of(signature)
        return row.signature if row is not None else self.dictionary.signature(signature)

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

    def _own(self, confirmation: Confirmation) -> PendingSubmit:
        """A submit of the gate itself: it has no bind that waits for an answer, and no entry (``entry_id`` 0)."""
        heard, text = confirmation.heard, confirmation.text
        octets, data_coding = encode(text)
        person = heard.source.removeprefix("+")
        ton = TON_INTERNATIONAL if person.startswith("86") else TON_UNKNOWN
        data = submit_sm(heard.port, person, octets, data_coding=data_coding, dest_ton=ton, registered_delivery=0)
        sender = Sender.of(heard.provider, "", heard.port, heard.to.prefix)
        transit = PendingSubmit(_Nobody(heard.provider), 0, data, self.monotonic())  # type: ignore[arg-type] # nothing is ever answered to it
        transit.message = Message(sender, heard.recipient, Content(text, "readable", b""))
        transit.category = Category.NOTICE
        facts = Facts(sender, Category.NOTICE, Category.NOTICE, Category.NOTICE)
        province = self._relay.rules.regions.of(heard.recipient)[0]
        transit.verdict = Verdict(Outcome.ALLOW, None, "", (), facts, province, 0, ())
        return transit


def confirmation(text: str, heard: ReplyEffect, known_as: Callable[[int], str]) -> str:
    """The sentence, with whom the reply stopped in place of ``{who}``, or behind it where there is no such place."""
    plain, around = ("{who}" not in text), text.replace("{who}", "")
    if plain:
        around += "(已停止: )"
    room = ONE_MESSAGE - len(around)
    who = EVERYBODY
    if not heard.everything:
        names = [known_as(int(one.value, 16)) if one.scope == "advertiser" else "" for one in heard.opt_outs]
        who = listed([f"【{one}】" for one in names if one], room, complete=all(names))
    if not plain:
        return text.replace("{who}", who)
    return f"{text}(已停止: {who})" if len(who) <= room else text


def listed(names: Sequence[str], room: int, *, complete: bool) -> str:
    """As many names as fit into so many characters, and whether there are more."""
    for count in range(len(names), 0, -1):
        said = "、".join(names[:count]) + ("" if complete and count == len(names) else "等")
        if len(said) <= room:
            return said
    return THIS_PORT


class _Nobody:
    """What a lane asks of a bind: whose turn it is."""

    __slots__ = ("access",)
    peer_version = 0

    def __init__(self, provider: str) -> None:
        self.access = SimpleNamespace(provider=SimpleNamespace(name=provider))
