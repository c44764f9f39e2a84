"""Campaign: many more simulated worlds and real crashes than the tests have time for, and a report of what they went through.

In: how many of each; a fifth as many worlds of a gate and its follower. Out: a table, the same as JSON, exit 1 where a world broke a promise, a crash point was never hit, or a kind of
trouble never came. Never: a failure that cannot be replayed: each stands there with its seed.

    python -m tests.campaign --seeds 10000 --crashes 150 --json tests/data/numbers/campaign.json        (make campaign)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from proxy.sim import measure
from tests.archive.stream.mock_cluster import MockCluster
from tests.crash import choosing, sender_that_dies
from tests.crash.points import POINTS
from tests.crash.reconcile import judged_again as journal_judged_again
from tests.crash.reconcile import reconcile, summary
from tests.crash.streaming import dies_and_goes_on
from tests.crash.world import World as CrashWorld
from tests.simulation.following import live
from tests.simulation.seen import seen
from tests.simulation.test_backtest import judged_again
from tests.simulation.test_following import EVENTS
from tests.simulation.world import World

BLOCK = 50
"""Seeds that one process runs between two words of progress."""
CRASHES_AT_ONCE = 2
"""Each spends most of its time starting processes."""
STREAM = sender_that_dies.POINTS
"""Where the process of the event stream dies: in a world without a gate."""
FOLLOWED = 1 / 5
TROUBLE = (
    "killed",
    "power lost",
    "machine lost, restored from its follower",
    "clock forward",
    "clock back",
    "clock as NTP corrects it",
)
NTP_S = 2.0
FAULT_MAX = 300
"""Characters of what went wrong: its seed shows the rest."""


@dataclass
class Simulated:
    worlds: int = 0
    seconds: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


@dataclass
class Crashed:
    worlds: int = 0
    seconds: float = 0.0
    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*POINTS, *STREAM), 0))
    """How often something died at each point."""
    trouble: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TROUBLE, 0))
    events: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Crashed) -> None:
        for mine, theirs in ((self.hits, other.hits), (self.trouble, other.trouble)):
            for name, times in theirs.items():
                mine[name] += times
        self.events.update(other.events)

    @property
    def never(self) -> list[str]:
        """Points and troubles that the campaign did not come by."""
        return [name for counts in (self.hits, self.trouble) for name, times in counts.items() if not times]


def simulate_some(first: int, last: int) -> Simulated:
    """Worlds of these seeds, the last left out."""
    found, begun = Simulated(last - first), time.perf_counter()
    for seed in range(first, last):
        world = World(seed)
        try:
            world.run()
            if not world.slow_store:  # one that waits judges at one moment and writes at another
                heard, _ = judged_again(world)
                found.failed += [f"seed {seed}: judged again: {one}" for one in (heard.wrong + heard.inherited)[:1]]
        except Exception as error:  # noqa: BLE001 # whatever it is, the other seeds are still worth their time
            found.failed.append(
                f"seed {seed}: {repr(error)[:FAULT_MAX]} (GATE106_FIRST_SEED={seed} GATE106_SEEDS=1 pytest tests/simulation -k no_seed)"
            )
        found.events.update(seen(world))
    found.seconds = time.perf_counter() - begun
    return found


def follow_some(first: int, last: int) -> Simulated:
    """Worlds of a gate and its follower, the last left out."""
    found, begun = Simulated(last - first, events=Counter(dict.fromkeys(EVENTS, 0))), time.perf_counter()
    for seed in range(first, last):
        try:
            found.events.update(live(seed))
        except Exception as error:  # noqa: BLE001 # as above
            replay = f"GATE106_FIRST_SEED={seed} GATE106_FOLLOWING_SEEDS=1 pytest tests/simulation/test_following.py -k no_seed"
            found.failed.append(f"seed {seed}: {repr(error)[:FAULT_MAX]} ({replay})")
    found.seconds = time.perf_counter() - begun
    return found


def simulate(first: int, count: int, some: Callable[[int, int], Simulated] = simulate_some) -> Simulated:
    total, end = Simulated(), first + count
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        blocks = [pool.submit(some, start, min(start + BLOCK, end)) for start in range(first, end, BLOCK)]
        for block in as_completed(blocks):
            found = block.result()
            total.worlds += found.worlds
            total.seconds += found.seconds
            total.events.update(found.events)
            total.failed += found.failed
            _progress("simulated worlds", total.worlds, count, len(total.failed))
    return total


def crash_one(folder: Path, seed: int) -> Crashed:
    """In a process of its own: commands are run in it, which write to its standard output."""
    world, one = choosing.in_turn(folder, seed), Crashed()
    asyncio.run(world.run())
    reconcile(world)
    journal_judged_again(world)
    _count(one, world)
    return one


def stream_one(folder: Path, point: str, seed: int) -> Crashed:
    cluster, one = MockCluster(), Crashed()
    try:
        dies_and_goes_on(point, seed, folder, cluster)
    finally:
        cluster.kill()
    one.hits[point] += 1
    return one


def crash(first: int, count: int, folder: Path) -> Crashed:
    total, begun = Crashed(), time.perf_counter()
    with ProcessPoolExecutor(CRASHES_AT_ONCE) as pool:
        runs = {}
        for seed in range(first, first + count):
            (folder / str(seed)).mkdir()
            runs[pool.submit(crash_one, folder / str(seed), seed)] = seed
        for number, point in enumerate([*STREAM] * (-(-count // len(POINTS))), first + count):
            (folder / str(number)).mkdir()
            runs[pool.submit(stream_one, folder / str(number), point, number)] = number
        for run in as_completed(runs):
            seed = runs[run]
            total.worlds += 1
            try:
                total.add(run.result())
            except Exception as error:  # noqa: BLE001 # likewise
                total.failed.append(
                    f"seed {seed}: {repr(error)[:FAULT_MAX]} (python -m tests.campaign --seeds 0 --crashes 1 --first {seed})"
                )
            else:
                shutil.rmtree(folder / str(seed))
            _progress("crashes", total.worlds, len(runs), len(total.failed))
    total.seconds = time.perf_counter() - begun
    return total


def refusing_disks() -> list[str]:
    """The real gate on a disk that is full, turns read-only, or fails to sync; what failed."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "tests/crash/test_disk_full.py",
            "tests/crash/test_small_disks.py",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return found if done.returncode in (0, 1) else [done.stdout + done.stderr]


def _count(total: Crashed, world: CrashWorld) -> None:
    for chosen in world.deaths:
        total.hits[chosen.point] += 1
        lost = TROUBLE[2] if world.follower is not None else TROUBLE[1]
        total.trouble[lost if world.power else TROUBLE[0]] += 1
    for jump in world.jumps:
        kind = "as NTP corrects it" if abs(jump) < NTP_S else "forward" if jump > 0 else "back"
        total.trouble[f"clock {kind}"] += 1
    total.events.update(summary(world))


def _progress(what: str, done: int, count: int, failed: int) -> None:
    if sys.stderr.isatty() or done == count:
        print(
            f"\r{what}: {done:,} of {count:,}, {failed} failed", end="\n" if done == count else "", file=sys.stderr, flush=True
        )


def table(simulated: Simulated, followed: Simulated, crashed: Crashed) -> str:
    lines = [
        f"{simulated.worlds:,} simulated worlds in {simulated.seconds:,.0f} s of one core, {len(simulated.failed)} broke a promise",
        f"{followed.worlds:,} of a gate and its follower in {followed.seconds:,.0f} s of one core, {len(followed.failed)} broke a promise",
        f"{crashed.worlds:,} worlds of the real gate in {crashed.seconds:,.0f} s, {len(crashed.failed)} broke a promise",
        "",
        "what the simulated worlds went through",
        *(f"{times:10,}  {name}" for name, times in sorted(simulated.events.items())),
        "",
        "what gates and their followers went through",
        *(f"{times:10,}  {name}" for name, times in sorted(followed.events.items())),
        "",
        "where the real gate died, its follower, a restore, or the sender of its events",
        *(f"{times:10,}  {(POINTS | STREAM)[name].says}" for name, times in crashed.hits.items()),
        "",
        "of what, and what its clock did",
        *(f"{times:10,}  {name}" for name, times in crashed.trouble.items()),
        "",
        "what else it went through",
        *(f"{times:10,}  {name}" for name, times in sorted(crashed.events.items())),
        "",
        *simulated.failed,
        *followed.failed,
        *crashed.failed,
        *(f"never: {name}" for name in (*_never(simulated), *_never(followed), *crashed.never)),
    ]
    return "\n".join(lines)


def _never(simulated: Simulated) -> list[str]:
    return [name for name, times in simulated.events.items() if not times]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--seeds", type=int, default=10_000)
    asked.add_argument("--crashes", type=int, default=150)
    asked.add_argument("--first", type=int, default=1)
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gate106-campaign-"))
    simulated = simulate(options.first, options.seeds)
    followed = simulate(options.first, round(options.seeds * FOLLOWED), follow_some)
    crashed = crash(options.first, options.crashes, folder)
    disks = refusing_disks() if options.crashes else []
    failed = simulated.failed + followed.failed + crashed.failed + disks
    never = [*_never(simulated), *_never(followed), *(crashed.never if options.crashes >= len(POINTS) else ())]
    print(table(simulated, followed, crashed))
    print(*(disks or ["a disk that is full, read-only, or fails to sync: nothing lost"]), sep="\n")
    if options.json is not None:
        said = {
            "command": f"python -m tests.campaign --seeds {options.seeds} --crashes {options.crashes} --first {options.first}",
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "machine": measure.machine(),
            "simulated": vars(simulated) | {"never": _never(simulated)},
            "followed": vars(followed) | {"never": _never(followed)},
            "crashed": vars(crashed) | {"never": crashed.never},
            "disks_that_refuse": {"failed": disks},
        }
        options.json.write_text(json.dumps(said, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
    if not crashed.failed:
        shutil.rmtree(folder)
    sys.exit(bool(failed or never))


if __name__ == "__main__":
    main()
