"""What whole gates on a cluster cost: CPU of gates and of Valkey a submit, and latency, by workers and primaries.

In: rows WORKERS:RATE (a rate of 0: as many as they take, in a closed loop), numbers of primaries. Out: JSON on standard output, from which
tests/bench/peak.py estimates a peak: ``python -m tests.soak.shared_gate > tests/data/numbers/shared-gate.json``. Never: a network; a
machine that does other work.

The servers share the cores of senders and carrier, not the gate's, as far as there are others (two cores: with one worker).

A virtual machine may be 1.5 times slower than it was an hour before. So three runs of different hours are published, each figure the median:
``python -m tests.soak.shared_gate --medians ONE TWO THREE``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.runtime.build_info import build_info
from proxy.sim import measure
from tests.bench.processes import pin_to_cores
from tests.soak.shared import cpu_s
from tests.valkey import Cluster

ROWS = ("1:0", "1:5000", "1:16000", "1:33000", "2:16000", "3:18000", "4:8000", "4:16000")
TURNS = 5  # of relay and gate in a bench
BENCH = (sys.executable, "-m", "proxy", "bench", "--mix", "standard", "--window", "200", "--json")


def bench(store: str, workers: int, rate: int, seconds: float, binds: int) -> dict[str, Any]:
    asked = {"store": store, "workers": workers, "seconds": seconds, "binds": binds} | ({"rate": rate} if rate else {})
    words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([*BENCH, *words], capture_output=True, text=True, timeout=20 * seconds + 120, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)["runs"]["gate"]
    return found


def row(cluster: Cluster, primaries: int, workers: int, rate: int, seconds: float, binds: int) -> dict[str, Any]:
    cores = measure.split_cores(os.sched_getaffinity(0), workers)[1]
    for node in cluster.nodes:
        node.cli("flushall")
        assert node.process is not None
        pin_to_cores(node.process.pid, cores)
    before = cpu_s(cluster)
    gate = bench(cluster.url, workers, rate, seconds, binds)
    valkey_us = (cpu_s(cluster) - before) / ((TURNS if rate else 1) * gate["all_messages"]) * 1e6
    return {
        "primaries": primaries, "workers": workers, "rate": rate, "per_s": gate["per_s"], "gate_us": gate["cpu_us"],
        "valkey_us": round(valkey_us, 2), "all_us": round(gate["cpu_us"] + valkey_us, 2), "busy": gate["busy"], "own_ms": gate["own_ms"],
        "waits_per_s": gate["waits_per_s"], "calls": gate["calls"], "others_busy": gate["others_busy"],
    }  # fmt: skip


def medians(runs: Sequence[Any]) -> Any:
    """Of each figure in the files of several runs; of what is no number, that of the last run."""
    if isinstance(runs[0], dict):
        return {key: medians([run[key] for run in runs]) for key in runs[0]}
    return statistics.median(runs) if isinstance(runs[0], int | float) else runs[-1]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("rows", nargs="*", default=ROWS, help="WORKERS:RATE, submits a second over all workers")
    asked.add_argument("--primaries", type=int, nargs="*", default=[3, 10])
    asked.add_argument("--seconds", type=float, default=15.0)
    asked.add_argument("--binds", type=int, default=8)
    asked.add_argument("--medians", type=Path, nargs="+", metavar="FILE", help="measures nothing: the medians of these runs")
    given = asked.parse_args()
    if given.medians:
        runs = [json.loads(file.read_text()) for file in given.medians]
        of = [{"commit": run["commit"], "load_before": run["load_before"]} for run in runs]
        print(json.dumps({**medians(runs), "medians_of": of}, indent=2))
        return
    rows: dict[str, dict[str, Any]] = {}  # by PRIMARIES:WORKERS:RATE
    load = os.getloadavg()[0]
    for primaries in given.primaries:
        with tempfile.TemporaryDirectory() as folder:
            cluster = Cluster(Path(folder), primaries, replicas=0)
            try:
                for each in given.rows:
                    workers, rate = map(int, each.split(":"))
                    rows[f"{primaries}:{each}"] = found = row(cluster, primaries, workers, rate, given.seconds, given.binds)
                    print(found, file=sys.stderr)
            finally:
                cluster.kill()
    command = f"python -m tests.soak.shared_gate --seconds {given.seconds:g} --binds {given.binds}"
    said = {
        "command": command,
        "commit": build_info().commit,
        "cores": os.cpu_count(),
        "load_before": load,
        "binds": given.binds,
    }
    print(json.dumps(said | {"rows": rows}, indent=2))


if __name__ == "__main__":
    main()
