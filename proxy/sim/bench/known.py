"""Known: a store that knows people before its gate has ever run: three messages each, of the days before, under signatures nobody uses.

In: how many. Out: a checkpoint, and a journal that belongs to it. Never: an entry that a rule of today would count.

    python -m proxy.sim.bench.known '{"state": "/tmp/x/state.db", "journal": "/tmp/x/journal", "people": 1000000, "refused": null}'

It is a process of its own: what it needs of memory is given back when it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proxy.desk.disk import OsDisk
from proxy.message import Category
from proxy.recipient import Entry
from proxy.sim import gate, people
from proxy.sim.bench.options import BenchFailed
from proxy.state import record
from proxy.state.sqlite import SqliteStore

DAYS_AGO = (5, 4, 3)
"""More than any cap of the shipped rules over days looks back for an advertiser, and within what is kept."""
KEEP_S = 7 * 86_400
BATCH = 10_000
HIGHEST_ID = 1 << 20


def fill(state: Path, journal: Path, count: int, refused: float | None = None) -> None:
    """Makes both. Raises BenchFailed."""
    told = {"state": str(state), "journal": str(journal), "people": count, "refused": refused}
    made = subprocess.run(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-m", __name__, json.dumps(told)], env=gate.environment(), capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise BenchFailed(f"the store could not be filled: {made.stderr.strip().splitlines()[-1:]}")


def write(state: Path, journal: Path, numbers: Sequence[int]) -> None:
    """The same, here and now, for these."""
    store = SqliteStore(state)
    store.expect(len(numbers))
    journal.mkdir(exist_ok=True)
    store.belongs_to(OsDisk(journal))
    one, batch = _record(int(time.time())), []
    for number in numbers:
        batch.append((number, 0, one))
        if len(batch) == BATCH:
            store.swap_now(batch)
            batch.clear()
    store.swap_now(batch)
    store.checkpoint_now(counted=0, open_from=0, highest_id=HIGHEST_ID)
    store.close()


def _record(now: int) -> bytes:
    data = record.EMPTY
    for number, days in enumerate(DAYS_AGO, 1):
        at = now - days * 86_400
        entry = Entry(number, at, number, number, number, Category.MARKETING, 0, number, 0, 0)
        data = record.add(data, entry, at, KEEP_S)
    return data


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    write(Path(asked["state"]), Path(asked["journal"]), people.crowd(asked["people"], refused=asked["refused"]))
