"""Stages 双11 in a minute with a real gate process.

Simulated carrier and providers talk real SMPP on loopback to a gate with the embedded store, with a live view. The closing table needs four
witnesses to agree.

In: seconds. Out: an exit code: 0 all agree, 1 any difference, 2 it could not be run, 130 interrupted. Never: traffic beyond loopback, a process
left behind.

One provider leaves early and comes back for its receipts and replies; then the carrier is away for about a second. When all is answered, the
gate is asked to end while one message waits for an answer that never comes and one provider still sends: that is the drain. /metrics are read
in it, at a moment when nothing is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from smpplib import exceptions

from proxy.runtime.build_info import build_info
from proxy.sim import demo_summary, measure
from proxy.sim.demo_summary import Screen
from proxy.sim.gate_process import CHINA, KEY, CarrierSide, DemoAccounts, GateFailed, GateUnderTest, copy_rules, write_settings
from proxy.sim.journal_summary import read_journal
from proxy.sim.ports import free_port
from proxy.sim.reconcile import Difference, Witnesses, reconcile
from proxy.sim.scenario import CARRIER_TPS, OUTAGE_S, RESPONSE_S, Scenario, ScriptedReply, scenario
from proxy.sim.simulated_carrier import Conduct, SimulatedCarrier
from proxy.sim.simulated_provider import ProviderThread

SEED = 1111
SETTLE_S = 30.0
"""Time after the last submit for the carrier to come back, its queue to empty, receipts to come and unknown outcomes to be answered. It takes
about two seconds on an idle machine."""
STEP_S_MAX = 10.0  # what takes a moment in the drain is given up after this
LOOK_S = 0.01  # how often the drain is looked at: it lasts about a second and a half
LATE_FIRST, LATE_EVERY_S, LATE_S = 8, 0.04, 20.0
"""Submits that a provider sends at once when the gate drains, the interval of further ones until the gate unbinds it, and how long at most."""


class CarrierThread:
    """The simulated carrier on an event loop of its own."""

    def __init__(self, conduct: Conduct) -> None:
        self.carrier = SimulatedCarrier(conduct)
        self._loop = asyncio.new_event_loop()
        self._outage: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="carrier", daemon=True)

    def start(self) -> int:
        """Returns the port it listens on."""
        self._thread.start()
        started: Future[int] = asyncio.run_coroutine_threadsafe(self.carrier.start(), self._loop)
        return started.result(10)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def plan(self, replies: Sequence[ScriptedReply], outage_at_s: float) -> None:
        """People answer, and the carrier is away, when it is their time."""

        def later() -> None:
            for reply in replies:
                self._loop.call_later(reply.at_s, self.carrier.reply, reply.recipient, reply.port, reply.text)
            self._loop.call_later(outage_at_s, self._begin_outage)

        self.call(later)

    def _begin_outage(self) -> None:
        self._outage = self._loop.create_task(self.carrier.outage(OUTAGE_S))

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        if self._outage is not None:
            self.call(self._outage.cancel)
        stopped: Future[Any] = asyncio.run_coroutine_threadsafe(self.carrier.stop(), self._loop)
        stopped.result(10)
        self.call(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Interrupted(BaseException):
    """SIGINT or SIGTERM: the argument is its number."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise Interrupted inside, once: what cleans up afterwards is not interrupted. Outside the main thread
    (a test) signals stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, stop) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def demo(seconds: float, keep: bool) -> int:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # 双11 on a terminal or in a log that knows no Chinese
    console = Console()
    with interruptible():
        return stage(console, seconds, keep, stay=_until_interrupted if keep else None)


def _until_interrupted() -> None:
    with contextlib.suppress(Interrupted):
        while True:
            signal.pause()


def stage(
    console: Console,
    seconds: float,
    keep: bool,
    watch: Callable[[GateUnderTest], None] | None = None,
    stay: Callable[[], None] | None = None,
) -> int:
    """Runs the whole demo; leaves nothing behind, except the folder if asked or after a fault. ``watch`` is called with the gate before the
    traffic begins, e.g. to read its /metrics. ``stay`` is called at the end with the gate up again, to look around in the console."""
    folder = Path(tempfile.mkdtemp(prefix="gate106-demo-"))
    _print(console, [str(build_info())])
    cast = scenario(seconds, SEED, datetime.now(CHINA))
    carrier = CarrierThread(cast.conduct)
    gate: GateUnderTest | None = None
    try:
        rules = copy_rules(folder / "rules", datetime.now(CHINA), cast.ports, shadow=True)
        side = CarrierSide(carrier.start(), links=2, window=64, tps=CARRIER_TPS, more={"receipt_id": "dec"})
        desk = DemoAccounts.opened(free_port(), [actor.name for actor in cast.actors])
        sides = [actor.settings for actor in cast.actors]
        settings = write_settings(folder, [side], sides, response_s=RESPONSE_S, rules=rules, sealed=True, desk=desk)
        gate = GateUnderTest(folder, *settings)
        gate.start()
        if watch is not None:
            watch(gate)
        _print(console, desk.lines(everybody=False))
        witnesses, differences = play(console, cast, carrier, gate, seconds)
        good = demo_summary.print_results(console, witnesses, differences, seconds)
        keep = keep or not good
        if stay is not None:
            gate.start()
            _print(console, [*desk.lines(everybody=True), "the gate is up again, with all that was sent; Ctrl-C ends it"])
            stay()
        return 0 if good else 1
    except Interrupted as interrupted:
        console.print("gate106 demo: interrupted", style="red")
        return 128 + int(interrupted.args[0])
    except (GateFailed, exceptions.ConnectionError, exceptions.PDUError, OSError) as error:
        console.print(f"gate106 demo: {error}", style="red", markup=False)
        keep = True
        return 2
    finally:
        if gate is not None:
            gate.kill()
        carrier.stop()
        if keep:
            _print(console, [f"settings, journal, state and the gate's log are in {folder}"])
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _print(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def play(
    console: Console, cast: Scenario, carrier: CarrierThread, gate: GateUnderTest, seconds: float
) -> tuple[Witnesses, list[Difference]]:
    """The traffic, the drain, then the reconciliation. Needs nothing but a started gate."""
    running = [
        ProviderThread(actor.name, actor.settings.password, "127.0.0.1", gate.smpp, actor.steps, actor.window, actor.away)
        for actor in cast.actors
    ]
    for provider in running:
        provider.connect()
    carrier.plan(cast.replies, cast.outage_at_s)
    for provider in running:
        provider.start()
    differences = []
    with Screen(console, cast.actors, running, carrier.carrier, seconds) as screen:
        screen.wait("traffic", lambda: all(provider.sent_all for provider in running), seconds + SETTLE_S)
        if not screen.wait("settling", lambda: settled(running, carrier.carrier, cast.replies), SETTLE_S):
            differences.append(
                Difference("settling", f"something was still open after {SETTLE_S:.0f} s", "all should be answered")
            )
        metrics, scraped_at, code = drain(screen, cast, running, carrier.carrier, gate)
    for provider in running:
        provider.finish()
    for provider in running:
        provider.join(STEP_S_MAX)
    logs = {provider.provider: provider.log for provider in running}
    witnesses = Witnesses(
        logs, carrier.carrier.log, read_journal(gate.folder / "journal", [gate.folder / KEY]), metrics, scraped_at
    )
    if code:
        differences.append(Difference("drain", f"the gate ended with exit code {code}", "it promises 0"))
    return witnesses, differences + reconcile(witnesses, cast.owners)


def settled(running: Sequence[ProviderThread], carrier: SimulatedCarrier, replies: Sequence[ScriptedReply]) -> bool:
    """All sent, all answered, the carrier back, all receipts and replies with their providers (those to come are due within a moment)."""
    if carrier.away or not carrier.log.outages or not all(provider.sent_all and not provider.open for provider in running):
        return False
    due = sum(1 for line in list(carrier.log.submits) if line.status == 0 and line.sms.registered & 1)
    came = len(carrier.log.delivers)
    if came < due + len(replies) or carrier.waiting or not any(line.kind for line in carrier.lines):
        return False
    return sum(len(provider.log.got) for provider in running) >= came


def drain(
    screen: Screen, cast: Scenario, running: Sequence[ProviderThread], carrier: SimulatedCarrier, gate: GateUnderTest
) -> tuple[measure.Samples, float, int]:
    """SIGTERM while one message waits for its answer and one provider still sends: (/metrics, when they were read, exit code)."""
    by_port = {
        prefix: provider for actor, provider in zip(cast.actors, running, strict=True) for prefix in actor.settings.ports
    }
    holding, talking = (
        next(provider for prefix, provider in by_port.items() if step.source.startswith(prefix))
        for step in (cast.held, cast.late)
    )

    def until(ready: Callable[[], bool]) -> None:
        if not screen.wait("draining", ready, STEP_S_MAX, LOOK_S):
            raise GateFailed(f"the drain did not go on for {STEP_S_MAX:.0f} s: {gate.last_words()}")

    before = carrier.received
    holding.more([cast.held])
    until(lambda: carrier.received > before)
    gate.terminate()
    until(gate.draining)
    sent = len(talking.log.sent)
    talking.more([cast.late] * LATE_FIRST)
    until(lambda: len(talking.log.sent) >= sent + LATE_FIRST and not talking.open)
    scraped_at = time.time()
    metrics = measure.samples(gate.metrics())
    time.sleep(LOOK_S)  # so that no later verdict bears a time from before the scrape
    talking.more([replace(cast.late, at_s=place * LATE_EVERY_S) for place in range(int(LATE_S / LATE_EVERY_S))])
    screen.wait("draining", gate.ended, STEP_S_MAX, LOOK_S)
    return metrics, scraped_at, gate.stop()
