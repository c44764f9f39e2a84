"""Takes arrived delivers into the mailbox and acknowledges the carrier.

In: a deliver that was read, and its owner. Out: journal records, mailbox items, the carrier's acknowledgement. Never: sockets, the clock,
what a reply does to the recipient's record (optout_reply.py).

Receipts change no recipient's record. All receipts that one link brings in a turn are one change (``ReceiptBatch``), with a journal record and
a mailbox item each; they succeed or fail together, for they are in one commit group. A reply is a change of its own (``ArrivedReply``),
because its effect on the record is written right before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cython

from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.model.counters import GateCounters
from proxy.native.journal_buffer import PackedBodies, RecordBuffer
from proxy.native.octet_runs import find_zero, is_run
from proxy.relay.effects.optouts import ReplyEffect
from proxy.relay.message_ids import CarrierIds, allowed_receipt
from proxy.relay.pending_submit import CarrierConnection
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import DeliverQueue, Item, new_item
from proxy.state.mailbox.mailbox import Mailbox
from proxy.wire.builders import deliver_sm_resp
from proxy.wire.deliver import receipt_end
from proxy.wire.frame import Frame
from proxy.wire.tables import MESSAGE_ID_MAX

ESME_ROK, ESME_RX_T_APPN = 0x00, 0x64
RECEIPT = "receipt"


@cython.final
@cython.cclass
class Route:
    """Where receipts for a port go: looked up once per port, not per receipt."""

    box: DeliverQueue
    label: tuple[str, str]
    said: bytes
    """The port and its owner in a journal record."""

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
    ids: Mapping[str, CarrierIds]
    """Carriers whose receipts need their message ids translated."""

    def deliver(self, link: CarrierConnection, frame: Frame, now: float) -> None:
        """A carrier has sent a deliver_sm other than a receipt."""

    def routes(self, link: CarrierConnection) -> dict[bytes, Route]:
        """The known routes of this link's receipts, by port."""

    def route(self, link: CarrierConnection, destination: bytes, routes: dict[bytes, Route]) -> Route:
        """Adds the route of a port."""

    def receipt_batch(self, link: CarrierConnection) -> ReceiptBatch:
        """The receipts of this link in this turn."""

    def close(self, receipts: ReceiptBatch) -> None:
        """No more receipts may join these."""


class ArrivedReply:
    """A reply on its way into the mailbox. Its effect on the recipient's record is journalled right before it.

    A RecordChange that changes no recipient's record and is given up if the journal does not take it; ``ReceiptBatch`` likewise."""

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

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def unwritten(self) -> bool:
        self.give_up()
        return False

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


@cython.final
@cython.cclass
class ReceiptBatch:
    """The receipts of one link in one turn, on their way into the mailbox: one journal record and one item each."""

    recipient: Any
    link: Any  # CarrierConnection
    items: list[Item]
    people: list[bytes]
    """The recipient of each, as the journal has it, in UTF-8."""
    routes: list[Route]
    sequences: list[int]
    """The carrier's sequence number of each."""
    read_s: float
    open: bool
    """Whether the carrier still waits for the answers."""
    _put: bool
    _relay: Any  # DeliverHost
    _ids: Any  # CarrierIds | None

    def __init__(self, deliver_relay: DeliverHost, link: CarrierConnection, read_s: float) -> None:
        self.recipient = 0
        self.link = link
        self.items, self.people, self.routes, self.sequences = [], [], [], []
        self.read_s = read_s
        self.open, self._put = True, False
        self._relay, self._ids = deliver_relay, deliver_relay.ids.get(link.carrier)

    @cython.ccall
    def add(self, frame: Frame, source: bytes, end: cython.Py_ssize_t, route: Route, now: float) -> None:
        """Adds a receipt; ``source``: the recipient as written in the PDU; ``end``: of the destination there."""
        data: bytes = frame.data
        if self._ids is not None:
            data = self._ids.receipt(data)
        elif not _begins_with_id(data, end + 1 + _TEXT):
            data = allowed_receipt(data)
        self.items.append(new_item(now, RECEIPT, data, route.box))
        self.routes.append(route)
        self.people.append(source if source.isascii() else source.decode("latin-1").encode())
        self.sequences.append(frame.sequence_number)

    # -- a Change, for the relay

    def apply(self, data: bytes, now: float) -> bytes:
        return data

    def unwritten(self) -> bool:
        self.give_up()
        return False

    def written(self, now: float) -> tuple[int, PackedBodies] | None:
        self._relay.close(self)
        return (messages.DELIVER, ReceiptBodies(now, self)) if self.open else None

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


@cython.cclass
class ReceiptBodies(PackedBodies):
    """A DeliverRecord (journal/records/delivers.py) of each receipt."""

    _head: bytes
    _receipts: ReceiptBatch

    def __init__(self, now: float, receipts: ReceiptBatch) -> None:
        self._head, self._receipts = delivers.receipt_head(now), receipts

    @cython.nonecheck(False)
    @cython.cfunc
    def write(self, to: RecordBuffer) -> None:
        receipts: ReceiptBatch = self._receipts
        place: cython.Py_ssize_t
        for place in range(len(receipts.items)):
            person: bytes = receipts.people[place]
            route: Route = receipts.routes[place]
            item: Item = receipts.items[place]
            to.begin()
            to.put(self._head)
            to.put_u16(len(person))
            to.put(person)
            to.put(route.said)
            to.put(item.data)
            to.end()


_TEXT = cython.declare(cython.Py_ssize_t, 10)  # after the destination, where no time is given
_ID = cython.declare(bytes, b"id:")
_ID_MAX = cython.declare(cython.Py_ssize_t, MESSAGE_ID_MAX)


@cython.cfunc
def _begins_with_id(data: bytes, text: cython.Py_ssize_t) -> cython.bint:
    """Whether the text of a receipt without times, at ``text``, begins with a message id that SMPP has room for."""
    octets: cython.p_uchar = data
    if octets[text - 7] or octets[text - 6] or octets[text - 1] < 5 or not is_run(data, text, text + 3, _ID):
        return False
    if octets[text + 3] == 32:
        return False
    end: cython.Py_ssize_t = min(text + octets[text - 1], text + 4 + _ID_MAX)
    place: cython.Py_ssize_t
    for place in range(text + 4, end):  # noqa: SIM110 # compiled, a generator costs more than the loop
        if octets[place] == 32:
            return True
    return False


def receive_receipts(deliver_relay: DeliverHost, link: CarrierConnection, frames: Sequence[Frame], now: float) -> None:
    """Adds the receipts of one read to the batch of their link; ``deliver_relay`` gets the other frames, in order."""
    routes: dict[bytes, Route] = deliver_relay.routes(link)
    receipts: ReceiptBatch | None = None
    frame: Frame
    route: Route | None = None
    port: bytes = b""
    for frame in frames:
        data: bytes = frame.data
        end: cython.Py_ssize_t = receipt_end(data)
        if end < 0:
            deliver_relay.deliver(link, frame, now)
            receipts = None  # later receipts may have to stay behind this deliver
            continue
        octets: cython.p_uchar = data  # a slice of these is made without the objects of one of Python's
        service: cython.Py_ssize_t = find_zero(data, 16, 22) + 3
        source: cython.Py_ssize_t = find_zero(data, service, end)
        if route is None or not is_run(data, source + 3, end, port):  # a run of receipts mostly has one port
            port = octets[source + 3 : end]
            route = routes.get(port) or deliver_relay.route(link, port, routes)
        if receipts is None:
            receipts = deliver_relay.receipt_batch(link)
        receipts.add(frame, octets[service:source], end, route, now)


def sort_answers(answers: Sequence[tuple[Item, Frame]], due: set[str]) -> tuple[list[Item], list[tuple[Item, Frame]]]:
    """Sorts providers' answers to delivers: items that were taken, and answers of another status. Adds the providers to ``due``."""
    item: Item
    frame: Frame
    box: DeliverQueue | None = None
    taken: list[Item] = []
    others: list[tuple[Item, Frame]] = []
    for item, frame in answers:
        if item.box is not box:  # a run of answers mostly is one provider's
            box = item.box
            due.add(box.provider)
        if frame.command_status == 0:
            taken.append(item)
        else:
            others.append((item, frame))
    return taken, others
