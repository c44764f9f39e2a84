"""Writes changed records to the store, with the restart position.

Never: a record in the store that the journal does not hold, a loop that waits for the disk.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from proxy.journal.write_ahead_log import Journal
from proxy.relay.effects.list_import import ChunkedImports
from proxy.relay.message_ids import MessageIds
from proxy.relay.submit import Relay
from proxy.runtime.os_errors import in_words
from proxy.state import StateError
from proxy.state.stores.sqlite import SqliteStore

log = structlog.get_logger()

CHECKPOINT_S = 30.0  # interval of checkpoints: a restart replays about this much of the journal at most
QUIET_S = 1.0  # longest wait of new submits for a checkpoint; then it is skipped until the next one


class JournalReader(Protocol):
    @property
    def open_from(self) -> int | None:
        """The first journal record that must be read again after a restart; None if none is needed."""


@dataclass
class Checkpoints:
    store: SqliteStore
    journal: Journal
    relay: Relay
    ids: MessageIds
    synced: Callable[[int], Awaitable[None]]  # returns when the journal is synced up to a record
    readers: Sequence[JournalReader]
    chunked_imports: ChunkedImports
    _writing: bool = False
    _failing: bool = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            await self.attempt()

    async def attempt(self, *, hurry: bool = False) -> None:
        """Like ``write``, but logs failures; the next checkpoint tries again."""
        try:
            await self.write(hurry=hurry)
        except (OSError, StateError) as error:
            self._failing = True
            log.error("checkpoint failed; the journal keeps everything until one succeeds", error=in_words(error))
        except Exception as error:  # whatever failed: the next checkpoint may succeed
            self._failing = True
            log.error("checkpoint failed: a fault of gate106, please report it", exc_info=error)

    async def write(self, *, hurry: bool = False) -> None:
        """Writes one checkpoint, unless one is running: in pieces with pauses, so that the journal hardly waits for the disk; with ``hurry``
        without pauses. OSError, StateError."""
        if self._writing:
            return
        self._writing = True
        try:
            if not await self._wait_for_quiet():
                return
            needed = [pending.recorded for pending in self.relay.in_flight.values()]
            needed += [one.open_from for one in self.readers if one.open_from is not None]
            written = self.journal.written
            if not self.ids.carry(self.journal, time.time()):
                return
            await self.store.checkpoint(
                counted=written,
                open_from=self.chunked_imports.outside(min(needed, default=written + 1)),
                highest_id=self.relay.highest_id,
                synced=lambda _: self.synced(self.journal.written),  # all that records hold which were collected meanwhile
                hurry=hurry,
                begun=self.relay.resume,
            )
            if self._failing:
                log.info("checkpoint written again")
            self._failing = False
        finally:
            self.relay.resume()
            self._writing = False

    async def _wait_for_quiet(self) -> bool:
        """Whether recipients' records hold nothing that the journal does not. A remote store nearly always has a call in flight, so nothing new
        is begun until these have returned: some milliseconds, at most a call's deadline."""
        if not self.store.waits:
            return not self.relay.has_unwritten_changes
        self.relay.pause()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_S
        while self.relay.has_unwritten_changes and loop.time() < deadline:  # noqa: ASYNC110 # many events may end the wait
            await asyncio.sleep(0.001)
        return not self.relay.has_unwritten_changes
