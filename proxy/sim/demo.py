"""Demo: 双11 in a minute on the embedded store: simulated carrier and providers around a real gate process, over real SMPP on
loopback, a live view, and a closing table that four witnesses must agree on.

In: seconds. Out: an exit code: 0 all agree, 1 any difference, 2 it could not be run. Never: traffic beyond loopback.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from smpplib import exceptions

from proxy.sim import measure, view
from proxy.sim.carrier import Carrier, Conduct
from proxy.sim.gate import CHINA, CarrierSide, Gate, GateFailed, copy_rules, write_settings
from proxy.sim.provider import SimProvider
from proxy.sim.reconcile import Difference, JournalStory, read_journal, reconcile
from proxy.sim.scenario import CARRIER_TPS, RESPONSE_S, Reply, Scenario, scenario

SEED = 1111
SETTLE_S = RESPONSE_S + 6.0
"""After the last submit: the carrier's queue empties, receipts come, unknown outcomes are told."""
REFRESH_S = 0.2


class CarrierThread:
    """The simulated carrier on an event loop of its own."""

    def __init__(self, conduct: Conduct) -> None:
        self.carrier = Carrier(conduct)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="carrier", daemon=True)

    def start(self) -> int:
        """Returns the port it listens on."""
        self._thread.start()
        started: Future[int] = asyncio.run_coroutine_threadsafe(self.carrier.start(), self._loop)
        return started.result(10)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def replies(self, replies: Sequence[Reply]) -> None:
        """People answer when it is their time."""

        def plan() -> None:
            for reply in replies:
                self._loop.call_later(reply.at_s, self.carrier.reply, reply.recipient, reply.port, reply.text)

        self.call(plan)

    def stop(self) -> None:
        stopped: Future[Any] = asyncio.run_coroutine_threadsafe(self.carrier.stop(), self._loop)
        stopped.result(10)
        self.call(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def demo(seconds: float, keep: bool) -> int:
    """Runs it; prints as it goes."""
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="gate106-demo-"))
    cast = scenario(seconds, SEED, datetime.now(CHINA))
    carrier = CarrierThread(cast.conduct)
    gate: Gate | None = None
    try:
        rules = copy_rules(folder / "rules", datetime.now(CHINA), cast.ports)
        side = CarrierSide(carrier.start(), links=2, window=64, tps=CARRIER_TPS)
        settings = write_settings(folder, [side], [actor.settings for actor in cast.actors], response_s=RESPONSE_S, rules=rules)
        gate = Gate(folder, *settings)
        gate.start()
        story, differences = play(console, cast, carrier, gate, seconds)
        good = view.verdict(console, story, differences)
        keep = keep or not good
        return 0 if good else 1
    except (GateFailed, exceptions.ConnectionError, exceptions.PDUError, OSError) as error:
        console.print(f"gate106 demo: {error}", style="red", markup=False)
        keep = True
        return 2
    finally:
        if gate is not None:
            gate.kill()
        carrier.stop()
        if keep:
            console.print(f"settings, journal, state and the gate's log are in {folder}", markup=False, highlight=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def play(
    console: Console, cast: Scenario, carrier: CarrierThread, gate: Gate, seconds: float
) -> tuple[JournalStory, list[Difference]]:
    """The traffic, then the reconciliation. Needs nothing but a started gate."""
    running = [
        SimProvider(actor.name, actor.settings.password, "127.0.0.1", gate.smpp, actor.steps, actor.window)
        for actor in cast.actors
    ]
    for provider in running:
        provider.connect()
    carrier.replies(cast.replies)
    for provider in running:
        provider.start()
    start = time.monotonic()
    with Live(console=console, refresh_per_second=1 / REFRESH_S) as screen:
        while not _settled(running, carrier.carrier) and time.monotonic() - start < seconds + SETTLE_S:
            time.sleep(REFRESH_S)
            screen.update(view.live(cast.actors, running, carrier.carrier, time.monotonic() - start, seconds))
    metrics = measure.samples(gate.metrics())
    for provider in running:
        provider.finish()
    for provider in running:
        provider.join(10)
    code = gate.stop()
    story = read_journal(gate.folder / "journal")
    logs = {provider.provider: provider.log for provider in running}
    differences = reconcile(logs, carrier.carrier.log, story, metrics, cast.owners)
    if code:
        differences.append(Difference("drain", f"the gate ended with exit code {code}", "it promises 0"))
    return story, differences


def _settled(running: Sequence[SimProvider], carrier: Carrier) -> bool:
    """All sent, all answered, all receipts delivered (those still to come are due within the carrier's delay)."""
    if not all(provider.done.is_set() for provider in running) or any(provider.open for provider in running):
        return False
    due = sum(1 for line in list(carrier.log.submits) if line.status == 0 and line.sms.registered & 1)
    receipts = sum(1 for one in list(carrier.log.delivers) if one.kind == "receipt")
    return receipts >= due and carrier.waiting == 0
