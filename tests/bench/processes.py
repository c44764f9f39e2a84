"""Starts gates, load generators, relays without rules and other processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from proxy.sim import measure
from proxy.sim.bench.gate_process import MeasuredGate, measured_gate
from proxy.sim.bench.load_process import BARE_RELAY, LoadProcess, load_plan, load_process, relay_process
from proxy.sim.bench.options import BenchOptions
from proxy.sim.bench.run_figures import LoadPlan
from tests.bench import filled_store
from tests.bench.filled_registries import quotas, register
from tests.bench.options import MeasuringOptions

UNREACHED_TPS = 1_000_000.0  # a rate that is counted and never reached


def pin_to_cores(pid: int, cores: set[int]) -> None:
    """Pins a process with all its present threads; later threads inherit it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


class LoadProcesses:
    """One load generator at a time, kept as long as the load stays the same: encoding the submits takes seconds."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._plan: LoadPlan | None = None
        self._process: LoadProcess

    def process(self, options: BenchOptions, pem: Path | None = None) -> LoadProcess:
        plan = load_plan(options, pem)
        if plan != self._plan:
            self.close()
            self._process, self._plan = self._stack.enter_context(load_process(options, pem)), plan
        pin_to_cores(self._process.process.pid, measure.split_cores(os.sched_getaffinity(0), options.workers)[1])
        return self._process

    def close(self) -> None:
        self._plan = None
        self._stack.close()


@contextmanager
def baseline_process(kind: str, carrier: int, pem: Path | None = None) -> Iterator[tuple[int, int]]:
    """A relay without rules (``raw`` or ``smpplib``); its port and its process id."""
    with relay_process(carrier, pem, {"raw": BARE_RELAY, "smpplib": "tests.bench.baseline"}[kind]) as found:
        yield found


@contextmanager
def prepared_gate(
    options: MeasuringOptions, folder: Path, carrier: int, pem: Path | None = None, program: tuple[str, ...] | None = None
) -> Iterator[MeasuredGate]:
    """As ``measured_gate``, with what ``known`` and ``lived_in`` ask for. Raises BenchFailed."""

    def add_rules(rules: Path) -> None:
        if options.lived_in:
            (rules / "sim-quotas.yaml").write_text(quotas(), encoding="utf-8")
            register(rules)

    def fill_store() -> None:
        if options.known or options.lived_in:
            filled_store.fill(
                folder / "state.db", folder / "journal", options.recipients, options.refused,
                messages=options.known, lived_in=options.lived_in,
            )  # fmt: skip

    tps = UNREACHED_TPS if options.lived_in else None
    with measured_gate(
        options, folder, carrier, pem, program=program, tps=tps, add_rules=add_rules, fill_store=fill_store
    ) as measured:
        yield measured
