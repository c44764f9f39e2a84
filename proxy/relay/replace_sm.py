"""Judges and forwards a replace_sm: another text for a sent message.

In: a replace_sm whose message is known; the recipient's record. Out: a replace_sm for the carrier that has the message, or a refusal with the
status of its reason. Never: sockets, the clock.

It is the same message, so no cap counts it a second time: it is judged as if its entry were not there, nor what it took from
aggregates, and the entry of the new text takes that one's place, at the same time, when it is allowed (in the journal: a verdict that
adopts). It takes from those aggregates only that the old text had not taken from. When the carrier refuses, or it never left, the old
entry returns; if the result is unknown, the new one stays, as unknown: the recipient has one of the two texts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from proxy.journal.encoding import pack
from proxy.journal.records import messages, requests
from proxy.journal.records.messages import VERDICT, pack_verdict
from proxy.model.message import Message, Take
from proxy.model.reasons import GATE_REASONS
from proxy.model.recipient import Entry
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.message_index import KNOWN_S, IndexedMessage, SentIndex
from proxy.relay.pending_submit import Bind, OtherRequest, SubmitLane, count
from proxy.relay.submit import Relay
from proxy.state.counters.aggregates import Aggregates
from proxy.state.record import record
from proxy.wire import Frame, response
from proxy.wire.tables import ESME_RREPLACEFAIL, ESME_RSUBMITFAIL, REPLACE_SM

TRIES_MAX = 6
"""As often is it judged when the record changes under us; then the provider is asked to come again."""


def replace_sm_resp(sequence: int, status: int, message_id: bytes = b"") -> bytes:
    """§4.10.2: it has no body."""
    return response(REPLACE_SM, status, sequence)


class ReplaceSm(OtherRequest):
    """A replace_sm on its way. Also a RecordChange: judging it changes the recipient's record."""

    respond = staticmethod(replace_sm_resp)

    def __init__(
        self, relay: Relay, index: SentIndex, wanted: SubmitLane, bind: Bind, frame: Frame, data: bytes, message_id: bytes,
        sent: IndexedMessage, message: Message, arrived_s: float,
    ) -> None:  # fmt: skip
        """``wanted``: the lane to the carrier that has the message. ``data``: the PDU as that carrier gets it."""
        super().__init__(bind, frame.sequence_number, frame.data, arrived_s)
        self.message = message
        self.recipient = message.recipient
        self._relay, self._index, self._wanted = relay, index, wanted
        self._data, self._message_id, self._sent = data, message_id, sent
        self._tries = 0
        index.in_doubt[message_id] += 1

    @property
    def counters(self) -> Aggregates:
        return self._relay.store.counters

    # -- as a Change

    def apply(self, data: bytes, now: float) -> bytes:
        relay, wanted = self._relay, self._wanted
        relay.admission.turn_down(self, "")  # what an earlier try reserved
        self.verdict = None
        old = next((entry for entry in record.entries(data) if entry.id == self._sent.entry_id), None)
        self._tries += 1
        if self._tries > TRIES_MAX:
            relay.admission.turn_down(self, "store-conflict")
            return data
        if old is None or old.time <= now - KNOWN_S:
            relay.admission.turn_down(self, "not-replaceable")
            return data
        after = self._judged(data, old, now)
        if self.lane is None:
            if self.status == ESME_RSUBMITFAIL:  # statuses: standard
                self.status = ESME_RREPLACEFAIL
            return data
        if self.lane is not wanted:  # the message is where it is
            assert self.lane is not None
            self.lane.release(self.category)
            self.lane = wanted if wanted.up and wanted.hold(self.category) else None
            if self.lane is None:
                relay.admission.turn_down(self, "no-route")
                return data
        self._take_more(old.time)
        return after

    def _judged(self, data: bytes, old: Entry, now: float) -> bytes:
        counters, taken = self.counters, self._sent.takes
        for take in taken:
            counters.give_back(take, old.time)
        try:
            return self._relay.admission.in_place(self, data, old, now)
        finally:
            for take in taken:
                counters.take(take, old.time)

    def _take_more(self, at: int) -> None:
        """An advertisement instead of a notice, say, counts among advertisements."""
        assert self.verdict is not None
        self.takes = tuple(take for take in self.verdict.takes if take not in self._sent.takes)
        for take in self.takes:
            self.counters.take(take, at)

    def written(self, now: float) -> tuple[int, bytes]:
        rules = self._relay.rules
        return VERDICT, pack_verdict(now, self, rules.revision, rules.window_s)

    def done(self, recorded: int) -> None:
        relay = self._relay
        self._index.settled(self._message_id)
        self.recorded = recorded
        lane = self.lane
        if lane is None:
            relay.answer_refused(self)
            return
        count(relay.tally, self)
        relay.in_flight.put(recorded, self)
        assert self.message is not None
        self._index.rename(self._message_id, self.entry_id, self._sent.takes + self.takes, self.message.content.scheduled)
        self.data = self._data
        self.enqueue(lane)

    def unwritten(self) -> bool:
        """Undoes the replacement."""
        relay = self._relay
        if self.packed:
            relay.change(Restore(self, None, self._settled))
        else:
            self._settled()
        relay.admission.turn_down(self, "journal-down")
        relay.answer_refused(self)
        return False

    # -- what the carrier says

    def answered(self, frame: Frame) -> None:
        self.settled()
        if frame.command_status:
            self._restore(frame.command_status, partial(self._answer, frame.command_status))
        else:
            self._relay.answered(self, frame)

    def answered_late(self, frame: Frame) -> bool:
        if frame.command_status:
            restore = self._restore(frame.command_status, None)
            if self.takes:
                self._relay.change(GivenBack(restore))
        return bool(frame.command_status)

    def unanswered(self) -> bool:
        self.settled()
        return False  # the outcome is unknown, as for any submit

    def unsent(self, reason: str) -> bool:
        self.settled()
        status = GATE_REASONS[reason].status
        self._restore(status, partial(self._answer, status))
        return True

    def _restore(self, status: int, then: partial[None] | None) -> Restore:
        assert self.adopted is not None
        sent = self._index.find(self._message_id)
        if sent is not None and sent.entry_id == self.entry_id:
            self._index.rename(self._message_id, self.adopted.id, self._sent.takes, self._sent.scheduled)
        self._index.in_doubt[self._message_id] += 1
        restore = Restore(self, status, then or self._settled)
        self._relay.change(restore)
        return restore

    def _settled(self) -> None:
        self._index.settled(self._message_id)

    def _answer(self, status: int) -> None:
        self._settled()
        self._relay.in_flight.take(self.recorded)
        self.status = status
        self._relay.answer(self.recorded, self, b"")


class Restore(RecordChange):
    """A RecordChange that replaces the entry of the new text by that of the old one, and gives back what the new one took. Idempotent by
    both ids."""

    def __init__(self, replacing: ReplaceSm, status: int | None, then: Callable[[], None]) -> None:
        """``status``: the carrier's refusal; None if the new entry was never written, so that this need not be written either."""
        assert replacing.adopted is not None
        self.recipient = replacing.recipient
        self._id, self._sequence, self._entry = replacing.entry_id, replacing.recorded, replacing.adopted
        self._status, self._then = status, then
        self._counters, self._takes = replacing.counters, replacing.takes
        self._stood = False

    def apply(self, data: bytes, now: float) -> bytes:
        without = record.remove(data, self._id)
        self._stood = without is not data
        if not self._stood:  # another replacement has taken its place since: that one tells
            return data
        return record.add(without, self._entry, int(now), messages.KEEP_S)

    @property
    def given_back(self) -> tuple[Take, ...]:
        """What it gives back to aggregates, once it is applied."""
        return self._takes if self._stood and self._status is not None else ()

    def share(self, now: float) -> bytes:
        """... for the journal."""
        return pack(requests.CounterShare(now, self._sequence, self._entry.time, True, self.given_back))

    def written(self, now: float) -> tuple[int, bytes] | None:
        if self._status is None:
            return None
        return messages.UNREPLACED, pack(
            requests.Unreplaced(now, self.recipient, self._id, self._sequence, self._status, self._entry)
        )

    def done(self, recorded: int) -> None:
        for take in self.given_back:
            self._counters.give_back(take, self._entry.time)
        self._then()

    def unwritten(self) -> bool:
        if self._status is None:
            self._then()
        return self._status is not None


class GivenBack(RecordChange):
    """A journal record behind a late Restore (a RecordChange that changes no record): what the new text gives back to aggregates. A replay
    no longer looks for the verdict once its outcome was unknown."""

    def __init__(self, restore: Restore) -> None:
        self.recipient = restore.recipient
        self._restore = restore

    def written(self, now: float) -> tuple[int, bytes] | None:
        return (messages.SHARE, self._restore.share(now)) if self._restore.given_back else None

    def unwritten(self) -> bool:
        return True
