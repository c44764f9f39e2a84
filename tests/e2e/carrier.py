"""A simulated carrier: an SMSC on loopback that answers as it is told and remembers every byte.

In: binds and submits of the gate (or of a client directly). Out: answers with ids, receipts, replies. Never: the gate's own codec.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections import Counter
from typing import NamedTuple

from tests.e2e.pdus import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    BINDS,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_ROK,
    MESSAGE_STATE,
    QUERY_SM,
    RECEIPTED_MESSAGE_ID,
    REPLACE_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    Pdu,
    Submit,
    message,
    pdu,
    read_message,
    split,
    tlv,
)
from tests.e2e.sockets import Server, hang_up
from tests.e2e.waiting import until

COMMANDS = (QUERY_SM, CANCEL_SM, REPLACE_SM, DATA_SM, SUBMIT_MULTI)


def addresses(found: Pdu) -> list[str]:
    """To whom a submit_multi goes, lists left out."""
    body = found.body
    place = body.index(0, body.index(0) + 3) + 1
    count, place, numbers = body[place], place + 1, []
    for _ in range(count):
        assert body[place] == 1
        end = body.index(0, place + 3)
        numbers.append(body[place + 3 : end].decode())
        place = end + 1
    return numbers


class Seen(NamedTuple):
    """A submit as it arrived, and what it was answered with."""

    pdu: Pdu
    fields: Submit
    status: int
    id: str
    receipt_id: str = ""
    """What its receipts call it."""
    account: str = ""
    """The system_id of the bind it came over."""


class Peer:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.kind = 0
        self.account = ""
        self.lock = threading.Lock()

    def send(self, data: bytes) -> None:
        with self.lock:
            self.connection.sendall(data)


class Carrier(Server):
    def __init__(self, port: int = 0, answers: str = "010d", receipts: str = "010d", first: int = 1) -> None:
        """``answers``, ``receipts``: how the number of a message is written in each; ``first``: of these numbers."""
        super().__init__(port)
        self._answers, self._receipts = answers, receipts
        self.peers: list[Peer] = []
        self.binds: Counter[int] = Counter()
        """How many binds of each kind were accepted so far."""
        self.seen: list[Seen] = []
        self.answers: dict[int, Pdu] = {}
        """Answers to what we sent, by our sequence number."""
        self.bind_status = ESME_ROK
        """What binds are answered with from now on."""
        self.asked: list[Pdu] = []
        """query_sm, cancel_sm, replace_sm, data_sm and submit_multi, as they arrived."""
        self.unreachable: set[str] = set()
        """Whom a submit_multi does not reach: its answer lists them with ESME_RINVDSTADR."""
        self.other: list[Pdu] = []
        """What is neither a request the carrier serves nor an answer."""
        self._rules: dict[str, list[int]] = {}
        self._held: dict[str, list[tuple[Peer, Pdu, Submit]]] = {}
        self._in_one_piece: set[str] = set()
        self._ids = itertools.count(first)
        self._sequences = itertools.count(1000)
        self._turn = itertools.count()
        self.start()

    # -- what the test says

    def answer_with(self, recipient: str, status: int, times: int = 1) -> None:
        """The next ``times`` submits to this person are refused with ``status``."""
        self._rules[recipient] = [status] * times

    def hold(self, recipient: str) -> None:
        """Submits to this person are not answered until ``release``."""
        self._held[recipient] = []

    def held(self, recipient: str) -> int:
        return len(self._held[recipient])

    def release(self, recipient: str) -> None:
        for peer, found, fields in self._held.pop(recipient):
            with contextlib.suppress(OSError):  # whoever sent it may have hung up
                self._answer(peer, found, fields)

    def receipt_with_answer(self, recipient: str) -> None:
        """The answer to the next submit to this person, and its receipt, are sent in one piece."""
        self._in_one_piece.add(recipient)

    def to(self, recipient: str) -> list[Seen]:
        """What arrived for one person, however the number was spelt."""
        return [seen for seen in list(self.seen) if seen.fields.destination.endswith(recipient)]

    def receipt(self, seen: Seen, state: str = "DELIVRD", error: str = "000", account: str = "") -> Pdu:
        """Sends a receipt as appendix B lays it out."""
        name = seen.receipt_id
        text = (
            f"id:{name} sub:001 dlvrd:001 submit date:2611111000 done date:2611111001 stat:{state} err:{error} text:".encode()
        )
        tail = tlv(RECEIPTED_MESSAGE_ID, name.encode() + b"\0") + tlv(MESSAGE_STATE, bytes((2 if state == "DELIVRD" else 5,)))
        there, here = seen.fields.destination.encode(), seen.fields.source.encode()
        return self.deliver(message(there, here, text, esm_class=4, tail=tail), account)

    def reply(self, source: str, destination: str, text: bytes, data_coding: int = 0) -> Pdu:
        """Sends what a person wrote back."""
        return self.deliver(message(source.encode(), destination.encode(), text, data_coding=data_coding))

    def deliver(self, body: bytes, account: str = "") -> Pdu:
        """Sends a deliver_sm to a peer that receives (of this account), another one each time."""
        sequence = next(self._sequences)
        data = pdu(DELIVER_SM, sequence, body)
        self.raw(data, account)
        return Pdu(DELIVER_SM, 0, sequence, data)

    def raw(self, data: bytes, account: str = "") -> None:
        """Sends bytes as they are to a peer that receives (of this account)."""

        def those_that_receive() -> list[Peer]:
            return [peer for peer in self.peers if peer.kind not in (0, BIND_TRANSMITTER) and account in ("", peer.account)]

        receivers = until(those_that_receive, "a bind that receives")
        receivers[next(self._turn) % len(receivers)].send(data)

    def acknowledged(self, deliver: Pdu) -> Pdu:
        """The gate's answer to a deliver, waited for."""
        return until(lambda: self.answers.get(deliver.sequence), "an answer to the deliver")

    def drop(self) -> None:
        """Hangs up on everybody, and goes on listening."""
        for peer in list(self.peers):
            hang_up(peer.connection)

    # -- what it does

    def serve(self, connection: socket.socket) -> None:
        peer = Peer(connection)
        buffer = bytearray()
        try:
            while data := connection.recv(65536):
                buffer += data
                for found in split(buffer):
                    self._take(peer, found)
        except OSError:
            pass
        finally:
            if peer in self.peers:
                self.peers.remove(peer)
            connection.close()

    def _take(self, peer: Peer, found: Pdu) -> None:
        if found.command in BINDS and self.bind_status:
            peer.send(pdu(found.command | RESPONSE, found.sequence, status=self.bind_status))
        elif found.command in BINDS:
            peer.kind = found.command
            peer.account = found.body.split(b"\0", 1)[0].decode()
            self.binds[found.command] += 1
            self.peers.append(peer)
            peer.send(pdu(found.command | RESPONSE, found.sequence, b"carrier\0" + tlv(0x0210, b"\x34")))
        elif found.command == SUBMIT_SM and peer.kind != BIND_RECEIVER:
            fields = read_message(found.data)
            if fields.destination[-11:] in self._held:
                self._held[fields.destination[-11:]].append((peer, found, fields))
            else:
                self._answer(peer, found, fields)
        elif found.command in COMMANDS and peer.kind != BIND_RECEIVER:
            self.asked.append(found)
            peer.send(pdu(found.command | RESPONSE, found.sequence, self._body(found)))
        elif found.command in (ENQUIRE_LINK, UNBIND):
            peer.send(pdu(found.command | RESPONSE, found.sequence))
        elif found.command & RESPONSE and found.command != RESPONSE:
            self.answers[found.sequence] = found
        else:
            self.other.append(found)

    def _body(self, found: Pdu) -> bytes:
        """What the other commands are answered with."""
        if found.command == QUERY_SM:
            return found.body.partition(b"\0")[0] + b"\0\0\2\0"  # DELIVRD
        if found.command in (CANCEL_SM, REPLACE_SM):
            return b""
        name = f"{next(self._ids):010d}".encode() + b"\0"
        if found.command == DATA_SM:
            return name
        lost = [number for number in addresses(found) if number in self.unreachable]
        return name + bytes((len(lost),)) + b"".join(b"\1\1" + number.encode() + b"\0\0\0\0\x0b" for number in lost)

    def _answer(self, peer: Peer, found: Pdu, fields: Submit) -> None:
        rules = self._rules.get(fields.destination[-11:])
        status = rules.pop(0) if rules else ESME_ROK
        number = 0 if status else next(self._ids)
        name, receipted = (format(number, self._answers), format(number, self._receipts)) if number else ("", "")
        self.seen.append(Seen(found, fields, status, name, receipted, peer.account))
        answer = pdu(SUBMIT_SM | RESPONSE, found.sequence, name.encode() + b"\0" if name else b"", status)
        if fields.destination[-11:] in self._in_one_piece:
            self._in_one_piece.discard(fields.destination[-11:])
            text = f"id:{receipted} stat:DELIVRD".encode()
            body = message(fields.destination.encode(), fields.source.encode(), text, esm_class=4)
            answer += pdu(DELIVER_SM, next(self._sequences), body)
        peer.send(answer)
