"""Staging: the demo under a Prometheus of its own, and beside it a gate in which everything happens.

In: seconds, a folder. Out: that Prometheus, and from when to when there was traffic. Never: traffic beyond loopback, a process left.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rich.console import Console

from grafana.trial.asking import Window
from grafana.trial.prometheus import Prometheus, PrometheusFailed
from proxy.model.counters import GateCounters
from proxy.operations.metrics import CONTENT_TYPE, COUNTERS, GAUGES, SCALARS, Gauges, exposition
from proxy.sim import demo
from proxy.sim.gate_process import GateUnderTest

FIRST_S = 20.0


@dataclass(frozen=True, slots=True)
class Staged:
    prometheus: Prometheus
    gate: str
    """The instance that had the demo's traffic."""
    everything: str
    """The instance in which all happens all the time."""
    window: Window


ALSO: Mapping[str, Sequence[tuple[str, ...]]] = {
    "submits": [
        ("provider", "marketing", verdict, reason)
        for verdict, reason in (
            ("allow", ""), ("reject", "suppressed"), ("reject", "recipient-cap"), ("reject", "region-unknown"), ("defer", "queue-full"),
            ("defer", "rate-exceeded"),
        )
    ],
    "delivers": [("provider", kind) for kind in ("optout", "restore", "review")],
    "optouts": [("reply", "advertiser", "provider")],
    "bad_pdus": [("provider", "length", "provider")],
}  # fmt: skip
"""Labels that boards ask for by their value."""


class Everything:
    """A gate in which all happens all the time, its labels valued by their own names: what the demo does not bring about is seen here."""

    def __init__(self) -> None:
        self._tally = GateCounters()
        single: Any = {attribute: 1 for attribute, _, _ in SCALARS}
        labelled: Any = {attribute: {tuple(labels): 1.0} for attribute, _, labels, _ in GAUGES}
        labelled["carrier_links"]["carrier", "down"] = 1.0
        labelled["queue_limit"]["carrier", "marketing"] = 1.0
        labelled["consent_tasks"]["provider", "overdue"] = 1.0
        labelled["reply_paths"] = {(state,): 1.0 for state in ("proven", "unproven", "silent", "dead")}
        labelled["certificate_expiry"]["name",] = time.time() + 90 * 86400
        self._gauges = Gauges(**labelled, **single, rules_revision="revision")

    def metrics(self) -> str:
        """More each time it is asked."""
        tally = self._tally
        for attribute, labels, _ in COUNTERS:
            for key in (tuple(labels), *ALSO.get(attribute, ())):
                getattr(tally, attribute)[key] += 1
        tally.sent_after_optout += 1
        tally.sent_against_record += 1
        for histogram in (tally.submit_seconds["carrier"], tally.gate_seconds, tally.optout_effect_seconds):
            histogram.observe(0.01)
        self._gauges = replace(self._gauges, journal_written_bytes=self._gauges.journal_written_bytes + 1000)
        return exposition(tally, self._gauges).decode()


@contextlib.contextmanager
def _serving(text: Callable[[], str]) -> Iterator[str]:
    """The text at an address that is returned."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(text().encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A Prometheus that ends lets go of what it was reading."""

    server = Server(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def staged(seconds: float, folder: Path, console: Console) -> Iterator[Staged]:
    """Plays the demo to its end; inside, Prometheus still answers for it. Raises PrometheusFailed when the demo fails."""
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(_serving(Everything().metrics))
        watching: list[tuple[Prometheus, str, float]] = []

        def watch(gate: GateUnderTest) -> None:
            instance = f"127.0.0.1:{gate.http}"
            prometheus = stack.enter_context(Prometheus(folder / "prometheus", [instance, address]))
            _await_first(prometheus, instance)
            watching.append((prometheus, instance, time.time()))

        code = demo.stage(console, seconds, keep=False, watch=watch)
        if code or not watching:
            raise PrometheusFailed(f"the demo ended with {code}")
        prometheus, instance, start = watching[0]
        alive = [
            moment for moment, up in prometheus.over(f'up{{instance="{instance}"}}', start, time.time(), 1)[0].points if up
        ]
        window = Window(alive[0], alive[-1], prometheus.every_s, prometheus.every_s)
        yield Staged(prometheus, instance, address, window)


def _await_first(prometheus: Prometheus, instance: str) -> None:
    """A Prometheus looks for its targets five seconds after it started: traffic before that would not be seen."""
    deadline = time.monotonic() + FIRST_S
    while not any(series.moves for series in prometheus.at(f'up{{instance="{instance}"}}', time.time())):
        if time.monotonic() > deadline:
            raise PrometheusFailed(f"prometheus did not read {instance} within {FIRST_S:.0f} s")
        time.sleep(0.1)
