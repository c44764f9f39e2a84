"""Runs the gate's periodic work, with or without traffic.

It checks timers of sessions, orders and lists, detects steps of the wall clock, collects garbage, reads changed rule files. Never: a
decision about a message.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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

Part = Callable[[float, float], object]  # of the time by the wall and by the loop's clock
TICK_S = 0.1  # interval at which session timers are checked: a tenth of the shortest sensible one (1 s)
WATCH_MS = 100  # from the last change of a file to reading its folder; also how often the watching thread polls
RETRY_MS = 5000  # interval at which a changed rule set is tried again that could not be kept or journalled because of the disk
SILENT_S = 60.0  # shortest time between two log lines about failing maintenance
JOURNAL_UP_S = 1.0  # so long without a failure, and the journal counts as written again
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
    loaded: Callable[[], bool]  # whether many submits arrive
    clock_skew_s: float = 0.0  # the last step of the wall clock
    gc_policy: GcPolicy = field(init=False)
    distrusted_until_s: float = 0.0  # until then (loop clock) nothing expired is dropped; rules check it themselves
    silent_until_s: float = 0.0  # until then (the loop's clock) failures are not logged
    journal_down_at_s: float | None = None  # when the journal could not be written for the first time; None while it can
    journal_down_last_s: float = 0.0  # … and for the last time

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wall, mono = time.time(), loop.time()
        self.gc_policy = GcPolicy(mono)
        rest_s = TICK_S
        while True:
            await asyncio.sleep(rest_s)
            now, now_s = time.time(), loop.time()
            step = self.check_clocks(now, now_s, wall, mono)
            wall, mono = now, now_s
            parts = self._parts(step)
            between_s = TICK_S / len(parts)
            for part in parts:
                self._run_part(part, time.time(), loop.time())
                if self.loaded():
                    await asyncio.sleep(between_s)
            self.turns.wake()
            rest_s = max(between_s, TICK_S - (loop.time() - now_s))

    def check_clocks(self, now: float, now_s: float, wall: float, mono: float) -> float:
        """``wall``, ``mono``: both clocks at the tick before. Returns by how much the wall clock was set since."""
        step = (now - wall) - (now_s - mono)
        if step > JUMP_S:
            self.distrusted_until_s = now_s + DISTRUSTED_S
        if abs(step) > CLOCK_STEP_S:
            self.clock_skew_s = step
            self.relay.clock_jumped(step)
            log.warning("the clock jumped", seconds=round(step, 3))
        return step

    def _parts(self, step: float) -> Sequence[Part]:
        """What each tick does, in order. Under load the parts are spread over the tick: all of them in a row would delay messages."""
        return (
            lambda now, now_s: self.providers.tick(),
            *(_without_time(account.tick) for account in self.carrier_accounts),
            lambda now, now_s: self.relay.due(now_s),
            lambda now, now_s: self.deliver_relay.reply_handler.write_names(),
            lambda now, now_s: self.relay.tick(now),
            lambda now, now_s: self.deliver_relay.tick(now, drops=self._clock_trusted(now_s)),
            lambda now, now_s: self.control_plane.tick(now, now_s, now - step),
            lambda now, now_s: self._sweep(now, drops=self._clock_trusted(now_s)),
            lambda now, now_s: self._mark(now),
            lambda now, now_s: self._log_journal(now_s),
            lambda now, now_s: self._log_judge_error(),
            lambda now, now_s: self.gc_policy.run(now_s, self.journal.written, loading=self.background.busy),
        )

    def _run_part(self, part: Part, now: float, now_s: float) -> None:
        try:
            part(now, now_s)
        except Exception as error:  # noqa: BLE001 # whatever failed: everything else must go on, and the next tick must come
            self._log_failure(error, now_s)

    def _clock_trusted(self, now_s: float) -> bool:
        return now_s >= self.distrusted_until_s

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

    def _log_journal(self, now_s: float) -> None:
        """Logs when the journal cannot be written any more, and when it can again. It must be up for a while: a last small record may fit on
        a full disk."""
        if down := self.relay.journal_down:
            if self.journal_down_at_s is None:
                self.journal_down_at_s = now_s
                log.error("journal not written, submits are told to come again: look at the disk", why=down)
            self.journal_down_last_s = now_s
        elif self.journal_down_at_s is not None and now_s - self.journal_down_last_s >= JOURNAL_UP_S:
            log.info("journal is written again", after_s=round(self.journal_down_last_s - self.journal_down_at_s, 1))
            self.journal_down_at_s = None

    def _log_judge_error(self) -> None:
        """Logs the last exception of ``judge``, at most once per tick; the counter has the number of them."""
        error, self.relay.admission.error = self.relay.admission.error, None
        if error is not None:
            log.error("judge failed: a fault of gate106, please report it", exc_info=error, total=self.tally.judge_errors[()])


def _without_time(tick: Callable[[], None]) -> Part:
    return lambda now, now_s: tick()


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
