"""Leads each submit from provider to carrier and back. READ FIRST.

In: frames from providers and carriers; the time. Out: bytes for both sides, journal records, counts.
Never: sockets, a clock, an event loop. (``spawn`` drives the coroutine of a batch: at once where the store never waits, else as a task.)

The way of a submit, by the functions that run:

    Relay.submit            reads the PDU; ``admit`` refuses before reading (draining, window, rate)
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
from typing import Any

from proxy.journal.write_ahead_log import Journal
from proxy.model.counters import GateCounters
from proxy.model.message import Category, Message, Outcome
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.reasons import GATE_REASONS
from proxy.native.loader import compiled
from proxy.policy import RuleSet
from proxy.relay.access import Directory
from proxy.relay.admission import ON_JUDGE_ERROR, Admission
from proxy.relay.batching import Batching
from proxy.relay.commit import Commit
from proxy.relay.effects.record_changes import Arrived, Effect, EntryFate, RecordChange, was_sent_twice
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.shared import SharedParts
from proxy.relay.multipart.transaction import MultipartStore
from proxy.relay.pending_submit import Bind, LaneRoutes, OtherRequest, PendingSubmit, count, detail
from proxy.relay.refusal_cache import RefusalCache
from proxy.state import Store
from proxy.wire import ContentCache, Frame, Malformed
from proxy.wire.reserved import ReservedContent

ESME_RSYSERR = 0x08
OUR_FAULT = frozenset(("journal-down", "draining"))
"""Refusals for which no provider is called noisy."""


class Relay:
    def __init__(
        self,
        *,
        directory: Directory,
        rules: RuleSet,
        store: Store,
        journal: Journal,
        routes: LaneRoutes,
        tally: GateCounters,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        sync: Callable[[], None],
        on_judge_error: Mapping[Category, Outcome] = ON_JUDGE_ERROR,
        first_id: int = 1,
    ) -> None:
        self.directory = directory
        self.store = store
        self.routes = routes
        self.tally = tally
        self.draining = False
        self.judging = Admission(
            rules=rules, store=store, routes=routes, tally=tally, on_judge_error=on_judge_error, first_id=first_id
        )
        self.refusals = RefusalCache(self.judging.refuse, self.note, self.tell_refused)
        self.refusals.alone = not store.shared
        self.parts = PartHandler(
            self.judging,
            hand_in=lambda transits: self.chains.submits.extend(transits),  # noqa: PLW0108 # a list for each turn
            change=lambda change: self.chains.changes.append(change),  # noqa: PLW0108
        )
        """Long messages whose parts come one by one."""
        self.handover = Commit(
            journal=journal, judging=self.judging, parts=self.parts, refusals=self.refusals, sync=sync, change=self.change
        )
        """What was decided, on its way into the journal and from there to both sides."""
        self.chains = Batching(
            judging=self.judging, parts=self.parts, refusals=self.refusals, handover=self.handover, spawn=spawn, wake=wake
        )
        """What has come, on its way to being decided."""
        self.in_flight = self.handover.in_flight
        """Allowed and not yet answered by the carrier, by the sequence of the verdict in the journal."""
        self.handed = self.handover.handed
        """Submits handed to their lanes in the last turn …"""
        self.told: list[PendingSubmit] = []
        """… and answered in it: whoever runs the relay measures our own part with them, and clears both."""
        self.questions = 0
        """Questions of providers (query_sm, cancel_sm) that are on their way to a carrier."""
        self.half_told: Counter[str] = Counter()
        """Submits to many (submit_multi) of which a carrier has answered a part and the provider has heard nothing, by provider: until
        then its delivers wait, for a receipt must not come before the answer."""
        self._spawn, self._wake = spawn, wake
        self._memo = ContentCache()
        self._held = False
        self._coming: RuleSet | None = None
        """Rules that are in force once what others decide about is written."""

    def share(self, sheets: MultipartStore, life: int, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """Parts of one long message may come to other gates, too. ``life``: a number no other gate has, nor this one had in another life."""
        board = SharedParts(sheets, self.parts, life, spawn=self._spawn, wake=self._wake, clock=clock, monotonic=monotonic)
        self.parts.share(board, monotonic)

    # ------------------------------------------------------------------ arrival

    def submit(self, bind: Bind, frame: Frame, now: float, arrived_s: float, kind: type[PendingSubmit] = PendingSubmit) -> None:
        """A submit_sm was read from a provider (``arrived_s``: monotonic); it is judged in the coming turn. ``kind``: what else it is."""
        transit = kind(bind, frame.sequence_number, frame.data, arrived_s)
        reason = self.admit(bind, arrived_s) or self._read(transit, frame, now)
        bind.unanswered += 1
        if not reason:
            if transit.message.content.part is None:  # type: ignore[union-attr] # _read made it
                self.chains.submits.append(transit)
                return
            reason = self.parts.take(transit, arrived_s)
        elif reason == "rate-exceeded" and not self._read(transit, frame, now):
            reason = self.parts.owe(transit, arrived_s)
        if reason:
            self._turned_away(transit, reason)

    def _turned_away(self, transit: PendingSubmit, reason: str) -> None:
        """What was read is refused by the gate."""
        transit.bind.noise += reason not in OUR_FAULT
        self.judging.refuse(transit, GATE_REASONS[reason])
        self.handover.decided.append(transit)

    @compiled("relay_submit_all")
    def submit_all(self, bind: Bind, frames: Sequence[Frame], now: float, arrived_s: float) -> None:
        """``submit`` for all that one read brought."""
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)

    def refuse(self, transit: PendingSubmit, reason: str) -> None:
        """Something of a provider is refused by the gate as it stands, unread."""
        transit.bind.unanswered += 1
        self._turned_away(transit, reason)

    def admit(self, bind: Bind, now_s: float) -> str:
        """The gate's reason to refuse before reading, or an empty string."""
        if self.draining or self.handover.journal_down or bind.unanswered >= bind.window:
            return self.closed(bind)
        if not bind.access.takes(now_s):
            return "rate-exceeded"
        return ""

    def closed(self, bind: Bind) -> str:
        """``admit`` without taking anything from the provider's rate."""
        if self.draining:
            return "draining"
        if self.journal_down:
            return "journal-down"
        return "window-full" if bind.unanswered >= bind.window else ""

    def _read(self, transit: PendingSubmit, frame: Frame, now: float) -> str:
        """Makes the Message of a frame; the gate's reason to refuse it, or an empty string."""
        try:
            head, destination, content = transit.read(frame, self._memo, now)
            if type(content) is ReservedContent and transit.bind.access.refuses_reserved:
                raise content.fault.malformed()
        except Malformed as fault:
            return self._malformed(transit, fault)
        sender = transit.bind.access.sender(head)
        try:
            transit.message = Message(sender, recipient_of(destination), content)
        except NotARecipient:
            return "bad-recipient"
        if sender.prefix:
            return ""
        found = transit.bind.access.fault_of(head)
        return "port-not-owned" if found is None else self._malformed(transit, found.malformed())

    def _malformed(self, transit: PendingSubmit, fault: Malformed) -> str:
        transit.status = fault.status
        self.tally.bad_pdus["provider", fault.kind, transit.bind.access.provider.name] += 1
        return "malformed"

    # ------------------------------------------------------------------ what became of it

    @compiled("relay_answered_all")
    def answered_all(self, answers: Iterable[tuple[PendingSubmit, Frame]], now_s: float) -> None:
        """The carrier answered these submits of ours (``now_s``: monotonic)."""
        accepted = self.handover.accepted
        for transit, frame in answers:
            transit.answered_s = now_s
            if frame.command_status or not transit.entry_id:
                self.answered(transit, frame)
            else:  # nearly always
                accepted.append((transit, frame))

    def answered(self, transit: PendingSubmit, frame: Frame) -> None:
        """The carrier answered a submit of ours."""
        if not transit.entry_id:  # the gate's own words (optout_reply.py): nobody waits for what becomes of them
            return
        status = frame.command_status
        if status == 0:
            self.handover.accepted.append((transit, frame))
        else:
            self._said_no(EntryFate(transit, self._effect(transit, status), status, frame.body, self._tell))

    def _said_no(self, answer: EntryFate) -> None:
        """Anything but a plain yes in time."""
        if answer.long is None:
            self.chains.changes.append(answer)
        else:
            self.parts.change(answer)

    def unanswered(self, transit: PendingSubmit) -> None:
        """No answer came in time, or the link was lost: nobody knows whether the person will get the message."""
        if isinstance(transit, OtherRequest) and transit.unanswered():
            return
        if transit.long is not None:
            self.parts.unanswered(transit)
        if transit.entry_id:
            self._said_no(EntryFate(transit, Effect.UNKNOWN, ESME_RSYSERR, b"", self._tell))

    def answered_late(self, transit: PendingSubmit, frame: Frame) -> None:
        """An answer after the provider was told that the outcome is unknown: it settles the entry and is not forwarded."""
        if (isinstance(transit, OtherRequest) and transit.answered_late(frame)) or not transit.entry_id:
            return
        status = frame.command_status
        self._said_no(EntryFate(transit, self._effect(transit, status, late=True), status, frame.body, self._tell))

    def unsent(self, transit: PendingSubmit, reason: str) -> None:
        """A submit left its lane without having been sent (no link any more): taken back, and the provider may try again."""
        if (isinstance(transit, OtherRequest) and transit.unsent(reason)) or not transit.entry_id:
            return
        status = GATE_REASONS[reason].status
        self._said_no(EntryFate(transit, self._effect(transit, status), status, b"", self._tell))

    def _effect(self, transit: PendingSubmit, status: int, late: bool = False) -> Effect | Callable[[], Effect]:
        """What an answer that is not a plain yes does to the entry."""
        if transit.long is not None:
            return self.parts.answered(transit, status, late=late)
        return Effect.of(status, late=late, adopts=transit.adopted is not None)

    def _tell(self, answer: EntryFate, recorded: int) -> None:
        """What became of a submit that was not simply accepted is written: the provider gets it once the entry is synced."""
        transit, effect = answer.transit, answer.effect
        self.in_flight.pop(transit.recorded, None)
        self._no_doubt(transit)
        if effect in _EVENTS:
            self.tally.entries[_EVENTS[effect],] += 1
        if effect.takes_back:
            self.judging.give_back(transit)
        if effect.late:
            transit.long = None
        else:
            transit.status = answer.status
            self.handover.outbox.append((transit.recorded, transit, answer.carrier_id))

    # ------------------------------------------------------------------ whatever else a turn deals with

    def due(self, now_s: float) -> None:
        """Parts of long messages that have waited long enough (``parts.next_s``, monotonic) are judged in the coming turn."""
        if self.parts.due(now_s):
            self._wake()

    def drain(self) -> None:
        """From now on submits are refused; parts that wait for others are judged on what is there."""
        self.draining = True
        if self.parts.drain():
            self._wake()

    def change(self, change: RecordChange) -> None:
        """Something else alters a record (an opt-out): applied in the coming turn."""
        self.chains.changes.append(change)
        self._wake()

    def note(self, change: RecordChange) -> None:
        """Something for the journal that alters no record (a deliver): written in the coming turn."""
        self.handover.changed.append(change)

    def note_first(self, change: RecordChange) -> None:
        """Likewise, and providers hear nothing of what came with it before it is synced."""
        self.handover.changed.append(change)
        self.handover.noted_first = True

    def when_synced(self, sequence: int, do: Callable[[], None]) -> None:
        """Queues what may happen once the journal is synced up to ``sequence`` (0 = now), after all that is queued before."""
        self.handover.outbox.append((sequence, None, do))

    # ------------------------------------------------------------------ one turn

    def turn(self, now: float) -> None:
        """Deals with everything that has arrived since the last turn."""
        chains, handover = self.chains, self.handover
        self.store.counters.now = now
        if self._coming is not None and not chains.under_way.people:
            handover.write(now)
            self._judge_by(self._coming)
        if handover.accepted and self.judging.sent_twice:
            chains.changes += self._arrived(handover.accepted)
        come = len(chains.submits) + len(chains.changes)
        gathers = self.store.waits and chains.under_way.gathers(come, handover.passed, now)
        holds = gathers or self._held or self._coming is not None
        if come and not holds:
            chains.begin(now)
        handover.write(now)
        handover.outbox.release(handover.journal.synced, self.told)
        if (chains.changes or chains.submits) and not holds:  # what was handed over has led to them
            self._wake()

    def _arrived(self, accepted: Iterable[tuple[PendingSubmit, Frame]]) -> Iterator[Arrived]:
        """What the carrier took of that which went out in the stead of something unknown."""
        for transit, _ in accepted:
            if was_sent_twice(transit.packed) and transit.message is not None:
                self._no_doubt(transit)
                yield Arrived(transit.message.recipient, transit.entry_id)

    def _no_doubt(self, transit: PendingSubmit) -> None:
        """The carrier answered, or did not: no other answer in time comes. Of a long message other parts may be on their way."""
        if transit.long is None:
            self.judging.sent_twice.discard(transit)

    def tick(self, now: float) -> None:
        """A few times a second: tries again what the journal or the store did not take; syncs what nobody waited for."""
        self.refusals.sweep()
        self.chains.try_again()
        self.handover.try_again(now)

    def clock_jumped(self, seconds: float) -> None:
        """The wall clock was set: the next tick writes it, or the first whose journal writes."""
        self.handover.jumped_s += seconds
        if seconds < 0:
            self.refusals.clear()

    def hold_on(self) -> None:
        """Nothing new is begun until ``go_on``: what is under way comes to its end, and for a moment all is written."""
        self._held = True

    def go_on(self) -> None:
        if self._held:
            self._held = False
            self._wake()

    # ------------------------------------------------------------------ for commands that are no submits (commands.py)

    def tell_refused(self, transit: PendingSubmit) -> None:
        """Counts and answers what was refused."""
        count(self.tally, transit)
        self.say(0, transit, detail(transit))

    def say(self, sequence: int, transit: PendingSubmit, body: bytes) -> None:
        """Answers the provider once the journal is synced up to ``sequence``."""
        self.handover.outbox.append((sequence, transit, body))

    @property
    def rules(self) -> RuleSet:
        """The rules in force. What comes from now on is judged by a new set; nothing begins until what others are deciding about, on their
        way to a store that waits, is written under the set that it was judged by."""
        return self.judging.rules

    @rules.setter
    def rules(self, rules: RuleSet) -> None:
        if self.store.waits and (self.chains.under_way.people or self.handover.decided):
            self._coming = rules
            self._wake()
        else:
            self._judge_by(rules)

    def _judge_by(self, rules: RuleSet) -> None:
        self._coming = None
        if rules is not self.judging.rules:
            self.judging.rules = rules
            self.refusals.clear()

    @property
    def highest_id(self) -> int:
        """The last entry id given out."""
        return self.judging.highest_id

    @property
    def journal_down(self) -> str:
        """Why the journal cannot be written, empty when it can."""
        return self.handover.journal_down

    @property
    def gathers_until(self) -> float:
        """When (wall clock) what has come waits no longer for more: then somebody must ``wake``; 0 where nothing else is waited for."""
        chains = self.chains
        return chains.under_way.until if chains.submits or chains.changes else 0.0

    @property
    def amid(self) -> bool:
        """Whether records hold something that the journal does not: no moment for a checkpoint."""
        chains, handover = self.chains, self.handover
        return bool(chains.under_way.people or chains.later or handover.decided or handover.changed or handover.journal_down)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way any more."""
        chains, handover = self.chains, self.handover
        come, decided = chains.submits or chains.changes, handover.accepted or handover.decided or handover.changed
        return not (
            self.in_flight
            or self.questions
            or come
            or decided
            or chains.under_way.people
            or handover.outbox
            or self.parts.waiting
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
