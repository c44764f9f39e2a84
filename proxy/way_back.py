"""The way back: leads one deliver from the carrier to the provider that owns the port.

In: deliver_sm frames of the carrier. Out: opt-outs recorded, the deliver handed on, the carrier acknowledged. Never: sockets, the clock.

A reply that is an opt-out is recorded and synced before the carrier is acknowledged, whoever owns the port and whether or not they
are there. Everything else is written to the journal, handed to a bind of the owner, then acknowledged; when the owner is not there
the carrier is asked to try again (ESME_RX_T_APPN).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from proxy.changes import OptOutReply
from proxy.desk import entries
from proxy.ids import CarrierIds
from proxy.message import Category, OptOut, hash16, hash32
from proxy.number import NotARecipient, recipient_of
from proxy.policy import read_reply
from proxy.relay import Relay
from proxy.state import record
from proxy.tally import Tally
from proxy.transit import Bind, Link
from proxy.wire import Deliver, Frame, Malformed, deliver_sm_resp, read_deliver

REPLY_REFERS_S = 30 * 86_400
"""A reply is read as an answer to what came from that port in the last 30 days (DOMAIN §5)."""
ESME_ROK, ESME_RX_T_APPN = 0x00, 0x64


def scope_of(data: bytes, reply: OptOutReply, now: float) -> OptOut:
    """What a person means by a refusal: the advertiser of the message they answer, else everybody behind that port.

    The newest message from that port that declared this keyword, else the newest marketing message from it, at most 30 days old;
    an advertiser stands as its signature's hash, so that policy can look it up today or after a change of the register.
    """
    port, keyword, since = hash32(reply.port), hash16(reply.keyword), now - REPLY_REFERS_S
    there = [entry for entry in record.entries(data) if entry.port == port and entry.time >= since]
    declared = [entry for entry in there if entry.keyword == keyword]
    marketing = [entry for entry in there if entry.category == Category.MARKETING]
    for candidates in (declared, marketing):
        if candidates and candidates[-1].signature:
            return OptOut("advertiser", f"{candidates[-1].signature:012x}", int(now), "reply", 0)
    return OptOut("port", reply.prefix or reply.port, int(now), "reply", 0)


class Note:
    """A deliver in the journal: nothing in a record changes."""

    __slots__ = ("recipient", "_body", "_then")

    def __init__(self, body: Callable[[float], bytes], then: Callable[[], None]) -> None:
        self.recipient = 0
        self._body = body
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes]:
        return entries.DELIVER, self._body(now)

    def done(self, recorded: int) -> None:
        self._then()


class WayBack:
    def __init__(
        self,
        relay: Relay,
        tally: Tally,
        receivers: Callable[[str], Iterable[Bind]],
        strip: dict[str, str],
        by_text: frozenset[str],
        clock: Callable[[], float],
        ids: Mapping[str, CarrierIds] | None = None,
    ) -> None:
        """``receivers``: binds of a provider that can take a deliver. ``strip``: carrier → what it puts before a port.
        ``by_text``: carriers whose receipts are known by their text, not by esm_class. ``ids``: carriers whose receipts must be
        made to name what providers saw."""
        self._relay = relay
        self._tally = tally
        self._receivers = receivers
        self._strip = strip
        self._by_text = by_text
        self._clock = clock
        self._ids = ids or {}

    def deliver(self, link: Link, frame: Frame, now: float) -> None:
        """A deliver_sm was read from a carrier."""
        try:
            deliver = read_deliver(frame)
        except Malformed as fault:
            self._tally.bad_pdus["carrier", fault.kind] += 1
            link.answer(deliver_sm_resp(frame.sequence_number, fault.status))
            return
        port = deliver.destination.removeprefix(self._strip.get(link.carrier, ""))
        prefix, owner = self._owner(link, port)
        receipt = deliver.is_receipt or (link.carrier in self._by_text and deliver.looks_like_receipt)
        recorded = not receipt and self._opt_out(link, frame, deliver, port, prefix, owner, now)
        kind = "receipt" if receipt else ("optout" if recorded else "reply")
        seen = self._ids[link.carrier].receipt(frame.data) if receipt and link.carrier in self._ids else frame.data
        body = partial(entries.pack_deliver, kind=kind, source=deliver.source, port=port, provider=owner, data=frame.data)
        # in the queue of answers, so that a receipt never overtakes the answer to its submit
        hand_on = partial(self._relay.when_synced, 0, partial(self._hand_on, link, frame, seen, owner, kind))
        self._relay.note(Note(body, _nothing if recorded else hand_on))

    def _owner(self, link: Link, port: str) -> tuple[str, str]:
        """(prefix, provider) of what came to a port: all that arrives over a provider's own account is that provider's."""
        prefix, owner = self._relay.directory.ports.longest(port)
        if not link.owner or link.owner == owner or link.owner not in self._relay.directory.providers:
            return prefix, owner
        return "", link.owner

    def _opt_out(self, link: Link, frame: Frame, deliver: Deliver, port: str, prefix: str, owner: str, now: float) -> bool:
        """Whether the reply is a refusal; then it is on its way into the person's record."""
        reply = read_reply(deliver.text)
        if reply.kind != "optout":
            return False
        try:
            recipient = recipient_of(deliver.source)
        except NotARecipient:
            return False
        then = partial(self._opted_out, link, frame, owner, now)
        self._relay.change(OptOutReply(recipient, port, prefix, owner, reply.keyword, scope_of, then))
        return True

    def _opted_out(self, link: Link, frame: Frame, owner: str, read_at: float, reply: OptOutReply, recorded: int) -> None:
        """The refusal is written; the carrier is acknowledged once it is synced."""
        assert reply.opt_out is not None
        self._tally.optouts["reply", reply.opt_out.scope, owner] += 1
        self._relay.when_synced(recorded, partial(self._in_force, link, frame, owner, read_at))

    def _in_force(self, link: Link, frame: Frame, owner: str, read_at: float) -> None:
        self._tally.optout_effect_seconds.observe(max(0.0, self._clock() - read_at))
        self._hand_on(link, frame, frame.data, owner, "optout")

    def _hand_on(self, link: Link, frame: Frame, seen: bytes, owner: str, kind: str) -> None:
        """``seen``: the deliver as the provider sees it."""
        handed = bool(owner) and any(bind.hand(seen) for bind in self._receivers(owner))
        if handed:
            self._tally.delivers[owner, kind] += 1
            status = ESME_ROK
        elif not owner:
            self._tally.delivers["unowned", kind] += 1  # nobody will ever fetch it: do not make the carrier repeat it
            status = ESME_ROK
        else:
            self._tally.delivers[owner, f"{kind}-away"] += 1
            status = ESME_ROK if kind == "optout" else ESME_RX_T_APPN
        link.answer(deliver_sm_resp(frame.sequence_number, status))


def _nothing() -> None:
    return None
