"""Writes changed records to the store, with the restart position.

Never: a record in the store that the journal does not hold, a loop that waits for the disk.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
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


class Checkpoints:
    def __init__(
        self,
        store: SqliteStore,
        journal: Journal,
        relay: Relay,
        ids: MessageIds,
        synced: Callable[[int], Awaitable[None]],
        holding: Sequence[JournalReader],
        chunked_imports: ChunkedImports,
    ) -> None:
        """``synced``: returns when the journal is synced up to a record."""
        self._store, self._journal, self._relay, self._ids = store, journal, relay, ids
        self._synced = synced
        self._readers, self._in_pieces = holding, chunked_imports
        self._writing = self._failing = False

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
            needed = [pending.recorded for pending in self._relay.in_flight.values()]
            needed += [one.open_from for one in self._readers if one.open_from is not None]
            written = self._journal.written
            if not self._ids.carry(self._journal, time.time()):
                return
            await self._store.checkpoint(
                counted=written,
                open_from=self._in_pieces.outside(min(needed, default=written + 1)),
                highest_id=self._relay.highest_id,
                synced=lambda _: self._synced(self._journal.written),  # all that records hold which were collected meanwhile
                hurry=hurry,
                begun=self._relay.resume,
            )
            if self._failing:
                log.info("checkpoint written again")
            self._failing = False
        finally:
            self._relay.resume()
            self._writing = False

    async def _wait_for_quiet(self) -> bool:
        """Whether recipients' records hold nothing that the journal does not. A remote store nearly always has a call in flight, so nothing new
        is begun until these have returned: some milliseconds, at most a call's deadline."""
        if not self._store.waits:
            return not self._relay.has_unwritten_changes
        self._relay.pause()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_S
        while self._relay.has_unwritten_changes and loop.time() < deadline:  # noqa: ASYNC110 # many events may end the wait
            await asyncio.sleep(0.001)
        return not self._relay.has_unwritten_changes
