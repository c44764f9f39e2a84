"""Starts the load generator's process and sends it requests."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from proxy.sim import gate_process, measure
from proxy.sim.bench.options import PASSWORD, PROVIDERS, BenchFailed, BenchOptions
from proxy.sim.bench.run_figures import LoadPlan, RunFigures, RunRequest

BARE_RELAY = "proxy.sim.bench.bare_relay"
LOAD_GENERATOR = "proxy.sim.bench.load_generator"


class LoadProcess:
    """The process that holds the simulated carrier and the load generator. ``carrier``: the port on which the carrier listens."""

    def __init__(self, process: subprocess.Popen[str], carrier: int) -> None:
        self.process, self.carrier = process, carrier

    def run(self, request: RunRequest) -> RunFigures:
        """Sends the load and waits for its figures. Raises BenchFailed."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request._asdict()) + "\n")
        self.process.stdin.flush()
        answer = read_line(self.process, "the load generator")
        if "problem" in answer:
            raise BenchFailed(f"{request.name}: {answer['problem']}")
        return RunFigures(**answer)


@contextmanager
def load_process(options: BenchOptions, pem: Path | None = None) -> Iterator[LoadProcess]:
    """Starts it, with all submits encoded beforehand. ``pem``: the certificate of the gate, and the ceiling's own."""
    cores = measure.split_cores(os.sched_getaffinity(0), options.workers)[1]
    command = [sys.executable, "-m", LOAD_GENERATOR, json.dumps(asdict(load_plan(options, pem)))]
    with child_process(command, cores) as process:
        yield LoadProcess(process, int(read_line(process, "the load generator")["carrier"]))


def load_plan(options: BenchOptions, pem: Path | None) -> LoadPlan:
    given = {one.name: getattr(options, one.name) for one in fields(LoadPlan) if hasattr(options, one.name)}
    return LoadPlan(**given, providers=PROVIDERS, password=PASSWORD, pem=str(pem or ""))


@contextmanager
def relay_process(carrier: int, pem: Path | None = None, module: str = BARE_RELAY) -> Iterator[tuple[int, int]]:
    """A relay without rules, on the core of the process under test; its port and its process id."""
    command = [sys.executable, "-m", module, "--carrier", str(carrier), "--window", "256"]
    command += ["--cert", str(pem)] if pem is not None else []
    with child_process(command, measure.split_cores(os.sched_getaffinity(0))[0]) as process:
        yield int(read_line(process, "the relay")["port"]), process.pid


@contextmanager
def child_process(command: list[str], cores: set[int]) -> Iterator[subprocess.Popen[str]]:
    """A child on these cores, with pipes to its standard input and output; it is ended afterwards."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gate_process.environment()
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


def read_line(process: subprocess.Popen[str], who: str) -> dict[str, Any]:
    """One line of JSON that the child prints. Raises BenchFailed if it ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchFailed(f"{who} ended without a result (exit code {process.wait()})")
    return dict(json.loads(line))
