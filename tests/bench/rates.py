"""Measures the gate beside a bare relay from few submits a second to the limit.

In: options, of which each rate uses all others. Out: one row a rate, as a table and as JSON. Never: a rate that the load generator could not
keep: that row says so.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from proxy.sim import gate_process, measure
from proxy.sim.bench.measurement import cpu_ratios, describe_load, describe_machine, measure_in_turns
from proxy.sim.bench.options import BenchFailed, BenchOptions
from proxy.sim.bench.run_figures import median

RATES = (100, 300, 1_000, 3_000, 5_000, 10_000, 20_000, 40_000)
LIMIT = 0
"""In place of a rate: as fast as answers come."""
WARMUP_S = 1.0  # of each turn
ENOUGH = 0.95  # of a rate: a row with fewer answers is not one of that rate
LATE_MS = 1.0
"""From this 99th percentile of the load generator's own lateness on a row is marked: its latencies are partly the generator's."""
HEADINGS = (
    "submits a second",
    "CPU µs a submit: relay, gate",
    "ratio",
    "of a core",
    "p50 ms: relay, gate",
    "p99 ms: relay, gate",
    "own p99 ms",
    "waits of the loop a second: relay, gate",
    "reads and writes a submit: relay, gate",
)


def measured(options: BenchOptions, turns: int, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All rates, each with its own relay and gate in turns. Raises BenchFailed."""
    facts = gate_process.conditions()
    rows = []
    for rate in (*RATES, LIMIT):
        progress(f"{rate:,} a second" if rate else "as fast as answers come")
        try:
            rows.append(_row(replace(options, rate=float(rate), warmup_s=WARMUP_S), turns))
        except BenchFailed as failed:
            rows.append({"rate": rate, "problem": str(failed)})
    with tempfile.TemporaryDirectory() as folder:
        sync_ms = measure.sync_ms(Path(folder))
    command = f"python -m tests.bench rates --seconds {options.seconds:g} --turns {turns}"
    return {"kind": "rates", "command": command, "options": asdict(options), "sync_ms": sync_ms, "rows": rows} | facts


def _row(options: BenchOptions, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as folder:
        runs, _ = measure_in_turns(options, Path(folder), turns)
    ratios = cpu_ratios(runs)
    middle = {name: median(one) for name, one in runs.items()}
    for name, run in middle.items():
        if run.per_s < ENOUGH * options.rate:
            raise BenchFailed(f"the {name} answered {run.per_s:,.0f} a second")
    row = {"rate": round(options.rate), "ratio": round(statistics.median(ratios), 3)}
    return (
        row | {"between": [round(min(ratios), 3), round(max(ratios), 3)]} | {name: asdict(run) for name, run in middle.items()}
    )


def as_rows(found: Mapping[str, Any]) -> list[str]:
    """A table in Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for row in found["rows"]:
        if "problem" in row:
            lines.append(f"| {row['rate']:,} | not measured: {row['problem']} |" + " |" * (len(HEADINGS) - 2))
            continue
        relay, gate = row["relay"], row["gate"]
        rate = f"{row['rate']:,}" if row["rate"] else f"the limit: {relay['per_s']:,.0f}, {gate['per_s']:,.0f}"
        late = max(one["late_ms"].get("p99", 0.0) for one in (relay, gate))
        mark = f" (sent up to {late:.1f} late)" if late >= LATE_MS else ""
        lines.append(
            f"| {rate} | {relay['cpu_us']:.1f}, {gate['cpu_us']:.1f} | {row['ratio']:.2f}× ({row['between'][0]:.2f} to {row['between'][1]:.2f})"
            f" | {gate['busy']:.1%} | {relay['whole_ms']['p50']:.2f}, {gate['whole_ms']['p50']:.2f}"
            f" | {relay['whole_ms']['p99']:.2f}, {gate['whole_ms']['p99']:.2f}{mark} | {gate['own_ms'].get('p99', 0.0):.2f}"
            f" | {relay['waits_per_s']:,.0f}, {gate['waits_per_s']:,.0f} | {relay['calls']:.2f}, {gate['calls']:.2f} |"
        )
    return lines


def as_text(found: Mapping[str, Any]) -> list[str]:
    described = describe_load(found["options"] | {"rate": 0}, 0).replace("0 rules", "the shipped rules")
    machine = describe_machine(found["machine"], found["versions"], found["sync_ms"])
    return [described, machine, "", *as_rows(found), "", found["command"]]
