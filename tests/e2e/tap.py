"""A tap between a client and the gate: passes every byte on and remembers it, so that any client lets us see what it sent.

In: a client's connections. Out: the same bytes to the gate and back; PDUs of both directions. Never: a changed byte.
"""

from __future__ import annotations

import socket

from tests.e2e.pdus import BINDS, DELIVER_SM, RESPONSE, SUBMIT_SM, Pdu, of, read_message, split
from tests.e2e.sockets import Server, hang_up


class Tap(Server):
    def __init__(self, to_port: int) -> None:
        super().__init__()
        self._to_port = to_port
        self.sent: list[Pdu] = []
        """From the client, all connections in order of arrival."""
        self.got: list[Pdu] = []
        """To the client."""
        self._cut = False
        self._wires: list[tuple[list[Pdu], list[Pdu]]] = []
        self.start()

    def cut(self) -> None:
        """Hangs up on the client and the gate, and lets nobody through until ``mend``."""
        self._cut = True
        for one in list(self._sockets):
            hang_up(one)

    def mend(self) -> None:
        self._cut = False

    def serve(self, connection: socket.socket) -> None:
        if self._cut:
            hang_up(connection)
            return
        try:
            onward = self.keep(socket.create_connection(("127.0.0.1", self._to_port)))
        except OSError:
            connection.close()
            return
        wire: tuple[list[Pdu], list[Pdu]] = ([], [])
        self._wires.append(wire)
        self.spawn(self._pass, onward, connection, self.got, wire[1])
        self._pass(connection, onward, self.sent, wire[0])

    def _pass(self, source: socket.socket, sink: socket.socket, *logs: list[Pdu]) -> None:
        buffer = bytearray()
        try:
            while data := source.recv(65536):
                buffer += data
                for found in split(buffer):
                    for log in logs:
                        log.append(found)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            hang_up(source)
            hang_up(sink)

    # -- what passed

    def binds(self) -> list[int]:
        """Commands of the binds that were accepted."""
        return sorted(
            answer.command & ~RESPONSE for answer in list(self.got) if answer.command & ~RESPONSE in BINDS and not answer.status
        )

    def submits_to(self, recipient: str) -> list[Pdu]:
        return [found for found in of(list(self.sent), SUBMIT_SM) if read_message(found.data).destination.endswith(recipient)]

    def answers_to(self, recipient: str) -> list[Pdu]:
        """Answers to the submits to one person, in the order of the submits."""
        found: list[Pdu] = []
        for sent, got in list(self._wires):
            answers = {answer.sequence: answer for answer in list(got) if answer.command == SUBMIT_SM | RESPONSE}
            found += [
                answers[submit.sequence]
                for submit in of(list(sent), SUBMIT_SM)
                if read_message(submit.data).destination.endswith(recipient) and submit.sequence in answers
            ]
        return found

    def delivers(self) -> list[Pdu]:
        return of(list(self.got), DELIVER_SM)
