"""Tracks our requests that the peer has not answered yet.

In: requests with a ticket, responses, the time. Out: the ticket that a response belongs to; requests that are overdue. Never: the
content of a request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import cython

from proxy.model.sequence_window import SequenceWindow
from proxy.native.octets import join_numbered
from proxy.wire.frame import Frame, renumbered
from proxy.wire.tables import GENERIC_NACK, RESPONSE, SEQUENCE_MAX

LATE_MAX = 4096
"""Overdue requests whose late responses are still recognized: some seconds of a fast link."""


class Request(Protocol):
    """A ticket that holds its own request: ``data`` is a whole PDU."""

    @property
    def data(self) -> bytes: ...


class OutstandingRequests:
    """Requests by sequence number. Numbers run from 1 to SEQUENCE_MAX and wrap around, skipping those in use (§5.1.4)."""

    __slots__ = ("waiting", "_late", "_own", "_last", "_wrapped")

    def __init__(self) -> None:
        self.waiting = SequenceWindow()
        """Sequence number → (ticket, when it was sent, command_id of its response)."""
        self._late: OrderedDict[int, int] = OrderedDict()  # given up: sequence number → the response's command_id
        self._own: dict[int, int] = {}  # the session's own bind, enquire_link, unbind: sequence number → its command_id
        self._last = 0
        self._wrapped = False  # whether all numbers have been given once

    def number(self, data: bytes) -> tuple[int, bytes]:
        """Returns the next sequence number, and the request with it."""
        sequence = self._last + 1
        while sequence > SEQUENCE_MAX or sequence in self.waiting or sequence in self._own or sequence in self._late:
            if sequence >= SEQUENCE_MAX:
                sequence, self._wrapped = 1, True
            else:
                sequence += 1
        self._last = sequence
        return sequence, renumbered(data, sequence)

    def add(self, data: bytes, ticket: Any, now: float) -> tuple[int, bytes]:
        """Adds a request whose response is returned with ``ticket``. Returns the sequence number, and the request with it."""
        sequence, numbered = self.number(data)
        self.waiting.put(sequence, (ticket, now, int.from_bytes(data[4:8], "big") | RESPONSE))
        return sequence, numbered

    def add_all(self, requests: Sequence[Request], now: float) -> list[bytes]:
        """``add`` for many requests, each its own ticket. Returns their PDUs with consecutive numbers, to be joined."""
        if self._wrapped or self._last + len(requests) > SEQUENCE_MAX:  # some numbers may still be in use
            return [self.add(request.data, request, now)[1] for request in requests]
        numbered = number_all(list(requests), now, self.waiting, self._last)
        self._last += len(requests)
        return [numbered]

    def add_own(self, data: bytes) -> bytes:
        """Adds a request of the session itself. Of several with the same command only the newest is kept."""
        command_id = int.from_bytes(data[4:8], "big")
        self._own = {sequence: other for sequence, other in self._own.items() if other != command_id}
        sequence, numbered = self.number(data)
        self._own[sequence] = command_id
        return numbered

    def take_own(self, frame: Frame) -> int | None:
        """The command_id of the session's own request that this response answers; None if it answers none."""
        own = self._own.get(frame.sequence_number)
        if own is None or frame.command_id not in (own | RESPONSE, GENERIC_NACK):
            return None
        del self._own[frame.sequence_number]
        return own

    def take_late(self, frame: Frame) -> bool:
        """Whether this response answers an overdue request."""
        late = self._late.get(frame.sequence_number)
        if late is None or frame.command_id not in (late, GENERIC_NACK):
            return False
        del self._late[frame.sequence_number]
        return True

    def give_up(self, limit: float) -> list[tuple[int, Any]]:
        """Returns (sequence number, ticket) of the requests sent at ``limit`` or before, and stops waiting for them."""
        overdue: list[tuple[int, Any]] = []
        for sequence, (ticket, sent_s, response) in self._oldest_first():
            if sent_s > limit:
                break
            overdue.append((sequence, ticket))
            self._late[sequence] = response
            self.waiting.take(sequence)
        while len(self._late) > LATE_MAX:
            self._late.popitem(last=False)
        return overdue

    def abandon(self) -> list[Any]:
        """Returns the tickets of all waiting requests, oldest first, and stops waiting for them."""
        tickets = [ticket for _, (ticket, _, _) in self._oldest_first()]
        self.waiting.clear()
        return tickets

    def _oldest_first(self) -> list[tuple[int, tuple[Any, float, int]]]:
        return sorted(self.waiting.items(), key=lambda one: one[1][1])


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.ccall
def number_all(requests: list[Request], now: float, waiting: SequenceWindow, sequence: cython.longlong) -> bytes:
    """The PDUs with the numbers after ``sequence``; adds the requests to ``waiting``."""
    data: bytes
    datas: list[bytes] = [request.data for request in requests]
    for data in datas:
        if len(data) < 16:
            raise ValueError("a request without a whole header")
    numbered: bytes = join_numbered(datas, sequence + 1)
    sent_s: object = now  # as an object: all requests share it
    response: object = RESPONSE
    command: cython.uint
    command_before: cython.uint = 0
    place: cython.Py_ssize_t
    for place in range(len(requests)):
        data = datas[place]
        command = data[6] << 8 | data[7]
        if command != command_before:  # a run of requests mostly has one command_id
            command_before, response = command, RESPONSE | command
        sequence += 1
        waiting.put(sequence, (requests[place], sent_s, response))
    return numbered
