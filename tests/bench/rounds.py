"""Measures the load generator alone, relays without rules, and the gate, in rounds.

A round measures one after the other, so that the machine is alike for all of them. Each round starts a new gate: one that has run knows
recipients, and its checkpoint would go on beside the next measurement. This process does nothing while it measures.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from proxy.sim import gate_process, measure
from proxy.sim.bench.gate_process import MeasuredGate, certificate
from proxy.sim.bench.load_process import LoadProcess, load_process
from proxy.sim.bench.measurement import life_cpu_us, run_request
from proxy.sim.bench.run_figures import RunFigures, RunRequest, median
from tests.bench.options import MeasuringOptions
from tests.bench.processes import baseline_process, prepared_gate
from tests.bench.result import RoundsResult, spread_of

BASELINES = ("raw", "smpplib")
Progress = Callable[[str], None]


def run(options: MeasuringOptions, progress: Progress = lambda text: None) -> RoundsResult:
    """Measures all rounds. Raises BenchFailed."""
    rounds: list[dict[str, RunFigures]] = []
    gates: list[MeasuredGate] = []
    facts = gate_process.conditions()
    with folder_of(options) as folder:
        sync_ms = measure.sync_ms(folder)
        pem = certificate(folder) if options.tls else None
        with load_process(options, pem) as load:
            for number in range(1, options.rounds + 1):
                prefix = f"round {number} of {options.rounds}: " if options.rounds > 1 else ""
                runs = without_gate(options, load, pem, progress, prefix)
                if options.gate:
                    progress(f"{prefix}the gate")
                    with tempfile.TemporaryDirectory(prefix="round-", dir=folder) as temporary:
                        place = Path(temporary) if number > 1 else folder
                        gates.append(_measure_gate(options, place, load, runs, pem))
                rounds.append(runs)
    return RoundsResult(
        command=options.command,
        sync_ms=sync_ms,
        options={key: value for key, value in asdict(options).items() if key != "keep"},
        rules=gates[-1].rules if gates else 0,
        runs={name: median([runs[name] for runs in rounds]) for name in rounds[0]},
        spread=spread_of(rounds),
        start_s=gates[-1].start_s if gates else 0.0,
        **facts,
    )


@contextmanager
def folder_of(options: MeasuringOptions) -> Iterator[Path]:
    """The folder of a run: removed afterwards, unless ``keep`` names one."""
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as temporary:
        yield options.keep or Path(temporary)


def without_gate(
    options: MeasuringOptions, load: LoadProcess, pem: Path | None, progress: Progress, prefix: str = ""
) -> dict[str, RunFigures]:
    """The load generator alone, and relays without rules."""
    progress(f"{prefix}the load generator's own ceiling")
    runs = {"ceiling": load.run(RunRequest("ceiling", None, None))}
    for name in BASELINES if options.baselines else ():
        progress(f"{prefix}baseline: {name}")
        with baseline_process(name, load.carrier, pem) as (port, pid):
            runs[name] = load.run(RunRequest(name, port, pid))
    return runs


def _measure_gate(
    options: MeasuringOptions, folder: Path, load: LoadProcess, runs: dict[str, RunFigures], pem: Path | None
) -> MeasuredGate:
    """Starts the gate, adds its figures to ``runs``, ends it."""
    with prepared_gate(options, folder, load.carrier, pem) as measured:
        runs["gate"] = load.run(run_request(measured))
        if options.latency_rate:
            name = f"gate at {options.latency_rate:g}/s"
            runs[name] = load.run(run_request(measured, options.latency_rate, name))
    if not options.latency_rate:
        runs["gate"] = replace(runs["gate"], life_cpu_us=life_cpu_us(measured, runs["gate"].all_messages))
    return measured
