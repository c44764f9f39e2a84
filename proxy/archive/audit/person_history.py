"""Collects what one person was sent and wrote, from journal records.

Of this gate's replies only the text counts; of replies at other gates, what those gates replicated. Never: code of the path that records
refusals, or what that path recorded.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Collection

from proxy.archive.audit import independent_reader
from proxy.archive.audit.optout_scope import Claim, ClaimsEnded, Findings, Key, Outgoing, SeenReply, digits_of, findings
from proxy.journal.encoding import unpack
from proxy.journal.records import answers, consents, delivers, doubtful_replies, messages, operator_actions, requests
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.message import Category
from proxy.model.number import NotARecipient, masked_repr, recipient_of

READ_AGAIN_S = 60  # for so long a reply may be processed again, if the gate died between writing its effect and its text
TURN_S = 10  # from a START in force to the verdicts of its turn at most: a store may be slow
MESSAGES_MAX = 10_000  # of one person: older ones are forgotten. It is 300 a day for a month
_PERSON = struct.Struct(">Q")
_LOST = frozenset((1, 4))
_UNKNOWN = frozenset((2, 5, 6))
_LATE_ACCEPTED = 3  # effects of an answer (journal/records/answers.py): refused by the carrier, unknown, known late
_REPLIES = frozenset(("reply", "optout", "restore", "review"))


@masked_repr
class PersonHistory:
    """What journals say of one person, in the order in which it is handed in."""

    def __init__(self, recipient: int, nodes: Collection[int] = ()) -> None:
        """``nodes``: nodes of these journals, whose replicated records are not counted twice."""
        self.recipient = recipient
        self._wanted = _PERSON.pack(recipient)
        self._nodes = nodes
        self._events: list[Outgoing | SeenReply | ClaimsEnded] = []
        self._doubts: dict[int, tuple[str, float]] = {}  # number of a doubtful reply → its port, its time
        self._standing: dict[int, str] = {}  # row of a standing "no" → its words
        self._sent: OrderedDict[tuple[int, int], Outgoing] = OrderedDict()  # by journal and entry

    def take(self, journal: int, record: JournalRecord) -> None:
        """A record that is not about this person costs a comparison."""
        read = _READ.get(record.kind)
        if read is None or (record.kind in _NAMED and record.body[8:16] != self._wanted):
            return
        read(self, (journal, record.sequence), record)

    def assume_answered(self, but: Collection[Key]) -> None:
        """Marks open messages as accepted, except ``but``; for callers that skip carriers' plain acceptances."""
        for one in self._sent.values():
            if one.state == "open" and one.key not in but:
                one.state = "accepted"

    def sent(self) -> list[Outgoing]:
        """Messages that were allowed, as far as they were handed in."""
        for one in self._sent.values():
            one.read()
        return list(self._sent.values())

    def findings(self) -> Findings:
        self.sent()
        return findings(self._events)

    # ------------------------------------------------------------------ records

    def _verdict(self, key: Key, record: JournalRecord) -> None:
        submit = messages.unpack_verdict(record.body)
        if submit.entry is None:
            return
        pdu = independent_reader.text_of(submit.data)
        replaced = self._sent.get((key[0], submit.adopts)) if submit.adopts else None
        state = replaced.state if replaced is not None else ""
        if replaced is not None:  # this stands in for it
            replaced.state = "lost"
        sent = self._sent.get((key[0], submit.entry.id))
        if sent is None:
            marketing = submit.category is Category.MARKETING
            sent = Outgoing(
                key, submit.time, digits_of(submit.port), submit.provider, marketing, submit.category is Category.OTP, submit.entry.signature,
                pdu.coding,
            )  # fmt: skip
            sent.replaced, sent.replaced_state = replaced, state
            self._sent[key[0], submit.entry.id] = sent
            self._events.append(sent)
            if len(self._sent) > MESSAGES_MAX:
                self._events.remove(self._sent.popitem(last=False)[1])
        elif (
            submit.entry.signature and not sent.signature
        ):  # only this part has the signature: before it the sender was unknown
            sent.key, sent.at, sent.signature = key, submit.time, submit.entry.signature
            self._events.remove(sent)
            self._events.append(sent)
        sent.marketing |= submit.category is Category.MARKETING
        sent.parts[pdu.part] = pdu.octets

    def _answers(self, key: Key, record: JournalRecord) -> None:
        if self._wanted not in record.body:
            return
        for one in answers.unpack_answers(record):
            sent = self._sent.get((key[0], one.entry_id))
            if sent is None or one.recipient != self.recipient or one.effect in (7, 8):
                continue
            if one.effect in _LOST:
                sent.state = "lost"
            elif one.effect in _UNKNOWN:
                sent.state = "unknown"
            elif sent.state != "unknown" or one.effect == _LATE_ACCEPTED:  # of a long message one part may be unknown
                sent.state = "accepted"

    def _unreplaced(self, key: Key, record: JournalRecord) -> None:
        """The carrier refused a replacement: what it should replace is out as before."""
        sent = self._sent.get((key[0], unpack(requests.Unreplaced, record.body).entry_id))
        if sent is None:
            return
        sent.state = "lost"
        if sent.replaced is not None:
            sent.replaced.state = sent.replaced_state

    def _restored(self, key: Key, record: JournalRecord) -> None:
        """Takes what a START did. The journal has it behind the messages of the same turn, which were judged after it."""
        restored = unpack(delivers.Restored, record.body)
        reply = SeenReply(key, restored.time, digits_of(restored.port), restored.provider, ("START",), promised=True)
        events, place = self._events, len(self._events)
        while place:
            before = events[place - 1]
            if not isinstance(before, Outgoing) or not 0 <= before.at - restored.time <= TURN_S:
                break
            place -= 1
        events.insert(place, reply)

    def _deliver(self, key: Key, record: JournalRecord) -> None:
        deliver = unpack(delivers.DeliverRecord, record.body)
        if deliver.kind not in _REPLIES:
            return
        try:
            if recipient_of(deliver.source) != self.recipient:
                return
        except NotARecipient:
            return
        pdu = independent_reader.text_of(deliver.data)
        texts = independent_reader.readings(pdu.octets, pdu.coding)
        reply = SeenReply(key, deliver.time, digits_of(deliver.port), deliver.provider, texts)
        reply.dismissed = any(
            independent_reader.normalized(text) == words for text in texts for words in self._standing.values()
        )
        self._events.append(reply)

    def _doubtful(self, key: Key, record: JournalRecord) -> None:
        doubtful = unpack(doubtful_replies.Doubtful, record.body)
        self._doubts[doubtful_replies.id_of(record.body)] = digits_of(doubtful.port), doubtful.time

    def _decided(self, key: Key, record: JournalRecord) -> None:
        """A clerk's "no" ends what the reply claims, and what equal ones would claim; a "yes" changes nothing here."""
        decision = unpack(doubtful_replies.DoubtDecision, record.body)
        self._standing.pop(decision.row, None)
        if decision.yes:
            return
        if decision.standing and decision.ids:
            self._standing[decision.row] = independent_reader.normalized(decision.words)
        for port, at in [self._doubts[one] for one in decision.ids if one in self._doubts]:
            self._events.append(ClaimsEnded(decision.time, at + READ_AGAIN_S, port=port, since=at - 1))

    def _replicated(self, key: Key, record: JournalRecord) -> None:
        """Takes a replicated record: the reply's text is in the other gate's journal, its effect here."""
        replicated = unpack(ReplicatedRecord, record.body)
        if replicated.kind == messages.DECISION:
            self._decided(key, JournalRecord(replicated.sequence, replicated.kind, replicated.body))
        if replicated.node in self._nodes or replicated.body[8:16] != self._wanted:
            return
        if replicated.kind == messages.OPTOUT:
            self._replicated_optout(key, replicated.time, unpack(delivers.OptedOut, replicated.body))
        elif replicated.kind == messages.RESTORED:
            restored = unpack(delivers.Restored, replicated.body)
            self._events.append(SeenReply(key, replicated.time, digits_of(restored.port), restored.provider, ("START",)))
        elif replicated.kind in (messages.PERSON, messages.SUPPRESSED):
            self._ended(key, JournalRecord(replicated.sequence, replicated.kind, replicated.body))

    def _replicated_optout(self, key: Key, at: float, opt_out: delivers.OptedOut) -> None:
        scope, value, _, source, _ = opt_out.opt_out
        if source != "reply" or scope not in ("advertiser", "category"):
            return
        signatures = frozenset((value,)) if scope == "advertiser" else frozenset[str]()
        claim = Claim(key, at, digits_of(opt_out.port), not signatures, frozenset(f"#{one}" for one in signatures), signatures)
        self._events.append(SeenReply(key, at, claim.port, opt_out.provider, (), claim))

    def _ended(self, key: Key, record: JournalRecord) -> None:
        if record.kind == messages.PERSON:
            change = unpack(consents.ConsentChange, record.body)
            if change.event != "withdrawn":
                self._events.append(ClaimsEnded(change.time, change.time if change.event == "erased" else change.before))
            return
        order = unpack(operator_actions.Suppressed, record.body)
        lifted = [one for one in order.lifted if one.source != "doubtful"]  # holds are ended by a DECISION record
        if lifted:
            values = frozenset(one.value for one in lifted if one.scope in ("advertiser", "signature"))
            whole = any(one.scope not in ("advertiser", "signature") for one in lifted)
            self._events.append(ClaimsEnded(order.time, order.time, None if whole else values, whole))


_READ: dict[int, Callable[[PersonHistory, Key, JournalRecord], None]] = {
    messages.VERDICT: PersonHistory._verdict, messages.ANSWER: PersonHistory._answers, messages.ACCEPTED: PersonHistory._answers,
    messages.DELIVER: PersonHistory._deliver, messages.RESTORED: PersonHistory._restored, messages.UNREPLACED: PersonHistory._unreplaced,
    messages.HEARD: PersonHistory._replicated, messages.PERSON: PersonHistory._ended, messages.SUPPRESSED: PersonHistory._ended,
    messages.DOUBTFUL: PersonHistory._doubtful, messages.DECISION: PersonHistory._decided,
}  # fmt: skip
_NAMED = frozenset(
    (messages.VERDICT, messages.RESTORED, messages.UNREPLACED, messages.PERSON, messages.SUPPRESSED, messages.DOUBTFUL)
)
"""Kinds whose body says a time and then whom it is about."""
