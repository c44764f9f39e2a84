"""The relay: leads one message from arrival to answer. READ THIS FIRST.

In: frames from providers and carriers, the time. Out: bytes for both, journal records, counts. Never: sockets, a clock, an event
loop (``spawn`` drives the coroutine of a batch: at once for a store that never waits, as a task otherwise).

A submit's story is ``submit`` → ``turn`` → ``_decide`` → ``judging.judge`` → ``_hand_over`` → the carrier → ``answered`` → the next turn →
``Outbox.release``; parts of long messages go by way of ``parts``. What arrives in one loop turn is judged together: one load, one
swap, one write to the journal, one joined write to each peer. What is safe before what (DESIGN §3):

    the entry is written      before the frame goes to the carrier      (_hand_over comes after journal.write)
    the entry is synced       before the provider gets its answer       (Outbox.release waits for journal.synced)
    an answer is written      before the provider gets it               (it joins the outbox after journal.write)
    a reject is written       before the answer                         (_hand_over, too)
    a deliver, an opt-out is synced before the carrier is acknowledged  (way_back and hearing, through the same queue)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from proxy.access import Directory
from proxy.board import Board, Sheets, Sight
from proxy.changes import Answer, Change, Effect, Undo
from proxy.compiled import compiled
from proxy.desk import entries
from proxy.desk.entries import ACCEPTED, VERDICT, pack_accepted, verdict_pieces
from proxy.desk.journal import Journal, JournalDown
from proxy.judging import ON_JUDGE_ERROR, Judging
from proxy.message import Category, Message, Outcome
from proxy.number import NotARecipient, recipient_of
from proxy.parts import Parts
from proxy.policy import RuleSet
from proxy.reasons import GATE_REASONS
from proxy.refusals import Refusals
from proxy.state import Store
from proxy.tally import Tally
from proxy.transit import Apart, Bind, Outbox, Routes, Transit, count, count_allowed, detail, put_all
from proxy.underway import Chain, UnderWay
from proxy.wire import Frame, Malformed, Memo

SWAPS_MAX = 5
"""A person's chain is judged again this often when the record changed under us; then the provider is asked to come again."""
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
        routes: Routes,
        tally: Tally,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        sync: Callable[[], None],
        on_judge_error: Mapping[Category, Outcome] = ON_JUDGE_ERROR,
        first_id: int = 1,
    ) -> None:
        self.directory = directory
        self.store = store
        self.journal = journal
        self.routes = routes
        self.tally = tally
        self.judging = Judging(
            rules=rules, store=store, routes=routes, tally=tally, on_judge_error=on_judge_error, first_id=first_id
        )
        self.draining = False
        self.journal_down = ""
        """Why the journal cannot be written, empty when it can."""
        self.handed: list[Transit] = []
        """Submits handed to their lanes in the last turn …"""
        self.told: list[Transit] = []
        """… and answered in it: whoever runs the relay measures our own part with them, and clears both."""
        self.in_flight: dict[int, Transit] = {}
        """Allowed and not yet answered by the carrier, by the sequence of the verdict in the journal."""
        self._spawn, self._wake, self._sync = spawn, wake, sync
        self._memo = Memo()
        self._submits: list[Transit] = []
        self._changes: list[Change] = []
        self._under_way = UnderWay()
        self._decided: list[Transit] = []
        self._changed: list[Change] = []
        self._later: list[Change] = []
        """Changes the store did not take: applied again at the next tick, or before the next submit to that person."""
        self._unwritten: list[Change] = []
        """Changes made but not written, because the journal is down."""
        self._accepted: list[tuple[Transit, bytes]] = []
        """Submits the carrier took, with the body of its answer: nothing in the person's record changes."""
        self._unwritten_accepted: list[tuple[Transit, bytes]] = []
        self._noted_first = self._held = False
        self._jumped_s = 0.0
        """By how much the wall clock was set since that was last written."""
        self.questions = 0
        """Questions of providers (query_sm, cancel_sm) that are on their way to a carrier."""
        self.half_told: Counter[str] = Counter()
        """Submits to many (submit_multi) of which a carrier has answered a part and the provider has heard nothing, by provider: until
        then its delivers wait, for a receipt must not come before the answer."""
        self.on_accepted: Callable[[list[tuple[Transit, bytes]]], None] | None = None
        """Who else wants to know what carriers took: once a turn, after it is written."""
        self.on_said: Callable[[list[tuple[int, int, bytes]]], None] = _to_nobody
        """Who else wants to know what changes said: (sequence, kind, body), once a turn, after it is written."""
        self._said: list[tuple[int, int, bytes]] = []
        self.refusals = Refusals(self.judging.refuse, self.note, self.tell_refused)
        self.refusals.alone = not store.shared
        self._refused = self.refusals.people
        self._outbox = Outbox()
        self.parts = Parts(
            self.judging,
            hand_in=lambda transits: self._submits.extend(transits),  # noqa: PLW0108 # a list for each turn
            change=lambda change: self._changes.append(change),  # noqa: PLW0108
        )
        """Long messages whose parts come one by one."""

    def share(self, sheets: Sheets, life: int, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """Parts of one long message may come to other gates, too. ``life``: a number no other gate has, nor this one had in another life."""
        board = Board(sheets, self.parts, life, spawn=self._spawn, wake=self._wake, clock=clock, monotonic=monotonic)
        self.parts.share(board, monotonic)

    # ------------------------------------------------------------------ arrival

    def submit(self, bind: Bind, frame: Frame, now: float, arrived_s: float, kind: type[Transit] = Transit) -> None:
        """A submit_sm was read from a provider (``arrived_s``: monotonic); it is judged in the coming turn. ``kind``: what else it is."""
        transit = kind(bind, frame.sequence_number, frame.data, arrived_s)
        reason = self.admit(bind, arrived_s) or self._read(transit, frame, now)
        bind.unanswered += 1
        if not reason:
            if transit.message.content.part is None:  # type: ignore[union-attr] # _read made it
                self._submits.append(transit)
                return
            reason = self.parts.take(transit, arrived_s)
        elif reason == "rate-exceeded" and not self._read(transit, frame, now):
            reason = self.parts.owe(transit, arrived_s)
        if reason:
            self._turned_away(transit, reason)

    def _turned_away(self, transit: Transit, reason: str) -> None:
        """What was read is refused by the gate."""
        transit.bind.noise += reason not in OUR_FAULT
        self.judging.refuse(transit, GATE_REASONS[reason])
        self._decided.append(transit)

    @compiled("relay_submit_all")
    def submit_all(self, bind: Bind, frames: Sequence[Frame], now: float, arrived_s: float) -> None:
        """``submit`` for all that one read brought."""
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)

    def refuse(self, transit: Transit, reason: str) -> None:
        """Something of a provider is refused by the gate as it stands, unread."""
        transit.bind.unanswered += 1
        self._turned_away(transit, reason)

    def admit(self, bind: Bind, now_s: float) -> str:
        """The gate's reason to refuse before reading, or an empty string."""
        if self.draining or self.journal_down or bind.unanswered >= bind.window:
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

    def _read(self, transit: Transit, frame: Frame, now: float) -> str:
        """Makes the Message of a frame; the gate's reason to refuse it, or an empty string."""
        try:
            head, destination, content = transit.read(frame, self._memo, now)
        except Malformed as fault:
            transit.status = fault.status
            self.tally.bad_pdus["provider", fault.kind, transit.bind.access.provider.name] += 1
            return "malformed"
        sender = transit.bind.access.sender(head)
        try:
            transit.message = Message(sender, recipient_of(destination), content)
        except NotARecipient:
            return "bad-recipient"
        return "" if sender.prefix else "port-not-owned"

    @compiled("relay_answered_all")
    def answered_all(self, answers: Iterable[tuple[Transit, Frame]], now_s: float) -> None:
        """The carrier answered these submits of ours (``now_s``: monotonic)."""
        accepted = self._accepted
        for transit, frame in answers:
            transit.answered_s = now_s
            if frame.command_status or not transit.entry_id:
                self.answered(transit, frame)
            else:  # nearly always
                accepted.append((transit, frame.data[16:]))

    def answered(self, transit: Transit, frame: Frame) -> None:
        """The carrier answered a submit of ours."""
        if not transit.entry_id:  # the gate's own words (hearing.py): nobody waits for what becomes of them
            return
        status = frame.command_status
        if status == 0:
            self._accepted.append((transit, frame.data[16:]))
        else:
            self._said_no(Answer(transit, self._effect(transit, status), status, frame.data[16:], self._tell))

    def _said_no(self, answer: Answer) -> None:
        """Anything but a plain yes in time."""
        if answer.long is None:
            self._changes.append(answer)
        else:
            self.parts.change(answer)

    def unanswered(self, transit: Transit) -> None:
        """No answer came in time, or the link was lost: nobody knows whether the person will get the message."""
        if isinstance(transit, Apart) and transit.unanswered():
            return
        if transit.long is not None:
            self.parts.unanswered(transit)
        if transit.entry_id:
            self._said_no(Answer(transit, Effect.UNKNOWN, ESME_RSYSERR, b"", self._tell))

    def answered_late(self, transit: Transit, frame: Frame) -> None:
        """An answer after the provider was told that the outcome is unknown: it settles the entry and is not forwarded."""
        if (isinstance(transit, Apart) and transit.answered_late(frame)) or not transit.entry_id:
            return
        status = frame.command_status
        self._said_no(Answer(transit, self._effect(transit, status, late=True), status, frame.data[16:], self._tell))

    def unsent(self, transit: Transit, reason: str) -> None:
        """A submit left its lane without having been sent (no link any more): taken back, and the provider may try again."""
        if (isinstance(transit, Apart) and transit.unsent(reason)) or not transit.entry_id:
            return
        status = GATE_REASONS[reason].status
        self._said_no(Answer(transit, self._effect(transit, status), status, b"", self._tell))

    def _effect(self, transit: Transit, status: int, late: bool = False) -> Effect | Callable[[], Effect]:
        """What an answer that is not a plain yes does to the entry."""
        if transit.long is not None:
            return self.parts.answered(transit, status, late=late)
        return Effect.of(status, late=late, adopts=transit.adopted is not None)

    def due(self, now_s: float) -> None:
        """Parts of long messages that have waited long enough (``parts.next_s``, monotonic) are judged in the coming turn."""
        if self.parts.due(now_s):
            self._wake()

    def drain(self) -> None:
        """From now on submits are refused; parts that wait for others are judged on what is there."""
        self.draining = True
        if self.parts.drain():
            self._wake()

    def change(self, change: Change) -> None:
        """Something else alters a record (an opt-out): applied in the coming turn."""
        self._changes.append(change)
        self._wake()

    def note(self, change: Change) -> None:
        """Something for the journal that alters no record (a deliver): written in the coming turn."""
        self._changed.append(change)

    def note_first(self, change: Change) -> None:
        """Likewise, and providers hear nothing of what came with it before it is synced."""
        self._changed.append(change)
        self._noted_first = True

    # ------------------------------------------------------------------ one turn

    def hold_on(self) -> None:
        """Nothing new is begun until ``go_on``: what is under way comes to its end, and for a moment all is written."""
        self._held = True

    def go_on(self) -> None:
        if self._held:
            self._held = False
            self._wake()

    def turn(self, now: float) -> None:
        """Deals with everything that has arrived since the last turn."""
        come = len(self._submits) + len(self._changes)
        gathers = self.store.waits and self._under_way.gathers(come, self._passed, now)
        if come and not gathers and not self._held:
            submits, self._submits = self._submits, []
            changes, self._changes = self._changes, []
            if self._later:
                changes = self._behind_later(changes, submits)
            if changes or not self._at_once(submits, now):
                chains = self._chains(submits, changes, now)
                if chains:
                    self._begin(chains, now)
        self._hand_over(now)
        self._outbox.release(self.journal.synced, self.told)
        if (self._changes or self._submits) and not gathers and not self._held:  # what was handed over has led to them
            self._wake()

    @compiled("relay_at_once")
    def _at_once(self, submits: list[Transit], now: float) -> bool:
        """Decides about these where that takes no more than a look at each person's record: the twin does, in one go, for a store that is at
        hand. False: nothing has been done, and they are to be decided about in chains."""
        return False

    def _begin(self, chains: dict[int, Chain], now: float) -> None:
        if self.store.waits:
            self._under_way.begins(chains, now)
        self._spawn(self._decide(chains, now))

    def _behind_later(self, changes: list[Change], submits: Iterable[Transit]) -> list[Change]:
        """Those that may go now: what comes for a person for whom the store did not take something waits behind that, or a refusal would
        be ended by a restore that came before it. A submit does not wait: all that its person's record lacks is tried again, before it."""
        come = {transit.message.recipient for transit in submits}  # type: ignore[union-attr] # _read made it
        waiting = {change.recipient for change in self._later} - come
        changes = self._later + changes
        self._later = [change for change in changes if change.recipient in waiting]
        return [change for change in changes if change.recipient not in waiting]

    def _chains(self, submits: list[Transit], changes: list[Change], now: float) -> dict[int, Chain]:
        """Work by person; what comes for a person whose record is under way waits for it, in arrival order."""
        chains: dict[int, Chain] = {}
        busy, behind = self._under_way.people, self._under_way.behind
        for change in changes:
            person = change.recipient
            (behind if person in busy else chains).setdefault(person, ([], []))[0].append(change)
        self._add_to(chains, submits, now)
        return chains

    @compiled("relay_add_to")
    def _add_to(self, chains: dict[int, Chain], submits: list[Transit], now: float) -> None:
        """Submits of a turn behind its changes; what was refused a few minutes ago is in no chain."""
        busy, behind, refused = self._under_way.people, self._under_way.behind, self._refused
        for transit in submits:
            person = transit.message.recipient  # type: ignore[union-attr] # _read made it
            chain = chains.get(person)
            if chain is not None:
                chain[1].append(transit)
            elif person in busy:
                behind.setdefault(person, ([], []))[1].append(transit)
            elif person not in refused or not self.refusals.again(transit, self.rules, now):
                chains[person] = ([], [transit])

    async def _decide(self, chains: dict[int, Chain], now: float) -> None:
        """Load, judge, swap; judge again what changed under us. Nothing is forwarded from here."""
        left = chains
        try:
            for _ in range(SWAPS_MAX):
                left = await self._attempt(left, now)
                if not left:
                    break
                self.tally.store_conflicts["again",] += len(left)
            else:
                self._give_up(left)
        except OSError:
            self._give_up(left, "store-down")
        finally:
            if self.store.waits:
                self._go_on_behind(chains)
        for _, submits in chains.values():
            self._decided.extend(submits)
        board = self.parts.board
        if board is not None and board.people:
            board.through(chains)

    def _go_on_behind(self, people: Collection[int]) -> None:
        """These are no longer under way: what waited for them is dealt with in the coming turn, before what came after it."""
        for changes, submits in self._under_way.ends(people):
            self._changes[:0] = changes
            self._submits[:0] = submits
        self._wake()

    async def _attempt(self, chains: dict[int, Chain], now: float) -> dict[int, Chain]:
        """One load and one swap for a batch; returns the chains whose swap was refused, undone."""
        board = self.parts.board
        sights = await board.load(chains) if board is not None and board.people else None
        loaded = await self.store.load(chains)
        if sights and board is not None:
            board.see(sights, chains, loaded)
        writes, refused = self._judged(chains, loaded, sights, now)
        filled = self.store.fill() if refused else None
        if writes:
            taken = await self.store.swap(writes)
            if not all(taken):
                for (person, _, _), ok in zip(writes, taken, strict=True):
                    if not ok:
                        refused[person] = self._undone(chains[person])
        if sights and board is not None:
            for person in await board.show(sights, chains):
                refused[person] = self._undone(chains[person])
        if filled is not None:
            await filled
        for person, (changes, _) in chains.items():
            if changes and person not in refused:
                self._changed.extend(changes)
        return refused

    @compiled("relay_judged")
    def _judged(
        self,
        chains: dict[int, Chain],
        loaded: Mapping[int, tuple[int, bytes]],
        sights: Mapping[int, Sight] | None,
        now: float,
    ) -> tuple[list[tuple[int, int, bytes]], dict[int, Chain]]:
        """What is to be swapped, and who must be judged again."""
        judging, counters, writes = self.judging, self.store.counters, []
        refused: dict[int, Chain] = {}
        for person, (changes, submits) in chains.items():
            version, before = loaded[person]
            judging.cut_off = version < 0
            short = counters.short
            after = self._left_by(changes, submits, before, now)
            if counters.short != short:  # it is judged again once it is known what limits leave
                refused[person] = self._undone(chains[person])
            elif sights and person in sights:
                sights[person].left(after if after is not before else None, version)
            elif after is not before:
                writes.append((person, version, after))
        return writes, refused

    def _left_by(self, changes: Iterable[Change], submits: Iterable[Transit], data: bytes, now: float) -> bytes:
        """The record as what came for one person leaves it."""
        for change in changes:
            data = change.apply(data, now)
        for transit in submits:
            data = self.judging.judge(transit, data, now) if transit.long is None else self.parts.judge(transit, data, now)
        return data

    def _undone(self, chain: Chain) -> Chain:
        """What its submits have reserved is given back."""
        for transit in chain[1]:
            self.judging.put_back(transit)
        return chain

    def _give_up(self, chains: dict[int, Chain], why: str = "store-conflict") -> None:
        """The store did not take these: submits are asked to come again, changes stay until they are taken."""
        self.tally.store_conflicts["gave-up",] += len(chains)
        for changes, submits in chains.values():
            for transit in submits:
                self.judging.put_back(transit)
                self.judging.refuse(transit, GATE_REASONS[why])
            self._later.extend(changes)
            if self.parts.board is not None:
                self.parts.board.mark_again(changes)

    # ------------------------------------------------------------------ written, then handed over

    def _hand_over(self, now: float) -> None:
        """Writes what was decided as one commit group; only then do frames go to the carrier and answers to the providers."""
        decided, accepted, changed = self._decided, self._accepted, self._changed
        if not decided and not accepted and not changed:
            return
        self._decided, self._accepted, self._changed = [], [], []
        journal = self.journal
        try:
            if self.journal_down:  # until the next tick finds that it writes again
                raise JournalDown(self.journal_down)
            verdict = journal.extend(VERDICT, verdict_pieces(now, decided, self.rules.revision, self.rules.window_s))
            self.judging.grounds.write(journal, now, decided, verdict)
            journal.extend(ACCEPTED, pack_accepted(now, accepted))
            sequences = self._append(changed, now) if changed else []
            journal.write(now)
        except JournalDown as down:
            self._not_safe(decided, accepted, changed, down)
            return
        outbox, tally = self._outbox, self.tally
        if self._noted_first:
            self._noted_first = False
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
            if self.on_accepted is not None:
                self.on_accepted(accepted)
        for change, sequence in zip(changed, sequences, strict=True):
            change.done(sequence)
            self._refused.pop(change.recipient, None)  # what was refused may be allowed now
        self.on_said(self._said)
        self._said = []
        if allowed or changed:  # nobody waits for refusals, nor for what carriers took: the next sync has them, or a tick's
            self._sync()

    @compiled("relay_written")
    def _written(self, decided: Iterable[Transit], verdict: int, now: float) -> list[Transit]:
        """The journal has these verdicts, from this sequence on: refusals may be told; what is allowed is returned."""
        allowed = []
        for transit in decided:
            transit.recorded = verdict
            if transit.lane is None:
                count(self.tally, transit)
                self._outbox.append((0, transit, detail(transit)))
                self.refusals.keep(transit, self.rules, now)
            else:
                self.in_flight[verdict] = transit
                allowed.append(transit)
            verdict += 1
        return allowed

    def _append(self, changed: list[Change], now: float) -> list[int]:
        """Appends what changes say, and what is to be said beside that: a text that was to be replaced was judged, too."""
        journal, grounds = self.journal, self.judging.grounds
        sequences, told = [], []
        for change in changed:
            said, sequence = change.written(now), 0
            if said is not None:
                kind, body = said
                if isinstance(body, bytes):
                    sequence = journal.append(kind, body)
                    told.append((sequence, kind, body))
                else:
                    sequence = journal.extend(kind, body)
            sequences.append(sequence)
        self._said = told
        if grounds.waiting:
            for change, sequence in zip(changed, sequences, strict=True):
                grounds.write_of(journal, now, change, sequence)
        return sequences

    def _not_safe(
        self, decided: list[Transit], accepted: list[tuple[Transit, bytes]], changed: list[Change], down: JournalDown
    ) -> None:
        """The journal refused the group: nothing of it leaves. Entries are undone, answers and changes wait until it writes again."""
        self.journal_down = str(down)
        self._said = []
        self.judging.grounds.waiting.clear()
        for transit in decided:
            if transit.packed and transit.message is not None:
                part = transit.long is not None
                self._changes.append(
                    self.parts.undo(transit) if part else Undo(transit.message, transit.entry_id, transit.adopted)
                )
            self.judging.put_back(transit)
            self.judging.refuse(transit, GATE_REASONS["journal-down"])
            self._outbox.append((0, transit, detail(transit)))
            count(self.tally, transit)
        self.parts.settle(decided)
        self._unwritten_accepted.extend(accepted)
        self._unwritten.extend(change for change in changed if change.unwritten())
        if self._changes:
            self._wake()

    def tick(self, now: float) -> None:
        """A few times a second: tries again what the journal or the store did not take; syncs what nobody waited for."""
        self.refusals.sweep()
        self._sync()
        self._changes[:0] = self._later
        self._later.clear()
        if self.journal_down or self._jumped_s:
            try:
                self.journal.append(entries.CLOCK, entries.pack_clock(now, self._jumped_s))
                self.journal.write(now)
            except JournalDown as down:
                if self.journal_down:
                    self.journal_down = str(down)
                return
            self._jumped_s = 0.0
            self._sync()
        if self.journal_down:
            self.journal_down = ""
            self._accepted.extend(self._unwritten_accepted)
            self._changed[:0] = self._unwritten
            self._unwritten_accepted.clear()
            self._unwritten.clear()

    def clock_jumped(self, seconds: float) -> None:
        """The wall clock was set: the next tick writes it, or the first whose journal writes."""
        self._jumped_s += seconds

    # ------------------------------------------------------------------ answers

    def _tell(self, answer: Answer, recorded: int) -> None:
        """What became of a submit that was not simply accepted is written: the provider gets it once the entry is synced."""
        transit, effect = answer.transit, answer.effect
        self.in_flight.pop(transit.recorded, None)
        if effect in _EVENTS:
            self.tally.entries[_EVENTS[effect],] += 1
        if effect.takes_back:
            self.judging.give_back(transit)
        if effect.late:
            transit.long = None
        else:
            transit.status = answer.status
            self._outbox.append((transit.recorded, transit, answer.carrier_id))

    def when_synced(self, sequence: int, do: Callable[[], None]) -> None:
        """Queues what may happen once the journal is synced up to ``sequence`` (0 = now), after all that is queued before."""
        self._outbox.append((sequence, None, do))

    # ------------------------------------------------------------------ for commands that are no submits (commands.py)

    def tell_refused(self, transit: Transit) -> None:
        """Counts and answers what was refused."""
        count(self.tally, transit)
        self.say(0, transit, detail(transit))

    def say(self, sequence: int, transit: Transit, body: bytes) -> None:
        """Answers the provider once the journal is synced up to ``sequence``."""
        self._outbox.append((sequence, transit, body))

    @property
    def rules(self) -> RuleSet:
        """The rules in force; a new set is judged by from the next message on."""
        return self.judging.rules

    @rules.setter
    def rules(self, rules: RuleSet) -> None:
        if rules is not self.judging.rules:
            self.judging.rules = rules
            self.refusals.clear()

    @property
    def highest_id(self) -> int:
        """The last entry id given out."""
        return self.judging.highest_id

    @property
    def _passed(self) -> int:
        """How many were judged and are not answered yet."""
        return len(self._decided) + len(self.in_flight) + len(self._outbox)

    @property
    def gathers_until(self) -> float:
        """When (wall clock) what has come waits no longer for more: then somebody must ``wake``; 0 where nothing else is waited for."""
        return self._under_way.until if self._submits or self._changes else 0.0

    @property
    def amid(self) -> bool:
        """Whether records hold something that the journal does not: no moment for a checkpoint."""
        return bool(self._under_way.people or self._decided or self._changed or self._later or self.journal_down)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way any more."""
        waiting = self._submits or self._changes or self._accepted or self._decided or self._changed
        return not (self.in_flight or self.questions or waiting or self._under_way.people or self._outbox or self.parts.waiting)


@compiled("settled")
def _settled(accepted: list[tuple[Transit, bytes]], in_flight: dict[int, Transit]) -> list[tuple[int, Transit, bytes]]:
    """What the carrier took, for the outbox: it is not in flight any more."""
    for transit, _ in accepted:
        in_flight.pop(transit.recorded, None)
    return [(transit.recorded, transit, body) for transit, body in accepted]


def _nothing() -> None:
    return None


def _to_nobody(said: list[tuple[int, int, bytes]]) -> None:
    return None


_EVENTS = {
    Effect.ACCEPTED: "settled",
    Effect.TAKEN_BACK: "taken_back",
    Effect.UNKNOWN: "unknown",
    Effect.LATE_ACCEPTED: "settled",
    Effect.LATE_TAKEN_BACK: "taken_back",
    Effect.STILL_UNKNOWN: "unknown",
    Effect.LATE_STILL_UNKNOWN: "unknown",
}
