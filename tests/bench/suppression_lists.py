"""Measures suppression lists of a hundred million numbers: look-ups, a start, an import beside traffic.

In: how many numbers. Out: figures, in one dictionary. Never: a real list; a store that stays behind.

    python -m tests.bench.suppression_lists '{"state": "/tmp/x/state.db", "journal": "/tmp/x/journal", "numbers": 100000000}'

fills the store in a process of its own, and prints the time of a look-up there. A quarter of the numbers is on each of four lists, of every common kind
of scope; listed and other numbers are drawn evenly over 130 … 199.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from proxy.journal.disk import OsDisk
from proxy.sim import gate_process, measure
from proxy.sim.bench.gate_process import MeasuredGate
from proxy.sim.bench.load_process import LoadProcess, load_process
from proxy.sim.bench.measurement import run_request
from proxy.sim.bench.options import BenchFailed
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK, ListKey
from proxy.state.stores.sqlite import SqliteStore
from tests.bench.filled_store import FIRST, LAST, run_module
from tests.bench.options import MeasuringOptions
from tests.bench.processes import pin_to_cores, prepared_gate
from tests.bench.rounds import Progress, folder_of

NUMBERS = 100_000_000
KEYS = (
    ListKey("all", "", "complaint", 0),
    ListKey("provider", "p1", "import", 0),
    ListKey("category", "marketing", "hotline", 0),
    ListKey("advertiser", "青禾贸易有限公司", "import", 0),
)
LOOKS = 200_000
RATE = 1000.0
ADDED = 100_000  # numbers that are imported while the gate runs
WAIT_S, WAIT_EACH_S = 120.0, 5e-6  # bound of the import, and for each number
PIECE = 1_000_000
BEFORE_S = 0.5  # from the first submits to the import


def measured(numbers: int, seconds: float, progress: Progress = lambda text: None, added: int = ADDED) -> dict[str, Any]:
    """All figures of a gate with such lists. ``added``: numbers that are imported while it runs. Raises BenchFailed."""
    options = MeasuringOptions(mix="standard", seconds=seconds, rate=RATE, recipients=100_000, baselines=False, warmup_s=1.0)
    facts = gate_process.conditions()
    with folder_of(options) as folder:
        progress(f"{numbers:,} numbers are put on lists")
        asked = {"state": str(folder / "state.db"), "journal": str(folder / "journal"), "numbers": numbers}
        filled = json.loads(run_module("tests.bench.suppression_lists", asked, "the lists could not be made"))
        progress("a gate starts with them")
        with load_process(options) as load, prepared_gate(options, folder, load.carrier) as measured_gate:
            memory = round(measure.memory_bytes(measured_gate.gate.pid) / 1024**2)
            progress(f"{added:,} more are put on a list while it runs")
            changed = _changed(folder, load, measured_gate, added)
    more = f" --more {added}" if added != ADDED else ""
    command = f"python -m tests.bench suppressed {numbers} --seconds {seconds:g}{more}"
    found = {"numbers": numbers, "added": added, "start_s": measured_gate.start_s, "memory_mib": memory}
    return {"kind": "suppressed", "command": command, **facts, **filled, **found, **changed}


def as_text(told: Mapping[str, Any]) -> list[str]:
    return [
        f"{told['numbers']:,} numbers on {len(KEYS)} lists, {told['state_mb']:,} MB on disk, {told['memory_mib']:,} MiB with the gate's own",
        f"look-up {told['lookup_us']:.2f} µs of one who is listed, {told['lookup_other_us']:.2f} µs of one who is not",
        f"from the checkpoint in {told['load_s']:.1f} s ({told['load_cpu_s']:.1f} s of CPU), the gate ready after {told['start_s']:.1f} s",
        (
            f"{told['added']:,} more beside {RATE:,.0f} submits a second in {told['import_s']:.1f} s; "
            f"the slowest answer meanwhile {told['slowest_ms']:.1f} ms"
        ),
        told["command"],
    ]


def _changed(folder: Path, load: LoadProcess, measured_gate: MeasuredGate, added: int) -> dict[str, Any]:
    """Imports a list beside traffic."""
    rows = folder / "more.csv"
    last = _write_spread(rows, added)
    settings = str(folder / "gate106.yaml")
    listed = ["--source", "import", "--for", "good", "--why", "bench"]
    command = [sys.executable, "-m", "proxy", "suppress", "import", str(rows), "--config", settings, *listed]
    done: dict[str, Any] = {}
    wait_s = WAIT_S + added * WAIT_EACH_S

    def take() -> None:
        time.sleep(BEFORE_S)
        began = time.monotonic()
        with subprocess.Popen(  # our own interpreter and module
            command, env=gate_process.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as taking:
            pin_to_cores(taking.pid, measure.split_cores(os.sched_getaffinity(0))[1])  # as the generator
            _, problem = taking.communicate(timeout=wait_s)
        done["import_s"] = round(time.monotonic() - began, 2)
        done["problem"] = problem.strip().splitlines()[-1:] if taking.returncode else []

    taking = threading.Thread(target=take)
    taking.start()
    run = load.run(run_request(measured_gate))
    taking.join(wait_s)
    if done.get("problem", ["it did not end"]):
        raise BenchFailed(f"the list was not taken in: {done.get('problem')}")
    shown = subprocess.run(  # likewise
        [sys.executable, "-m", "proxy", "suppress", "show", "--to", str(last), "--config", settings, "--json"],
        env=gate_process.environment(), capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip
    if "import" not in shown.stdout:
        raise BenchFailed(f"a number that was taken in is not on any list: {shown.stderr.strip()}")
    return {"import_s": done["import_s"], "slowest_ms": run.slowest_ms, "rate": run.per_s, "lost": run.lost}


def _write_spread(file: Path, count: int) -> int:
    """Writes different numbers, evenly over 130 … 199 without those of machines, one a line; returns the last."""
    step, skipped = (LAST - FIRST) // (count + 2 * count // 1000 + 1), range(14_400_000_000, 14_401_000_000)
    numbers = (number for number in range(FIRST, LAST, max(1, step)) if number not in skipped)
    last = 0
    with file.open("w", encoding="ascii") as out:
        left = count
        while piece := list(islice(numbers, min(PIECE, left))):
            out.write("\n".join(map(str, piece)) + "\n")
            left -= len(piece)
            last = piece[-1]
    return last


# -- in a process of its own


def fill(state: Path, journal: Path, numbers: int) -> dict[str, Any]:
    """Fills the store; the time of a look-up in it."""
    began = time.monotonic()
    store = SqliteStore(state)
    journal.mkdir(exist_ok=True)
    store.belongs_to(OsDisk(journal))
    some = _put_on_lists(store, numbers)
    store.checkpoint_now(counted=0, open_from=0, highest_id=1 << 20)
    store.close()
    filled_s = time.monotonic() - began
    began, cpu = time.monotonic(), time.process_time()
    again = SqliteStore(state)
    load_s, load_cpu_s = time.monotonic() - began, time.process_time() - cpu
    rng = random.Random(3)
    listed, others = rng.choices(some, k=LOOKS), [rng.randint(FIRST, LAST) for _ in range(LOOKS)]
    found = {"lookup_us": _look(again, listed), "lookup_other_us": _look(again, others)}
    again.close()
    told = {"filled_s": filled_s, "load_s": load_s, "load_cpu_s": load_cpu_s, "state_mb": state.stat().st_size / 1e6}
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {name: round(value, 4) for name, value in (found | told | {"peak_mib": peak_mib}).items()}


def _put_on_lists(store: SqliteStore, numbers: int) -> list[int]:
    """Puts numbers on lists, evenly over all chunks and lists; returns some of them, to look up."""
    places = range(FIRST >> CHUNK_BITS, (LAST >> CHUNK_BITS) + 1)
    rng, now, some = random.Random(106), int(time.time()), list[int]()
    each = numbers / len(places) / len(KEYS)
    owed = 0.0
    for place in places:
        for key in KEYS:
            owed += each
            count = int(owed)
            owed -= count
            if not count:
                continue
            drawn = array("I", rng.randbytes(4 * count))
            lows = BitMap([one & LOW_MASK for one in drawn])
            store.listed.add(key, now, place, lows)
            if len(some) < LOOKS:
                some += [place << CHUNK_BITS | low for low in list(lows)[:8]]
    return some


def _look(store: SqliteStore, numbers: list[int]) -> float:
    """CPU µs of a look-up, without the loop itself."""
    began = time.process_time()
    for _ in numbers:
        pass
    empty = time.process_time() - began
    refusals = store.listed.refusals
    began = time.process_time()
    for number in numbers:
        refusals(number)
    return (time.process_time() - began - empty) / len(numbers) * 1e6


def main() -> None:
    asked = json.loads(sys.argv[1])
    print(json.dumps(fill(Path(asked["state"]), Path(asked["journal"]), asked["numbers"])))


if __name__ == "__main__":
    main()
