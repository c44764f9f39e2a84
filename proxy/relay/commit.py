"""Writes verdicts to the journal, then releases frames and answers.

In: judged submits, carriers' acceptances and changes of records since the last turn; the time. Out: one commit group in the journal; behind it
frames for the carriers' lanes, answers (through ``Outbox``, once they are safe) and counts. Never: a verdict, sockets, a clock.

Nothing of a group leaves before the journal has taken it. If the journal refuses the group, its submits are refused and their entries undone.
What has already happened (an answer of the carrier, an officer's change) waits here until the journal writes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping

from proxy.journal.records import messages
from proxy.journal.records.answers import pack_accepted
from proxy.journal.records.messages import ACCEPTED, VERDICT, verdict_pieces
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.model.reasons import GATE_REASONS
from proxy.model.sequence_window import numbered
from proxy.native.loader import compiled
from proxy.relay.admission import Admission
from proxy.relay.effects.record_changes import RecordChange, Undo
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.pending_submit import Outbox, PendingSubmit, count, count_advertised, count_allowed, detail, put_all
from proxy.relay.refusal_cache import RefusalCache
from proxy.wire import Frame


class Commit:
    def __init__(
        self,
        *,
        journal: Journal,
        judging: Admission,
        parts: PartHandler,
        refusals: RefusalCache,
        sync: Callable[[], None],
        change: Callable[[RecordChange], None],
    ) -> None:
        """``sync``: the journal is to be synced soon; ``change``: this alters a record in the coming turn."""
        self.journal = journal
        self.journal_down = ""
        """Why the journal cannot be written, empty when it can."""
        self.judging, self.tally, self.parts = judging, judging.tally, parts
        self.refusals, self._refused = refusals, refusals.people
        self._sync, self._change = sync, change
        self.decided: list[PendingSubmit] = []
        """Submits with their verdicts, or refused by the gate."""
        self.accepted: list[tuple[PendingSubmit, Frame]] = []
        """Submits the carrier took, with its answer: nothing in the person's record changes."""
        self.changed: list[RecordChange] = []
        """Changes that are made, and what else the journal is to be told."""
        self.noted_first = False
        """Whether providers hear nothing of what comes with these before they are synced."""
        self._unwritten_accepted: list[tuple[PendingSubmit, Frame]] = []
        """The journal is down: they wait for it, and so do …"""
        self._unwritten: list[RecordChange] = []
        """… changes made but not written."""
        self.jumped_s = 0.0
        """By how much the wall clock was set since that was last written."""
        self.outbox = Outbox()
        self.in_flight: MutableMapping[int, PendingSubmit] = numbered()
        """Allowed and not yet answered by the carrier, by the sequence of the verdict in the journal."""
        self.handed: list[PendingSubmit] = []
        """Submits handed to their lanes in the last turn."""
        self.on_accepted: Callable[[list[tuple[PendingSubmit, Frame]]], None] | None = None
        """Who else wants to know what carriers took: once a turn, after it is written."""
        self.on_said: Callable[[list[tuple[int, int, bytes]]], None] = _to_nobody
        """Who else wants to know what changes said: (sequence, kind, body), once a turn, after it is written."""
        self._said: list[tuple[int, int, bytes]] = []

    def write(self, now: float) -> None:
        """Writes what was decided as one commit group; only then do frames go to the carrier and answers to the providers."""
        decided, accepted, changed = self.decided, self.accepted, self.changed
        if not decided and not accepted and not changed:
            return
        self.decided, self.accepted, self.changed = [], [], []
        journal, rules = self.journal, self.judging.rules
        try:
            if self.journal_down:  # until the next tick finds that it writes again
                raise JournalDown(self.journal_down)
            verdict = journal.extend(VERDICT, verdict_pieces(now, decided, rules.revision, rules.window_s))
            self.judging.grounds.write(journal, now, decided, verdict)
            if self.parts.tore:
                for said in self.parts.torn_by(decided, now):
                    journal.append(messages.TORN, said)
            journal.extend(ACCEPTED, pack_accepted(now, accepted))
            sequences = self._append(changed, now) if changed else []
            journal.write(now)
        except JournalDown as down:
            self._not_safe(decided, accepted, changed, down)
            return
        outbox, tally = self.outbox, self.tally
        if self.noted_first:
            self.noted_first = False
            outbox.append((journal.written, None, _nothing))  # what is behind it waits
        outbox.extend(_settled(accepted, self.in_flight))
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
            self._refused.pop(change.recipient, None)  # what was refused may be allowed now
        self.on_said(self._said)
        self._said = []
        if allowed or changed:  # nobody waits for refusals, nor for what carriers took: the next sync has them, or a tick's
            self._sync()

    @compiled("handover_written")
    def _written(self, decided: Iterable[PendingSubmit], verdict: int, now: float) -> list[PendingSubmit]:
        """The journal has these verdicts, from this sequence on: refusals may be told; what is allowed is returned."""
        allowed = []
        for transit in decided:
            transit.recorded = verdict
            if transit.lane is None:
                count(self.tally, transit)
                self.outbox.append((0, transit, detail(transit)))
                self.refusals.keep(transit, self.judging.rules, now)
            else:
                self.in_flight[verdict] = transit
                allowed.append(transit)
            verdict += 1
        return allowed

    def _append(self, changed: list[RecordChange], now: float) -> list[int]:
        """Appends what changes say, and what is to be said beside that: a text that was to be replaced was judged, too."""
        journal, grounds = self.journal, self.judging.grounds
        sequences, told = [], []
        for change in changed:
            said, sequence = change.written(now), 0
            if said is not None:
                kind, body = said
                if isinstance(body, (bytes, tuple)):
                    for one in body if isinstance(body, tuple) else (body,):
                        sequence = journal.append(kind, one)
                        told.append((sequence, kind, one))
                else:
                    sequence = journal.extend(kind, body)
            sequences.append(sequence)
        self._said = told
        if grounds.waiting:
            for change, sequence in zip(changed, sequences, strict=True):
                grounds.write_of(journal, now, change, sequence)
        return sequences

    def _not_safe(
        self,
        decided: list[PendingSubmit],
        accepted: list[tuple[PendingSubmit, Frame]],
        changed: list[RecordChange],
        down: JournalDown,
    ) -> None:
        """The journal refused the group: nothing of it leaves. Entries are undone, answers and changes wait until it writes again."""
        self.journal_down = str(down)
        self._said = []
        self.judging.grounds.waiting.clear()
        for transit in decided:
            if transit.packed and transit.message is not None:
                part = transit.long is not None
                self._change(self.parts.undo(transit) if part else Undo(transit.message, transit.entry_id, transit.adopted))
            self.judging.put_back(transit)
            self.judging.refuse(transit, GATE_REASONS["journal-down"])
            self.outbox.append((0, transit, detail(transit)))
            count(self.tally, transit)
        self.parts.settle(decided)
        self._unwritten_accepted.extend(accepted)
        self._unwritten.extend(change for change in changed if change.unwritten())

    def try_again(self, now: float) -> None:
        """A few times a second: syncs what nobody waited for; writes what the journal did not take, once it writes again."""
        self._sync()
        if self.journal_down or self.jumped_s:
            try:
                self.journal.append(messages.CLOCK, messages.pack_clock(now, self.jumped_s))
                self.journal.write(now)
            except JournalDown as down:
                if self.journal_down:
                    self.journal_down = str(down)
                return
            self.jumped_s = 0.0
            self._sync()
        if self.journal_down:
            self.journal_down = ""
            self.accepted.extend(self._unwritten_accepted)
            self.changed[:0] = self._unwritten
            self._unwritten_accepted.clear()
            self._unwritten.clear()

    @property
    def passed(self) -> int:
        """How many were judged and are not answered yet."""
        return len(self.decided) + len(self.in_flight) + len(self.outbox)


@compiled("settled")
def _settled(
    accepted: list[tuple[PendingSubmit, Frame]], in_flight: MutableMapping[int, PendingSubmit]
) -> list[tuple[int, PendingSubmit, Frame]]:
    """What the carrier took, for the outbox: it is not in flight any more."""
    for transit, _ in accepted:
        in_flight.pop(transit.recorded, None)
    return [(transit.recorded, transit, frame) for transit, frame in accepted]


def _nothing() -> None:
    return None


def _to_nobody(said: list[tuple[int, int, bytes]]) -> None:
    return None
