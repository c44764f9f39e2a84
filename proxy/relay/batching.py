"""Batches submits per recipient: load records, judge, swap.

In: submits that were read; changes of records; the time. Out: submits with their verdicts, and changes that were made, both for commit.py.
Never: the journal, sockets, a clock, an event loop. (``spawn`` drives the coroutine of a batch: at once where the store never waits, else as
a task.)

    arrived ──begin──▶ one batch per recipient ──load──▶ judged in order ──swap──▶ commit.py

    the recipient is in a batch under way    new submits and changes wait behind it, in order
    the record has changed meanwhile         the recipient's whole batch is judged again; after SWAPS_MAX the provider must try again
    the store is out of reach                submits are refused for a while; changes wait here until the store takes them

Nothing is forwarded to a carrier from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

import cython

from proxy.model.message import Content
from proxy.model.reasons import GATE_REASONS
from proxy.policy.ruleset import RuleSet
from proxy.policy.text_reader import Reader
from proxy.relay.admission import Admission
from proxy.relay.batch_window import BatchWindow, RecipientBatch
from proxy.relay.commit import Commit
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.transaction import SharedView
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.refusal_cache import MARKS, RefusalCache, may_repeat
from proxy.state.embedded.record_table import Table
from proxy.state.record.record import EMPTY

SWAPS_MAX = 5
"""A recipient's batch is judged at most this often when its record keeps changing meanwhile; then the provider must try again."""

FETCHED_MAX = 256
"""Recipients whose records are loaded into the processor's cache at once, and submits whose texts are read ahead: most batches have fewer."""
MET_BITS = 1 << 16
_MET_MASK = cython.declare(cython.longlong, MET_BITS - 1)
_MARKS_MASK = cython.declare(cython.longlong, MARKS - 1)
_FETCHED_MAX = cython.declare(cython.Py_ssize_t, FETCHED_MAX)
_EMPTY = cython.declare(bytes, EMPTY)
_EMPTY_BYTES = cython.declare(cython.Py_ssize_t, len(EMPTY))


class Batching:
    def __init__(
        self,
        *,
        admission: Admission,
        parts: PartHandler,
        refusals: RefusalCache,
        commit: Commit,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
    ) -> None:
        """``commit``: takes judged submits and applied changes. ``spawn``: runs the coroutine of a batch. ``wake``: asks for a turn."""
        self.admission, self.store, self.tally = admission, admission.store, admission.tally
        self.parts = parts
        self.refusals, self._refused = refusals, refusals.people
        self.commit = commit
        self._spawn, self._wake = spawn, wake
        self.submits: list[PendingSubmit] = []
        """Submits that have arrived since the last turn (parts of long messages: once they need not wait for others) …"""
        self.changes: list[RecordChange] = []
        """… and other changes of records."""
        self.retries: list[RecordChange] = []
        """Changes that the store did not take: applied again at the next tick, or before the next submit to that recipient."""
        self.window = BatchWindow()
        self._met = bytearray(MET_BITS >> 3)
        self._beginning = False
        """Whether ``begin`` runs: what ends meanwhile is written in the same turn."""

    def begin(self, now: float) -> None:
        """Judges everything that has arrived; with a store that waits, starts to."""
        submits, self.submits = self.submits, []
        changes, self.changes = self.changes, []
        if self.retries:
            changes = self._hold_behind_retries(changes, submits)
        if changes or not self._judge_at_once(submits, now):
            batches = self._batches_of(submits, changes, now)
            if batches:
                if self.store.waits:
                    self.window.begin(batches, now)
                self._beginning = True
                try:
                    self._spawn(self._judge_batches(batches, now))
                finally:
                    self._beginning = False

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def _judge_at_once(self, submits: list[PendingSubmit], now: cython.double) -> bool:
        """Judges submits on the records themselves, without batches, where nothing can come between. False: nothing was done, and they
        must go through ``_judge_batches``."""
        table: Table | None = None if self.store.waits else getattr(self.store, "table", None)
        if table is None or self.window.busy or self.parts.shared_parts is not None:
            return False
        admission: Admission = self.admission
        parts = self.parts
        recipients: list[Any] = self._by_recipient(submits, now)
        decided: list[PendingSubmit] = recipients if len(recipients) == len(submits) else _flat(recipients)
        _fetch(table, admission.rules, recipients)
        _read_ahead(admission.rules, decided)
        admission.cut_off = False
        admission.begin()
        what: Any
        pending: PendingSubmit
        some: list[PendingSubmit] | None
        before: bytes
        after: bytes
        place: cython.Py_ssize_t
        number: cython.longlong
        version: cython.ulonglong = self.store._version
        try:
            for what in recipients:
                some = what if type(what) is list else None
                pending = what if some is None else some[0]
                number = pending.message.recipient  # type: ignore[union-attr] # it has been read
                before = table.get(number) or _EMPTY
                after = _judge(admission, parts, pending, before, now)
                if some is not None:
                    for place in range(1, len(some)):
                        after = _judge(admission, parts, some[place], after, now)
                if after is before:
                    continue
                version += 1
                if len(after) > _EMPTY_BYTES:
                    table.replace(number, after, version)
                else:
                    table.put(number, b"")
        finally:
            self.store._version = version
        self.commit.decided += decided
        return True

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def _by_recipient(self, submits: list[PendingSubmit], now: cython.double) -> list[Any]:
        """The recipients in order of arrival: for each a submit, or a list of submits. Repeats of a cached refusal are left out.

        One bit in MET_BITS stands for a recipient who was met, and for some others: a dictionary is needed where it is set already."""
        found: list[Any] = []
        places: dict[int, int] | None = None
        met: bytearray = self._met
        refusals, rules, people = self.refusals, self.admission.rules, self._refused
        refused: bytearray = refusals.marks
        refused_before: bytearray = refusals.marks_before
        pending: PendingSubmit
        number: cython.longlong
        last: cython.longlong = 0
        bit: cython.longlong
        mark: cython.Py_ssize_t
        place: cython.Py_ssize_t
        for pending in submits:
            number = pending.message.recipient  # type: ignore[union-attr] # it has been read
            place = -1
            bit = number & _MET_MASK
            if number == last:  # parts of a long message
                place = len(found) - 1
            elif met[bit >> 3] >> (bit & 7) & 1:
                if places is None:
                    places = _places_of(found)
                place = places.get(number, -1)
            if place >= 0:
                if type(found[place]) is list:
                    found[place].append(pending)
                else:
                    found[place] = [found[place], pending]
                continue
            mark = number >> 3 & _MARKS_MASK
            if (
                (refused[mark] | refused_before[mark]) >> (number & 7) & 1
                and may_repeat(people, pending.message)  # type: ignore[arg-type] # likewise
                and refusals.again(pending, rules, now)
            ):
                continue
            met[bit >> 3] |= 1 << (bit & 7)
            if places is not None:
                places[number] = len(found)
            found.append(pending)
            last = number
        for pending in submits:
            met[(pending.message.recipient & _MET_MASK) >> 3] = 0  # type: ignore[union-attr] # likewise
        return found

    def _hold_behind_retries(self, changes: list[RecordChange], submits: Iterable[PendingSubmit]) -> list[RecordChange]:
        """The changes that may be applied now. A change waits behind an earlier change of the same record that the store did not take:
        else a restore could be applied after the refusal that followed it. A submit does not wait: the retries of its recipient are
        applied right before it."""
        arrived = {pending.message.recipient for pending in submits}  # type: ignore[union-attr] # _read made it
        waiting = {change.recipient for change in self.retries} - arrived
        changes = self.retries + changes
        self.retries = [change for change in changes if change.recipient in waiting]
        return [change for change in changes if change.recipient not in waiting]

    def _batches_of(self, submits: list[PendingSubmit], changes: list[RecordChange], now: float) -> dict[int, RecipientBatch]:
        """Groups work by recipient. Work for a recipient whose batch is under way waits for it, in arrival order."""
        batches: dict[int, RecipientBatch] = {}
        busy, waiting = self.window.busy, self.window.waiting
        for change in changes:
            person = change.recipient
            (waiting if person in busy else batches).setdefault(person, ([], []))[0].append(change)
        self._add_to(batches, submits, now)
        return batches

    @cython.nonecheck(False)
    def _add_to(self, batches: dict[int, RecipientBatch], submits: list[PendingSubmit], now: float) -> None:
        """Adds submits to batches, behind the changes. Repeats of a cached refusal join no batch."""
        busy, waiting, refused = self.window.busy, self.window.waiting, self._refused
        pending: PendingSubmit
        person: Any
        for pending in submits:
            person = pending.message.recipient  # type: ignore[union-attr] # _read made it
            batch = batches.get(person)
            if batch is not None:
                batch[1].append(pending)
            elif person in busy:
                waiting.setdefault(person, ([], []))[1].append(pending)
            elif person not in refused or not self.refusals.again(pending, self.admission.rules, now):
                batches[person] = ([], [pending])

    async def _judge_batches(self, batches: dict[int, RecipientBatch], now: float) -> None:
        """Loads, judges and swaps; judges again the records that changed meanwhile. Forwards nothing."""
        remaining = batches
        try:
            for _ in range(SWAPS_MAX):
                remaining = await self._load_judge_swap(remaining, now)
                if not remaining:
                    break
                self.tally.store_conflicts["again",] += len(remaining)
            else:
                self._give_up(remaining)
        except OSError:
            self._give_up(remaining, "store-down")
        finally:
            if self.store.waits:
                self._release_waiting(batches)
        self.commit.decided += _submits_of(batches)
        shared_parts = self.parts.shared_parts
        if shared_parts is not None and shared_parts.transactions.people:
            shared_parts.transactions.finished(batches)

    def _release_waiting(self, people: Collection[int]) -> None:
        """The batches of these recipients have ended: work that waited for them goes first in the next turn."""
        for changes, submits in self.window.end(people):
            self.changes[:0] = changes
            self.submits[:0] = submits
        if not self._beginning:
            self._wake()

    async def _load_judge_swap(self, batches: dict[int, RecipientBatch], now: float) -> dict[int, RecipientBatch]:
        """One load and one swap. Returns the batches whose swap was refused, with their reservations given back."""
        shared_parts = self.parts.shared_parts
        transactions = None if shared_parts is None else shared_parts.transactions
        views = await transactions.load(batches) if transactions is not None and transactions.people else None
        loaded = await self.store.load(batches)
        if views and transactions is not None:
            transactions.merge(views, batches, loaded)
        writes, refused = self._judge_loaded(batches, loaded, views, now)
        filled = self.store.fill() if refused else None
        if writes:
            taken = await self.store.swap(writes)
            if not all(taken):
                for (person, _, _), ok in zip(writes, taken, strict=True):
                    if not ok:
                        refused[person] = self._undo(batches[person])
        if views and transactions is not None:
            for person in await transactions.store(views, batches):
                refused[person] = self._undo(batches[person])
        if filled is not None:
            await filled
        self.commit.changed += _changes_of(batches, refused)
        return refused

    def _judge_loaded(
        self,
        batches: dict[int, RecipientBatch],
        loaded: Mapping[int, tuple[int, bytes]],
        views: Mapping[int, SharedView] | None,
        now: float,
    ) -> tuple[list[tuple[int, int, bytes]], dict[int, RecipientBatch]]:
        """The records to be swapped (recipient, version, record), and the batches that must be judged again."""
        admission, counters, writes = self.admission, self.store.counters, []
        admission.begin()
        refused: dict[int, RecipientBatch] = {}
        for person, (changes, submits) in batches.items():
            version, before = loaded[person]
            admission.cut_off = version < 0
            short = counters.shortfalls
            after = self._record_after(changes, submits, before, now)
            if counters.shortfalls != short:  # judged again, once the store has said how much the limits leave
                refused[person] = self._undo(batches[person])
            elif views and person in views:
                views[person].set_record(after if after is not before else None, version)
            elif after is not before:
                writes.append((person, version, after))
        return writes, refused

    def _record_after(
        self, changes: Iterable[RecordChange], submits: Iterable[PendingSubmit], data: bytes, now: float
    ) -> bytes:
        """The record after all changes and submits of one recipient."""
        for change in changes:
            data = change.apply(data, now)
        for pending in submits:
            data = _judge(self.admission, self.parts, pending, data, now)
        return data

    def _undo(self, batch: RecipientBatch) -> RecipientBatch:
        """Gives back the reservations of a batch's submits."""
        for pending in batch[1]:
            self.admission.put_back(pending)
        return batch

    def _give_up(self, batches: dict[int, RecipientBatch], why: str = "store-conflict") -> None:
        """The store did not take these batches: their submits are refused for now, their changes are kept for a retry."""
        self.tally.store_conflicts["gave-up",] += len(batches)
        for changes, submits in batches.values():
            for pending in submits:
                self.admission.put_back(pending)
                self.admission.refuse(pending, GATE_REASONS[why])
            self.retries.extend(changes)
            if self.parts.shared_parts is not None:
                self.parts.shared_parts.transactions.expect_again(changes)

    def try_again(self) -> None:
        """Applies changes that the store did not take, first in the next turn."""
        self.changes[:0] = self.retries
        self.retries.clear()


def _submits_of(batches: dict[int, RecipientBatch]) -> list[PendingSubmit]:
    found: list[PendingSubmit] = []
    for _, submits in batches.values():
        found += submits
    return found


def _changes_of(batches: dict[int, RecipientBatch], refused: Mapping[int, RecipientBatch]) -> list[RecordChange]:
    """The changes that were made: not those of batches that must be judged again."""
    found: list[RecordChange] = []
    for person, (changes, _) in batches.items():
        if changes and person not in refused:
            found += changes
    return found


def _places_of(recipients: list[Any]) -> dict[int, int]:
    """Where each recipient stands."""
    return {(what[0] if isinstance(what, list) else what).message.recipient: place for place, what in enumerate(recipients)}


def _flat(recipients: list[Any]) -> list[PendingSubmit]:
    """All submits, in the order in which they are judged."""
    found: list[PendingSubmit] = []
    for what in recipients:
        if isinstance(what, list):
            found += what
        else:
            found.append(what)
    return found


@cython.cfunc
@cython.inline
def _judge(admission: Admission, parts: Any, pending: PendingSubmit, data: bytes, now: cython.double) -> bytes:
    return admission.judge(pending, data, now) if pending.long is None else parts.judge(pending, data, now)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
def _fetch(table: Table, rules: RuleSet, recipients: list[Any]) -> None:
    """Loads the recipients' records, and their cells of the table of regions, into the processor's cache, all at once: one after the other,
    each would be waited for."""
    pending: PendingSubmit
    step: cython.int
    place: cython.Py_ssize_t
    if not cython.compiled:
        return
    for step in range(3):
        for place in range(min(len(recipients), _FETCHED_MAX)):
            what = recipients[place]
            pending = what[0] if type(what) is list else cython.cast(PendingSubmit, what)
            if step == 0:
                rules.fetch_cell(pending.message.recipient)  # type: ignore[union-attr] # it has been read
            table.fetch(pending.message.recipient, step)  # type: ignore[union-attr]


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
def _read_ahead(rules: RuleSet, submits: list[PendingSubmit]) -> None:
    """Reads texts in the order in which they are judged: one after the other they take less time."""
    reader: Reader = rules.reader
    pending: PendingSubmit
    content: Content
    place: cython.Py_ssize_t
    for place in range(min(len(submits), _FETCHED_MAX)):
        pending = submits[place]
        content = pending.message.content  # type: ignore[union-attr] # it has been read
        if content.read_by is not reader.mark:
            try:  # noqa: SIM105 # a context costs more
                reader.read(content)
            except Exception:  # noqa: BLE001, S110 # the verdict raises it again
                pass
