"""Splits a submit_multi into submits per recipient and rejoins the allowed.

In: a submit_multi of a provider; the relay's verdict on each address. Out: at most one submit_multi per carrier; one answer.
Never: sockets, the clock.

Each address is judged, written and counted as the submit_sm it would be (a ``MultiMember``), on an artificial bind (``MultiBind``) that
collects the members' answers. Allowed members wait until all are judged and leave in one PDU per carrier. The carrier's result for each
address goes back to its member, which settles, takes back or marks its own entry.

The provider gets one message_id (SMPP 3.4 §4.5.2 has room for one): that of the carrier of the first allowed address. A submit_multi leaves on
the link of its first recipient, so single messages to the other recipients may overtake it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from proxy.model.number import NotARecipient, recipient_of
from proxy.relay.account_access import Access
from proxy.relay.pending_submit import Bind, OtherRequest, PendingSubmit, SubmitLane
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import Frame, Malformed, response, submit_sm_resp
from proxy.wire.frame import read_tlvs
from proxy.wire.multi import ADDRESSES_MAX, Multi, read_multi, read_multi_resp, submit_multi_resp
from proxy.wire.tables import ADDITIONAL_STATUS_INFO_TEXT, ESME_RSUBMITFAIL, SUBMIT_MULTI


def respond_multi(sequence: int, status: int, message_id: bytes = b"") -> bytes:
    """The answer to a submit_multi that was refused before its addresses were looked at; ``message_id``: empty, or with parameters
    behind it."""
    return response(SUBMIT_MULTI, status, sequence, b"\0\0" + message_id[1:] if message_id else b"")


class RefusedMulti(PendingSubmit):
    """A submit_multi that the gate refuses as a whole."""

    respond = staticmethod(respond_multi)


class MultiMember(PendingSubmit):
    """One address, as the submit_sm to it."""

    def enter_lane(self) -> None:
        """Waits for the other members of its group instead: they go into the lane together."""
        self.bind.may_go(self, self.lane)


class MemberOutcome(NamedTuple):
    status: int
    body: bytes


class MultiBind:
    """The artificial bind of a submit_multi's members: collects their answers, and the allowed members."""

    def __init__(self, relay: Relay, bind: Bind, sequence: int, multi: Multi, arrived_s: float) -> None:
        self.access: Access = bind.access
        self.unanswered = self.noise = 0
        self.window = ADDRESSES_MAX + 1
        self.peer_version = bind.peer_version
        self._relay = relay
        self._bind = bind
        self._sequence = sequence
        self._multi = multi
        self._arrived_s = arrived_s
        self._fates: dict[int, MemberOutcome] = {}
        self._ready: dict[SubmitLane, list[PendingSubmit]] = {}
        self._waiting = len(multi.addresses)
        """Addresses not judged yet."""
        self._partly_answered = False

    # -- as a Bind

    room = 0

    def hand_all(self, items: Sequence[Item]) -> None:
        raise NotImplementedError("it has no room for a deliver")

    def answer_all(self, answers: list[bytes]) -> None:
        """Takes members' answers: refusals of the gate, or the carrier's answers."""
        for data in answers:
            self._member_answered(data)

    def _member_answered(self, data: bytes) -> None:
        place = int.from_bytes(data[12:16], "big") - 1
        self._fates[place] = MemberOutcome(int.from_bytes(data[8:12], "big"), data[16:])
        if self._waiting:
            self._judged()
        if len(self._fates) == len(self._multi.addresses):
            self._answer()

    # -- gathering

    def may_go(self, member: PendingSubmit, lane: SubmitLane) -> None:
        """A member is allowed, and its entry is written."""
        self._ready.setdefault(lane, []).append(member)
        self._judged()

    def _judged(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        for lane, members in self._ready.items():
            members.sort(key=lambda member: member.sequence)
            if not lane.up:  # it went while the last of them were judged
                for member in members:
                    lane.release(member.category)
                    self._relay.unsent(member, "no-route")
                continue
            together = CarrierMulti(self._relay, self, self._bind, self._sequence, self._multi, members, self._arrived_s)
            for member in members[1:]:  # one PDU takes one place
                lane.release(member.category)
            together.enqueue(lane, len(members))
        self._ready.clear()

    # -- the answer

    def partly_answered(self) -> None:
        """A carrier has answered: from now on the provider's delivers wait for the answer to the submit_multi."""
        if not self._partly_answered:
            self._partly_answered = True
            self._relay.partly_answered[self.access.provider.name] += 1

    def _answer(self) -> None:
        if self._partly_answered:
            self._relay.partly_answered[self.access.provider.name] -= 1
        fates = [self._fates[place] for place in range(len(self._multi.addresses))]
        refused = [(address, fate.status) for address, fate in zip(self._multi.addresses, fates, strict=True) if fate.status]
        taken = next((fate.body for fate in fates if not fate.status), None)
        status, text = 0, ""
        if taken is None:  # nobody gets it
            statuses = {fate.status for fate in fates}
            status = statuses.pop() if len(statuses) == 1 else ESME_RSUBMITFAIL
            text = ", ".join(dict.fromkeys(filter(None, (_why(fate.body) for fate in fates))))
        message_id = (taken or b"").partition(b"\0")[0]
        self._bind.unanswered -= 1
        self._bind.answer_all([submit_multi_resp(self._sequence, status, message_id, refused, text)])


def _why(body: bytes) -> str:
    """The additional_status_info_text of a refusal."""
    try:
        return dict(read_tlvs(body, 1)).get(ADDITIONAL_STATUS_INFO_TEXT, b"").rstrip(b"\0").decode("ascii")
    except Malformed:
        return ""


class CarrierMulti(OtherRequest):
    """The submit_multi that goes to one carrier."""

    def __init__(
        self,
        relay: Relay,
        group: MultiBind,
        bind: Bind,
        sequence: int,
        multi: Multi,
        members: list[PendingSubmit],
        arrived_s: float,
    ) -> None:
        places = [member.sequence - 1 for member in members]
        super().__init__(bind, sequence, multi.only(places), arrived_s)
        self.message = members[0].message
        self.category = members[0].category
        self._relay, self._group = relay, group
        self.members = members
        self._addresses = [multi.addresses[place][2:-1] for place in places]

    def answered(self, frame: Frame) -> None:
        self.settled()
        self._group.partly_answered()
        self._share(frame, self._relay.answered)

    def answered_late(self, frame: Frame) -> bool:
        self._share(frame, self._relay.answered_late)
        return True

    def _share(self, frame: Frame, then: Callable[[PendingSubmit, Frame], None]) -> None:
        """Passes the carrier's answer to each member: the status of the whole, or that of its unsuccess_sme."""
        message_id, refused = read_multi_resp(frame)
        statuses = [frame.command_status] * len(self.members)
        if not frame.command_status:
            for address, status in refused:
                place = self._place(address, statuses)
                if place is not None:
                    statuses[place] = status or ESME_RSUBMITFAIL
        for member, status in zip(self.members, statuses, strict=True):
            member.answered_s = self.answered_s
            then(member, Frame.of(submit_sm_resp(member.sequence, status, b"" if status else message_id)))

    def _place(self, address: bytes, statuses: list[int]) -> int | None:
        """The index of the member that the carrier means: by the spelling, else by the number; of two alike the next."""
        free = [place for place, status in enumerate(statuses) if not status]
        spelt = [place for place in free if self._addresses[place] == address]
        if spelt:
            return spelt[0]
        try:
            person = recipient_of(address)
        except NotARecipient:
            return None
        return next((place for place in free if self.members[place].message.recipient == person), None)  # type: ignore[union-attr]

    def unanswered(self) -> bool:
        self.settled()
        for member in self.members:
            member.answered_s = self.answered_s
            self._relay.unanswered(member)
        return True

    def unsent(self, reason: str) -> bool:
        self.settled()
        for member in self.members:
            self._relay.unsent(member, reason)
        return True


def submit_multi(relay: Relay, bind: Bind, frame: Frame, now: float, arrived_s: float) -> None:
    """A provider has sent a submit_multi. Each address counts against its rate; those over it are refused, the others are judged."""
    whole = RefusedMulti(bind, frame.sequence_number, frame.data, arrived_s)
    reason = relay.closed(bind)
    if not reason:
        try:
            multi = read_multi(frame)
        except Malformed as fault:
            whole.status = fault.status
            relay.tally.bad_pdus["provider", fault.kind, bind.access.provider.name] += 1
            reason = "malformed"
        else:
            bind.unanswered += 1
            group = MultiBind(relay, bind, frame.sequence_number, multi, arrived_s)
            for place in range(len(multi.addresses)):
                relay.submit(group, Frame.of(multi.submit(place)), now, arrived_s, MultiMember)
            return
    relay.refuse(whole, reason)
