"""Measures this tree's gate against that of another tree: CPU per submit, both alive, in turns, started anew several times.

In: the other tree (a checkout, compiled: ``make install`` there, or what it had for that), options. Out: one ratio a restart, each the median
of its turns. Never: a ratio of two figures that were not measured one right after the other.

Both have the rules that the other tree ships: an earlier version refuses columns and words that it does not know. Each process gets other pages of memory, and keeps what that costs for its life: so restarts, not turns, tell how far a ratio can be trusted.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proxy.sim import gate_process, measure
from proxy.sim.bench.gate_process import measured_gate
from proxy.sim.bench.load_process import LoadProcess, load_process
from proxy.sim.bench.measurement import describe_load, describe_machine, run_request
from proxy.sim.bench.options import BenchFailed
from tests.bench.options import MeasuringOptions

WARMUP_S = 0.2  # of each turn
WARM_UP = 2
"""Turns of each gate before the first that counts: texts and senders are known by then."""


def measured(
    options: MeasuringOptions, other: Path, restarts: int, turns: int, progress: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Raises BenchFailed."""
    for part in ("proxy/__main__.py", "rules"):
        if not (other / part).exists():
            raise BenchFailed(f"{other}: no checkout of gate106 (it has no {part})")
    facts = gate_process.conditions()
    trees = {"other": other.absolute(), "this": gate_process.CODE}
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as folder:
        sync_ms = measure.sync_ms(Path(folder))
    rows = []
    with load_process(options) as load:
        for restart in range(restarts):
            progress(f"restart {restart + 1} of {restarts}")
            names = list(trees)[:: -1 if restart % 2 else 1]  # neither is always the first to start
            rows.append(_restart(options, load, {name: trees[name] for name in names}, turns))
    ratios = [row["ratio"] for row in rows]
    command = f"python -m tests.bench against {other} {' '.join(options.words())} --restarts {restarts} --turns {turns}"
    found = {"ratio": round(statistics.median(ratios), 3), "between": [min(ratios), max(ratios)], "restarts": rows}
    return {"kind": "against", "command": command, "options": asdict(options), "sync_ms": sync_ms} | found | facts


def _restart(options: MeasuringOptions, load: LoadProcess, trees: Mapping[str, Path], turns: int) -> dict[str, Any]:
    used: dict[str, list[float]] = {name: [] for name in trees}
    with ExitStack() as alive:
        gates = {}
        for name, code in trees.items():
            folder = alive.enter_context(tempfile.TemporaryDirectory(prefix="gate106-bench-"))
            gates[name] = alive.enter_context(
                measured_gate(options, Path(folder), load.carrier, code=code, rules_of=trees["other"])
            )
        for turn in range(-WARM_UP, turns):
            for name in list(trees)[:: -1 if turn % 2 else 1]:
                run = load.run(run_request(gates[name], name=name))
                if turn >= 0:
                    used[name].append(run.cpu_us)
    ratios = [this / max(other, 0.01) for this, other in zip(used["this"], used["other"], strict=True)]
    return {"ratio": round(statistics.median(ratios), 3)} | {name: round(statistics.median(used[name]), 2) for name in used}


def as_text(found: Mapping[str, Any]) -> list[str]:
    rows = [
        f"restart {number:3}: other {row['other']:8.2f} µs, this {row['this']:8.2f} µs, ratio {row['ratio']:.3f}"
        for number, row in enumerate(found["restarts"], 1)
    ]
    least, most = found["between"]
    load = describe_load(found["options"], 0).replace("0 rules", "the rules that the other ships")
    machine = describe_machine(found["machine"], found["versions"], found["sync_ms"])
    return [
        load,
        machine,
        "",
        *rows,
        "",
        f"CPU per submit: {found['ratio']:.3f}× the other's ({least:.3f} to {most:.3f})",
        found["command"],
    ]
