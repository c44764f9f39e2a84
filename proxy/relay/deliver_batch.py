"""Takes arrived delivers into the mailbox and acknowledges the carrier.

In: a deliver that was read, and its owner. Out: journal records, mailbox items, the carrier's acknowledgement. Never: sockets, the clock,
what a reply does to the recipient's record (optout_reply.py).

Receipts change no recipient's record. All receipts that one link brings in a turn are one change (``ReceiptBatch``), with a journal record and
a mailbox item each; they succeed or fail together, for they are in one commit group. A reply is a change of its own (``ArrivedReply``),
because its effect on the record is written right before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from proxy.journal.records import delivers, messages
from proxy.model.counters import GateCounters
from proxy.native.loader import compiled
from proxy.relay.effects.optouts import ReplyEffect
from proxy.relay.pending_submit import CarrierConnection
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import DeliverQueue, Item
from proxy.state.mailbox.mailbox import Mailbox
from proxy.wire import Frame, deliver_sm_resp

ESME_ROK, ESME_RX_T_APPN = 0x00, 0x64
RECEIPT = "receipt"


class Route:
    """Where receipts that come to a port go: looked up once for each port, not once for each of them."""

    __slots__ = ("box", "label", "said")

    def __init__(self, port: str, owner: str, box: DeliverQueue) -> None:
        """``owner``: the provider, empty if nobody owns the port."""
        self.box = box
        self.label = owner or "unowned", RECEIPT
        self.said = delivers.port_words(port, owner)


class DeliverHost(Protocol):
    """The way back, as they see it."""

    relay: Relay
    tally: GateCounters
    mailbox: Mailbox
    due: set[str]
    """Providers for whom something may be handed over in this turn."""

    def ends(self, brought: Brought) -> None:
        """No more receipts are to join these."""


class _Coming:
    """What the ways of both are alike in: a Change that changes no record, and is given up where the journal does not take it."""

    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def give_up(self) -> None:
        raise NotImplementedError

    def unwritten(self) -> bool:
        self.give_up()
        return False


class Arrival(_Coming):
    """A reply on its way into the mailbox. In the journal it changes no record; what does comes right before it."""

    __slots__ = (
        "recipient",
        "sequence",
        "data",
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
        way: DeliverHost,
        link: CarrierConnection,
        frame: Frame,
        source: str,
        port: str,
        owner: str,
        now: float,
        read_s: float,
        heard: ReplyEffect,
    ) -> None:
        self.recipient = heard.recipient
        self.sequence = frame.sequence_number
        self.data = frame.data  # as the provider will get it
        self.source = source
        self.port = port
        self.owner = owner
        self.at = now
        self.read_s = read_s
        self.item: Item | None = None
        self.open = True
        """Whether the carrier waits for our answer."""
        self.heard = heard  # what it says, settled before this is written
        self._way = way
        self._link = link

    @property
    def kind(self) -> str:
        return self.heard.kind

    # -- a Change, for the relay

    def written(self, now: float) -> tuple[int, bytes] | None:
        if not self.open:  # given up while the store was away: the carrier brings it again
            return None
        return messages.DELIVER, delivers.pack_deliver(now, self.kind, self.source, self.port, self.owner, self.data)

    def done(self, recorded: int) -> None:
        if not self.open:
            return
        way = self._way
        self.item = way.mailbox.put(recorded, self.owner, self.at, self.kind, self.data)
        way.relay.when_synced(recorded, self.safe)

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


class Brought(_Coming):
    """Receipts that a link brought in one turn, on their way into the mailbox: a record of the journal and an item for each."""

    __slots__ = ("recipient", "link", "items", "people", "routes", "sequences", "read_s", "open", "_put", "_way")

    def __init__(self, way: DeliverHost, link: CarrierConnection, read_s: float) -> None:
        self.recipient = 0
        self.link = link
        self.items: list[Item] = []
        self.people: list[bytes] = []
        """Whom each is about, as the journal has it."""
        self.routes: list[Route] = []
        self.sequences: list[int] = []
        """The carrier's own, of each."""
        self.read_s = read_s
        self.open = True
        """Whether the carrier waits for our answers."""
        self._put = False
        self._way = way

    # -- a Change, for the relay

    def written(self, now: float) -> tuple[int, Iterable[list[bytes]]] | None:
        self._way.ends(self)
        if not self.open:
            return None
        return messages.DELIVER, delivers.pack_receipts(now, self.people, self.routes, self.items)

    def done(self, recorded: int) -> None:
        """``recorded``: of the first; the others follow it."""
        if not self.open:
            return
        way, items = self._way, self.items
        self._put = True
        way.mailbox.put_all(recorded, items)
        way.relay.when_synced(recorded + len(items) - 1, self.safe)

    # -- its two ends

    def safe(self) -> None:
        """They are synced: the carrier is acknowledged, and the providers' turn comes."""
        if not self.open:
            return
        self.open = False
        self.link.answer_all(acknowledged(self.sequences))
        way = self._way
        for box, count in way.mailbox.ready_all(self.items).items():
            way.tally.delivers[box.provider or "unowned", RECEIPT] += count
            way.due.add(box.provider)
        # a tick lets go of the rest: receipts are freed as providers take them
        for held in (self.items, self.people, self.routes, self.sequences):
            held.clear()

    def give_up(self) -> None:
        """They cannot be made safe in time: the carrier keeps them and tries again, and so we do not."""
        if not self.open:
            return
        self.open = False
        self.link.answer_all([deliver_sm_resp(sequence, ESME_RX_T_APPN) for sequence in self.sequences])
        way = self._way
        way.ends(self)
        for route in self.routes:
            way.tally.delivers_returned[route.label[0],] += 1
        for item in self.items if self._put else ():
            way.mailbox.drop(item, "returned")


@compiled("acknowledged")
def acknowledged(sequences: Sequence[int]) -> list[bytes]:
    """What a carrier is answered whose delivers are safe."""
    return [deliver_sm_resp(sequence, ESME_ROK) for sequence in sequences]
