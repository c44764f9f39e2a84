"""Leads each deliver from the carrier to the port's provider.

In: deliver_sm frames of carriers; providers' answers to them. Out: opt-outs recorded, carriers acknowledged, delivers handed to providers.
Never: sockets, the clock.

The way of a deliver, by the functions that run:

    DeliverRelay.deliver       reads the PDU: a receipt, the answer to a probe, or a reply of a recipient
    ReplyHandler.hear          only replies: what it says, and what that changes in the recipient's record (optout_reply.py)
    ArrivedReply, ReceiptBatch their journal records, written with the turn's commit group (deliver_batch.py)
    Mailbox                    queues the deliver for the provider that owns the port
    .safe                      the journal is synced: the carrier is acknowledged
    DeliverRelay.turn          hands queued delivers to a bind of the provider that has room
    DeliverRelay.answered      the provider has acknowledged it: journalled, and out of the mailbox

What is safe before what:

    the effect of an opt-out or restore is synced   before the carrier is acknowledged, for every port, bound or not
    the deliver is synced                           before the carrier is acknowledged, and before the provider gets it
    a provider's acknowledgement is written         after it arrived: so a crash may hand the provider the same deliver twice

A deliver that was read after a submit_sm_resp never reaches the provider before it: both go through the relay's outbox. A deliver that cannot
be made safe within a second stays with the carrier (ESME_RX_T_APPN): a carrier's window never waits for our disk or for a provider.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from proxy.journal.encoding import pack
from proxy.journal.records import mailbox as mail
from proxy.journal.records import messages
from proxy.model.counters import GateCounters
from proxy.relay.deliver_batch import (
    ESME_ROK,
    ESME_RX_T_APPN,
    ArrivedReply,
    ReceiptBatch,
    Route,
    receive_receipts,
    sort_answers,
)
from proxy.relay.message_ids import CarrierIds
from proxy.relay.optout_reply import ReplyHandler
from proxy.relay.pending_submit import CarrierConnection
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import UNOWNED, Bounds, Mailbox
from proxy.wire import Deliver, Frame, Malformed, deliver_sm_resp, read_deliver
from proxy.wire.deliver import destination_end

SAFE_WITHIN_S = 0.85
"""Together with the time between two ticks: one second, within which a carrier is answered (DESIGN §4)."""
ESME_RMSGQFUL, ESME_RTHROTTLED = 0x14, 0x58
LATER = frozenset((ESME_RX_T_APPN, ESME_RMSGQFUL, ESME_RTHROTTLED))
"""Statuses after which a deliver is sent again; any other refusal is final."""
NEWS_MAX = 10_000
"""News in one journal record: a tenth of what a record may hold."""
RECORDS: Mapping[int, Callable[[float, tuple[Any, ...]], mail.Delivered | mail.Dropped | mail.Disowned]] = {
    messages.DELIVERED: mail.Delivered,
    messages.DROPPED: mail.Dropped,
    messages.DISOWNED: mail.Disowned,
}
HAND_MAX = 500
"""Items handed to one provider in one loop turn: about a millisecond of work."""
ITEMS_PER_BIND = 16
"""Items that go to one bind before the next bind gets some: they share one write, and one read of their answers."""
ROUTES_MAX = 65_536
"""Ports remembered per carrier account: providers choose extensions freely, so the number must be bounded."""


class Receiver(Protocol):
    """Takes delivers: a bind, or another gate."""

    @property
    def room(self) -> int: ...
    def hand_all(self, items: Sequence[Item]) -> None: ...


class _MailboxNews:
    """The outcomes of delivers in one turn, for one journal record. It changes no recipient's record."""

    __slots__ = ("recipient", "news", "_kind", "_open")

    def __init__(self, kind: int, still_open: dict[int, _MailboxNews]) -> None:
        """``still_open``: by kind, the object that takes more news until it is written."""
        self.recipient = 0
        self.news: list[Any] = []
        self._kind = kind
        self._open = still_open

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def written(self, now: float) -> tuple[int, bytes]:
        return self._kind, pack(RECORDS[self._kind](now, tuple(self.news)))

    def done(self, recorded: int) -> None:
        if self._open.get(self._kind) is self:
            del self._open[self._kind]

    def unwritten(self) -> bool:
        return True


class DeliverRelay:
    def __init__(
        self,
        relay: Relay,
        reply_handler: ReplyHandler,
        tally: GateCounters,
        mailbox: Mailbox,
        receivers: Callable[[str], Iterable[Receiver]],
        strip: dict[str, str],
        by_text: frozenset[str],
        clock: Callable[[], float],
        ids: Mapping[str, CarrierIds] | None = None,
    ) -> None:
        """``receivers``: a provider's binds that can take a deliver, each time another one first. ``strip``: carrier → prefix that it puts
        before a port. ``by_text``: carriers whose receipts are recognised by their text, not by esm_class. ``ids``: carriers whose receipts
        need their message ids translated."""
        self.relay = relay
        self.reply_handler = reply_handler
        self.tally = tally
        self.mailbox = mailbox
        self.due: set[str] = set()
        """Providers with items to hand over in this turn."""
        self.on_reply: Callable[[str, str, float], None] = _ignore
        """Called for each reply: (port prefix, its keyword, time)."""
        self.on_probe: Callable[[Deliver, str, float], int | None] = _no_probe
        """Whether a reply answers a probe of the gate (Prober.answered): (reply, port, time) → journal sequence, or None."""
        self.closing = False
        """At the end of a drain: items stay in the mailbox."""
        self._receivers = receivers
        self._strip = strip
        self._by_text = by_text
        self._clock = clock
        self.ids = ids or {}
        self._arrivals: deque[ArrivedReply | ReceiptBatch] = deque()  # for which the carrier may be waiting, oldest first
        self._receipt_batch: ReceiptBatch | None = None
        """The batch that takes more receipts: the journal has none of them yet."""
        self._routes: dict[tuple[str, str], dict[bytes, Route]] = {}
        """By (carrier, owner) of a link: by the port as it is spelt in the PDU."""
        self._routed_by: object = None  # the directory whose ports these are
        self._news: dict[int, _MailboxNews] = {}  # by kind: news for the journal that are not written yet

    # ------------------------------------------------------------------ from the carrier

    def deliver_all(self, link: CarrierConnection, frames: Sequence[Frame], now: float) -> None:
        """A carrier has sent delivers: receipts are read together (deliver_batch.py), others one by one."""
        receive_receipts(self, link, frames, now)

    def deliver(self, link: CarrierConnection, frame: Frame, now: float) -> None:
        """A carrier has sent another deliver_sm: the answer to a probe, a recipient's reply, or a receipt by its text only."""
        try:
            deliver = read_deliver(frame)
        except Malformed as fault:
            link.count_bad([fault.kind])
            link.answer(deliver_sm_resp(frame.sequence_number, fault.status))
            return
        if link.carrier in self._by_text and deliver.looks_like_receipt:
            destination, routes = deliver.destination.encode("latin-1"), self.routes(link)
            route = routes.get(destination) or self.route(link, destination, routes)
            end = destination_end(frame.data)
            self.receipt_batch(link).add(frame, deliver.source.encode("latin-1"), end, route, now)
            return
        port = self._port(link, deliver.destination)
        if (recorded := self.on_probe(deliver, port, now)) is not None:
            self._answer_probe(link, frame.sequence_number, recorded)
            return
        prefix, owner = self._owner(link, port)
        reply = self.reply_handler.handle(deliver, port, prefix, owner, now)
        if prefix:
            self.on_reply(prefix, reply.keyword, now)
        arrival = ArrivedReply(self, link, frame, deliver.source, port, owner, now, self.reply_handler.monotonic(), reply)
        self._arrivals.append(arrival)
        self._receipt_batch = None  # later receipts stay behind this reply
        if arrival.recipient:
            self.relay.change(arrival)  # behind the reply's effect, in the same commit group
        else:
            self.relay.note(arrival)

    def _answer_probe(self, link: CarrierConnection, sequence: int, recorded: int) -> None:
        """A reply to a probe: it changes no recipient's record, and no provider gets it."""
        if recorded < 0:
            link.answer(deliver_sm_resp(sequence, ESME_RX_T_APPN))
        else:
            self.relay.when_synced(recorded, partial(link.answer, deliver_sm_resp(sequence, ESME_ROK)))

    def receipt_batch(self, link: CarrierConnection) -> ReceiptBatch:
        """The receipts of this link in this turn."""
        found = self._receipt_batch
        if found is None or found.link is not link:
            found = self._receipt_batch = ReceiptBatch(self, link, self.reply_handler.monotonic())
            self._arrivals.append(found)
            self.relay.note(found)
        return found

    def close(self, receipt_batch: ReceiptBatch) -> None:
        """No more receipts may join these."""
        if self._receipt_batch is receipt_batch:
            self._receipt_batch = None

    def routes(self, link: CarrierConnection) -> dict[bytes, Route]:
        """The known routes of this link's receipts, by port."""
        if self._routed_by is not self.relay.directory:
            self._routes.clear()
            self._routed_by = self.relay.directory
        return self._routes.setdefault((link.carrier, link.owner), {})

    def route(self, link: CarrierConnection, destination: bytes, routes: dict[bytes, Route]) -> Route:
        """Adds the route of a port."""
        if len(routes) >= ROUTES_MAX:
            routes.clear()
        port = self._port(link, destination.decode("latin-1"))
        owner = self._owner(link, port)[1]
        route = routes[destination] = Route(port, owner, self.mailbox.box(owner))
        return route

    def _port(self, link: CarrierConnection, destination: str) -> str:
        """The port of a deliver as its owner writes it."""
        return self.relay.directory.ports.national(destination.removeprefix(self._strip.get(link.carrier, "")))

    def _owner(self, link: CarrierConnection, port: str) -> tuple[str, str]:
        """(registered prefix, provider) of a port. Everything that arrives over a provider's own account belongs to that provider."""
        prefix, owner = self.relay.directory.ports.longest(port)
        if not link.owner or link.owner == owner or link.owner not in self.relay.directory.providers:
            return prefix, owner
        return "", link.owner

    # ------------------------------------------------------------------ to the providers

    def turn(self, now: float) -> None:
        """At the end of a loop turn, after all answers of that turn: hands over the items that became ready in it."""
        if self.due:
            due, self.due = self.due, set()
            for provider in sorted(
                due
            ):  # of a set the order would differ from run to run, and no simulated world would come again
                self._hand_to_provider(provider, now)
        if self.mailbox.dropped:
            self._note_dropped()

    def _hand_to_provider(self, provider: str, now: float) -> None:
        """Hands a provider's next items to its binds by turns, as many as they have room for."""
        if self.closing or provider == UNOWNED or not self.mailbox.has_ready(provider):
            return  # nothing waits: saves asking a thousand binds for their room
        if self.relay.partly_answered[provider]:
            self.due.add(provider)
            return
        binds = [(bind, room) for bind in self._receivers(provider) if (room := bind.room) > 0]
        if not binds:
            return
        items = self.mailbox.take(provider, min(sum([room for _, room in binds]), HAND_MAX), now)
        if len(items) == HAND_MAX:
            self.due.add(provider)  # the rest in another turn: others wait, too
        run = max(ITEMS_PER_BIND, -(-len(items) // len(binds)))
        while items:
            left = []
            for bind, room in binds:
                some = items[: min(run, room)]
                if some:
                    del items[: len(some)]
                    bind.hand_all(some)
                    if room > len(some):
                        left.append((bind, room - len(some)))
            binds = left

    def bound(self, provider: str) -> None:
        """A receiving bind is up."""
        self.mailbox.bound(provider)
        self.due.add(provider)

    def answered(self, answers: Sequence[tuple[Item, Frame]], now: float) -> None:
        """A provider has answered delivers."""
        taken, others = sort_answers(answers, self.due)
        for item, frame in others:
            if frame.command_status in LATER:
                self.mailbox.refused(item, now)
            else:
                self.mailbox.drop(item, "refused")
        self.delivered_all(taken)

    def delivered(self, item: Item) -> None:
        """The provider has acknowledged it, in time or late."""
        self.delivered_all([item])

    def delivered_all(self, items: Sequence[Item]) -> None:
        """``delivered`` for many."""
        self._note_news(messages.DELIVERED, self.mailbox.delivered_all(items))

    def unanswered(self, items: Iterable[Item]) -> None:
        """No answer came in time: the delivers are tried again."""
        now = self._clock()
        for item in items:
            self.mailbox.refused(item, now)
            self.due.add(item.box.provider)

    def lost(self, items: Collection[Item]) -> None:
        """A bind is gone, with these delivers unanswered."""
        self.mailbox.back(items)
        self.due.update(item.box.provider for item in items)

    # ------------------------------------------------------------------ time, settings

    def open(self, bounds: Bounds, providers: Collection[str]) -> None:
        """At the start: the items from before the restart wait for binds."""
        self._disowned(self.mailbox.open(bounds, providers))

    def disown(self, providers: Collection[str]) -> None:
        """Only these providers exist from now on: items of any other provider have no owner any more."""
        self._disowned(self.mailbox.disown(providers))

    def _disowned(self, names: Iterable[str]) -> None:
        for name in names:
            self._note_news(messages.DISOWNED, [name])

    def tick(self, now: float, *, drops: bool = True) -> None:
        """A few times a second: retries items that have waited long enough, and gives up delivers whose carrier has waited too long.
        ``drops``: whether items that are too old may be dropped."""
        self.due.update(self.mailbox.tick(now, drops=drops))
        arrivals = self._arrivals
        now_s = self.reply_handler.monotonic()  # the wall clock may be set meanwhile
        while arrivals and not (arrivals[0].open and now_s - arrivals[0].read_s < SAFE_WITHIN_S):
            arrivals.popleft().give_up()

    # ------------------------------------------------------------------ outcomes for the journal

    def _note_dropped(self) -> None:
        for number, provider, why in self.mailbox.take_dropped():
            if why != "returned":
                self.tally.mailbox_dropped[provider or "unowned", why] += 1
            self._note_news(messages.DROPPED, [(number, why)])

    def _note_news(self, kind: int, news: Sequence[object]) -> None:
        while news:
            news_record = self._news.get(kind)
            if news_record is None or len(news_record.news) >= NEWS_MAX:
                news_record = self._news[kind] = _MailboxNews(kind, self._news)
                self.relay.note(news_record)
            fits = NEWS_MAX - len(news_record.news)
            news_record.news += news if len(news) <= fits else news[:fits]
            news = news[fits:]


def _no_probe(deliver: Deliver, port: str, now: float) -> int | None:
    return None


def _ignore(prefix: str, keyword: str, now: float) -> None:
    return None
