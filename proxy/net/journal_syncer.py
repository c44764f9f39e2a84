"""Syncs the journal in a thread or behind an event-loop turn.

In: ``kick`` after each write that an answer waits for. Out: ``done(sequence)`` on the loop. Never: writing.

Behind a small turn the loop syncs by itself, while the disk is fast: a sync in the thread costs two thread switches and one more turn, which
is a quarter of what a message costs at 5,000 a second. One slow sync sends all to the thread for a moment.

A request during a sync is served by the next one. A sync begins as soon as the loop is idle; while more keeps coming, it begins a few
milliseconds after the last one began. Under full load one sync then covers more than twice as many messages. Measured in five pairs of runs
in turns: 8 % less processor time a message; at 20,000 a second 22 % less, and answers came no later.

A Python thread needs the interpreter before and after each sync, and the loop hands it over and takes it back at each socket: eleven thread
switches a sync under full load. Where the compiled parts are built, a C thread does the plain syncs: seven switches, all the kernel's own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.native.sync_thread import sync_thread
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

FAILED = -1
"""In place of a sequence."""
RETRY_S = 0.1
"""Wait before the next sync after one that failed."""
DEFER_S = 0.003
"""Shortest time between the beginnings of two syncs while more keeps coming. Not all of 400 submits in flight wait for it."""


FAST_S = 0.000_5
"""Up to this average the loop syncs by itself: what it cannot do meanwhile waits no longer than for a turn."""
SLOW_S = 0.002
"""One sync by the loop that takes longer ends that at once."""
DISTRUST_S, DISTRUST_MAX_S, STEADY_S = 0.125, 8.0, 2.0
"""For so long only the thread syncs then; doubled each time, unless the loop had synced by itself for STEADY_S."""


class SyncTimes:
    """Decides whether the disk is fast enough for the loop to sync by itself. Pure.

    A sync in the thread that took FAST_S or less proves that the disk can be fast. One that took longer proves nothing: the thread may have
    waited for a core."""

    def __init__(self) -> None:
        self._trusted = False
        self._average_s = 0.0  # moving, of syncs by the loop
        self._since_s = 0.0  # when trust began, or ended
        self._distrust_s = 0.0

    def fast(self) -> bool:
        return self._trusted

    def note_in_thread(self, took_s: float, now_s: float) -> None:
        if not self._trusted and took_s <= FAST_S and now_s >= self._since_s + self._distrust_s:
            self._trusted, self._average_s, self._since_s = True, took_s, now_s

    def note_in_loop(self, took_s: float, now_s: float) -> None:
        self._average_s += (took_s - self._average_s) / 8
        if took_s > SLOW_S or self._average_s > FAST_S:
            steady = now_s - self._since_s >= STEADY_S
            self._distrust_s = DISTRUST_S if steady else min(max(DISTRUST_S, 2 * self._distrust_s), DISTRUST_MAX_S)
            self._trusted, self._since_s = False, now_s


class Syncer:
    aside = staticmethod(sync_thread)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        done: Callable[[int], None],
        busy: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``busy``: whether input has arrived that is processed next."""
        self._loop = loop
        self._journal = journal
        self._done = done
        self._busy, self._monotonic = busy, monotonic
        self._begun_s = -DEFER_S
        self._deferred = False
        self._running = self._asked = self._failing = False
        self.times = SyncTimes()
        self._behind_turn = False
        """Whether the loop syncs at the end of this turn, rather than the thread at once."""
        self._sequence = 0
        """The sequence that the sync of the C thread makes safe."""
        self._aside = self.aside()
        if self._aside is not None:
            loop.add_reader(self._aside.fileno(), self._native_sync_ended)
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def kick(self) -> None:
        """Requests a sync of what was written."""
        self._asked = True
        self.look()
        if not self._behind_turn:
            self._begin()

    def turn_begins(self, small: bool) -> None:
        """A turn begins; ``small``: the loop may sync behind it."""
        self._behind_turn = small and not self._running and self.times.fast()

    def sync_behind_turn(self) -> bool:
        """Syncs what the turn has written, if the loop is to do that; whether answers may go. ``done`` is not called."""
        if not self._behind_turn:
            return False
        self._behind_turn = False
        if not self._asked or self._running:
            return False
        plain = self._journal.plain_sync()
        if plain is None:
            self._begin()
            return False
        sequence, file = plain
        self._asked, self._begun_s = False, self._monotonic()
        try:
            os.fdatasync(file)
        except OSError as error:
            self._running = True  # until RETRY_S has passed
            self._native_sync_fails(in_words(error))
            return False
        ended_s = self._monotonic()
        self.times.note_in_loop(ended_s - self._begun_s, ended_s)
        self._synced(sequence)
        return self._journal.synced >= sequence  # else a follower must have it, too

    def look(self) -> None:
        """Processes the end of a sync without waiting for the loop, so that a long turn sends its answers at its own end."""
        if self._aside is not None and self._aside.ended():
            self._native_sync_ended()

    def _begin(self) -> None:
        """Begins a sync unless one runs or has just begun."""
        if self._running or self._deferred or not self._asked:
            return
        if self._monotonic() < self._begun_s + DEFER_S:
            self._deferred = True
            self._loop.call_soon(self._retry_deferred)
        else:
            self._begin_now()

    def _retry_deferred(self) -> None:
        """Decides in the loop's next round, when new input is known."""
        if self._asked and self._busy() and self._monotonic() < self._begun_s + DEFER_S:
            self._loop.call_soon(self._retry_deferred)
            return
        self._deferred = False
        if self._asked and not self._running:
            self._begin_now()

    def _begin_now(self) -> None:
        self._asked = False
        if self._journal.sync_wanted():
            self._running, self._begun_s = True, self._monotonic()
            plain = self._journal.plain_sync() if self._aside is not None else None
            if plain is None:
                self._wanted.put(True)
            else:
                self._sequence, file = plain
                self._aside.sync(file)  # type: ignore[union-attr] # it is set: see above

    def begin_before_sleep(self) -> None:
        """The loop sleeps now: the thread syncs meanwhile, rather than wait for more input."""
        if self._asked and not self._running:
            self._begin_now()

    def stop(self) -> None:
        """Ends the threads after the sync that runs."""
        self._asked = False
        if self._aside is not None:
            self._loop.remove_reader(self._aside.fileno())
            if self._aside.end():
                self._journal.sync_failed()  # so that close() writes again what the failed sync may have lost
            self._aside = None
        self._wanted.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._wanted.get():
            begun_s = time.monotonic()
            try:
                sequence = self._journal.sync()
            except JournalDown as down:
                self._loop.call_soon_threadsafe(self._sync_fails, str(down))
                sequence = FAILED
                time.sleep(RETRY_S)  # this thread has nothing else to do
            self._loop.call_soon_threadsafe(self._finished, sequence, time.monotonic() - begun_s)

    def _native_sync_ended(self) -> None:
        fault = self._aside.taken() if self._aside is not None else -1
        if fault > 0:
            self._native_sync_fails(os.strerror(fault))
        elif fault == 0:
            self._finished(self._sequence, self._aside.took_s())  # type: ignore[union-attr] # it is set: see above

    def _native_sync_fails(self, why: str) -> None:
        self._sync_fails(why)
        self._journal.sync_failed()  # the Python thread writes again and syncs
        self._loop.call_later(RETRY_S, self._finished, FAILED, RETRY_S)

    def _sync_fails(self, why: str) -> None:
        if not self._failing:  # otherwise it was logged already
            self._failing = True
            log.warning("journal sync failed, and submits that wait for it get no answer: look at the disk", error=why)

    def _finished(self, sequence: int, took_s: float) -> None:
        self._running = False
        self.times.note_in_thread(took_s, self._monotonic())
        if sequence == FAILED:
            self._asked = True
        else:
            self._synced(sequence)
        self._begin()
        self._done(sequence)

    def _synced(self, sequence: int) -> None:
        self._journal.note_synced(sequence)
        if self._failing:
            self._failing = False
            log.info("journal sync works again")
