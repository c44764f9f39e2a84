"""Runs the gate's periodic work, with or without traffic.

It checks timers of sessions, orders and lists, detects steps of the wall clock, collects garbage, reads changed rule files. Never: a
decision about a message.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import watchfiles

from proxy.cluster.replication import Replication
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.model.counters import GateCounters
from proxy.net.carrier import CarrierAccount
from proxy.net.journal_syncer import Syncer
from proxy.net.link import Turns
from proxy.net.provider import Providers
from proxy.relay.deliver import DeliverRelay
from proxy.relay.submit import Relay
from proxy.runtime.background import Background
from proxy.runtime.gc_policy import GcPolicy
from proxy.server.control_plane import ControlPlane
from proxy.state.stores.sqlite import SqliteStore

log = structlog.get_logger()

TICK_S = 0.1  # interval at which session timers are checked: a tenth of the shortest sensible one (1 s)
WATCH_MS = 100  # from the last change of a file to reading its folder; also how often the watching thread polls
RETRY_MS = 5000  # interval at which a changed rule set is tried again that could not be kept or journalled because of the disk
SILENT_S = 60.0  # shortest time between two log lines about failing maintenance
JUMP_S, DISTRUSTED_S = 60.0, 3600.0
"""After a forward jump of more than JUMP_S the wall clock is distrusted for DISTRUSTED_S: if it is corrected meanwhile, no refusal and no
waiting deliver has expired by mistake."""
CLOCK_STEP_S = 1.0  # a wall clock that jumps by more is journalled


@dataclass
class Maintenance:
    relay: Relay
    store: SqliteStore
    journal: Journal
    syncer: Syncer
    providers: Providers
    carrier_accounts: Sequence[CarrierAccount]
    deliver_relay: DeliverRelay
    control_plane: ControlPlane
    replication: Replication | None
    turns: Turns
    tally: GateCounters
    background: Background
    clock_skew_s: float = 0.0  # the last step of the wall clock
    gc_policy: GcPolicy = field(init=False)
    distrusted_until_s: float = 0.0  # until then (loop clock) nothing expired is dropped; rules check it themselves
    silent_until_s: float = 0.0  # until then (the loop's clock) failures are not logged

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wall, mono = time.time(), loop.time()
        self.gc_policy = GcPolicy(mono)
        while True:
            await asyncio.sleep(TICK_S)
            now, now_s = time.time(), loop.time()
            self.check_clocks(now, now_s, wall, mono)
            wall, mono = now, now_s

    def check_clocks(self, now: float, now_s: float, wall: float, mono: float) -> None:
        """``wall``, ``mono``: both clocks at the tick before."""
        step = (now - wall) - (now_s - mono)
        if step > JUMP_S:
            self.distrusted_until_s = now_s + DISTRUSTED_S
        if abs(step) > CLOCK_STEP_S:
            self.clock_skew_s = step
            self.relay.clock_jumped(step)
            log.warning("the clock jumped", seconds=round(step, 3))
        self._tick(now, now_s, step)

    def _tick(self, now: float, now_s: float, step: float) -> None:
        trusted = now_s >= self.distrusted_until_s
        parts: Sequence[Callable[[], object]] = (
            self.providers.tick,
            *(account.tick for account in self.carrier_accounts),
            partial(self.relay.due, now_s),
            self.deliver_relay.reply_handler.write_names,
            partial(self.relay.tick, now),
            partial(self.deliver_relay.tick, now, drops=trusted),
            partial(self.control_plane.tick, now, now_s, now - step),
            partial(self._sweep, now, drops=trusted),
            partial(self._mark, now),
            self._log_judge_error,
            partial(self.gc_policy.run, now_s, self.journal.written, loading=self.background.busy),
        )
        for part in parts:
            try:
                part()
            except Exception as error:  # noqa: BLE001 # whatever failed: everything else must go on, and the next tick must come
                self._log_failure(error, now_s)
        self.turns.wake()

    def _sweep(self, now: float, *, drops: bool) -> None:
        if drops:
            self.store.sweep(now, self.relay.rules.window_s)
        self.relay.admission.stale = self.replication is not None and self.replication.stale

    def _mark(self, now: float) -> None:
        if self.relay.idle:
            with contextlib.suppress(JournalDown):
                self.journal.mark(now)
                self.syncer.kick()

    def _log_failure(self, error: Exception, now_s: float) -> None:
        """Logs a failure that may repeat at each tick, at most once a minute."""
        if now_s < self.silent_until_s:
            return
        self.silent_until_s = now_s + SILENT_S
        log.error("maintenance failed: a fault of gate106, please report it", exc_info=error)

    def _log_judge_error(self) -> None:
        """Logs the last exception of ``judge``, at most once per tick; the counter has the number of them."""
        error, self.relay.admission.error = self.relay.admission.error, None
        if error is not None:
            log.error("judge failed: a fault of gate106, please report it", exc_info=error, total=self.tally.judge_errors[()])


async def watch_rules(folder: Path, rule_deployment: RuleDeployment) -> None:
    watch = watchfiles.awatch(
        folder, debounce=WATCH_MS, step=WATCH_MS, recursive=True, rust_timeout=RETRY_MS, yield_on_timeout=True
    )
    async for changed in watch:
        try:
            if changed or rule_deployment.unsettled:
                await rule_deployment.reload("files")
        except Exception as error:  # whatever failed: the next change must be seen
            log.error("rules not loaded: a fault of gate106, please report it", exc_info=error)
