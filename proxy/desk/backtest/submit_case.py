"""Describes one journalled message, or replace_sm, while it is judged again.

In: a verdict of the journal. Out: a SubmitCase, or why a message is skipped; which parts were one message. Never: a decision; a clock: the
journal says when a part was judged, not when it came.

A replace_sm is judged as ``relay/replace_sm.py`` did: the record gets the new text's entry instead of the old one's. The gate keeps an index of
accepted messages by id; the same index is kept here. It may know more than the gate's, which is lost in a restart: a message that the gate did
not find was not judged, and is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.desk.backtest.environment import FULL, Senders
from proxy.journal.records import answers, messages
from proxy.model.message import Content, Message, Part, Take
from proxy.model.reasons import GATE_REASONS, RULE_REASONS
from proxy.policy.ruleset import RuleSet
from proxy.relay.admission import Admission
from proxy.relay.message_index import KNOWN_S, IndexedMessage, Restoring, SentIndex
from proxy.relay.pending_submit import Bind, PendingSubmit
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import Frame, Malformed
from proxy.wire.message_queries import read_message_query, replacement


class ReplacedMessage(NamedTuple):
    """The message that a replace_sm names, and its new text."""

    message_id: bytes
    sent: IndexedMessage
    content: Content


class Replacements:
    def __init__(self, store: SqliteStore, senders: Senders) -> None:
        self._store, self._senders = store, senders
        self._index = SentIndex([""])
        self.as_recorded = Restoring(self._index, senders.replaces)
        """The index for messages that are not judged again."""

    def advance(self, now: float) -> None:
        """Old ids make room for new ones."""
        self._index.note((), now)

    def accepted(self, submit: messages.VerdictRecord, answer: answers.CarrierAnswer, pending: PendingSubmit | None) -> None:
        """A carrier accepted a message. ``pending``: as judged again; None if it was not."""
        if not self._senders.replaces(submit.provider):
            return
        if pending is not None and pending.verdict is not None:
            submit = submit._replace(takes=pending.verdict.takes)
        self._index.restore(submit, answer)

    def named(self, submit: messages.VerdictRecord) -> ReplacedMessage | None:
        """The message that a replace_sm of the journal is about; None if it is not known."""
        frame = Frame.of(submit.data)
        try:
            asking = read_message_query(frame)
            sent = self._index.find(asking.message_id)
            if sent is None or not sent.replaceable or sent.recipient != submit.recipient:
                return None
            return ReplacedMessage(asking.message_id, sent, replacement(frame, sent.data_coding, submit.time, sent.scheduled))
        except Malformed:
            return None

    def judge(self, judging: Admission, pending: PendingSubmit, named: ReplacedMessage, data: bytes, now: float) -> bytes:
        """The record with the new text's entry in place of the old one's, where that is allowed."""
        counters, sent = self._store.counters, named.sent
        old = next((one for one in record.entries(data) if one.id == sent.entry_id), None)
        if old is None or old.time <= now - KNOWN_S:
            judging.refuse(pending, GATE_REASONS["not-replaceable"])
            return data
        for take in sent.takes:
            counters.give_back(take, old.time)
        after = judging.in_place(pending, data, old, now)
        for take in sent.takes:
            counters.take(take, old.time)
        if pending.lane is None or pending.verdict is None:
            return data
        pending.takes = tuple(take for take in pending.verdict.takes if take not in sent.takes)
        for take in pending.takes:
            counters.take(take, old.time)
        self._index.rename(named.message_id, pending.entry_id, sent.takes + pending.takes, named.content.scheduled)
        return after

    def restored(
        self, pending: PendingSubmit, named: ReplacedMessage, data: bytes, now: float
    ) -> tuple[bytes, tuple[Take, ...]]:
        """The carrier refused to replace it: the record with the old entry again, and what goes back to counters."""
        assert pending.adopted is not None
        sent = self._index.find(named.message_id)
        if sent is not None and sent.entry_id == pending.entry_id:
            self._index.rename(named.message_id, pending.adopted.id, named.sent.takes, named.sent.scheduled)
        without = record.remove(data, pending.entry_id)
        if without is data:  # another replacement has taken its place since
            return data, ()
        return record.add(without, pending.adopted, int(now), messages.KEEP_S), pending.takes


UNJUDGED = frozenset(GATE_REASONS) - FULL - {"late-breach", "store-conflict", "store-down", "outcome-unknown"}
"""Reasons for which a message was never shown to the rules, or the rules failed."""
NOT_STORED = frozenset(("store-conflict", "store-down"))
"""Reasons for which it stands for nothing though it was."""


class SubmitCase(PendingSubmit):
    """One message as it was sent and decided then; its verdict now is what judging leaves on it, as on any PendingSubmit."""

    message: Message

    def __init__(self, bind: Bind, message: Message, submit: messages.VerdictRecord, number: int) -> None:
        super().__init__(bind, 0, submit.data, submit.time)
        self.message = message
        self.journalled = submit
        self.recorded = number
        self.named: ReplacedMessage | None = None
        """What it was to replace."""

    @property
    def has_own_verdict(self) -> bool:
        """Whether its verdict is its own: of a long message only the first part's is, and that of a late part that breaks a rule."""
        return self.long is None or self.long.leader is self or "late-breach" in (self.reason, self.journalled.reason)


class SkippedVerdict(NamedTuple):
    """A record of a verdict that is not judged again."""

    journalled: messages.VerdictRecord
    why: str


Observer = Callable[[SubmitCase, bytes, float, RuleSet], None]
RulesOf = Callable[[str], RuleSet | None]
"""By the revision in force then: the rules to judge by, None where they are not known."""


def take_counters(store: SqliteStore, body: bytes) -> None:
    """Counts a message whose recipient is not judged here: counters are about all recipients."""
    if messages.takes_of(body):
        submit = messages.unpack_verdict(body)
        if submit.entry is not None:
            for take in submit.takes:
                store.counters.take(take, submit.entry.time)


def in_same_batch(before: SubmitCase, case: SubmitCase) -> bool:
    """Whether a part belongs to the same batch as the one before it: what was judged together has one entry. One that came late in the same
    group has it, too, and says so."""
    one, other = before.message, case.message
    a, b = part_of(before), part_of(case)
    return (
        (one.sender.provider, one.sender.port, one.recipient) == (other.sender.provider, other.sender.port, other.recipient)
        and (a.reference, a.total) == (b.reference, b.total)
        and a.index < b.index
        and before.journalled.entry == case.journalled.entry
        and not (before.journalled.late or case.journalled.late)
    )


def part_of(case: SubmitCase) -> Part:
    """Which part it is, of a case that is one."""
    part = case.message.content.part
    assert part is not None
    return part


def other_parts_alive(case: PendingSubmit) -> bool:
    """Whether the person has, or may get, other parts of its message."""
    return case.long is None or bool(case.long.alive - {case})


def begins_message(case: SubmitCase, leader: PendingSubmit | None) -> bool:
    """Whether the journal shows that a part began a new message, though one with its key was remembered: whether it did was decided when
    it came, up to two seconds before it was judged."""
    if not isinstance(leader, SubmitCase):
        return False
    led, own = leader.journalled.entry, case.journalled.entry
    if own is not None:
        return led is None or led.id != own.id
    return led is not None and case.journalled.reason in RULE_REASONS
