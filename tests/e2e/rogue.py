"""A carrier that misbehaves: it answers what, when and as often as the test says, sends any bytes, and can stop listening.

In: what the gate sends. Out: whatever the test says. Never: a limit on what a carrier might do.
"""

from __future__ import annotations

import socket
import threading
from typing import NamedTuple

from tests.e2e.carrier import Carrier, Peer
from tests.e2e.pdus import DELIVER_SM, ESME_ROK, RESPONSE, SUBMIT_SM, Pdu, Submit, message, pdu
from tests.e2e.waiting import until

SMALL_BYTES = 8192


class Waiting(NamedTuple):
    """A submit that has not been answered."""

    peer: Peer
    pdu: Pdu
    fields: Submit

    @property
    def to(self) -> str:
        return self.fields.destination[-11:]

    def answer(self, status: int = ESME_ROK, name: bytes = b"", tail: bytes = b"") -> bytes:
        """The bytes of an answer to it."""
        body = name + b"\0" + tail if name else tail
        return pdu(SUBMIT_SM | RESPONSE, self.pdu.sequence, body, status)

    def receipt(self, name: bytes, sequence: int = 77_777) -> bytes:
        """The bytes of its receipt."""
        text = b"id:%s sub:001 dlvrd:001 submit date:2611111000 done date:2611111001 stat:DELIVRD err:000 text:" % name
        body = message(self.fields.destination.encode(), self.fields.source.encode(), text, esm_class=4)
        return pdu(DELIVER_SM, sequence, body)


class Rogue(Carrier):
    def __init__(self) -> None:
        self._ears = threading.Event()
        self._ears.set()
        super().__init__()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)  # connections inherit it

    def waiting(self, recipient: str, count: int = 1) -> list[Waiting]:
        """Submits to a person who is held, once there are so many."""
        until(lambda: len(self._held[recipient]) >= count, f"{count} submits to {recipient} at the carrier")
        return [Waiting(*one) for one in self._held[recipient]]

    def arrived(self, recipient: str) -> int:
        """How many submits to this person arrived, answered or not."""
        return len(self.to(recipient)) + len(self._held.get(recipient, ()))

    def deafen(self) -> None:
        """From the next PDU on it reads nothing more, and keeps its connections."""
        self._ears.clear()

    def hear(self) -> None:
        self._ears.set()

    def stop(self) -> None:
        self._ears.set()
        super().stop()

    def _take(self, peer: Peer, found: Pdu) -> None:
        self._ears.wait()
        super()._take(peer, found)
