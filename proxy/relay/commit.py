"""Writes verdicts to the journal, then releases frames and answers.

In: judged submits, carriers' acceptances and changes of records since the last turn; the time. Out: one commit group in the journal; behind it
frames for the carriers' lanes, answers (through ``Outbox``, once they are safe) and counts. Never: a verdict, sockets, a clock.

Nothing of a group leaves before the journal has taken it. If the journal refuses the group, its submits are refused and their entries undone.
What has already happened (an answer of the carrier, an officer's change) waits here until the journal writes again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cython

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.records.messages import ACCEPTED, VERDICT
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.model.reasons import GATE_REASONS
from proxy.model.sequence_window import SequenceWindow
from proxy.relay.admission import Admission
from proxy.relay.effects.record_changes import RecordChange, Undo
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.pending_submit import (
    Outbox,
    PendingSubmit,
    answer_refused,
    count,
    count_advertised,
    count_allowed,
    count_refused,
    put_all,
    refusal_body_of,
)
from proxy.relay.refusal_cache import RefusalCache
from proxy.relay.submit_records import AcceptedBodies, VerdictBodies
from proxy.wire.frame import Frame


class Commit:
    def __init__(
        self,
        *,
        journal: Journal,
        admission: Admission,
        parts: PartHandler,
        refusals: RefusalCache,
        sync: Callable[[], None],
        change: Callable[[RecordChange], None],
    ) -> None:
        """``sync``: asks for a sync of the journal soon. ``change``: applies a change of a record in the next turn."""
        self.journal = journal
        self.journal_down = ""
        """Why the journal cannot be written, empty when it can."""
        self.admission, self.tally, self.parts = admission, admission.tally, parts
        self.refusals, self._refused = refusals, refusals.people
        self._sync, self._change = sync, change
        self.decided: list[PendingSubmit] = []
        """Submits with their verdicts, or refused by the gate."""
        self.accepted: list[tuple[PendingSubmit, Frame]] = []
        """Submits that the carrier accepted, with its answer: these change no record."""
        self.changed: list[RecordChange] = []
        """Applied changes, and other records for the journal."""
        self.hold_answers = False
        """Whether no answer of this turn goes to a provider before the changes are synced."""
        self.follower_first = False
        """Whether refusals, too, wait until the journal is synced: at a follower."""
        self._unwritten_accepted: list[tuple[PendingSubmit, Frame]] = []
        """Acceptances that wait until the journal writes again …"""
        self._unwritten: list[RecordChange] = []
        """… and applied changes that do."""
        self.clock_jump_s = 0.0
        """By how much the wall clock was set since the last CLOCK record."""
        self.outbox = Outbox()
        self.in_flight = SequenceWindow()
        """Allowed and not yet answered by the carrier, by the sequence of the verdict in the journal."""
        self.handed: list[PendingSubmit] = []
        """Submits handed to their lanes in the last turn."""
        self.on_accepted: Callable[[list[tuple[PendingSubmit, Frame]]], None] | None = None
        """Called once a turn with the accepted submits, after they are written."""
        self.on_records_written: Callable[[list[tuple[int, int, bytes]]], None] = _ignore
        """Called once a turn with the records of changes, (sequence, kind, body), after they are written."""
        self._records: list[tuple[int, int, bytes]] = []

    def write(self, now: float) -> None:
        """Writes one commit group; only then do frames go to the carriers and answers to the providers."""
        decided, accepted, changed = self.decided, self.accepted, self.changed
        if not decided and not accepted and not changed:
            return
        self.decided, self.accepted, self.changed = [], [], []
        journal, rules = self.journal, self.admission.rules
        try:
            if self.journal_down:  # until a tick finds that it writes again
                raise JournalDown(self.journal_down)
            verdict = journal.extend(VERDICT, VerdictBodies(now, decided, rules.revision, rules.window_s))
            self.admission.evidence.write(journal, now, decided, verdict)
            if self.parts.tore:
                for body in self.parts.torn_by(decided, now):
                    journal.append(messages.TORN, body)
            journal.extend(ACCEPTED, AcceptedBodies(now, accepted))
            sequences = self._append(changed, now) if changed else []
            journal.write(now)
        except JournalDown as down:
            self._journal_refused(decided, accepted, changed, down)
            return
        outbox, tally = self.outbox, self.tally
        if self.hold_answers or self.follower_first:
            self.hold_answers = False
            outbox.append((journal.written, _nothing))  # all later items wait for this sync
        answer_accepted(outbox, accepted, self.in_flight)
        allowed = self._written(decided, verdict, now)
        count_allowed(tally, allowed)
        put_all(allowed)
        self.handed += allowed
        if self.parts.undecided:
            self.parts.settle(decided)
        if accepted:
            tally.entries["settled",] += len(accepted)
            count_advertised(tally, accepted)
            if self.on_accepted is not None:
                self.on_accepted(accepted)
        for change, sequence in zip(changed, sequences, strict=True):
            change.done(sequence)
            self._refused.pop(change.recipient, None)  # a cached refusal may be wrong now
        self.on_records_written(self._records)
        self._records = []
        if allowed or changed or self.follower_first:  # refusals and acceptances can wait for the next sync, or a tick's
            self._sync()

    def _written(self, decided: list[PendingSubmit], verdict: cython.longlong, now: float) -> list[PendingSubmit]:
        """The journal has these verdicts, from sequence ``verdict`` on: answers the refusals, returns the allowed submits."""
        pending: PendingSubmit
        in_flight: SequenceWindow = self.in_flight
        allowed: list[PendingSubmit] = []
        refused: list[PendingSubmit] = []
        for pending in decided:
            pending.recorded = verdict
            if pending.lane is None:
                refused.append(pending)
            else:
                in_flight.put(verdict, pending)
                allowed.append(pending)
            verdict += 1
        if refused:
            self._refuse(refused, now)
        return allowed

    def _refuse(self, refused: list[PendingSubmit], now: float) -> None:
        count_refused(self.tally, refused)
        answer_refused(self.outbox, refused)
        self.refusals.keep(refused, self.admission.rules, now)

    def _append(self, changed: list[RecordChange], now: float) -> list[int]:
        """Appends the records of changes, with their evidence (a replace_sm is judged, too). Returns the sequence of each change."""
        journal, evidence = self.journal, self.admission.evidence
        sequences, records = [], []
        for change in changed:
            record, sequence = change.written(now), 0
            if record is not None:
                kind, body = record
                if isinstance(body, (bytes, tuple)):
                    for one in body if isinstance(body, tuple) else (body,):
                        sequence = journal.append(kind, one)
                        records.append((sequence, kind, one))
                else:
                    sequence = journal.extend(kind, body)
            sequences.append(sequence)
        self._records = records
        if evidence.waiting:
            for change, sequence in zip(changed, sequences, strict=True):
                evidence.write_of(journal, now, change, sequence)
        return sequences

    def _journal_refused(
        self,
        decided: list[PendingSubmit],
        accepted: list[tuple[PendingSubmit, Frame]],
        changed: list[RecordChange],
        down: JournalDown,
    ) -> None:
        """The journal refused the group: nothing of it leaves. Entries are undone; acceptances and changes wait until it writes again."""
        self.journal_down = str(down)
        self._records = []
        self.admission.evidence.waiting.clear()
        for pending in decided:
            if pending.packed and pending.message is not None:
                part = pending.long is not None
                self._change(self.parts.undo(pending) if part else Undo(pending.message, pending.entry_id, pending.adopted))
            self.admission.put_back(pending)
            self.admission.refuse(pending, GATE_REASONS["journal-down"])
            count(self.tally, pending)
            pending.answer = refusal_body_of(pending)
        # Not behind answers that wait for a sync, perhaps for minutes
        self.outbox.appendleft(decided)
        self.parts.settle(decided)
        self._unwritten_accepted.extend(accepted)
        self._unwritten.extend(change for change in changed if change.unwritten())

    def try_again(self, now: float) -> None:
        """A few times a second: syncs records that nothing waited for; retries what the journal refused."""
        self._sync()
        if self.journal_down or self.clock_jump_s:
            try:
                self.journal.append(messages.CLOCK, pack(messages.Clock(now, self.clock_jump_s)))
                self.journal.write(now)
            except JournalDown as down:
                if self.journal_down:
                    self.journal_down = str(down)
                return
            self.clock_jump_s = 0.0
            self._sync()
        if self.journal_down:
            self.journal_down = ""
            self.accepted.extend(self._unwritten_accepted)
            self.changed[:0] = self._unwritten
            self._unwritten_accepted.clear()
            self._unwritten.clear()

    @property
    def unanswered(self) -> int:
        """How many submits are judged and not answered yet."""
        return len(self.decided) + len(self.in_flight) + self.outbox.unanswered


@cython.nonecheck(False)
def add_accepted(
    answers: list[tuple[PendingSubmit, Frame]], now_s: float, accepted: list[tuple[PendingSubmit, Frame]]
) -> list[tuple[PendingSubmit, Frame]]:
    """Notes when these submits were answered. Adds those that the carrier accepted to ``accepted``; returns the others."""
    pair: tuple[PendingSubmit, Frame]
    pending: PendingSubmit
    frame: Frame
    others: list[tuple[PendingSubmit, Frame]] = []
    for pair in answers:
        pending, frame = pair[0], pair[1]
        pending.answered_s = now_s
        (others if frame.command_status or not pending.entry_id else accepted).append(pair)
    return others


@cython.nonecheck(False)
@cython.ccall
def answer_accepted(outbox: Any, accepted: list[tuple[PendingSubmit, Frame]], in_flight: SequenceWindow) -> None:
    """Puts the answers of accepted submits into the outbox; they are no longer in flight."""
    pair: tuple[PendingSubmit, Frame]
    pending: PendingSubmit
    settled: list[PendingSubmit] = []
    for pair in accepted:
        pending = pair[0]
        pending.answer, pending.safe_from = pair[1], pending.recorded
        in_flight.take(pending.recorded)
        settled.append(pending)
    if settled:
        outbox.append(settled)


def _nothing() -> None:
    return None


def _ignore(records: list[tuple[int, int, bytes]]) -> None:
    return None
