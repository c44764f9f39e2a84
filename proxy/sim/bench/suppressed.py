"""Suppressed: numbers nobody may write to, a hundred million of them: how long a look-up takes, a start with them, a change beside traffic.

In: how many. Out: figures, in one dictionary. Never: anybody's real list; a store that is left behind.

    python -m proxy.sim.bench.suppressed '{"state": "/tmp/x/state.db", "journal": "/tmp/x/journal", "numbers": 100000000}'

fills the store, as a process of its own, and prints what a look-up took there. Numbers stand on four lists, a quarter on each, of every kind
of scope that is common; who is listed and who is not is drawn evenly over 130 … 199.
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
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from proxy.journal.disk import OsDisk
from proxy.sim import gate, measure
from proxy.sim.bench.driver import Driver, driver
from proxy.sim.bench.house import House, house
from proxy.sim.bench.known import FIRST, LAST
from proxy.sim.bench.options import BenchFailed, Options
from proxy.sim.bench.rounds import folder_of
from proxy.sim.drive import Order
from proxy.sim.gate import CODE
from proxy.state.lists.listed import CHUNK_BITS, LOW_MASK, ListKey
from proxy.state.stores.sqlite import SqliteStore

NUMBERS = 100_000_000
KEYS = (
    ListKey("all", "", "complaint", 0),
    ListKey("provider", "p1", "import", 0),
    ListKey("category", "marketing", "hotline", 0),
    ListKey("advertiser", "青禾贸易有限公司", "import", 0),
)
LOOKS = 200_000
RATE = 1000.0
ADDED = 100_000
"""How many numbers are put on a list while it runs."""
WAIT_S, WAIT_EACH_S = 120.0, 5e-6
"""So long that may take, and for each of them."""
PIECE = 1_000_000
BEFORE_S = 0.5
"""From the first submits to that."""


def measured(
    numbers: int, seconds: float, tell: Callable[[str], None] = lambda text: None, added: int = ADDED
) -> dict[str, Any]:
    """All figures, of a gate on a store of its own. ``added``: so many are put on a list while it runs. Raises BenchFailed."""
    options = Options(mix="standard", seconds=seconds, rate=RATE, recipients=100_000, baselines=False, warmup_s=1.0)
    facts = measure.machine()
    with folder_of(options) as folder:
        tell(f"{numbers:,} numbers are put on lists")
        filled = _filled(folder, numbers)
        tell("a gate starts with them")
        with driver(options) as beside, house(options, folder, beside.carrier) as one:
            memory = round(measure.memory_bytes(one.gate.pid) / 1024**2)
            tell(f"{added:,} more are put on a list while it runs")
            changed = _changed(folder, beside, one, added)
            found = {**filled, "numbers": numbers, "added": added, "start_s": one.start_s, "memory_mib": memory, **changed}
    command = f"gate106 bench --suppressed {numbers} --seconds {seconds:g}" + (f" --more {added}" if added != ADDED else "")
    return {
        "kind": "suppressed",
        "command": command,
        "machine": facts,
        "versions": measure.versions(),
        "commit": measure.commit(CODE),
    } | found


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


def _filled(folder: Path, numbers: int) -> dict[str, Any]:
    asked = {"state": str(folder / "state.db"), "journal": str(folder / "journal"), "numbers": numbers}
    made = subprocess.run(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-m", __name__, json.dumps(asked)], env=gate.environment(), capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise BenchFailed(f"the lists could not be made: {made.stderr.strip().splitlines()[-1:]}")
    return dict(json.loads(made.stdout))


def _changed(folder: Path, beside: Driver, one: House, added: int) -> dict[str, Any]:
    """A list comes in, beside traffic."""
    rows = folder / "more.csv"
    last = _write_spread(rows, added)
    command = [
        sys.executable,
        "-m",
        "proxy",
        "suppress",
        "import",
        str(rows),
        "--config",
        str(folder / "gate106.yaml"),
        "--why",
        "bench",
    ]
    said: dict[str, Any] = {}
    wait_s = WAIT_S + added * WAIT_EACH_S

    def take() -> None:
        time.sleep(BEFORE_S)
        began = time.monotonic()
        with subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command, env=gate.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as taking:
            os.sched_setaffinity(
                taking.pid, measure.apart(os.sched_getaffinity(0))[1]
            )  # beside the gate's core, as the generator
            _, problem = taking.communicate(timeout=wait_s)
        said["import_s"] = round(time.monotonic() - began, 2)
        said["problem"] = problem.strip().splitlines()[-1:] if taking.returncode else []

    taking = threading.Thread(target=take)
    taking.start()
    run = beside.order(Order("gate", one.gate.smpp, one.gate.pid, one.metrics))
    taking.join(wait_s)
    if said.get("problem", ["it did not end"]):
        raise BenchFailed(f"the list was not taken in: {said.get('problem')}")
    shown = subprocess.run(  # noqa: S603  # likewise
        [sys.executable, "-m", "proxy", "suppress", "show", "--to", str(last), "--config", str(folder / "gate106.yaml"), "--json"],
        env=gate.environment(), capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip
    if "import" not in shown.stdout:
        raise BenchFailed(f"a number that was taken in is not on any list: {shown.stderr.strip()}")
    return {"import_s": said["import_s"], "slowest_ms": run.slowest_ms, "rate": run.per_s, "lost": run.lost}


def _write_spread(file: Path, count: int) -> int:
    """Different numbers, evenly over 130 … 199 but for those of machines, one a line; the last of them."""
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
    """Makes the store; what a look-up took in it."""
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
    """Evenly over all chunks and lists; some of them, to be looked for."""
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
    """CPU µs of a look-up; what the loop itself takes is not in it."""
    began = time.process_time()
    for _ in numbers:
        pass
    empty = time.process_time() - began
    refusals = store.listed.refusals
    began = time.process_time()
    for number in numbers:
        refusals(number)
    return (time.process_time() - began - empty) / len(numbers) * 1e6


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(fill(Path(asked["state"]), Path(asked["journal"]), asked["numbers"])))
