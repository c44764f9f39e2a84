"""Handles provider commands besides submit_sm: data_sm, query_sm, cancel_sm, replace_sm.

In: their frames; the time. Out: submits for the relay, queries for the carrier that has the message, answers. Never: sockets, a clock, a
verdict.

    data_sm        judged like a submit_sm, and forwarded as it is                    submit_multi.py   submit_multi
    query_sm       asked of the carrier that has the message; not judged              replace_sm.py   replace_sm
    cancel_sm      likewise. A cancelled message keeps its entry in the person's record: whether it was read before it was
                   cancelled is unknown, and an allowance that comes back by cancelling would be a way around every cap

Whose a message is: ``source_addr`` must be the asker's, also beside an id; an id that is known (message_index.py) must have been sent from
that very source. Which carrier has it: the one its id names (``message_ids: coded``), else the one that is known to have taken it,
else the only one. The answer passes back byte for byte but for sequence number and message id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from proxy.journal.encoding import pack
from proxy.journal.records import messages, requests
from proxy.model.message import Category, Content, Message, Sender
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.reasons import GATE_REASONS
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.message_index import SentIndex
from proxy.relay.pending_submit import Bind, OtherRequest, PendingSubmit, SubmitLane
from proxy.relay.replace_sm import ReplaceSm
from proxy.relay.submit import Relay
from proxy.relay.submit_multi import submit_multi
from proxy.wire import Frame, Malformed, data_sm_resp, response
from proxy.wire.message_queries import QueriedMessage, answer_body, read_message_query, replacement, with_message_id
from proxy.wire.submit import read_data_sm
from proxy.wire.tables import (
    CANCEL_SM,
    DATA_SM,
    ESME_RCANCELFAIL,
    ESME_RINVDSTADR,
    ESME_RINVSRCADR,
    ESME_RQUERYFAIL,
    ESME_RREPLACEFAIL,
    ESME_RSYSERR,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
)

FAILED = {QUERY_SM: ESME_RQUERYFAIL, CANCEL_SM: ESME_RCANCELFAIL, REPLACE_SM: ESME_RREPLACEFAIL}
OVERDUE = {QUERY_SM: ESME_RQUERYFAIL, CANCEL_SM: ESME_RSYSERR}
"""A cancel_sm without an answer may have succeeded."""
_NO_CONTENT = Content("", "empty", b"")

CarrierOf = Callable[[bytes], tuple[str, bytes] | None]
"""(carrier, the id as it gave it) of an id as providers know it; None where the id does not say."""
LaneFinder = Callable[[str, str], SubmitLane | None]
"""The lane that a provider's messages to a carrier take; the carrier empty where it is not known; None where it cannot be told."""


def lane_finder(common: Mapping[str, SubmitLane], own: Mapping[str, SubmitLane] | None = None) -> LaneFinder:
    """``common``: by carrier. ``own``: by provider, if it has its own account at a carrier (its messages went out there)."""
    accounts = own or {}

    def lane_of(provider: str, carrier: str) -> SubmitLane | None:
        account = accounts.get(provider)
        if account is not None and carrier in ("", account.name):
            return account
        if carrier or len(common) != 1:
            return common.get(carrier)
        return next(iter(common.values()))

    return lane_of


class Data(PendingSubmit):
    """A data_sm: as a submit_sm in all but its layout."""

    read = staticmethod(read_data_sm)
    respond = staticmethod(data_sm_resp)


class MessageQuery(OtherRequest):
    """A query_sm, cancel_sm or replace_sm on its way to the carrier and back."""

    def __init__(
        self, relay: Relay, bind: Bind, frame: Frame, arrived_s: float, tell: Callable[[MessageQuery, str, int, bytes], None]
    ) -> None:
        super().__init__(bind, frame.sequence_number, frame.data, arrived_s)
        self.frame = frame
        self._relay = relay
        self.category = Category.NOTICE  # it goes before advertisements and after codes
        self.queried: QueriedMessage | None = None
        self.carrier_message_id = b""
        """The id as the carrier knows it."""
        self.on_answer = tell

    def settled(self) -> None:
        super().settled()
        self._relay.open_queries -= 1

    def answered(self, frame: Frame) -> None:
        self.settled()
        message_id, body = self.queried.message_id if self.queried else b"", b""
        if self.frame.command_id == frame.command_id & 0x7FFF_FFFF:
            body = answer_body(frame, self.carrier_message_id, message_id)
        self.on_answer(self, "", frame.command_status, body)

    def answered_late(self, frame: Frame) -> bool:
        return True  # the provider has been told that it failed

    def unanswered(self) -> bool:
        self.settled()
        self.on_answer(self, "no-answer", OVERDUE[self.frame.command_id], b"")
        return True

    def unsent(self, reason: str) -> bool:
        self.settled()
        self.on_answer(self, reason, FAILED[self.frame.command_id], b"")
        return True


class SettledQuery(RecordChange):
    """The outcome of a query (a RecordChange that changes no record): the provider gets it once it is written."""

    recipient = 0

    def __init__(self, answer: Callable[[float], requests.MessageRequest], then: Callable[[], None]) -> None:
        self._answer, self._then = answer, then

    def written(self, now: float) -> tuple[int, bytes]:
        return messages.ASKED, pack(self._answer(now))

    def done(self, recorded: int) -> None:
        self._then()

    def unwritten(self) -> bool:
        """It changes nothing that must be safe, and the provider should not wait for the disk."""
        self._then()
        return False


class Commands:
    def __init__(
        self,
        relay: Relay,
        index: SentIndex,
        lane_of: LaneFinder,
        carrier_of: CarrierOf,
        coded: bool,
        clock: Callable[[], float],
    ) -> None:
        """``coded``: every id that the gate gives names its carrier, so any other id is unknown."""
        self.index = index
        self._relay = relay
        self._lane_of = lane_of
        self._carrier_of, self._coded = carrier_of, coded
        if any(access.replaces for access in relay.directory.accesses.values()):
            self._keep_index(clock)
        self._clock = clock

    def use(self) -> None:
        """Other accounts after a reload."""
        if self._relay.commit.on_accepted is None and any(one.replaces for one in self._relay.directory.accesses.values()):
            self._keep_index(self._clock)

    def _keep_index(self, clock: Callable[[], float]) -> None:
        self._relay.commit.on_accepted = lambda accepted: self.index.note(accepted, clock())

    def take(self, bind: Bind, frame: Frame, now: float, arrived_s: float) -> bool:
        """Handles a provider's request other than submit_sm; False if it is none of these commands."""
        command = frame.command_id
        if command == DATA_SM:
            self._relay.submit(bind, frame, now, arrived_s, Data)
        elif command == SUBMIT_MULTI:
            submit_multi(self._relay, bind, frame, now, arrived_s)
        elif command in FAILED:
            self._ask(bind, frame, now, arrived_s)
        else:
            return False
        return True

    # -- query, cancel, replace

    def _ask(self, bind: Bind, frame: Frame, now: float, arrived_s: float) -> None:
        query = MessageQuery(self._relay, bind, frame, arrived_s, self._settle)
        reason = self._relay.admit(bind, arrived_s)
        bind.unanswered += 1
        if reason:
            self._settle(query, reason, GATE_REASONS[reason].status, b"")
            return
        try:
            query.queried = queried = read_message_query(frame)
            if queried.fault is not None and bind.access.refuses_reserved:
                raise queried.fault.malformed()
        except Malformed as fault:
            self._relay.tally.bad_pdus["provider", fault.kind, bind.access.provider.name] += 1
            self._settle(query, "malformed", fault.status, b"")
            return
        sender = bind.access.sender(queried.head)
        query.message = Message(sender, 0, _NO_CONTENT)
        if not sender.prefix:
            self._settle(query, "port-not-owned", ESME_RINVSRCADR, b"")
            return
        reason = self._send(query, queried, sender, now)
        if reason:
            status = ESME_RINVDSTADR if reason == "bad-recipient" else FAILED[frame.command_id]
            self._settle(query, reason, status, b"")

    def _send(self, query: MessageQuery, queried: QueriedMessage, sender: Sender, now: float) -> str:
        """Sends a query to the carrier that has the message; returns why it cannot."""
        frame = query.frame
        sent = self.index.find(queried.message_id) if queried.message_id else None
        if sent is not None and sent.port != sender.port_hash:
            return "not-yours"
        named = self._carrier_of(queried.message_id) if queried.message_id else None
        carrier, carrier_message_id = (
            named if named is not None else (sent.carrier if sent is not None else "", queried.message_id)
        )
        nobodys = self._coded and named is None and bool(queried.message_id)
        lane = None if nobodys else self._lane_of(sender.provider, carrier)
        if lane is None:
            return "carrier-unknown"
        data = frame.data if carrier_message_id == queried.message_id else with_message_id(frame, carrier_message_id)
        if frame.command_id == REPLACE_SM:
            return self._replace(query, lane, data, queried, sender, now)
        recipient = sent.recipient if sent is not None else 0
        if frame.command_id == CANCEL_SM and not queried.message_id:
            try:
                recipient = recipient_of(queried.destination)
            except NotARecipient:
                return "bad-recipient"
        query.message = Message(sender, recipient, _NO_CONTENT)
        if not lane.up:
            return "no-route"
        if not lane.hold(query.category):
            return "queue-full"
        query.carrier_message_id, query.data = carrier_message_id, data
        self._relay.open_queries += 1
        query.enqueue(lane)
        return ""

    def _replace(
        self, query: MessageQuery, lane: SubmitLane, data: bytes, queried: QueriedMessage, sender: Sender, now: float
    ) -> str:
        sent = self.index.find(queried.message_id)
        if sent is None or not sent.replaceable:
            return "not-replaceable"
        if queried.message_id in self.index.in_doubt:  # an earlier one of this loop turn, or the store is slow or away
            self._settle(query, "store-conflict", GATE_REASONS["store-conflict"].status, b"")
            return ""
        try:
            content = replacement(query.frame, sent.data_coding, now, sent.scheduled)
        except Malformed as fault:
            self._relay.tally.bad_pdus["provider", fault.kind, query.bind.access.provider.name] += 1
            self._settle(query, "malformed", fault.status, b"")
            return ""
        message = Message(sender, sent.recipient, content)
        bind, frame = query.bind, query.frame
        replacing = ReplaceSm(
            self._relay, self.index, lane, bind, frame, data, queried.message_id, sent, message, query.arrived_s,
        )  # fmt: skip
        self._relay.change(replacing)
        return ""

    # -- answers

    def _settle(self, query: MessageQuery, reason: str, status: int, body: bytes) -> None:
        """Journals the outcome of a query, then answers."""
        access, lane = query.bind.access, query.lane
        answer = partial(
            requests.MessageRequest, provider=access.provider.name, account=access.account.system_id,
            port=query.queried.source if query.queried else "", carrier=lane.name if lane is not None else "", reason=reason,
            status=status, data=query.frame.data, body=body,
        )  # fmt: skip
        self._relay.note(SettledQuery(answer, partial(self._relay.when_synced, 0, partial(_say, query, status, body))))


def _say(query: MessageQuery, status: int, body: bytes) -> None:
    frame, bind = query.frame, query.bind
    bind.unanswered -= 1
    bind.answer_all([response(frame.command_id, status, frame.sequence_number, body)])
