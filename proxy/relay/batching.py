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

from proxy.model.reasons import GATE_REASONS
from proxy.native.loader import compiled
from proxy.relay.admission import Admission
from proxy.relay.batch_window import BatchWindow, RecipientBatch
from proxy.relay.commit import Commit
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.transaction import SharedView
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.refusal_cache import RefusalCache

SWAPS_MAX = 5
"""A recipient's batch is judged at most this often when its record keeps changing meanwhile; then the provider must try again."""


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
                self._spawn(self._judge_batches(batches, now))

    @compiled("batching_judge_at_once")
    def _judge_at_once(self, submits: list[PendingSubmit], now: float) -> bool:
        """Judges submits without a batch, if all records are in memory: only the compiled function does, for the embedded store.
        False: nothing was done, and the submits must go through ``_judge_batches``."""
        return False

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

    @compiled("batching_judge_loaded")
    def _judge_loaded(
        self,
        batches: dict[int, RecipientBatch],
        loaded: Mapping[int, tuple[int, bytes]],
        views: Mapping[int, SharedView] | None,
        now: float,
    ) -> tuple[list[tuple[int, int, bytes]], dict[int, RecipientBatch]]:
        """The records to be swapped (recipient, version, record), and the batches that must be judged again."""
        admission, counters, writes = self.admission, self.store.counters, []
        refused: dict[int, RecipientBatch] = {}
        for person, (changes, submits) in batches.items():
            version, before = loaded[person]
            admission.cut_off = version < 0
            short = counters.short
            after = self._record_after(changes, submits, before, now)
            if counters.short != short:  # judged again, once the store has said how much the limits leave
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
            data = self.admission.judge(pending, data, now) if pending.long is None else self.parts.judge(pending, data, now)
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
