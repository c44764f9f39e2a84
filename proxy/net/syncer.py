"""Syncer: a thread that syncs the journal while the loop goes on. At once when idle; what is asked for meanwhile goes with the next.

In: ``kick`` after each write that somebody waits for. Out: ``done(sequence)`` on the loop. Never: writing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from proxy.desk.journal import Journal, JournalDown

RETRY_S = 0.1
"""After a sync that failed the next is not tried at once: the disk that refused it will not be better in a microsecond."""


class Syncer:
    def __init__(self, loop: asyncio.AbstractEventLoop, journal: Journal, done: Callable[[int], None]) -> None:
        self._loop = loop
        self._journal = journal
        self._done = done
        self._running = self._asked = False
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def kick(self) -> None:
        """Somebody waits for what was written: sync it, unless a sync is running (its end starts the next)."""
        self._asked = True
        self._begin()

    def _begin(self) -> None:
        if self._running:
            return
        asked, self._asked = self._asked, False
        if asked and self._journal.sync_wanted():
            self._running = True
            self._wanted.put(True)

    def stop(self) -> None:
        """Ends the thread after the sync that runs."""
        self._wanted.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._wanted.get():
            try:
                sequence = self._journal.sync()
            except JournalDown:
                sequence = 0
                time.sleep(RETRY_S)  # in this thread, which has nothing else to do
            self._loop.call_soon_threadsafe(self._finished, sequence)

    def _finished(self, sequence: int) -> None:
        self._running = False
        if sequence:
            self._journal.note_synced(sequence)
        else:
            self._asked = True
        self._begin()
        self._done(sequence)
