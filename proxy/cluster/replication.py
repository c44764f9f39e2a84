"""Replicates recipients' words and officers' actions between gates, in one order.

In: records of this gate's journal as they are written; the shared log. Out: the same records in the log, once they are synced; other gates'
records in this gate's journal (kind HEARD) and in force. Never: publishes a record that is not on this gate's own disk; a decision.

A gate applies its own record at once, and then publishes it. In the end all gates follow the order of the log. If other gates published
something between this gate's write and its place in the log, this gate applies its record again behind theirs. Every shared record has a
number or a name of its own, so applying it twice is the same as applying it once. A record about one recipient is always applied again: it
is in force before it is written, and other gates' records may come in between. Chunks of a list are not applied again: if two gates add and
remove the same numbers on the same list within a second, each may end with its own last word.

A gate publishes what it has not published yet, also after a crash: the checkpoint keeps the place of the first record that is not in the
log. A restored journal, or a new one, uses sequences again. Then its records under these sequences are published, and what the log already
has under them is applied like another gate's. A gate that has read nothing for ``stale_s`` no longer knows whom it may send marketing to,
and reports that (``stale``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.consents import BatchEvent
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.write_ahead_log import Journal, JournalDown, JournalRecord
from proxy.relay.effects.list_import import ChunkedImports, ListImports
from proxy.relay.effects.replay import PERSONAL, SHARED, NotUnderstood, apply_heard, apply_person
from proxy.state.shared.connection import StoreRefused
from proxy.state.shared.log import HEAR_MAX, LogEntry, Missed

if TYPE_CHECKING:
    from proxy.state.stores.valkey import ValkeyStore

log = structlog.get_logger()

POLL_S, SOON_S = 0.05, 0.002  # between two reads; and while records wait. Other gates know of a refusal within 0.1 s
PUBLISH_MAX, PUBLISH_BYTES = 200, 1 << 20  # records, and bytes, of one call
WAITING_MAX = 200_000  # to be published: 60 MB, weeks of an office. Later ones come from the journal after a restart
RECENT_S, RECENT_MAX = 60.0, 20_000  # published records that are kept, to be published again if the store loses them
PUBLISHED_WITHIN_S = 2.0  # an operation waits at most this long for the log to have its records
LISTS_S = 3600.0  # an incomplete import of another gate is forgotten after this time without a record of it
SLICE_CHUNKS = 16  # chunks of an import applied in one loop iteration: a millisecond at most
IN_PIECES = frozenset((messages.LISTING, messages.LISTED, messages.LISTING_DONE, messages.CONSENT_FILE, messages.CONSENTS))

Record = tuple[int, int, bytes]  # sequence, kind, body


class Replication:
    def __init__(
        self,
        store: ValkeyStore,
        journal: Journal,
        listings: ListImports,
        published: Iterable[Record],
        chunked_imports: ChunkedImports,
        *,
        stale_s: float,
        kick: Callable[[], None],
        on_applied: Callable[[frozenset[int]], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``listings``: incomplete imports that replay has found. ``published``: records that replay has found and that are not published.
        ``kick``: asks for a sync of the journal. ``on_applied``: called with the kinds of records that are now in force."""
        self._store, self._journal, self._listings = store, journal, listings
        self._stale_s, self._kick, self._on_applied, self._clock, self._monotonic = stale_s, kick, on_applied, clock, monotonic
        self._in_pieces = chunked_imports
        self._waiting: deque[Record] = deque(published)
        self._recent: deque[tuple[float, Record]] = deque(maxlen=RECENT_MAX)
        self._own: dict[int, tuple[int, Record]] = {}
        """Own records that have not come back from the log yet, with the number of other gates' records applied before they were written."""
        self._others = 0
        self._asked = False  # whether this connection knows which of this gate's records the log has
        self._first: int | None = journal.written  # last record before the start, while the log may have a later one
        self._overflown = False
        self._newer: dict[int, int] = {}  # by gate, the number of its records that were not understood
        self._read_s: float | None = None
        self._import_from = max(1, store.position.open_from) if listings.amid else None
        self._import_seen_s = self._begun_s = monotonic()
        store.caught_up = False
        self.problem = ""  # a fault that an operator must repair; empty if none exists

    # -- this gate's own

    def publish(self, records: Iterable[Record]) -> None:
        """These records were written to this gate's journal: they go into the log once they are synced."""
        for record in records:
            if record[1] in PERSONAL and not self._store.up:  # the recipient's record has not got it yet
                apply_person(self._store, JournalRecord(*record))
            if record[1] in SHARED:
                if len(self._waiting) >= WAITING_MAX:
                    self._overflown = True
                    return
                self._waiting.append(record)
                self._own[record[0]] = self._others, record

    async def is_published(self, sequence: int) -> bool:
        """Whether all records up to ``sequence`` are in the log; waits for it at most PUBLISHED_WITHIN_S."""
        deadline_s = self._monotonic() + PUBLISHED_WITHIN_S
        while self._waiting and self._waiting[0][0] <= sequence:
            if not self._store.up or self._monotonic() > deadline_s:
                return False
            await asyncio.sleep(SOON_S)
        return True

    @property
    def open_from(self) -> int | None:
        """The first record that a restart must read: the oldest that is not published, or the start of an incomplete import; None if there
        is neither."""
        oldest = self._waiting[0][0] if self._waiting else None
        return min((place for place in (oldest, self._import_from) if place is not None), default=None)

    @property
    def stale(self) -> bool:
        """Whether this gate has not read the log for too long, so that it may lack other gates' opt-outs."""
        return self._read_s is None or self._monotonic() - self._read_s > self._stale_s

    def gauges(self) -> dict[str, Any]:
        silence_s = self._monotonic() - (self._begun_s if self._read_s is None else self._read_s)
        return {
            "store_untold": float(len(self._waiting)),
            "store_heard": float(self._others),
            "store_silence_s": max(0.0, silence_s),
        }

    def notes(self) -> list[str]:
        """Faults that an operator should repair."""
        found = [f"shared log: {self.problem}"] if self.problem else []
        if self._overflown:
            found.append(f"shared log: more than {WAITING_MAX:,} records wait: when the store is back, restart this gate")
        found += [
            f"shared log: node {node} has told {count} things that this gate does not know: it is of a newer version; use that here, too"
            for node, count in sorted(self._newer.items())
        ]
        if self.stale:
            found.append(f"shared log: nothing heard for {self._stale_s:g} s: marketing is deferred")
        return found

    # -- the log

    async def run(self) -> None:
        while True:
            await self.exchange()
            soon = self._waiting and self._asked
            await asyncio.sleep(SOON_S if soon else POLL_S)

    async def exchange(self) -> None:
        """Publishes new records and applies other gates'. Runs once before the gate takes messages, so that it knows everything, if it can."""
        try:
            await self._publish()
            await self._read()
            self.problem = ""
        except OSError:
            self._asked = self._store.caught_up = False
        except Missed:
            self._report("it does not reach back to where this gate stopped: start it on a copy of another gate's state")
        except StoreRefused as error:
            self._report(str(error))
        except JournalDown:
            pass  # the relay reports it
        except Exception as error:  # other gates' later records must be applied all the same
            self._store.caught_up = True
            log.error("replication failed: a fault of gate106, please report it", exc_info=error)

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.error("shared log", problem=problem)
        self.problem, self._store.caught_up = problem, True  # no record will arrive that it could wait for

    async def _publish(self) -> None:
        store, waiting = self._store, self._waiting
        if not self._asked:
            last = await store.publish()
            if self._first is not None and last > self._first:
                log.warning(
                    "the shared log has more than this journal: the journal was restored", published=last, journal=self._first
                )
                store.restart_log(self._first)
                last = self._first
            self._first, self._asked = None, True
            if again := [one for _, one in self._recent if one[0] > last]:  # the log had them, and lost them
                self._recent.clear()
                waiting.extendleft(reversed(again))
            while waiting and waiting[0][0] <= last:
                waiting.popleft()
        if some := list(self._synced_records()):
            await store.publish(some)
            now_s = self._monotonic()
            for one in some:
                waiting.popleft()
                self._recent.append((now_s, one))
        while self._recent and self._recent[0][0] < self._monotonic() - RECENT_S:
            self._recent.popleft()

    def _synced_records(self) -> Iterator[Record]:
        """The next records to publish: those that are on this gate's own disk."""
        left = PUBLISH_BYTES
        for count, one in enumerate(self._waiting):
            left -= len(one[2])
            if count >= PUBLISH_MAX or one[0] > self._journal.synced or (left < 0 and count):
                return
            yield one

    async def _read(self) -> None:
        while True:
            log_entries = await self._store.read_log()
            async with self._in_pieces.one_at_a_time:
                await self._apply(log_entries)
            self._read_s = self._monotonic()
            if len(log_entries) < HEAR_MAX:
                self._store.caught_up = True
                break
            await asyncio.sleep(0)
        if self._import_from is not None and self._monotonic() - self._import_seen_s > LISTS_S:
            self._listings.forget_others()
            self._imports_complete()

    async def _apply(self, log_entries: Sequence[LogEntry]) -> None:
        """Journals records of the log and puts them into force, long imports in slices. JournalDown: then neither."""
        now, new = self._clock(), self._indexes_to_apply(log_entries)
        replicated = [ReplicatedRecord(now, *one) for one in log_entries]
        kinds = {log_entries[index].kind for index in new}
        if new:
            first = self._journal.append(messages.HEARD, pack(replicated[new[0]]))
            for index in new[1:]:
                self._journal.append(messages.HEARD, pack(replicated[index]))
            self._journal.write(now)
            self._kick()
            if kinds & IN_PIECES and self._import_from is None:  # a restart begins here until all imports are complete
                self._import_from = first
        fresh = frozenset(new)
        for index, record in enumerate(replicated):
            if index in fresh or record.kind in PERSONAL:
                await self._try_record(record)
        if new:
            self._keep_import_start(kinds)
        for one in log_entries:
            if self._is_own(one):
                del self._own[one.sequence]
        if log_entries:
            self._others += len(new)
            self._store.read_to = log_entries[-1].place
        if new:
            self._on_applied(frozenset(kinds))

    async def _try_record(self, record: ReplicatedRecord) -> None:
        """Applies a record, or logs why not: later records are applied all the same, and a retry would not help."""
        try:
            await self._apply_record(record)
        except NotUnderstood as error:  # of a gate of a newer version
            if record.node not in self._newer:
                log.error("another gate has a newer version: update this gate", node=record.node, what=str(error))
            self._newer[record.node] = self._newer.get(record.node, 0) + 1
        except Exception as error:
            log.error("cannot apply a record of another gate", node=record.node, kind=record.kind, exc_info=error)

    async def _apply_record(self, record: ReplicatedRecord) -> None:
        imports = self._listings.of(record.node)
        if record.kind == messages.LISTING_DONE:
            chunks = imports.finishing(record.body)
        elif record.kind == messages.CONSENT_EVENT:
            chunks = imports.consents.happening(unpack(BatchEvent, record.body))
        else:
            apply_heard(self._store, record, self._listings)
            return
        for number, _ in enumerate(chunks, 1):
            if number % SLICE_CHUNKS == 0:
                await asyncio.sleep(0)

    def _indexes_to_apply(self, log_entries: Sequence[LogEntry]) -> list[int]:
        """The indexes of records to apply: other gates', and own ones that other gates' records overtook."""
        new: list[int] = []
        for index, one in enumerate(log_entries):
            if not self._is_done(one, self._others + len(new)):
                new.append(index)
        return new

    def _is_done(self, one: LogEntry, others: int) -> bool:
        """Whether it is an own record that no other gate's record overtook, or that is applied only once."""
        return self._is_own(one) and (self._own[one.sequence][0] == others or _applied_once(one))

    def _is_own(self, one: LogEntry) -> bool:
        """Whether this process wrote it: an earlier journal may have used the same sequence."""
        _, digest = self._own.get(one.sequence, (0, None))
        return one.node == self._store.node and digest == (one.sequence, one.kind, one.body)

    def _keep_import_start(self, kinds: set[int]) -> None:
        if not self._listings.others_amid:
            self._imports_complete()
        elif kinds & IN_PIECES:
            self._import_seen_s = self._monotonic()

    def _imports_complete(self) -> None:
        """No import of another gate is incomplete any more."""
        if self._import_from is not None:
            self._in_pieces.ended(self._import_from, self._journal.written)
            self._import_from = None


def _applied_once(one: LogEntry) -> bool:
    """Whether it is a chunk of an import, or about one: applied only once."""
    if one.kind == messages.CONSENT_EVENT:
        return unpack(BatchEvent, one.body).event == "whole"
    return one.kind in IN_PIECES or one.kind == messages.START
