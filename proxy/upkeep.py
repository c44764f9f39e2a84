"""Upkeep: what the gate does by the clock, whether messages come or not. Wiring beside app.py.

In: parts of the gate. Out: timers of sessions, orders and lists looked at; steps of the wall clock noticed; the collector called;
changed files of rules read. Never: a decision about a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import watchfiles

from proxy.beats import until_beat
from proxy.desk.journal import Journal, JournalDown
from proxy.garbage import Garbage
from proxy.gently import Gently
from proxy.net.carrier import CarrierHouse
from proxy.net.link import Turns
from proxy.net.provider import Providers
from proxy.net.syncer import Syncer
from proxy.operating import Operating
from proxy.relay import Relay
from proxy.revising import Revising
from proxy.sharing import Sharing
from proxy.state import EmbeddedStore
from proxy.tally import Tally
from proxy.way_back import WayBack

log = structlog.get_logger()

TICK_S = 0.1
"""How often timers of sessions are looked at: a tenth of the shortest (1 s) anybody would set."""
WATCH_MS = 100
"""So long after the last change of a file its folder is read; and so often the watching thread looks, for which it asks for the interpreter."""
RETRY_MS = 5000
"""A changed set of rules that could not be kept or written, because of the disk, is tried again so often."""
CLOCK_STEP_S = 1.0
"""A wall clock that jumps by more is journalled."""


@dataclass
class Upkeep:
    relay: Relay
    store: EmbeddedStore
    journal: Journal
    syncer: Syncer
    providers: Providers
    houses: Sequence[CarrierHouse]
    way_back: WayBack
    operating: Operating
    sharing: Sharing | None
    turns: Turns
    tally: Tally
    gently: Gently
    clock_skew_s: float = 0.0
    """The last step of the wall clock."""
    garbage: Garbage = field(init=False)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wall, mono = time.time(), loop.time()
        self.garbage = Garbage(mono)
        while True:
            await asyncio.sleep(until_beat(loop.time(), TICK_S))
            now, now_s = time.time(), loop.time()
            step = (now - wall) - (now_s - mono)
            wall, mono = now, now_s
            if abs(step) > CLOCK_STEP_S:
                self.clock_skew_s = step
                self.relay.clock_jumped(step)
                log.warning("the clock jumped", seconds=round(step, 3))
            self._tick(now, now_s, step)

    def _tick(self, now: float, now_s: float, step: float) -> None:
        self.providers.tick()
        for house in self.houses:
            house.tick()
        self.relay.due(now_s)
        self.relay.tick(now)
        self.way_back.tick(now)
        self.operating.tick(now, now_s, now - step)
        self.store.sweep(now, self.relay.rules.window_s)
        self.relay.judging.stale = self.sharing is not None and self.sharing.stale
        if self.relay.idle:
            with contextlib.suppress(JournalDown):
                self.journal.mark(now)
                self.syncer.kick()
        self._log_judge_error()
        self.garbage.look(now_s, self.journal.written, loading=self.gently.at_work)
        self.turns.wake()

    def _log_judge_error(self) -> None:
        """The last exception of ``judge``, at most once per tick: the counter says how many there were."""
        error, self.relay.judging.error = self.relay.judging.error, None
        if error is not None:
            log.error("judge failed: a fault of gate106, please report it", exc_info=error, total=self.tally.judge_errors[()])


async def watch_rules(folder: Path, revising: Revising) -> None:
    """Reads the folder again whenever its files have changed."""
    watch = watchfiles.awatch(
        folder, debounce=WATCH_MS, step=WATCH_MS, recursive=True, rust_timeout=RETRY_MS, yield_on_timeout=True
    )
    async for changed in watch:
        try:
            if changed or revising.unsettled:
                await revising.reload("files")
        except Exception as error:  # whatever it is: the next change must be seen
            log.error("rules not loaded: a fault of gate106, please report it", exc_info=error)
