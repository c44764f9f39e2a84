"""Takes arrived delivers into the mailbox and acknowledges the carrier.

In: a deliver that was read, and its owner. Out: journal records, mailbox items, the carrier's acknowledgement. Never: sockets, the clock,
what a reply does to the recipient's record (optout_reply.py).

Receipts change no recipient's record. All receipts that one link brings in a turn are one change (``ReceiptBatch``), with a journal record and
a mailbox item each; they succeed or fail together, for they are in one commit group. A reply is a change of its own (``ArrivedReply``),
because its effect on the record is written right before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import cython

from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.model.counters import GateCounters
from proxy.relay.effects.optouts import ReplyEffect
from proxy.relay.pending_submit import CarrierConnection
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import DeliverQueue, Item
from proxy.state.mailbox.mailbox import Mailbox
from proxy.wire.builders import deliver_sm_resp
from proxy.wire.frame import Frame

ESME_ROK, ESME_RX_T_APPN = 0x00, 0x64
RECEIPT = "receipt"


class Route:
    """Where receipts for a port go: looked up once per port, not per receipt."""

    __slots__ = ("box", "label", "said")

    def __init__(self, port: str, owner: str, box: DeliverQueue) -> None:
        """``owner``: the provider; empty if the port has no owner."""
        self.box = box
        self.label = owner or "unowned", RECEIPT
        self.said = delivers.port_words(port, owner)


class DeliverHost(Protocol):
    """DeliverRelay, as delivers see it."""

    relay: Relay
    tally: GateCounters
    mailbox: Mailbox
    due: set[str]
    """Providers with items to hand over in this turn."""

    def close(self, receipts: ReceiptBatch) -> None:
        """No more receipts may join these."""


class _ArrivedDeliver:
    """Common to both: a RecordChange that changes no recipient's record and is given up if the journal does not take it."""

    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def give_up(self) -> None:
        raise NotImplementedError

    def unwritten(self) -> bool:
        self.give_up()
        return False


class ArrivedReply(_ArrivedDeliver):
    """A reply on its way into the mailbox. Its effect on the recipient's record is journalled right before it."""

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
        "reply",
        "_relay",
        "_link",
        "open",
    )

    def __init__(
        self,
        deliver_relay: DeliverHost,
        link: CarrierConnection,
        frame: Frame,
        source: str,
        port: str,
        owner: str,
        now: float,
        read_s: float,
        reply: ReplyEffect,
    ) -> None:
        self.recipient = reply.recipient
        self.sequence = frame.sequence_number
        self.data = frame.data  # as the provider gets it
        self.source = source
        self.port = port
        self.owner = owner
        self.at = now
        self.read_s = read_s
        self.item: Item | None = None
        self.open = True
        """Whether the carrier still waits for an answer."""
        self.reply = reply  # its effect, known before this is written
        self._relay = deliver_relay
        self._link = link

    @property
    def kind(self) -> str:
        return self.reply.kind

    # -- a Change, for the relay

    def written(self, now: float) -> tuple[int, bytes] | None:
        if not self.open:  # given up while the store was out of reach: the carrier sends it again
            return None
        return messages.DELIVER, pack(delivers.DeliverRecord(now, self.kind, self.source, self.port, self.owner, self.data))

    def done(self, recorded: int) -> None:
        if not self.open:
            return
        deliver_relay = self._relay
        self.item = deliver_relay.mailbox.put(recorded, self.owner, self.at, self.kind, self.data)
        deliver_relay.relay.when_synced(recorded, self.safe)

    # -- synced, or given up

    def safe(self) -> None:
        """The reply and its effect are synced: acknowledges the carrier, and makes the item ready for the provider."""
        if not self.open:
            return
        self.open = False
        self._link.answer(deliver_sm_resp(self.sequence, ESME_ROK))
        deliver_relay, owner, item = self._relay, self.owner, self.item
        deliver_relay.tally.delivers[owner or "unowned", self.kind] += 1
        assert item is not None  # it was written, or it would not be synced
        deliver_relay.mailbox.ready(item)
        deliver_relay.due.add(item.box.provider)

    def give_up(self) -> None:
        """It cannot be made safe in time: the carrier keeps it and sends it again, so the gate drops it."""
        if not self.open:
            return
        self.open = False
        self._link.answer(deliver_sm_resp(self.sequence, ESME_RX_T_APPN))
        deliver_relay = self._relay
        deliver_relay.tally.delivers_returned[self.owner or "unowned",] += 1
        if self.item is not None:
            deliver_relay.mailbox.drop(self.item, "returned")


class ReceiptBatch(_ArrivedDeliver):
    """The receipts of one link in one turn, on their way into the mailbox: one journal record and one item each."""

    __slots__ = ("recipient", "link", "items", "people", "routes", "sequences", "read_s", "open", "_put", "_relay")

    def __init__(self, deliver_relay: DeliverHost, link: CarrierConnection, read_s: float) -> None:
        self.recipient = 0
        self.link = link
        self.items: list[Item] = []
        self.people: list[bytes] = []
        """The recipient of each, as the journal has it."""
        self.routes: list[Route] = []
        self.sequences: list[int] = []
        """The carrier's sequence number of each."""
        self.read_s = read_s
        self.open = True
        """Whether the carrier still waits for the answers."""
        self._put = False
        self._relay = deliver_relay

    # -- a Change, for the relay

    def written(self, now: float) -> tuple[int, Iterable[list[bytes]]] | None:
        self._relay.close(self)
        if not self.open:
            return None
        return messages.DELIVER, delivers.pack_receipts(now, self.people, self.routes, self.items)

    def done(self, recorded: int) -> None:
        """``recorded``: the sequence of the first; the others follow it."""
        if not self.open:
            return
        deliver_relay, items = self._relay, self.items
        self._put = True
        deliver_relay.mailbox.put_all(recorded, items)
        deliver_relay.relay.when_synced(recorded + len(items) - 1, self.safe)

    # -- synced, or given up

    def safe(self) -> None:
        """The receipts are synced: acknowledges the carrier, and makes the items ready for the providers."""
        if not self.open:
            return
        self.open = False
        self.link.answer_all(acknowledged(self.sequences))
        deliver_relay = self._relay
        for box, count in deliver_relay.mailbox.ready_all(self.items).items():
            deliver_relay.tally.delivers[box.provider or "unowned", RECEIPT] += count
            deliver_relay.due.add(box.provider)
        # the object itself is freed at a tick; receipts are freed as providers take them
        for held in (self.items, self.people, self.routes, self.sequences):
            held.clear()

    def give_up(self) -> None:
        """They cannot be made safe in time: the carrier keeps them and sends them again, so the gate drops them."""
        if not self.open:
            return
        self.open = False
        self.link.answer_all([deliver_sm_resp(sequence, ESME_RX_T_APPN) for sequence in self.sequences])
        deliver_relay = self._relay
        deliver_relay.close(self)
        for route in self.routes:
            deliver_relay.tally.delivers_returned[route.label[0],] += 1
        for item in self.items if self._put else ():
            deliver_relay.mailbox.drop(item, "returned")


def acknowledged(sequences: list[int]) -> list[bytes]:
    """The carrier's acknowledgements for safe delivers."""
    status: cython.uint = ESME_ROK
    return [deliver_sm_resp(sequence, status) for sequence in sequences]
