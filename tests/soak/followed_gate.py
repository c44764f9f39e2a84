"""What a follower costs a gate: processor time a submit and latency, by mode and round trip, all gates alive, in turns.

In: submits a second. Out: JSON on standard output: ``python -m tests.soak.followed_gate > tests/data/numbers/followed-gate.json``. Never: a
network: a proxy delays half a round trip each way; a machine that does other work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.runtime.build_info import build_info
from proxy.sim.bench.gate_process import MeasuredGate, measured_gate
from proxy.sim.bench.load_process import load_process
from proxy.sim.bench.measurement import run_request
from proxy.sim.bench.options import BenchOptions
from proxy.sim.bench.run_figures import RunFigures
from tests.bench.transports import relay
from tests.e2e.following import FollowerProcess, followed_by

GATES: dict[str, tuple[str, float]] = {
    "none": ("", 0.0), "async, 0.2 ms": ("async", 0.2), "async, 2 ms": ("async", 2.0), "sync, 0.2 ms": ("sync", 0.2), "sync, 2 ms": ("sync", 2.0),
}  # fmt: skip
"""Of each gate: its mode, the round trip to its follower in ms."""


@contextlib.contextmanager
def gate(name: str, options: BenchOptions, folder: Path, carrier: int) -> Iterator[MeasuredGate]:
    mode, round_trip_ms = GATES[name]
    with contextlib.ExitStack() as stack:

        def follow() -> None:
            follower = FollowerProcess(folder / "copy").start()
            stack.callback(follower.kill)
            near = socket.create_server(("127.0.0.1", 0))
            delayed = multiprocessing.get_context("fork").Process(
                target=relay, args=(near, follower.port, round_trip_ms / 2000), daemon=True
            )
            delayed.start()
            stack.callback(delayed.kill)
            path = folder / "gate106.yaml"
            more = {"mode": "async"} if mode == "async" else {"mode": "sync", "when_away": "defer"}
            settings = json.loads(path.read_text()) | {"follower": followed_by(near.getsockname()[1], **more)}
            path.write_text(json.dumps(settings))

        folder.mkdir()
        yield stack.enter_context(measured_gate(options, folder, carrier, fill_store=follow if mode else lambda: None))


def figures(turns: list[RunFigures]) -> dict[str, Any]:
    middle = {
        "cpu_us": statistics.median(one.cpu_us for one in turns),
        "own_p50_ms": statistics.median(one.own_ms["p50"] for one in turns),
        "own_p99_ms": statistics.median(one.own_ms["p99"] for one in turns),
    }
    return {name: round(value, 2) for name, value in middle.items()}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rate", type=float, default=2000)
    asked.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    asked.add_argument("--turns", type=int, default=5)
    given = asked.parse_args()
    options = BenchOptions(rate=given.rate, seconds=given.seconds, warmup_s=1.0)
    load_before, runs = os.getloadavg()[0], {name: list[RunFigures]() for name in GATES}
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        load = stack.enter_context(load_process(options))
        gates = {
            name: stack.enter_context(gate(name, options, Path(temporary) / str(number), load.carrier))
            for number, name in enumerate(GATES)
        }
        for _ in range(given.turns):
            for name, measured in gates.items():
                runs[name].append(load.run(run_request(measured)))
                print(name, runs[name][-1].cpu_us, runs[name][-1].own_ms, file=sys.stderr)
    command = f"python -m tests.soak.followed_gate --rate {given.rate:g} --seconds {given.seconds:g} --turns {given.turns}"
    said = {"command": command, "commit": build_info().commit, "cores": os.cpu_count(), "load_before": load_before}
    print(json.dumps(said | {"gates": {name: figures(turns) for name, turns in runs.items()}}, indent=2))


if __name__ == "__main__":
    main()
