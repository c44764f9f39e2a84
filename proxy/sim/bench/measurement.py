"""Measures one gate and reports the figures that sizing needs."""

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from proxy.sim import gate_process as gate
from proxy.sim import measure
from proxy.sim.bench.gate_process import MeasuredGate, certificate, measured_gate
from proxy.sim.bench.load_process import load_process, relay_process
from proxy.sim.bench.options import BenchOptions
from proxy.sim.bench.run_figures import RunFigures, RunRequest, median

TURNS = 5  # of relay and gate, at a rate; ``--seconds`` is the sum of the gate's
TURN_WARMUP_S = 0.5
BUSY_ELSEWHERE = 0.1  # cores that other programs used, from which on a figure is marked


@dataclass(frozen=True, slots=True)
class BenchResult:
    command: str
    at: str
    machine: dict[str, object]
    versions: dict[str, str]
    sync_ms: dict[str, float]
    options: dict[str, Any]
    rules: int
    start_s: float  # from the gate's start until it was ready
    commit: str
    runs: dict[str, RunFigures]  # by name; of ``gate106 bench`` the gate's alone

    def as_dict(self) -> dict[str, Any]:
        """As ``python -m tests.bench`` reads it, too."""
        return {"kind": "bench"} | asdict(self)

    def as_text(self) -> str:
        return "\n".join([*self._conditions(), "", *self._figures(), *remarks(self.runs), "", self.command])

    def _conditions(self) -> list[str]:
        return [describe_load(self.options, self.rules), describe_machine(self.machine, self.versions, self.sync_ms)]

    def _figures(self) -> list[str]:
        run = self.runs["gate"]
        own = f"{run.own_ms['p50']:.2f} ms, {run.own_ms['p99']:.2f} ms" if run.own_ms else "–"
        rows = (
            ("CPU per submit", f"{run.cpu_us:.2f} µs; {run.life_cpu_us:.2f} µs with all checkpoints"),
            ("submits per second", f"{run.per_s:,.0f}, with {run.busy:.0%} of a core"),
            ("submit to answer, p50, p99, p99.9", ", ".join(f"{run.whole_ms[name]:.2f} ms" for name in run.whole_ms)),
            ("within the gate, p50, p99", own),
            ("refused", f"{sum(run.refused.values()) / max(run.messages, 1):.1%}"),
            ("memory", f"{run.memory_mib:,.0f} MiB"),
            ("start until ready", f"{self.start_s:.2f} s"),
            ("a sync of the disk, median, worst", f"{self.sync_ms['median']:.3f} ms, {self.sync_ms['worst']:.3f} ms"),
        )
        return [f"{name:36}{value}" for name, value in rows]


def measure_gate(options: BenchOptions, progress: Callable[[str], None] = lambda text: None) -> BenchResult:
    """Starts the load generator and a gate, measures the gate, ends both; at a rate beside a bare relay. Raises BenchFailed."""
    if options.rate:
        return measure_at_rate(options, progress)
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as temporary:
        folder = Path(temporary)
        facts = _facts(options, folder)
        pem = certificate(folder) if options.tls else None
        progress("the load is made")
        with load_process(options, pem) as load:
            progress("the gate")
            with measured_gate(options, folder, load.carrier, pem) as measured:
                run = load.run(run_request(measured))
    runs = {"gate": replace(run, life_cpu_us=life_cpu_us(measured, run.all_messages))}
    return BenchResult(rules=measured.rules, start_s=measured.start_s, runs=runs, **facts)


def _facts(options: BenchOptions, folder: Path) -> dict[str, Any]:
    """What a result says beside figures of the gate: when, where and how it was measured."""
    conditions = gate.conditions()
    return conditions | {"command": options.command, "options": asdict(options), "sync_ms": measure.sync_ms(folder)}


@dataclass(frozen=True, slots=True)
class RateResult(BenchResult):
    """``runs``: relay and gate at one rate, in turns; the median of each figure."""

    ratios: list[float]  # CPU per submit of the gate against that of the relay, in each turn

    def _figures(self) -> list[str]:
        both = [self.runs[name] for name in ("relay", "gate")]
        rows: list[tuple[str, list[str]]] = [
            ("", [run.name for run in both]),
            ("CPU per submit", [f"{run.cpu_us:.2f} µs" for run in both]),
            ("share of a core", [f"{run.busy:.1%}" for run in both]),
            ("submits per second", [f"{run.per_s:,.0f}" for run in both]),
            *((f"submit to answer, {name}", [f"{run.whole_ms[name]:.2f} ms" for run in both]) for name in ("p50", "p99")),
            ("within the gate, p50, p99", ["–", f"{both[1].own_ms.get('p50', 0):.2f}, {both[1].own_ms.get('p99', 0):.2f} ms"]),
            ("waits of the loop per second", [f"{run.waits_per_s:,.0f}" for run in both]),
            ("reads and writes per submit", [f"{run.calls:.2f}" for run in both]),
            ("submits sent late by, p50, p99", [f"{run.late_ms['p50']:.2f}, {run.late_ms['p99']:.2f} ms" for run in both]),
        ]
        middle = statistics.median(self.ratios)
        between = f"{middle:.2f}× the relay's ({min(self.ratios):.2f} to {max(self.ratios):.2f} in {len(self.ratios)} turns)"
        return [*(f"{name:36}{a:>16}{b:>16}" for name, (a, b) in rows), "", f"{'CPU per submit of the gate':36}{between}"]


def measure_at_rate(options: BenchOptions, progress: Callable[[str], None]) -> RateResult:
    """Measures a bare relay and a gate at one rate."""
    turn = replace(options, seconds=options.seconds / TURNS, warmup_s=min(options.warmup_s, TURN_WARMUP_S))
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as temporary:
        facts = _facts(options, Path(temporary))
        progress("relay and gate in turns")
        runs, measured = measure_in_turns(turn, Path(temporary), TURNS)
    middle = {name: median(turns) for name, turns in runs.items()}
    return RateResult(rules=measured.rules, start_s=measured.start_s, runs=middle, ratios=cpu_ratios(runs), **facts)


def measure_in_turns(options: BenchOptions, folder: Path, turns: int) -> tuple[dict[str, list[RunFigures]], MeasuredGate]:
    """Relay, gate, relay, gate …, both alive all the time: the figures of each turn, and the gate, which has ended."""
    runs: dict[str, list[RunFigures]] = {"relay": [], "gate": []}
    pem = certificate(folder) if options.tls else None
    with (
        load_process(options, pem) as load,
        relay_process(load.carrier, pem) as (port, pid),
        measured_gate(options, folder, load.carrier, pem) as measured,
    ):
        for _ in range(turns):
            runs["relay"].append(load.run(RunRequest("relay", port, pid)))
            runs["gate"].append(load.run(run_request(measured)))
    return runs, measured


def cpu_ratios(runs: Mapping[str, Sequence[RunFigures]]) -> list[float]:
    """CPU per submit of the gate against that of the relay, of each turn."""
    return [
        round(of_gate.cpu_us / max(of_relay.cpu_us, 0.01), 3)
        for of_relay, of_gate in zip(runs["relay"], runs["gate"], strict=True)
    ]


def run_request(measured: MeasuredGate, rate: float | None = None, name: str = "gate") -> RunRequest:
    return RunRequest(name, measured.gate.smpp, measured.gate.pid, measured.metrics, rate, measured.store_pid)


def life_cpu_us(measured: MeasuredGate, messages: int) -> float:
    """CPU µs per message from ready to the end, for a gate that has ended."""
    return round(measured.life_cpu_s / max(1, messages) * 1e6, 2)


def describe_load(options: Mapping[str, Any], rules: int) -> str:
    """The load and the gate's set-up in one line. ``options`` as in JSON, perhaps of an earlier version."""
    load = (
        f"{options['binds']} binds × window {options['window']}, {options['mix']} texts, {options['recipients']:,} recipients"
    )
    more = [f"{rules} rules", f"{options['seconds']:g} s each"]
    more += [f"{options['rate']:g} messages/s"] if options["rate"] else []
    more += [f"{options[key]:g} % {key}" for key in ("refused", "long") if options.get(key) is not None]
    words = {"receipts": "receipts", "tls": "TLS", "sealed": "sealed"}
    more += [word for key, word in words.items() if options.get(key)]
    more += [f"{options['ports']:,} ports of each category"] if options.get("ports", 1) > 1 else []
    more += [f"{options['workers']} workers"] if options.get("workers", 1) > 1 else []
    store = options.get("store") or "embedded"
    more += [f"store {store.split('://')[0]}"] if store != "embedded" else []
    return ", ".join([load, *more])


def describe_machine(machine: Mapping[str, Any], versions: Mapping[str, str], sync_ms: Mapping[str, float]) -> str:
    clock = f" at {machine['mhz']:,} MHz" if machine.get("mhz") else ""
    virtual = " (a virtual machine)" if machine.get("virtual") else ""
    disk = f"{machine.get('disk') or 'disk'} sync {sync_ms['median']:.3f} ms (worst {sync_ms['worst']:.3f})"
    return (
        f"{machine['cpu']}{clock}, {machine['cores']} cores, {machine['memory_gib']} GiB{virtual}, {machine['system']}, "
        f"Python {versions['python']}, hot functions {versions['hot functions']}; {disk}; load {machine['load_before']} before"
    )


def remarks(runs: Mapping[str, RunFigures]) -> list[str]:
    """What a reader must know of single figures."""
    found = []
    if limited := [run.name for run in runs.values() if run.limited_by == "driver"]:
        found.append(f"* the load generator was at its end, not what is measured: {', '.join(limited)}")
    if busy := {run.name: run.others_busy for run in runs.values() if run.others_busy >= BUSY_ELSEWHERE}:
        cores = ", ".join(f"{name} {used:.2f}" for name, used in busy.items())
        found.append(f"this machine did other work meanwhile, cores: {cores}")
    for run in runs.values():
        if run.store_cpu_us:
            found.append(f"{run.name}: {run.store_cpu_us:.2f} CPU µs/msg in the shared store's server")
        if run.receipts and run.cpu_us and run.own_ms:
            found.append(f"{run.name}: {run.receipts:,} receipts")
        if run.lost:
            found.append(f"{run.name}: {run.lost} submits were never answered")
    return ["", *found] if found else []
