"""Judges replace_sm of the journal again, as ``relay/replace_sm.py`` did.

In: carriers' acceptances, replace_sm of the journal, the recipient's record. Out: the record with the new text's entry instead of the old
one's. Never: anything sent to a carrier.

The gate keeps an index of accepted messages by id; the same index is kept here. It may know more than the gate's, which is lost in a restart:
a message that the gate did not find was not judged, and is not here.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.desk.backtest.environment import Senders
from proxy.journal.records import answers, messages
from proxy.model.message import Content, Message, Take
from proxy.model.reasons import GATE_REASONS
from proxy.relay.admission import Admission
from proxy.relay.message_index import KNOWN_S, IndexedMessage, Restoring, SentIndex
from proxy.relay.pending_submit import PendingSubmit
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

    def message(self, submit: messages.VerdictRecord, named: ReplacedMessage) -> Message:
        return Message(self._senders.find(submit.provider, submit.account, submit.port), submit.recipient, named.content)

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
