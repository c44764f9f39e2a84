"""Runs the relay's batches: within the turn, or as tasks.

In: coroutines of batches that judge what has arrived. Out: they have ended, or go on as tasks. Never: a decision about a message.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import structlog

log = structlog.get_logger()

WAIT_S = 0.005
"""How long the loop waits for the store's answers to a batch in all: from a server nearby they come in a fifth of that."""
WAIT_MS = 5
SLOW_S, SLOW_MAX_S = 0.05, 1.6
"""After a batch that waited longer, so long all batches are tasks; doubled each time."""


class Batches:
    """The relay's batches that wait for the store.

    The loop itself waits for the answers, for a moment: then the batch ends within its turn, and its messages are written, synced and
    forwarded together with all others. As a task it would end two turns later, and each turn reads every socket anew. Where the store is slow,
    or the loop has other work (a flood), a batch is a task, and other messages pass meanwhile. While the loop waits, carriers' answers go to
    the providers: they need nothing of the store."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read_answers: Callable[[int], bool],
        is_flooded: Callable[[], bool],
        meanwhile: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``read_answers``: waits up to so many milliseconds for the store and reads its answers; False: it answered nothing. ``meanwhile``:
        done once the first calls are sent, before the wait."""
        self._loop, self._read_answers, self._is_flooded = loop, read_answers, is_flooded
        self._meanwhile, self._monotonic = meanwhile, monotonic
        self._slow_until_s, self._slow_s, self._waited_s = 0.0, SLOW_S, 0.0
        self._waiting: set[asyncio.Task[None]] = set()

    def spawn(self, batch: Coroutine[Any, Any, None]) -> None:
        begun_s, self._waited_s = self._monotonic(), 0.0
        if begun_s < self._slow_until_s or self._is_flooded():
            self._go_on(batch)
            return
        try:
            awaited = batch.send(None)
            try:
                self._meanwhile()
            except Exception as error:  # noqa: BLE001 # likewise: the batch must go on
                _log_fault(error)
            while awaited is not None and self._is_answered(awaited):
                awaited = batch.send(None)
        except StopIteration:
            self._slow_s = SLOW_S
            return
        except Exception as error:  # noqa: BLE001 # any error: the turn must go on
            _log_fault(error)
            return
        if self._waited_s >= WAIT_S:
            self._slow_until_s = begun_s + self._slow_s
            self._slow_s = min(2 * self._slow_s, SLOW_MAX_S)
        self._go_on(_resumed(batch, awaited))

    def _is_answered(self, awaited: asyncio.Future[Any]) -> bool:
        """Reads answers until a call has its own, or none comes soon."""
        while not awaited.done():
            if self._waited_s >= WAIT_S:
                return False
            begun_s = self._monotonic()
            read = self._read_answers(WAIT_MS)
            self._waited_s += self._monotonic() - begun_s
            if not read:
                return awaited.done()
        return True

    def _go_on(self, batch: Coroutine[Any, Any, None]) -> None:
        """Runs the rest of a batch as a task."""
        task = self._loop.create_task(batch)
        self._waiting.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log_fault(error)


def _log_fault(error: BaseException) -> None:
    log.error("a batch failed: a fault of gate106, please report it", exc_info=error)


@types.coroutine
def _resumed(batch: Coroutine[Any, Any, None], awaited: asyncio.Future[Any] | None) -> Generator[Any, None, None]:
    """The rest of a coroutine that has yielded ``awaited``, for a task."""
    if awaited is not None:
        awaited._asyncio_future_blocking = True  # as if it had been yielded to the task itself
    while True:
        try:
            yield awaited
        except BaseException as why:  # noqa: BLE001 # a task throws what the awaited call failed with
            go_on: Callable[[], Any] = partial(batch.throw, why)
        else:
            go_on = partial(batch.send, None)
        try:
            awaited = go_on()
        except StopIteration:
            return


def run_to_end(batch: Coroutine[Any, Any, None]) -> None:
    """Runs a batch to its end at once; for the embedded store, which never waits."""
    try:
        batch.send(None)
    except StopIteration:
        return
    raise RuntimeError("the embedded store waited for something")
