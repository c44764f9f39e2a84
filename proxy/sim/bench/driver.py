"""Driver: the processes beside the one under test, as a bench sees them: carrier and load generator in one, and the baseline relays.

In: Options, orders. Out: Runs. Never: a figure of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proxy.sim import gate, measure
from proxy.sim.bench.options import PASSWORD, PROVIDERS, BenchFailed, Options
from proxy.sim.drive import Order, Plan, Run


class Driver:
    """The driver process, as bench sees it."""

    def __init__(self, process: subprocess.Popen[str], carrier: int) -> None:
        self._process = process
        self.carrier = carrier

    def beside(self, workers: int) -> None:
        """It leaves a core to each worker of the gate from now on, where there are so many."""
        measure.keep_to(self._process.pid, measure.apart(os.sched_getaffinity(0), workers)[1])

    def order(self, order: Order) -> Run:
        """Raises BenchFailed."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order._asdict()) + "\n")
        self._process.stdin.flush()
        said = _line_of(self._process, "the load generator")
        if "problem" in said:
            raise BenchFailed(f"{order.name}: {said['problem']}")
        return Run(**said)


@contextmanager
def driver(options: Options, pem: Path | None = None) -> Iterator[Driver]:
    """Started, with all it sends made beforehand. ``pem``: the certificate of what it binds to."""
    cores = measure.apart(os.sched_getaffinity(0), options.workers)[1]
    with _child([sys.executable, "-m", "proxy.sim.drive", json.dumps(asdict(_plan(options, pem)))], cores) as process:
        yield Driver(process, int(_line_of(process, "the load generator")["carrier"]))


class Drivers:
    """One after the other, but one only as long as what it is to send stays the same: to make that takes seconds."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._plan: Plan | None = None
        self._driver: Driver

    def driver(self, options: Options, pem: Path | None = None) -> Driver:
        plan = _plan(options, pem)
        if plan != self._plan:
            self.close()
            self._driver, self._plan = self._stack.enter_context(driver(options, pem)), plan
        self._driver.beside(options.workers)
        return self._driver

    def close(self) -> None:
        self._plan = None
        self._stack.close()


def _plan(options: Options, pem: Path | None) -> Plan:
    return Plan(
        mix=options.mix,
        binds=options.binds,
        window=options.window,
        seconds=options.seconds,
        warmup_s=options.warmup_s,
        rate=options.rate,
        recipients=options.recipients,
        providers=PROVIDERS,
        password=PASSWORD,
        refused=options.refused,
        long=options.long,
        receipts=options.receipts,
        ports=options.ports,
        pem=str(pem or ""),
    )


@contextmanager
def baseline(kind: str, carrier: int, pem: Path | None = None) -> Iterator[tuple[int, int]]:
    """One of the relays; its port and its process."""
    command = [sys.executable, "-m", "proxy.sim.baseline", kind, "--carrier", str(carrier), "--window", "256"]
    command += ["--cert", str(pem)] if pem is not None else []
    with _child(command, measure.apart(os.sched_getaffinity(0))[0]) as process:
        yield int(_line_of(process, f"baseline {kind}")["port"]), process.pid


@contextmanager
def _child(command: list[str], cores: set[int]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gate.environment()
    )
    try:
        os.sched_setaffinity(process.pid, cores)  # its threads come later, and inherit it
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _line_of(process: subprocess.Popen[str], who: str) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchFailed(f"{who} ended without a result (exit code {process.wait()})")
    said: dict[str, Any] = json.loads(line)
    return said
