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
from typing import Any, Protocol

import structlog

from proxy.journal.records import messages
from proxy.journal.records.consents import unpack_event
from proxy.journal.records.replicated import ReplicatedRecord, pack_heard
from proxy.journal.write_ahead_log import Journal, JournalDown, JournalRecord
from proxy.relay.effects.chunked import ChunkedImports
from proxy.relay.effects.list_import import ListImports
from proxy.relay.effects.replay import PERSONAL, SHARED, NotUnderstood, apply_heard, apply_person
from proxy.runtime.ticker import until_beat
from proxy.state import EmbeddedStore
from proxy.state.shared.connection import StoreRefused
from proxy.state.shared.log import HEAR_MAX, LogEntry, Missed, Place

log = structlog.get_logger()

POLL_S, SOON_S = 0.05, 0.002
"""Between two looks into the log, and when there is something to tell: others know of a refusal within a tenth of a second."""
TELL_MAX, TELL_BYTES = 200, 1 << 20
"""Records of one call."""
WAITING_MAX = 200_000
"""Records that wait to be told: some 60 MB, weeks of a desk. More are in the journal, and are told after a restart."""
RECENT_S, RECENT_MAX = 60.0, 20_000
"""So much is told again to a store that lost it."""
TOLD_S = 2.0
"""Who asked for something waits so long for the log to have it."""
LISTS_S = 3600.0
"""Half a list of a gate that has not said a word of it for so long is forgotten."""
SLICE_CHUNKS = 16
"""Chunks of a list put in force in one go on the loop: a millisecond at most."""
IN_PIECES = frozenset((messages.LISTING, messages.LISTED, messages.LISTING_DONE, messages.CONSENT_FILE, messages.CONSENTS))

Said = tuple[int, int, bytes]
"""Sequence, kind, body."""


class ReplicationLog(EmbeddedStore, Protocol):
    """What a shared store offers beside what every store does (state/stores/valkey.py)."""

    node: int
    heard: Place
    abreast: bool

    async def tell(self, records: Sequence[Said] = ()) -> int: ...
    def tell_anew(self, told: int) -> None: ...
    async def hear(self) -> list[LogEntry]: ...


class Replication:
    def __init__(
        self,
        store: ReplicationLog,
        journal: Journal,
        listings: ListImports,
        told: Iterable[Said],
        in_pieces: ChunkedImports,
        *,
        stale_s: float,
        kick: Callable[[], None],
        heard: Callable[[frozenset[int]], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``listings`` and ``told``: what replay left of half lists, and found that others must hear. ``kick``: something is to be synced;
        ``heard``: records of these kinds are in force."""
        self._store, self._journal, self._listings = store, journal, listings
        self._stale_s, self._kick, self._heard, self._clock, self._monotonic = stale_s, kick, heard, clock, monotonic
        self._in_pieces = in_pieces
        self._waiting: deque[Said] = deque(told)
        self._recent: deque[tuple[float, Said]] = deque(maxlen=RECENT_MAX)
        self._own: dict[int, tuple[int, Said]] = {}
        """Own records that did not come back from the log yet, and how many of others' had come when they were written."""
        self._others = 0
        self._asked = False
        """Whether it is known, on this connection, what the log has of ours."""
        self._first: int | None = journal.written
        """The last record of earlier lives, until it is known that the log has nothing behind it."""
        self._overflown = False
        self._newer: dict[int, int] = {}
        """By gate, how much of what it told was not understood."""
        self._heard_s: float | None = None
        self._amid_from = max(1, store.position.open_from) if listings.amid else None
        self._amid_s = self._begun_s = monotonic()
        store.abreast = False
        self.problem = ""
        """What somebody must mend; empty if nothing."""

    # -- this gate's own

    def said(self, records: Iterable[Said]) -> None:
        """These were written to the journal."""
        for record in records:
            if record[1] in PERSONAL and not self._store.up:  # its record of them must get that yet
                apply_person(self._store, JournalRecord(*record))
            if record[1] in SHARED:
                if len(self._waiting) >= WAITING_MAX:
                    self._overflown = True
                    return
                self._waiting.append(record)
                self._own[record[0]] = self._others, record

    async def told(self, sequence: int) -> bool:
        """Whether all up to a record is in the log; waits a moment for it."""
        deadline_s = self._monotonic() + TOLD_S
        while self._waiting and self._waiting[0][0] <= sequence:
            if not self._store.up or self._monotonic() > deadline_s:
                return False
            await asyncio.sleep(SOON_S)
        return True

    @property
    def open_from(self) -> int | None:
        """The record from which on the journal must be read for what was not told, or not heard to its end; None if nothing is."""
        places = [self._waiting[0][0]] if self._waiting else []
        return min([*places, *([self._amid_from] if self._amid_from is not None else [])], default=None)

    @property
    def stale(self) -> bool:
        """Whether others may have said for too long what this gate has not heard."""
        return self._heard_s is None or self._monotonic() - self._heard_s > self._stale_s

    def gauges(self) -> dict[str, Any]:
        """For ``ops.metrics.Gauges``."""
        silence_s = self._monotonic() - (self._begun_s if self._heard_s is None else self._heard_s)
        return {
            "store_untold": float(len(self._waiting)),
            "store_heard": float(self._others),
            "store_silence_s": max(0.0, silence_s),
        }

    def notes(self) -> list[str]:
        """What somebody should mend."""
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
            await self.once()
            soon = self._waiting and self._asked
            await asyncio.sleep(SOON_S if soon else until_beat(self._monotonic(), POLL_S))

    async def once(self) -> None:
        """Tells what is to be told, and hears what there is. Before a gate takes messages it has heard everything, if it can."""
        try:
            await self._tell()
            await self._hear()
            self.problem = ""
        except OSError:
            self._asked = self._store.abreast = False
        except Missed:
            self._trouble("it does not reach back to where this gate stopped: start it on a copy of another gate's state")
        except StoreRefused as error:
            self._trouble(str(error))
        except JournalDown:
            pass  # which the relay says
        except Exception as error:  # whatever it is: others must be heard all the same
            self._store.abreast = True
            log.error("what other gates told failed: a fault of gate106, please report it", exc_info=error)

    def _trouble(self, problem: str) -> None:
        if problem != self.problem:
            log.error("shared log", problem=problem)
        self.problem, self._store.abreast = problem, True  # it will not be told anything that it could wait for

    async def _tell(self) -> None:
        store, waiting = self._store, self._waiting
        if not self._asked:
            last = await store.tell()
            if self._first is not None and last > self._first:
                log.warning("others were told more than the journal has: it was put back", told=last, journal=self._first)
                store.tell_anew(self._first)
                last = self._first
            self._first, self._asked = None, True
            again = [one for _, one in self._recent if one[0] > last]
            if again:  # it was there, and is not any more
                self._recent.clear()
                waiting.extendleft(reversed(again))
            while waiting and waiting[0][0] <= last:
                waiting.popleft()
        some = list(self._some())
        if some:
            await store.tell(some)
            now_s = self._monotonic()
            for one in some:
                waiting.popleft()
                self._recent.append((now_s, one))
        while self._recent and self._recent[0][0] < self._monotonic() - RECENT_S:
            self._recent.popleft()

    def _some(self) -> Iterator[Said]:
        """The next ones that are on our own disk."""
        left = TELL_BYTES
        for count, one in enumerate(self._waiting):
            left -= len(one[2])
            if count >= TELL_MAX or one[0] > self._journal.synced or (left < 0 and count):
                return
            yield one

    async def _hear(self) -> None:
        while True:
            told = await self._store.hear()
            async with self._in_pieces.one_at_a_time:
                await self._apply(told)
            self._heard_s = self._monotonic()
            if len(told) < HEAR_MAX:
                self._store.abreast = True
                break
            await asyncio.sleep(0)
        if self._amid_from is not None and self._monotonic() - self._amid_s > LISTS_S:
            self._listings.forget_others()
            self._are_whole()

    async def _apply(self, told: Sequence[LogEntry]) -> None:
        """Into the journal, and in force; whole lists in slices. JournalDown: then neither."""
        now, new = self._clock(), self._new(told)
        heard = [ReplicatedRecord(now, *one) for one in told]
        kinds = {told[index].kind for index in new}
        if new:
            first = self._journal.append(messages.HEARD, pack_heard(heard[new[0]]))
            for index in new[1:]:
                self._journal.append(messages.HEARD, pack_heard(heard[index]))
            self._journal.write(now)
            self._kick()
            if kinds & IN_PIECES and self._amid_from is None:  # until all of them are whole a restart begins here
                self._amid_from = first
        fresh = frozenset(new)
        for index, record in enumerate(heard):
            if index in fresh or record.kind in PERSONAL:
                await self._try(record)
        if new:
            self._keep_place(kinds)
        for one in told:
            if self._is_own(one):
                del self._own[one.sequence]
        if told:
            self._others += len(new)
            self._store.heard = told[-1].place
        if new:
            self._heard(frozenset(kinds))

    async def _try(self, record: ReplicatedRecord) -> None:
        """Obeys, or says why not: the others go on without it, too, and what cannot be done now cannot be done later."""
        try:
            await self._obey(record)
        except NotUnderstood as error:
            self._strange(record, str(error))
        except Exception as error:
            log.error("what another gate told cannot be obeyed", node=record.node, kind=record.kind, exc_info=error)

    def _strange(self, record: ReplicatedRecord, what: str) -> None:
        """Told by a gate of a newer version."""
        if record.node not in self._newer:
            log.error("another gate tells what this version does not know: use it here, too", node=record.node, what=what)
        self._newer[record.node] = self._newer.get(record.node, 0) + 1

    async def _obey(self, record: ReplicatedRecord) -> None:
        theirs = self._listings.of(record.node)
        if record.kind == messages.LISTING_DONE:
            chunks = theirs.finishing(record.body)
        elif record.kind == messages.CONSENT_EVENT:
            chunks = theirs.consents.happening(unpack_event(record.body))
        else:
            apply_heard(self._store, record, self._listings)
            return
        for number, _ in enumerate(chunks, 1):
            if number % SLICE_CHUNKS == 0:
                await asyncio.sleep(0)

    def _new(self, told: Sequence[LogEntry]) -> list[int]:
        """Which of these do anything, in order: what others told, and own ones behind which others' came."""
        new: list[int] = []
        for index, one in enumerate(told):
            if not self._is_done(one, self._others + len(new)):
                new.append(index)
        return new

    def _is_done(self, one: LogEntry, others: int) -> bool:
        """Own, and nothing of others came between the writing and the log, or it is done but once."""
        return self._is_own(one) and (self._own[one.sequence][0] == others or _once(one))

    def _is_own(self, one: LogEntry) -> bool:
        """Of this life: a journal that is gone may have told something else under the same number."""
        _, said = self._own.get(one.sequence, (0, None))
        return one.node == self._store.node and said == (one.sequence, one.kind, one.body)

    def _keep_place(self, kinds: set[int]) -> None:
        if not self._listings.others_amid:
            self._are_whole()
        elif kinds & IN_PIECES:
            self._amid_s = self._monotonic()

    def _are_whole(self) -> None:
        """Nothing of others is on its way in any more."""
        if self._amid_from is not None:
            self._in_pieces.ended(self._amid_from, self._journal.written)
            self._amid_from = None


def _once(one: LogEntry) -> bool:
    """In pieces, or about them."""
    if one.kind == messages.CONSENT_EVENT:
        return unpack_event(one.body).event == "whole"
    return one.kind in IN_PIECES or one.kind == messages.START
