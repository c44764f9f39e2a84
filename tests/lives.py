"""Lives: what simulated worlds and loads leave behind, in a few octets each: with the compiled functions and without, it is the same.

    python -m tests.lives FIRST SEEDS TURNS      prints a line for each world, and one for each mix of texts

In: seeds, how many turns of load. Out: digests of the journal, of all that providers were told, of the records. Never: an opinion.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from proxy.journal.write_ahead_log import read
from tests.cost.workload import TURN, Road, submits
from tests.simulation.world import World

MIXES = ("receipts", "refused", "capped")
"""Receipts come of the standard mix's texts; who is capped in the end was sent the repeated ones before."""


def of_world(seed: int) -> str:
    world = World(seed)
    world.run()
    told = [(one.told, one.told_id, one.carrier_said, one.entry) for one in world.submits]
    return _digest(world.disk, sorted(world.store.records.items()), told)


def of_load(mix: str, turns: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        road, stream = Road(Path(folder), receipts=mix == "receipts"), submits(mix)
        taken = [road.carry(b"".join(islice(stream, TURN))) for _ in range(turns)]
        harness = road.harness
        tally = harness.tally
        counts = [sorted(one.items()) for one in (tally.submits, tally.segments, tally.rule_hits, tally.shadow)]
        records = sorted(pair for index in range(harness.store._table.buckets) for pair in harness.store._table.bucket(index))
        return _digest(harness.disk, records, (taken, counts))


def _digest(disk: Any, records: Any, told: Any) -> str:
    written = [(one.sequence, one.kind, one.body) for one in read(disk, 1)]  # the journal's own name is drawn by lot
    parts = [repr(written).encode(), repr(records).encode(), repr(told).encode()]
    return " ".join(f"{len(part)}:{blake2b(part, digest_size=6).hexdigest()}" for part in parts)


def lines(first: int, seeds: int, turns: int) -> Iterator[str]:
    for seed in range(first, first + seeds):
        yield f"world {seed} {of_world(seed)}"
    for mix in MIXES:
        yield f"{mix} {of_load(mix, turns)}"


def main() -> int:
    for line in lines(*map(int, sys.argv[1:])):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
