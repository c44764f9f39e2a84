"""The way back: leads one deliver from the carrier to the provider that owns the port.

In: deliver_sm frames of the carrier, providers' answers to them. Out: opt-outs recorded, the carrier acknowledged, the provider
handed what is its own. Never: sockets, the clock.

A deliver's story is ``deliver`` → the journal (``Arrival``) → the mailbox → synced → ``Arrival.safe``: the carrier is acknowledged,
and the deliver waits for its turn → ``turn`` hands it to a bind of the owner with room → ``answered``. What is safe before what:

    what a reply stops or restores is synced   before the carrier is acknowledged, whoever owns the port, there or not (hearing.py)
    the deliver is synced                      before the carrier is acknowledged, and before the provider gets it
    what the provider acknowledged is written  after it did: what it gets twice is what a crash kept us from writing down

A deliver read after a submit_sm_resp never reaches the provider before it: both go through the relay's outbox. What cannot be made
safe within a second is left with the carrier (ESME_RX_T_APPN): a carrier's window must never wait for our disk, nor for a provider.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from proxy.desk import entries, mail, returned
from proxy.hearing import Hearing
from proxy.ids import CarrierIds
from proxy.relay import Relay
from proxy.replies import Heard
from proxy.state.box import Item
from proxy.state.mailbox import UNOWNED, Bounds, Mailbox
from proxy.tally import Tally
from proxy.transit import Link
from proxy.wire import Frame, Malformed, deliver_sm_resp, read_deliver

SAFE_WITHIN_S = 0.85
"""With the time between two ticks it makes the second in which a carrier is answered (DESIGN §4)."""
ESME_ROK, ESME_RMSGQFUL, ESME_RTHROTTLED, ESME_RX_T_APPN = 0x00, 0x14, 0x58, 0x64
LATER = frozenset((ESME_RX_T_APPN, ESME_RMSGQFUL, ESME_RTHROTTLED))
"""A provider that answers so is asked again; any other refusal is for good."""
NEWS_MAX = 10_000
"""So much one record tells: a tenth of what a record may hold."""
PACKED: Mapping[int, Callable[[float, Sequence[Any]], bytes]] = {
    entries.DELIVERED: mail.pack_delivered,
    entries.DROPPED: mail.pack_dropped,
    entries.DISOWNED: mail.pack_disowned,
}
HAND_MAX = 500
"""Items handed to one provider in one loop turn: about a millisecond."""


class Receiver(Protocol):
    """Who can be handed delivers: a bind, or another gate."""

    @property
    def room(self) -> int: ...
    def hand(self, data: bytes, ticket: Item) -> None: ...


class Arrival:
    """A deliver on its way into the mailbox. In the journal it changes no record; a reply that does comes right before it."""

    __slots__ = (
        "recipient",
        "sequence",
        "data",
        "kind",
        "source",
        "port",
        "owner",
        "at",
        "read_s",
        "item",
        "heard",
        "_way",
        "_link",
        "open",
    )

    def __init__(
        self,
        way: WayBack,
        link: Link,
        frame: Frame,
        data: bytes,
        source: str,
        port: str,
        owner: str,
        now: float,
        heard: Heard | None,
    ) -> None:
        self.recipient = heard.recipient if heard is not None else 0
        self.sequence = frame.sequence_number
        self.data = data  # as the provider will get it
        self.kind = "receipt" if heard is None else heard.kind
        self.source = source
        self.port = port
        self.owner = owner
        self.at = now
        self.read_s = way.hearing.monotonic()
        self.item: Item | None = None
        self.open = True
        """Whether the carrier waits for our answer."""
        self.heard = heard  # what a reply says, settled before this is written; None for a receipt
        self._way = way
        self._link = link

    # -- a Change, for the relay

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes] | None:
        if not self.open:  # given up while the store was away: the carrier brings it again
            return None
        if self.heard is not None:
            self.kind = self.heard.kind
        return entries.DELIVER, returned.pack_deliver(now, self.kind, self.source, self.port, self.owner, self.data)

    def done(self, recorded: int) -> None:
        if not self.open:
            return
        way = self._way
        self.item = way.mailbox.put(recorded, self.owner, self.at, self.kind, self.data)
        way.relay.when_synced(recorded, self.safe)

    def unwritten(self) -> bool:
        self.give_up()
        return False

    # -- its two ends

    def safe(self) -> None:
        """It is synced, and so is what it changed, which stands before it: the carrier is acknowledged, and the provider's turn comes."""
        if not self.open:
            return
        self.open = False
        self._link.answer(deliver_sm_resp(self.sequence, ESME_ROK))
        way, owner, item = self._way, self.owner, self.item
        way.tally.delivers[owner or "unowned", self.kind] += 1
        assert item is not None  # it was written, or it would not be synced
        way.mailbox.ready(item)
        way.due.add(item.box.provider)

    def give_up(self) -> None:
        """It cannot be made safe in time: the carrier keeps it and tries again, and so we do not."""
        if not self.open:
            return
        self.open = False
        self._link.answer(deliver_sm_resp(self.sequence, ESME_RX_T_APPN))
        way = self._way
        way.tally.delivers_returned[self.owner or "unowned",] += 1
        if self.item is not None:
            way.mailbox.drop(self.item, "returned")


class _Said:
    """What became of delivers in the mailbox: one record of what a turn brought. It changes nobody's record."""

    __slots__ = ("recipient", "news", "_kind", "_open")

    def __init__(self, kind: int, still_open: dict[int, _Said]) -> None:
        """``still_open``: by kind, the one that takes more news until it is written."""
        self.recipient = 0
        self.news: list[Any] = []
        self._kind = kind
        self._open = still_open

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes]:
        return self._kind, PACKED[self._kind](now, self.news)

    def done(self, recorded: int) -> None:
        if self._open.get(self._kind) is self:
            del self._open[self._kind]

    def unwritten(self) -> bool:
        return True


class WayBack:
    def __init__(
        self,
        relay: Relay,
        hearing: Hearing,
        tally: Tally,
        mailbox: Mailbox,
        receivers: Callable[[str], Iterable[Receiver]],
        strip: dict[str, str],
        by_text: frozenset[str],
        clock: Callable[[], float],
        ids: Mapping[str, CarrierIds] | None = None,
    ) -> None:
        """``receivers``: binds of a provider that can take a deliver, another one first each time. ``strip``: carrier → what it puts
        before a port. ``by_text``: carriers whose receipts are known by their text, not by esm_class. ``ids``: carriers whose
        receipts must be made to name what providers saw."""
        self.relay = relay
        self.hearing = hearing
        self.tally = tally
        self.mailbox = mailbox
        self.due: set[str] = set()
        """Providers for whom something may be handed over in this turn."""
        self.closing = False
        """At the end of a drain: what is in the mailbox stays there."""
        self._receivers = receivers
        self._strip = strip
        self._by_text = by_text
        self._clock = clock
        self._ids = ids or {}
        self._arrivals: deque[Arrival] = deque()  # for which the carrier may be waiting, oldest first
        self._said: dict[int, _Said] = {}  # by kind: news for the journal that are not written yet

    # ------------------------------------------------------------------ from the carrier

    def deliver(self, link: Link, frame: Frame, now: float) -> None:
        """A deliver_sm was read from a carrier."""
        try:
            deliver = read_deliver(frame)
        except Malformed as fault:
            self.tally.bad_pdus["carrier", fault.kind, link.carrier] += 1
            link.answer(deliver_sm_resp(frame.sequence_number, fault.status))
            return
        port = deliver.destination.removeprefix(self._strip.get(link.carrier, ""))
        prefix, owner = self._owner(link, port)
        receipt = deliver.is_receipt or (link.carrier in self._by_text and deliver.looks_like_receipt)
        seen = self._ids[link.carrier].receipt(frame.data) if receipt and link.carrier in self._ids else frame.data
        heard = None if receipt else self.hearing.hear(deliver, port, prefix, owner, now)
        arrival = Arrival(self, link, frame, seen, deliver.source, port, owner, now, heard)
        self._arrivals.append(arrival)
        if arrival.recipient:
            self.relay.change(arrival)  # behind what the reply changes, into the same commit group
        else:
            self.relay.note(arrival)

    def _owner(self, link: Link, port: str) -> tuple[str, str]:
        """(prefix, provider) of what came to a port: all that arrives over a provider's own account is that provider's."""
        prefix, owner = self.relay.directory.ports.longest(port)
        if not link.owner or link.owner == owner or link.owner not in self.relay.directory.providers:
            return prefix, owner
        return "", link.owner

    # ------------------------------------------------------------------ to the providers

    def turn(self, now: float) -> None:
        """The end of a loop turn: hands over what became ready in it, after all answers of that turn."""
        if self.due:
            due, self.due = self.due, set()
            for provider in sorted(
                due
            ):  # of a set the order would differ from run to run, and no simulated world would come again
                self._hand_over(provider, now)
        if self.mailbox.fallen:
            self._note_fallen()

    def _hand_over(self, provider: str, now: float) -> None:
        """Hands a provider's next items to its binds in turn, as many as they have room for."""
        if self.closing or provider == UNOWNED or not self.mailbox.has_ready(provider):
            return  # nothing waits: a provider of a thousand binds need not be asked for its room
        if self.relay.half_told[provider]:
            self.due.add(provider)
            return
        rooms = [(bind, room) for bind in self._receivers(provider) if (room := bind.room) > 0]
        room = sum(room for _, room in rooms)
        if not room:
            return
        items = self.mailbox.take(provider, min(room, HAND_MAX), now)
        if len(items) == HAND_MAX:
            self.due.add(provider)  # the rest in another turn: others wait, too
        left, place = [room for _, room in rooms], 0
        for item in items:
            while not left[place]:
                place = (place + 1) % len(rooms)
            left[place] -= 1
            rooms[place][0].hand(item.data, item)
            place = (place + 1) % len(rooms)

    def bound(self, provider: str) -> None:
        """A bind that receives is there."""
        self.mailbox.bound(provider)
        self.due.add(provider)

    def answered(self, answers: Iterable[tuple[Item, Frame]], now: float) -> None:
        """A provider answered what it was handed."""
        mailbox, due = self.mailbox, self.due
        for item, frame in answers:
            status = frame.command_status
            due.add(item.box.provider)
            if status == ESME_ROK:
                self.delivered(item)
            elif status in LATER:
                mailbox.refused(item, now)
            else:
                mailbox.drop(item, "refused")

    def delivered(self, item: Item) -> None:
        """The provider has it, whether it said so in time or not."""
        if self.mailbox.delivered(item):
            self._say(entries.DELIVERED, item.number)

    def unanswered(self, items: Iterable[Item]) -> None:
        """No answer came in time: they are tried again."""
        now = self._clock()
        for item in items:
            self.mailbox.refused(item, now)
            self.due.add(item.box.provider)

    def lost(self, items: Collection[Item]) -> None:
        """A bind is gone; these it had not answered."""
        self.mailbox.back(items)
        self.due.update(item.box.provider for item in items)

    # ------------------------------------------------------------------ time, settings

    def open(self, bounds: Bounds, providers: Collection[str]) -> None:
        """The start: what the last life left is there, and waits for binds."""
        self._disowned(self.mailbox.open(bounds, providers))

    def disown(self, providers: Collection[str]) -> None:
        """These are the providers from now on: what waits for any other belongs to nobody."""
        self._disowned(self.mailbox.disown(providers))

    def _disowned(self, names: Iterable[str]) -> None:
        for name in names:
            self._say(entries.DISOWNED, name)

    def tick(self, now: float) -> None:
        """A few times a second: who waited long enough is tried again, and no carrier waits longer than a second."""
        self.due.update(self.mailbox.tick(now))
        arrivals = self._arrivals
        now_s = self.hearing.monotonic()  # the wall clock may be set meanwhile
        while arrivals and not (arrivals[0].open and now_s - arrivals[0].read_s < SAFE_WITHIN_S):
            arrivals.popleft().give_up()

    # ------------------------------------------------------------------ what the journal is told

    def _note_fallen(self) -> None:
        for number, provider, why in self.mailbox.take_fallen():
            if why != "returned":
                self.tally.mailbox_dropped[provider or "unowned", why] += 1
            self._say(entries.DROPPED, (number, why))

    def _say(self, kind: int, news: object) -> None:
        said = self._said.get(kind)
        if said is None or len(said.news) >= NEWS_MAX:
            said = self._said[kind] = _Said(kind, self._said)
            self.relay.note(said)
        said.news.append(news)
