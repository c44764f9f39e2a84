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

from proxy.journal.encoding import pack
from proxy.journal.records.doubtful_replies import ReplyContext
from proxy.journal.records.gate_events import NAMES_A_RECORD_MAX
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import OptOut
from proxy.policy.replies.consent import agreed
from proxy.relay.effects import optouts
from proxy.relay.effects.consents import ConsentByReply
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state.lists.hash_dictionary import Dictionary, port_name
from proxy.state.record.optout_candidates import Port
from proxy.wire import Deliver, encode, submit_sm

ONE_MESSAGE = 70
"""Characters of a short message in UCS-2."""
EVERYBODY, THIS_PORT = "所有发送方", "本端口发送方"
"""Whom a confirmation names where it names no signature."""
TON_UNKNOWN, TON_INTERNATIONAL = 0, 1  # SMPP 3.4 §5.2.5


class DoubtfulInbox(Protocol):
    """Doubtful replies that wait for an officer's decision (desk/optouts/inbox.py)."""

    def standing(self, text: str, context: ReplyContext, port: str) -> bool | None:
        """A standing decision on such replies: whether they refuse; None if there is no decision."""

    def enter(self, body: bytes) -> None:
        """Adds a doubtful reply whose journal record is written."""


@dataclass(frozen=True, slots=True)
class OptOutSettings:
    """Settings for replies."""

    widen_after: int = 3
    """Refusals of this many advertisers …"""
    widen_days: int = 30
    """… within this many days count as a refusal of all marketing; ``widen_after`` 0: never."""
    confirm: Mapping[str, str] = field(default_factory=dict)
    """The confirmation's text by provider; without a text there is no confirmation. ``{who}``: the stopped advertisers."""
    doubtful: str = "hold"
    """``hold``: a doubtful reply holds marketing until an officer decides; ``pass``: it does not."""
    doubtful_then: str = "refuse"
    """What a hold becomes after 7 days without a decision: ``refuse`` or ``pass``."""
    accepts_consent: bool = False
    """Whether a consent by reply counts at once; else after its review."""


class ReplyHandler:
    def __init__(
        self,
        relay: Relay,
        tally: GateCounters,
        settings: OptOutSettings,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        dictionary: Dictionary | None = None,
    ) -> None:
        """``dictionary``: the store's names of ports and signatures."""
        self.settings = settings
        self.dictionary = Dictionary() if dictionary is None else dictionary
        self._traits: object = None
        self._traits_seen = 0
        self.inbox: DoubtfulInbox | None = None
        """Set by the wiring of the process."""
        self._relay = relay
        self._tally = tally
        self._clock = clock
        self.monotonic = monotonic

    def port_of(self, spelt: str, owner: str, prefix: str) -> optouts.ReplyTo:
        """The port of a reply. ``owner``: the provider that owns it, ``prefix``: its registered prefix; both empty without an owner."""
        return optouts.ReplyTo(Port(spelt, owner, self._relay.directory.ports.near(spelt)), prefix)

    def handle(self, deliver: Deliver, port: str, prefix: str, owner: str, now: float) -> optouts.ReplyEffect:
        """Reads a reply, and queues its effect on the recipient's record (``recipient`` 0: it has none).

        The effect knows what the reply meant, and its journal sequence, once later changes of the same recipient are written."""
        text, meaning = optouts.read_deliver_text(deliver)
        self.write_names()  # in the same commit group: after a crash the names in the record are known
        to = self.port_of(port, owner, prefix)
        reply = optouts.ReplyEffect(
            deliver.source, text, to, self.dictionary.port, partial(self._written, now), doubts=self._doubts()
        )
        reply.keyword = meaning.keyword
        consents = deliver.state == "readable" and agreed(deliver.text) != ""
        if not meaning.depends and meaning.kind == "none" and not consents:
            reply.kind = optouts.KINDS[meaning.kind]
            return reply
        try:
            recipient = recipient_of(deliver.source) if port else 0
        except NotARecipient:
            recipient = 0
        if not recipient:  # no recipient's record, or no port to refuse: for review by an officer
            reply.kind = "reply" if meaning.kind == "none" else "review"
            return reply
        reply.recipient, reply.review = recipient, meaning.kind == "review"
        self._relay.change(reply)
        if self._relay.rules.compares_texts:
            self._relay.change(optouts.RefusedTexts(reply, self._text_of))
        if self.settings.widen_after:
            self._relay.change(optouts.Widening(reply, self._widen, partial(self._widened, owner)))
        if consents:
            relay, accepts = self._relay, self.settings.accepts_consent
            relay.change(ConsentByReply(reply, relay.rules, relay.store.listed.consented, accepts, self._consented))
        return reply

    def learn_names(self) -> None:
        """Learns new ports and signatures of messages: called a few times a second, and before a reply is read."""
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
        """Journals new names."""
        self.learn_names()
        names = self.dictionary.take_new()
        for start in range(0, len(names), NAMES_A_RECORD_MAX):
            self._relay.note(optouts.NewSenders(names[start : start + NAMES_A_RECORD_MAX]))

    def _doubts(self) -> optouts.DoubtfulHandling | None:
        if self.inbox is None:
            return None
        settings = self.settings
        return optouts.DoubtfulHandling(
            settings.doubtful == "hold", settings.doubtful_then == "pass", self.inbox.standing, self._text_of
        )

    # ------------------------------------------------------------------ written, in force

    def _written(self, read_at: float, reply: optouts.ReplyEffect) -> None:
        if reply.doubtful is not None and self.inbox is not None:
            self.inbox.enter(pack(reply.doubtful))
        if reply.opt_outs:
            newest = reply.opt_outs[0]  # one reply counts once
            self._tally.optouts["reply", newest.scope, reply.provider] += 1
            if newest.scope == "advertiser":
                self._tally.apart.refused(reply.provider, int(newest.value, 16))
            self._relay.when_synced(reply.recorded, partial(self._in_force, read_at, reply))
        elif reply.kind == "restore":
            self._relay.when_synced(reply.recorded, partial(self._restored, reply))

    def _text_of(self, template: int) -> str:
        return self._relay.rules.text_of(template)

    def _widen(self, refusals: Sequence[OptOut], now: float) -> OptOut | None:
        settings = self.settings
        return optouts.widened(
            refusals, settings.widen_after, settings.widen_days, now, self._relay.rules.registry.advertiser_of
        )

    def _widened(self, owner: str, change: optouts.Widening) -> None:
        assert change.opt_out is not None
        self._tally.optouts["reply", change.opt_out.scope, owner] += 1

    def _consented(self, change: ConsentByReply) -> None:
        assert change.consent is not None
        self._tally.consent_replies[change.consent.provider, "accepted" if change.consent.reviewer else "unreviewed"] += 1

    def _restored(self, reply: optouts.ReplyEffect) -> None:
        self._tally.restores[reply.provider,] += 1

    def _in_force(self, read_at: float, reply: optouts.ReplyEffect) -> None:
        self._tally.optout_effect_seconds.observe(max(0.0, self._clock() - read_at))
        text = self.settings.confirm.get(reply.provider, "")
        if text and not self._relay.draining:
            self._relay.change(
                optouts.Confirmation(reply, confirmation(text, reply, self._signature_name), self._confirmation_written)
            )

    def _signature_name(self, signature: int) -> str:
        """An advertiser's signature as text; empty if it is not known any more."""
        row = self._relay.rules.registry.row_of(signature)
        return row.signature if row is not None else self.dictionary.signature(signature)

    # ------------------------------------------------------------------ the confirmation

    def _confirmation_written(self, confirmation: optouts.Confirmation, recorded: int) -> None:
        self._relay.when_synced(recorded, partial(self._send_confirmation, confirmation))

    def _send_confirmation(self, confirmation: optouts.Confirmation) -> None:
        """The recipient's record and the journal have the confirmation: it may leave."""
        reply = confirmation.reply
        pending = self._confirmation_submit(confirmation)
        assert pending.message is not None
        assert pending.verdict is not None
        lane = self._relay.routes.lane(pending.message, pending.verdict)
        if lane is None or not lane.hold(pending.category):
            self._tally.confirmations[reply.provider, "unsent"] += 1
            return
        self._tally.confirmations[reply.provider, "sent"] += 1
        lane.put(pending)

    def _confirmation_submit(self, confirmation: optouts.Confirmation) -> PendingSubmit:
        """A submit of the gate itself: no bind waits for its answer, and it has no entry (``entry_id`` 0)."""
        reply, text = confirmation.reply, confirmation.text
        octets, data_coding = encode(text)
        person = reply.source.removeprefix("+")
        ton = TON_INTERNATIONAL if person.startswith("86") else TON_UNKNOWN
        data = submit_sm(reply.port, person, octets, data_coding=data_coding, dest_ton=ton, registered_delivery=0)
        sender = Sender.of(reply.provider, "", reply.port, reply.to.prefix)
        pending = PendingSubmit(_GateBind(reply.provider), 0, data, self.monotonic())  # type: ignore[arg-type] # nothing is ever answered to it
        pending.message = Message(sender, reply.recipient, Content(text, "readable", b""))
        pending.category = Category.NOTICE
        facts = Facts(sender, Category.NOTICE, Category.NOTICE, Category.NOTICE)
        province = self._relay.rules.regions.of(reply.recipient)[0]
        pending.verdict = Verdict(Outcome.ALLOW, None, "", (), facts, province, 0, ())
        return pending


def confirmation(text: str, reply: optouts.ReplyEffect, signature_name: Callable[[int], str]) -> str:
    """The text, with the stopped advertisers in place of ``{who}``, or behind it if there is no ``{who}``."""
    plain, around = ("{who}" not in text), text.replace("{who}", "")
    if plain:
        around += "(已停止: )"
    room = ONE_MESSAGE - len(around)
    who = EVERYBODY
    if not reply.everything:
        names = [signature_name(int(one.value, 16)) if one.scope == "advertiser" else "" for one in reply.opt_outs]
        who = join_names([f"【{one}】" for one in names if one], room, complete=all(names))
    if not plain:
        return text.replace("{who}", who)
    return f"{text}(已停止: {who})" if len(who) <= room else text


def join_names(names: Sequence[str], room: int, *, complete: bool) -> str:
    """As many names as fit into ``room`` characters, with 等 where there are more."""
    for count in range(len(names), 0, -1):
        joined = "、".join(names[:count]) + ("" if complete and count == len(names) else "等")
        if len(joined) <= room:
            return joined
    return THIS_PORT


class _GateBind:
    """Stands for the bind of a submit of the gate itself: a lane only asks for its provider."""

    __slots__ = ("access",)
    peer_version = 0

    def __init__(self, provider: str) -> None:
        self.access = SimpleNamespace(provider=SimpleNamespace(name=provider))
