"""A client that is nothing but a socket: sends any bytes, and looks at what comes back.

In: bytes. Out: PDUs. Never: an opinion about what is allowed.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
from typing import Self

from tests.e2e.pdus import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    ENQUIRE_LINK,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Pdu,
    bind,
    message,
    pdu,
    split,
)

ANSWER_S = 10.0


class Raw:
    def __init__(self, port: int, first: bytes = b"", tls: ssl.SSLContext | None = None, name: str = "gate.example") -> None:
        """``first``: what stands before everything else; ``name``: to whom the gate's certificate must be made out."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(first)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=name)
        self._buffer = bytearray()
        self._read: list[Pdu] = []
        self._sequences = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def next(self) -> Pdu | None:
        """The next PDU; None when the other side has hung up. TimeoutError when nothing comes."""
        while not self._read:
            data = self._socket.recv(65536)
            if not data:
                return None
            self._buffer += data
            self._read += split(self._buffer)
        return self._read.pop(0)

    def arrived(self, within_s: float) -> list[Pdu]:
        """What arrives in that time, as soon as there is some."""
        if not self._read and select.select([self._socket], [], [], within_s)[0]:
            data = self._socket.recv(65536)
            assert data, "hung up"
            self._buffer += data
            self._read += split(self._buffer)
        found, self._read = self._read, []
        return found

    def ask(self, data: bytes) -> Pdu:
        """Sends a PDU; its answer, found by its sequence number."""
        self.send(data)
        sequence = int.from_bytes(data[12:16], "big")
        while True:
            found = self.next()
            assert found is not None, "hung up instead of an answer"
            if found.command & RESPONSE and found.sequence == sequence:
                return found

    def closed(self) -> bool:
        """Whether the other side hangs up, saying nothing more."""
        try:
            return self.next() is None
        except ConnectionError:
            return True

    # -- the usual

    def bind(self, system_id: str, password: str = "secret", command: int = BIND_TRANSCEIVER) -> Pdu:
        return self.ask(bind(command, next(self._sequences), system_id, password))

    def submit(self, source: str, recipient: str, text: bytes = b"hello") -> Pdu:
        return self.ask(self.submit_bytes(source, recipient, text))

    def submit_bytes(self, source: str, recipient: str, text: bytes = b"hello") -> bytes:
        return pdu(SUBMIT_SM, next(self._sequences), message(source.encode(), recipient.encode(), text))

    def alive(self) -> bool:
        """Whether the session answers an enquire_link."""
        return self.ask(pdu(ENQUIRE_LINK, next(self._sequences))).status == 0

    def delivered(self) -> Pdu:
        """The next deliver, acknowledged."""
        while True:
            found = self.next()
            assert found is not None
            if found.command == DELIVER_SM:
                self.send(pdu(DELIVER_SM | RESPONSE, found.sequence, b"\0"))
                return found

    def unbind(self) -> Pdu:
        return self.ask(pdu(UNBIND, next(self._sequences)))
