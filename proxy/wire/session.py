"""Keeps the state of one SMPP connection, as SMSC or as ESME.

In: bytes as they were read, the time. Out: requests for the caller, responses with the ticket of their request, bytes to write.
Never: a socket, a clock, the content of a message. It is pure.

The session itself answers (SMPP 3.4 §2.2, §4) enquire_link, unbind, malformed binds, and commands that are unknown, that this
peer may not send, or that this state does not allow. Which those are is a table (tables.COMMANDS), turned into one set per state:

    open ──bind──▶ bound_tx | bound_rx | bound_trx ──unbind──▶ unbound

Framing is lost when a command_length is impossible. Then the session writes a generic_nack as its last PDU, and ``closing`` holds
the reason.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from proxy.native.octets import join
from proxy.wire import builders
from proxy.wire.fields import read_fields
from proxy.wire.frame import Frame, Malformed, sort_pdus
from proxy.wire.outstanding import OutstandingRequests, Request
from proxy.wire.tables import (
    ALERT_NOTIFICATION,
    BINDS,
    COMMANDS,
    ENQUIRE_LINK,
    ESME_RALYBND,
    ESME_RINVBNDSTS,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_ROK,
    GENERIC_NACK,
    PDU_BYTES_MAX,
    RESPONSE,
    SC_INTERFACE_VERSION,
    UNBIND,
    VERSION_34,
)

STRANGER_PDU_BYTES_MAX = 4096
"""Limit for an unbound peer: a bind has at most 90 octets, and thousands of unknown peers may each leave an incomplete PDU in memory."""
BAD_MAX = 65_536
"""Faults kept until the owner drains ``bad``; one read cannot bring more."""
STATES = ("open", "bound_tx", "bound_rx", "bound_trx", "unbound")

_header = struct.Struct(">IIII").unpack_from


class TimerSettings(Protocol):
    """The timers in the settings."""

    @property
    def bind_s(self) -> float: ...
    @property
    def enquire_s(self) -> float: ...
    @property
    def response_s(self) -> float: ...
    @property
    def unread_s(self) -> float: ...


class Timers(NamedTuple):
    bind_s: float = 10.0
    """A connection that is not bound by then is closed."""
    enquire_s: float = 30.0
    """After this silence of the peer an enquire_link is sent."""
    response_s: float = 10.0
    """A response that takes longer is overdue."""
    unread_s: float = 30.0
    """A peer that does not read our bytes for so long is disconnected."""


class Received(NamedTuple):
    """The PDUs of one read, each list in the order of arrival."""

    requests: list[Frame]
    """Requests that the caller must answer, with ``answer`` or ``write``."""
    answers: list[tuple[Any, Frame]]
    """(ticket, response) of requests that were sent."""
    strays: list[tuple[int, Frame]]
    """(our sequence number, response) of requests that ``tick`` had already reported as overdue."""


_received: Callable[[tuple[list[Frame], list[tuple[Any, Frame]], list[tuple[int, Frame]]]], Received] = partial(
    tuple.__new__, Received
)
"""Makes a Received without a Python-level call: one is made for every read."""


class BindRequest(NamedTuple):
    kind: str
    """``receiver | transmitter | transceiver``"""
    system_id: str
    password: str
    system_type: str
    interface_version: int
    address_range: str


def _accepted(side: str) -> Mapping[str, frozenset[int]]:
    """State → the requests that this peer may send in it and that the caller handles."""
    ours = {ENQUIRE_LINK, UNBIND, ALERT_NOTIFICATION}
    esme = side == "provider"
    return {
        state: frozenset(
            c.id
            for c in COMMANDS.values()
            if not c.id & RESPONSE
            and c.id not in ours
            and c.id not in BINDS
            and state in (c.from_esme if esme else c.from_smsc)
        )
        for state in STATES
    }


_ACCEPTED = {side: _accepted(side) for side in ("provider", "carrier")}


class Session:
    """``side`` says who the peer is: for a ``provider`` we act as its SMSC, for a ``carrier`` as its ESME."""

    def __init__(self, side: str, timers: TimerSettings, now: float, window: int) -> None:
        self.side = side
        self.timers = timers
        self.window = window
        """How many of our requests may be unanswered."""
        self.state = "open"
        self.interface_version = 0
        """The peer's interface_version at bind; below 0x34 it must not be sent optional parameters."""
        self.peer_system_id = ""
        self.refused_status = 0
        """Why the carrier refused our bind, 0 if it did not."""
        self.closing: str | None = None
        """Why the connection should be closed once ``output()`` is written."""
        self.bad: list[str] = []
        """Kinds of faults (tables.BAD_KINDS); the owner counts and drains them."""
        self.unhandled_pdus = 0
        """PDUs that the caller does not see: those that the session answers itself, faults, unexpected responses. The owner counts and resets
        it."""
        self._accept: frozenset[int] = _ACCEPTED[side]["open"]
        self._most_bytes = STRANGER_PDU_BYTES_MAX if side == "provider" else PDU_BYTES_MAX
        self._rest = b""
        self._out: list[bytes] = []
        self._outstanding = OutstandingRequests()
        self._opened = now
        self._last_read = now
        self._enquired: float | None = None  # when our enquire_link was sent, if the peer has been silent since
        self._unanswered = 0  # requests returned to the caller and not answered
        self._bind: Frame | None = None  # the peer's bind, not answered
        self._unbinding: float | None = None  # when we began to unbind
        self._unbind_resp: tuple[bytes, float] | None = None  # the unbind_resp that waits for the last answers, and since when

    # ------------------------------------------------------------------ state

    @property
    def bound(self) -> bool:
        return self.state.startswith("bound")

    @property
    def can_send(self) -> bool:
        """Whether we may send messages to the peer: submits to a carrier, delivers to a provider."""
        return self.state in ("bound_trx", "bound_tx" if self.side == "carrier" else "bound_rx") and self._unbinding is None

    @property
    def can_receive(self) -> bool:
        """Whether the *peer's bind* receives delivers."""
        return self.state in ("bound_trx", "bound_rx") and self._unbinding is None

    @property
    def rest(self) -> bytes:
        """The bytes of an incomplete PDU."""
        return self._rest

    @property
    def free(self) -> int:
        """How many more requests may be sent now."""
        return self.window - len(self._outstanding.waiting)

    def _enter(self, state: str) -> None:
        self.state = state
        self._accept = _ACCEPTED[self.side][state]
        self._most_bytes = PDU_BYTES_MAX

    def _note(self, kind: str) -> None:
        if len(self.bad) < BAD_MAX:
            self.bad.append(kind)

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes, now: float) -> Received:
        """Takes bytes from the peer. Bytes after ``closing`` is set are dropped."""
        requests: list[Frame] = []
        answers: list[tuple[Any, Frame]] = []
        strays: list[tuple[int, Frame]] = []
        self._last_read = now
        self._enquired = None
        if self._rest:
            data = self._rest + data
        waiting, position = self._outstanding.waiting, 0
        while self.closing is None:
            position, other = sort_pdus(data, position, self._most_bytes, self._accept, waiting, requests, answers)
            if other is None:
                break
            self._handle_other(other, requests, strays, now)
        self._unanswered += len(requests)
        if position < len(data):
            self._keep(data, position)
        else:
            self._rest = b""
        return _received((requests, answers, strays))

    def _handle_other(self, frame: Frame, requests: list[Frame], strays: list[tuple[int, Frame]], now: float) -> None:
        """Handles a PDU that is neither a request for the caller nor an awaited response."""
        if frame.command_id & RESPONSE:
            self._handle_response(frame, strays)
            return
        self.unhandled_pdus += 1
        before = len(requests)
        self._unanswered += before  # an unbind must know what came before it in the same read
        self._request(frame, requests, now)
        self._unanswered -= before

    def _keep(self, data: bytes, position: int) -> None:
        """Keeps an incomplete PDU; an impossible length is detected as soon as the header is there (§4.3.1)."""
        if self.closing is not None:
            self._rest = b""
            return
        self._rest = data[position:]
        if len(self._rest) < 16:
            return
        length, _, _, sequence = _header(self._rest)
        if not 16 <= length <= self._most_bytes:
            self._nack(ESME_RINVCMDLEN, sequence, "framing")
            self._rest = b""
            self.closing = f"framing lost: a PDU says it is {length} bytes long"

    def _nack(self, status: int, sequence: int, kind: str) -> None:
        self._note(kind)
        self._out.append(builders.pdu(GENERIC_NACK, status, sequence))

    def _request(self, frame: Frame, requests: list[Frame], now: float) -> None:
        """Handles a request that the state's table does not pass to the caller: the session answers it, or refuses it."""
        command = COMMANDS.get(frame.command_id)
        if command is None:
            self._nack(ESME_RINVCMDID, frame.sequence_number, "unknown-command")
        elif frame.command_id in (ENQUIRE_LINK, UNBIND):
            if len(frame.data) > 16:
                self._nack(ESME_RINVCMDLEN, frame.sequence_number, "length")
            elif frame.command_id == ENQUIRE_LINK:
                self._out.append(builders.response(ENQUIRE_LINK, ESME_ROK, frame.sequence_number))
            else:
                self._peer_unbinds(frame, now)
        elif frame.command_id in BINDS and self.side == "provider":
            self._peer_binds(frame, requests)
        elif frame.command_id == ALERT_NOTIFICATION and self.side == "carrier" and self.can_receive:
            pass  # §4.12: it has no response, and the gate has no use for it
        else:
            self._refuse(frame, ESME_RINVBNDSTS, "bind-state")

    def _refuse(self, frame: Frame, status: int, kind: str) -> None:
        """Refuses with the command's own response, or with generic_nack if it has none."""
        if COMMANDS[frame.command_id].answered:
            self._note(kind)
            self._out.append(builders.response(frame.command_id, status, frame.sequence_number))
        else:
            self._nack(status, frame.sequence_number, kind)

    def _peer_binds(self, frame: Frame, requests: list[Frame]) -> None:
        if self.bound or self._bind is not None:
            self._refuse(frame, ESME_RALYBND, "bind-state")
        elif self.state != "open":
            self._refuse(frame, ESME_RINVBNDSTS, "bind-state")
        else:
            try:
                read_fields(frame)
            except Malformed as fault:
                self._refuse(frame, fault.status, fault.kind)
                return
            self._bind = frame
            requests.append(frame)

    def _peer_unbinds(self, frame: Frame, now: float) -> None:
        """§4.2: handles the peer's unbind; its earlier requests are answered before the unbind_resp."""
        if not self.bound:
            self._refuse(frame, ESME_RINVBNDSTS, "bind-state")
            return
        self._enter("unbound")
        self._unbind_resp = builders.response(UNBIND, ESME_ROK, frame.sequence_number), now
        self._finish_unbind()

    def _finish_unbind(self) -> None:
        """Sends the unbind_resp once all requests of the peer are answered."""
        if self._unbind_resp is not None and self._unanswered <= 0:
            self._out.append(self._unbind_resp[0])
            self._unbind_resp = None
            self.closing = "unbound by the peer"

    def _handle_response(self, frame: Frame, strays: list[tuple[int, Frame]]) -> None:
        """Handles a response without a waiting ticket: to one of the session's own requests, a late one, or an unexpected one."""
        own = self._outstanding.take_own(frame)
        if own is not None:
            self._own_answered(own, frame)
        elif self._outstanding.take_late(frame):
            strays.append((frame.sequence_number, frame))
        else:
            self.unhandled_pdus += 1
            self._note("refused-by-peer" if frame.command_id == GENERIC_NACK else "response")

    def _own_answered(self, command_id: int, frame: Frame) -> None:
        if command_id == UNBIND:
            self._enter("unbound")
            self.closing = "unbound"
        elif command_id in BINDS:
            if frame.command_status:
                self.refused_status = frame.command_status
                self.closing = "bind refused"
            else:
                self._bound_to(frame)
                self._enter(BINDS[command_id])

    def _bound_to(self, frame: Frame) -> None:
        """Reads a carrier's bind response; a broken body is counted and otherwise ignored."""
        try:
            fields = read_fields(frame)
        except Malformed as fault:
            self._note(fault.kind)
            return
        self.peer_system_id = fields["system_id"].decode("latin-1")
        version = dict(fields["tlvs"]).get(SC_INTERFACE_VERSION, b"\0")
        self.interface_version = version[0]  # §5.3.2.25: absent means that optional parameters are not supported

    # ------------------------------------------------------------------ writing

    @property
    def has_output(self) -> bool:
        """Whether bytes must be written, or the connection must be closed."""
        return bool(self._out) or self.closing is not None

    def output(self) -> bytes:
        """All bytes to write since the last call, joined."""
        out = self._out
        if not out:
            return b""
        joined = out[0] if len(out) == 1 else join(out)
        self._out = []
        return joined

    def send(self, data: bytes, ticket: Any, now: float) -> int:
        """Sends a request and returns its sequence number; ``ticket`` is returned with the response."""
        sequence, numbered = self._outstanding.add(data, ticket, now)
        self._out.append(numbered)
        return sequence

    def send_all(self, requests: Sequence[Request], now: float) -> None:
        """``send`` for many requests, each its own ticket; the caller has checked ``free``."""
        self._out += self._outstanding.add_all(requests, now)

    def write(self, data: bytes) -> None:
        """Writes one whole response to a request that ``receive`` returned."""
        self._out.append(data)
        self._unanswered -= 1
        if self._unbind_resp is not None:
            self._finish_unbind()

    def write_all(self, answers: Sequence[bytes]) -> None:
        """``write`` for many responses."""
        self._out += answers
        self._unanswered -= len(answers)
        if self._unbind_resp is not None:
            self._finish_unbind()

    def answer(self, frame: Frame, status: int, body: bytes = b"") -> None:
        """Answers a request that ``receive`` returned, with the response of its command."""
        self.write(builders.response(frame.command_id, status, frame.sequence_number, body))

    # ------------------------------------------------------------------ bind and unbind

    def bind_request(self, frame: Frame) -> BindRequest:
        """The fields of a bind that ``receive`` returned (they were checked before)."""
        fields = read_fields(frame)
        return BindRequest(
            COMMANDS[frame.command_id].name.removeprefix("bind_"),
            fields["system_id"].decode("latin-1"),
            fields["password"].decode("latin-1"),
            fields["system_type"].decode("latin-1"),
            fields["interface_version"],
            fields["address_range"].decode("latin-1"),
        )

    def accept_bind(self, frame: Frame, system_id: str) -> None:
        """Accepts a bind. The response has sc_interface_version only for a peer that supports optional parameters (§4.1.2, §3.1)."""
        self.interface_version = self.bind_request(frame).interface_version
        body = system_id.encode("latin-1")[:15] + b"\0"
        if self.interface_version >= VERSION_34:
            body += builders.tlv(SC_INTERFACE_VERSION, bytes((VERSION_34,)))
        self._bind = None
        self._enter(BINDS[frame.command_id])
        self.answer(frame, ESME_ROK, body)

    def refuse_bind(self, frame: Frame, status: int) -> None:
        """Refuses a bind; the peer may try again until the bind timer expires."""
        self._bind = None
        self.answer(frame, status)

    def start_bind(self, kind: str, system_id: str, password: str, system_type: str = "", address_range: str = "") -> None:
        """Sends a bind to the carrier: ``bound`` becomes true, or ``refused_status`` says why not. Raises ValueError if a name is too long."""
        asking = builders.bind(kind, system_id, password, system_type=system_type, address_range=address_range)
        self._out.append(self._outstanding.add_own(asking))

    def unbind(self) -> None:
        """Sends an unbind; the peer's response sets ``closing``. Closes at once if the session is not bound."""
        if not self.bound:
            self.closing = self.closing or "never bound"
        elif self._unbinding is None:
            self._unbinding = self._last_read
            self._out.append(self._outstanding.add_own(builders.unbind()))

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> list[tuple[int, Any]]:
        """Advances the timers: returns (sequence number, ticket) of overdue requests, and sends enquire_link to a silent peer."""
        limit = now - self.timers.response_s
        overdue = self._outstanding.give_up(limit)
        if self.closing is None:
            self._check_timers(now, limit)
        return overdue

    def due(self, now: float) -> float:
        """When ``tick`` must be called again, unless bytes are read or written before: thousands of idle sessions need no polling."""
        timers = self.timers
        if (
            self._outstanding.waiting
            or self._enquired is not None
            or self._unbinding is not None
            or self._unbind_resp is not None
        ):
            return now
        return self._opened + timers.bind_s if self.state == "open" else self._last_read + timers.enquire_s

    def _check_timers(self, now: float, limit: float) -> None:
        if self.state == "open":
            if now - self._opened >= self.timers.bind_s:
                self.closing = "no bind in time"
        elif self._unbind_resp is not None:
            if self._unbind_resp[1] <= limit:
                self._unanswered = 0
                self._finish_unbind()
        elif self._unbinding is not None:
            if max(self._unbinding, self._last_read) <= limit:
                self.closing = "no answer to our unbind"
        elif self._enquired is not None:
            if self._enquired <= limit:
                self.closing = "no answer to our enquire_link"
        elif now - self._last_read >= self.timers.enquire_s:
            self._enquired = now
            self._out.append(self._outstanding.add_own(builders.enquire_link()))

    def abandon(self) -> list[Any]:
        """Call it when the connection is lost: returns the tickets of all unanswered requests, oldest first."""
        self._enter("unbound")
        return self._outstanding.abandon()
