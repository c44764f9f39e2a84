"""Leads each submit from provider to carrier and back. READ FIRST.

In: frames from providers and carriers; the time. Out: bytes for both sides, journal records, counts.
Never: sockets, a clock, an event loop. (``spawn`` drives the coroutine of a batch: at once where the store never waits, else as a task.)

The way of a submit, by the functions that run:

    SubmitReader.read_all   reads the plain PDUs of one network read together, and any other by
    Relay.submit            reads one PDU; ``admit`` refuses before reading (draining, window, rate)
    Relay.release           only submits above the rate of a provider that is paced: they have waited for it (submit_pacer.py)
    PartHandler.take        only parts of long messages: waits for the other parts
    Relay.turn              once an event-loop iteration: everything that has arrived since the last one, together
    Batching.begin          groups submits by recipient, loads the recipients' records (one load)
    Admission.judge         asks the rules (policy.judge), reserves an entry, aggregates and a place in the carrier's lane
    Batching                stores the changed records (one swap); where a record has changed meanwhile, judges again
    Commit.write            one commit group in the journal; then allowed submits go to the carrier's lane, refusals to the outbox
    Relay.answered          the carrier has answered: the next turn journals that and puts the answer into the outbox
    Outbox.release          the answer goes to the provider, once the journal is synced up to the verdict

What is safe before what (DESIGN §3):

    the verdict is written    before the frame goes to the carrier       (Commit.write puts it into its lane after journal.write)
    the verdict is synced     before the provider gets an acceptance     (Outbox.release waits for journal.synced)
    an answer is written      before the provider gets it                (it joins the outbox after journal.write)
    a refusal is written      before the provider gets it                (Commit.write, too)
    a deliver and an opt-out are synced before the carrier is acknowledged   (deliver.py and optout_reply.py, through the same outbox)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.journal.write_ahead_log import Journal
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Message, Outcome
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.reasons import GATE_REASONS
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import Access, Directory
from proxy.relay.admission import ON_JUDGE_ERROR, Admission
from proxy.relay.batching import Batching
from proxy.relay.commit import Commit, add_accepted
from proxy.relay.effects.record_changes import Effect, EntryFate, RecordChange, ResendAccepted, was_sent_twice
from proxy.relay.multipart.assembler import PARTS_MAX, place_of
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.shared import SharedParts
from proxy.relay.pending_submit import Bind, LaneRoutes, OtherRequest, PendingSubmit, count, refusal_body_of
from proxy.relay.refusal_cache import RefusalCache
from proxy.relay.submit_pacer import Pace
from proxy.relay.submit_reader import SubmitReader
from proxy.wire import ContentCache, Malformed
from proxy.wire.frame import Frame
from proxy.wire.reserved_values import ReservedContent

if TYPE_CHECKING:
    from proxy.state.shared.multipart_exchange import MultipartExchange
    from proxy.state.stores.sqlite import SqliteStore

ESME_RSYSERR = 0x08
OUR_FAULT = frozenset(("journal-down", "draining"))
"""Refusals that do not count as noise of the provider."""


class WaitingSubmit(NamedTuple):
    """A submit that waits for its provider's rate."""

    pending: PendingSubmit
    access: Access
    """By which it was read."""
    read_at: float
    """When it was read (wall clock)."""


class Relay:
    def __init__(
        self,
        *,
        directory: Directory,
        rules: RuleSet,
        store: SqliteStore,
        journal: Journal,
        routes: LaneRoutes,
        tally: GateCounters,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        sync: Callable[[], None],
        on_judge_error: Mapping[Category, Outcome] = ON_JUDGE_ERROR,
        first_id: int = 1,
    ) -> None:
        """``spawn``: runs the coroutine of a batch. ``wake``: asks for a turn. ``sync``: asks for a sync of the journal soon."""
        self.directory = directory
        self.store = store
        self.routes = routes
        self.tally = tally
        self.draining = False
        self.admission = Admission(
            rules=rules, store=store, routes=routes, tally=tally, on_judge_error=on_judge_error, first_id=first_id
        )
        self.refusals = RefusalCache(self.admission.refuse, self.note, self.answer_refused)
        self.refusals.alone = not store.shared
        self.parts = PartHandler(
            self.admission,
            hand_in=lambda submits: self.batching.submits.extend(submits),  # noqa: PLW0108 # a new list each turn
            change=lambda change: self.batching.changes.append(change),  # noqa: PLW0108
        )
        """Parts of long messages."""
        self.commit = Commit(
            journal=journal, admission=self.admission, parts=self.parts, refusals=self.refusals, sync=sync, change=self.change
        )
        """Judged submits and other changes, until the journal has them."""
        self.batching = Batching(
            admission=self.admission, parts=self.parts, refusals=self.refusals, commit=self.commit, spawn=spawn, wake=wake
        )
        """Arrived submits and changes, until they are judged."""
        self.in_flight = self.commit.in_flight
        """Allowed submits without an answer of the carrier, by the journal sequence of their verdict."""
        self.handed = self.commit.handed
        """Submits handed to their lanes in the last turn …"""
        self.completed: list[PendingSubmit] = []
        """… and submits answered in it: the caller of ``turn`` measures the gate's own time with both, and clears both."""
        self.open_queries = 0
        """Providers' queries (query_sm, cancel_sm, replace_sm) that are on their way to a carrier."""
        self.partly_answered: Counter[str] = Counter()
        """By provider: its submit_multi that some carrier has answered, but that the provider has no answer for yet. Until then its
        delivers wait: a receipt must not come before the answer."""
        self.on_wait: Callable[[], None] = lambda: None
        """Called when a submit begins to wait for its provider's rate, and ``release_s`` is another time."""
        self._spawn, self._wake = spawn, wake
        self._contents = ContentCache()
        self._reader = SubmitReader(self._contents)
        self._paused = False
        self._next_rules: RuleSet | None = None
        """Rules that come into force once the batches under way are written."""

    def share(self, sheets: MultipartExchange, life: int, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """Other gates may get parts of the same long messages. ``life``: a number that no other gate has, nor this gate after a restart."""
        shared_parts = SharedParts(
            sheets, self.parts, life, spawn=self._spawn, wake=self._wake, clock=clock, monotonic=monotonic
        )
        self.parts.share(shared_parts, monotonic)

    # ------------------------------------------------------------------ arrival

    def submit(self, bind: Bind, frame: Frame, now: float, arrived_s: float, kind: type[PendingSubmit] = PendingSubmit) -> None:
        """A provider has sent a submit_sm (``arrived_s``: monotonic); it is judged in the next turn.

        ``kind``: a subclass, for a submit that arrived as another command (data_sm, an address of a submit_multi)."""
        pending = kind(bind, frame.sequence_number, frame.data, arrived_s)
        reason = self.admit(bind, arrived_s) or self._read(pending, frame, now)
        bind.unanswered += 1
        if not reason:
            reason = self._take(pending, arrived_s)
        elif reason == "rate-exceeded":
            if not (fault := self._read(pending, frame, now)):
                reason = self._over_rate(pending, now, arrived_s)
            elif bind.access.paced is not None:
                reason = fault
        if reason:
            self.turn_away(pending, reason)

    def _take(self, pending: PendingSubmit, now_s: float) -> str:
        """Takes a submit that was read; returns the gate's reason to refuse it, or an empty string."""
        if pending.message.content.part is not None:  # type: ignore[union-attr] # it has been read
            return self.parts.take(pending, now_s)
        self.batching.submits.append(pending)
        return ""

    def _over_rate(self, pending: PendingSubmit, now: float, now_s: float) -> str:
        """The provider's rate is used up, or others wait for it. Returns the gate's reason to refuse the submit, or an empty string."""
        access, parts = pending.bind.access, self.parts
        part, place, index = pending.message.content.part, None, 0  # type: ignore[union-attr] # it has been read
        if access.paced is None or (part is not None and parts.follows(pending, now_s)):
            return parts.owe(pending, now_s)
        if part is not None:
            if part.total > PARTS_MAX:
                return parts.take(pending, now_s)
            place, index = place_of(pending), part.index
        pacer, due_s = access.paced.pacer, access.paced.pacer.next_s
        pace = pacer.decide(access.paced, WaitingSubmit(pending, access, now), now_s, place, index)
        if pace is Pace.PASS:
            return self._take(pending, now_s)
        if pace is Pace.WAIT:
            if pacer.next_s != due_s:
                self.on_wait()
            return ""
        return parts.owe(pending, now_s) if pace is Pace.REFUSE else "part-again"

    def turn_away(self, pending: PendingSubmit, reason: str) -> None:
        """The gate refuses a submit without judging it."""
        pending.bind.noise += reason not in OUR_FAULT
        self.admission.refuse(pending, GATE_REASONS[reason])
        self.commit.decided.append(pending)

    def submit_all(self, bind: Bind, frames: Sequence[Frame], now: float, arrived_s: float) -> None:
        """``submit`` for all frames of one read: plain ones together (submit_reader.py)."""
        if not self.draining and not self.commit.journal_down:
            self._reader.read_all(self, bind, frames, now, arrived_s)
            return
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)

    def refuse(self, pending: PendingSubmit, reason: str) -> None:
        """The gate refuses a request of a provider unread."""
        pending.bind.unanswered += 1
        self.turn_away(pending, reason)

    def admit(self, bind: Bind, now_s: float) -> str:
        """The gate's reason to refuse before reading, or an empty string. Takes from the provider's rate."""
        if self.draining or self.commit.journal_down or bind.unanswered >= bind.window:
            return self.closed(bind)
        if not bind.access.takes(now_s):
            return "rate-exceeded"
        return ""

    def closed(self, bind: Bind) -> str:
        """``admit`` without taking from the provider's rate."""
        if self.draining:
            return "draining"
        if self.journal_down:
            return "journal-down"
        return "window-full" if bind.unanswered >= bind.window else ""

    def _read(self, pending: PendingSubmit, frame: Frame, now: float) -> str:
        """Makes the Message of a frame. Returns the gate's reason to refuse it, or an empty string."""
        try:
            head, destination, content = pending.read(frame, self._contents, now)
            if type(content) is ReservedContent and pending.bind.access.refuses_reserved:
                raise content.fault.malformed()
        except Malformed as fault:
            return self._malformed(pending, fault)
        sender = pending.bind.access.sender(head)
        try:
            pending.message = Message(sender, recipient_of(destination), content)
        except NotARecipient:
            return "bad-recipient"
        if sender.prefix:
            return ""
        found = pending.bind.access.fault_of(head)
        return "port-not-owned" if found is None else self._malformed(pending, found.malformed())

    def _malformed(self, pending: PendingSubmit, fault: Malformed) -> str:
        pending.status = fault.status
        self.tally.bad_pdus["provider", fault.kind, pending.bind.access.provider.name] += 1
        return "malformed"

    # ------------------------------------------------------------------ the carrier's answer

    def answered_all(self, answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        """``answered`` for many (``now_s``: monotonic)."""
        for pending, frame in add_accepted(answers, now_s, self.commit.accepted):
            self.answered(pending, frame)

    def answered(self, pending: PendingSubmit, frame: Frame) -> None:
        """The carrier has answered a submit in time."""
        if not pending.entry_id:  # a confirmation of the gate itself (optout_reply.py): its outcome does not matter
            return
        status = frame.command_status
        if status == 0:
            self.commit.accepted.append((pending, frame))
        else:
            self._not_accepted(EntryFate(pending, self._effect(pending, status), status, frame.body, self._outcome_written))

    def _not_accepted(self, answer: EntryFate) -> None:
        """The carrier refused a submit, did not answer it, or answered late."""
        if answer.long is None:
            self.batching.changes.append(answer)
        else:
            self.parts.change(answer)

    def unanswered(self, pending: PendingSubmit) -> None:
        """No answer came in time, or the link was lost: the outcome is unknown."""
        if isinstance(pending, OtherRequest) and pending.unanswered():
            return
        if pending.long is not None:
            self.parts.unanswered(pending)
        if pending.entry_id:
            self._not_accepted(EntryFate(pending, Effect.UNKNOWN, ESME_RSYSERR, b"", self._outcome_written))

    def answered_late(self, pending: PendingSubmit, frame: Frame) -> None:
        """The carrier answered after the provider was told that the outcome is unknown: settles the entry, and is not forwarded."""
        if (isinstance(pending, OtherRequest) and pending.answered_late(frame)) or not pending.entry_id:
            return
        status = frame.command_status
        effect = self._effect(pending, status, late=True)
        self._not_accepted(EntryFate(pending, effect, status, frame.body, self._outcome_written))

    def unsent(self, pending: PendingSubmit, reason: str) -> None:
        """A submit left its lane unsent (no link is up): its entry is taken back, and the provider may try again."""
        if (isinstance(pending, OtherRequest) and pending.unsent(reason)) or not pending.entry_id:
            return
        status = GATE_REASONS[reason].status
        self._not_accepted(EntryFate(pending, self._effect(pending, status), status, b"", self._outcome_written))

    def _effect(self, pending: PendingSubmit, status: int, late: bool = False) -> Effect | Callable[[], Effect]:
        """What an answer other than an acceptance in time does to the entry."""
        if pending.long is not None:
            return self.parts.answered(pending, status, late=late)
        return Effect.of(status, late=late, adopts=pending.adopted is not None)

    def _outcome_written(self, answer: EntryFate, recorded: int) -> None:
        """The outcome of a submit that was not accepted in time is in the journal: the provider gets it once the verdict is synced."""
        pending, effect = answer.pending, answer.effect
        self.in_flight.take(pending.recorded)
        self._outcome_known(pending)
        if effect in _EVENTS:
            self.tally.entries[_EVENTS[effect],] += 1
        if effect.takes_back:
            self.admission.give_back(pending)
        if effect.late:
            pending.long = None
        else:
            pending.status = answer.status
            self.answer(pending.recorded, pending, answer.carrier_id)

    # ------------------------------------------------------------------ submits that wait for their provider's rate

    @property
    def release_s(self) -> float | None:
        """When ``release`` must be called next (monotonic); None while no submit waits for its provider's rate."""
        return min((pacer.next_s for pacer in self.directory.pacers.values() if pacer.next_s is not None), default=None)

    def release(self, now_s: float) -> None:
        """Has submits judged in the next turn for which their provider's rate has room now (``now_s``: monotonic). Refuses those that have
        waited in vain, or may wait no longer."""
        for pacer in self.directory.pacers.values():
            if not pacer.waiting:
                continue
            ready, late = pacer.release(now_s) if pacer.paces else ([], pacer.take_all())
            for one in ready:
                self._go_on(one, now_s)
            for one in late:
                self._end_wait(one, self.parts.owe(one.pending, now_s), "refused")
            if ready or late:
                self._wake()

    def _go_on(self, one: WaitingSubmit, now_s: float) -> None:
        """A submit has waited for its provider's rate: from here on it is as if it had just arrived."""
        pending = one.pending
        pending.gate_s = pending.arrived_s - now_s  # it has waited for the rate, not for the gate
        self.tally.paced_seconds.observe(-pending.gate_s)
        reason = "journal-down" if self.journal_down else ""
        if not reason and pending.bind.access is not one.access:  # other settings since: who may send from where?
            reason = self._read(pending, Frame.of(pending.data), one.read_at)
        self._end_wait(one, reason or self._take(pending, now_s), "passed")

    def _end_wait(self, one: WaitingSubmit, reason: str, result: str) -> None:
        """Counts the end of a wait. ``reason``: the gate's own to refuse the submit, or an empty string."""
        self.tally.paced[one.access.provider.name, result] += 1
        if reason:
            self.turn_away(one.pending, reason)

    # ------------------------------------------------------------------ other work of a turn

    def due(self, now_s: float) -> None:
        """Long messages that have waited for parts long enough (``parts.next_s``, monotonic) are judged in the next turn, and submits that have
        waited for their provider's rate."""
        if self.parts.due(now_s):
            self._wake()
        self.release(now_s)

    def drain(self) -> None:
        """From now on submits are refused, those that wait for a rate too; incomplete long messages are judged with the parts that are
        here."""
        self.draining = True
        waiting = [one for pacer in self.directory.pacers.values() for one in pacer.take_all()]
        for one in waiting:
            self._end_wait(one, "draining", "drained")
        if self.parts.drain() or waiting:
            self._wake()

    def change(self, change: RecordChange) -> None:
        """A change of a record other than a submit (an opt-out): applied in the next turn."""
        self.batching.changes.append(change)
        self._wake()

    def note(self, change: RecordChange) -> None:
        """A journal record that changes no recipient's record (a deliver): written in the next turn."""
        self.commit.changed.append(change)

    def note_before_answers(self, change: RecordChange) -> None:
        """``note``; and no answer of the same turn goes to a provider before it is synced."""
        self.commit.changed.append(change)
        self.commit.hold_answers = True

    def when_synced(self, sequence: int, do: Callable[[], None]) -> None:
        """Calls ``do`` once the journal is synced up to ``sequence`` (0: now), in the order of the outbox."""
        self.commit.outbox.append((sequence, do))

    # ------------------------------------------------------------------ one turn

    def turn(self, now: float, held: bool = False) -> None:
        """Deals with everything that has arrived since the last turn: judge, write, release answers. ``held``: nothing is judged yet."""
        batching, commit = self.batching, self.commit
        self.store.counters.now = now
        if self._next_rules is not None and not batching.window.busy:
            commit.write(now)
            self._use_rules(self._next_rules)
        if commit.accepted and self.admission.sent_twice:
            batching.changes += self._resends_accepted(commit.accepted)
        arrived = len(batching.submits) + len(batching.changes)
        waits = self.store.waits and batching.window.waits_for_more(arrived, commit.unanswered, now)
        holds = held or waits or self._paused or self._next_rules is not None
        if arrived and not holds:
            batching.begin(now)
        self.release_answers(now)
        if (batching.changes or batching.submits) and not holds:  # the commit has led to new work
            self._wake()

    def release_answers(self, now: float) -> None:
        """Writes what was decided and accepted, and answers what the journal has made safe."""
        self.commit.write(now)
        self.commit.outbox.release(self.commit.journal.synced, self.completed)

    def _resends_accepted(self, accepted: Iterable[tuple[PendingSubmit, Frame]]) -> Iterator[ResendAccepted]:
        """Of accepted submits, those that were sent in place of one with an unknown outcome."""
        for pending, _ in accepted:
            if was_sent_twice(pending.packed) and pending.message is not None:
                self._outcome_known(pending)
                yield ResendAccepted(pending.message.recipient, pending.entry_id)

    def _outcome_known(self, pending: PendingSubmit) -> None:
        """The carrier has answered, or its time is over. (Other parts of a long message may still be in flight.)"""
        if pending.long is None:
            self.admission.sent_twice.discard(pending)

    def tick(self, now: float) -> None:
        """A few times a second: retries what the journal or the store refused; syncs records that nothing waits for."""
        self.refusals.sweep()
        self.batching.try_again()
        self.commit.try_again(now)

    def clock_jumped(self, seconds: float) -> None:
        """The wall clock was set: the next tick journals it, or the first tick at which the journal writes."""
        self.commit.clock_jump_s += seconds
        if seconds < 0:
            self.refusals.clear()

    def pause(self) -> None:
        """Begins no batch until ``resume``: batches under way end, and for a moment everything is written."""
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._wake()

    # ------------------------------------------------------------------ other commands (commands.py)

    def answer_refused(self, pending: PendingSubmit) -> None:
        """Counts and answers a refusal."""
        count(self.tally, pending)
        self.answer(0, pending, refusal_body_of(pending))

    def answer(self, sequence: int, pending: PendingSubmit, body: bytes) -> None:
        """Answers the provider once the journal is synced up to ``sequence``."""
        pending.safe_from, pending.answer = sequence, body
        self.commit.outbox.append([pending])

    @property
    def rules(self) -> RuleSet:
        """The rules in force. A new set applies to submits from now on. With a store that waits, no batch begins until the batches under
        way are written under the set that judged them."""
        return self.admission.rules

    @rules.setter
    def rules(self, rules: RuleSet) -> None:
        if self.store.waits and (self.batching.window.busy or self.commit.decided):
            self._next_rules = rules
            self._wake()
        else:
            self._use_rules(rules)

    def _use_rules(self, rules: RuleSet) -> None:
        self._next_rules = None
        if rules is not self.admission.rules:
            self.admission.rules = rules
            self.refusals.clear()

    @property
    def highest_id(self) -> int:
        """The last entry id given out."""
        return self.admission.highest_id

    @property
    def journal_down(self) -> str:
        """Why the journal cannot be written; empty when it can."""
        return self.commit.journal_down

    @property
    def batch_wait_until(self) -> float:
        """When (wall clock) waiting submits are judged without waiting for more: call ``wake`` then. 0: nothing waits only for that."""
        batching = self.batching
        return batching.window.until if batching.submits or batching.changes else 0.0

    @property
    def has_unwritten_changes(self) -> bool:
        """Whether records hold something that the journal does not: then no checkpoint may be taken."""
        batching, commit = self.batching, self.commit
        return bool(batching.window.busy or batching.retries or commit.decided or commit.changed or commit.journal_down)

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight, waiting or unanswered."""
        batching, commit = self.batching, self.commit
        arrived, decided = batching.submits or batching.changes, commit.accepted or commit.decided or commit.changed
        return not (
            self.in_flight
            or self.open_queries
            or arrived
            or decided
            or batching.window.busy
            or commit.outbox
            or self.parts.waiting
            or self.release_s is not None
        )


_EVENTS = {
    Effect.ACCEPTED: "settled",
    Effect.TAKEN_BACK: "taken_back",
    Effect.UNKNOWN: "unknown",
    Effect.LATE_ACCEPTED: "settled",
    Effect.LATE_TAKEN_BACK: "taken_back",
    Effect.STILL_UNKNOWN: "unknown",
    Effect.LATE_STILL_UNKNOWN: "unknown",
}
