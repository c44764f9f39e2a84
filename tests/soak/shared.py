"""What a shared store costs: the processor's time of the gate and of Valkey for one load and one swap a message, and memory, by batch.

In: how many persons, on one server or a cluster of so many primaries. Out: JSON on standard output:
``python -m tests.soak.shared > tests/data/numbers/shared-store.json``. Never: a network.

Of each figure the least of some rounds, for on a busy machine the others measure the neighbours; processor time, so that waiting counts nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
import uvloop

from proxy.model.message import Category
from proxy.model.recipient import Entry
from proxy.state import open_store
from proxy.state.record import record
from tests.valkey import SECRET, Cluster, Valkey

BATCHES = (1, 4, 16, 64, 256)
ROUNDS, MESSAGES = 5, 40_000
IN_CLUSTER = (1, 16, 45, 90)
FIRST = 13_800_000_000


def with_three_entries() -> bytes:
    data, now = record.EMPTY, int(time.time())
    for number in range(1, 4):
        data = record.add(data, Entry(number, now, number, 1, 1, Category.MARKETING, 0, 0, 0, 1), now, 86_400)
    return data


async def messages(store: Any, batch: int, people: int) -> float:
    """Processor time of this process in µs a message."""
    data, begun = with_three_entries(), time.process_time()
    for number in range(MESSAGES // batch):
        keys = [FIRST + (number * batch + place) * 7919 % people for place in range(batch)]
        held = await store.load(keys)
        await store.swap([(key, held[key][0], data) for key in keys])
    return (time.process_time() - begun) / MESSAGES * 1e6


def info(server: Valkey | Cluster, section: str, *names: str) -> float:
    """The sum of these figures, of all primaries."""
    rows = [line.split(":", 1) for line in server.cli("info", section).splitlines() if ":" in line]
    return sum(float(value) for name, value in rows if name in names)


def cpu_s(server: Valkey | Cluster) -> float:
    return info(server, "cpu", "used_cpu_user", "used_cpu_sys")


async def measure(server: Valkey | Cluster, people: int, parts: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    empty = info(server, "memory", "used_memory")
    for node, batch in enumerate(IN_CLUSTER if isinstance(server, Cluster) else BATCHES):
        shared = open_store(server.url, secret=SECRET, deadline_s=5.0, node=node, **({"parts": parts} if parts else {}))
        own = open_store("sqlite::memory:")
        await shared.open()
        best = {"shared_us": 1e9, "embedded_us": 1e9, "valkey_us": 1e9}
        for _ in range(ROUNDS):
            before = cpu_s(server)
            best["shared_us"] = min(best["shared_us"], await messages(shared, batch, people))
            best["valkey_us"] = min(best["valkey_us"], (cpu_s(server) - before) / MESSAGES * 1e6)
            best["embedded_us"] = min(best["embedded_us"], await messages(own, batch, people))
        shared.close()
        best["extra_us"] = best["shared_us"] - best["embedded_us"]
        found[str(batch)] = {name: round(value, 2) for name, value in best.items()}
    persons = sum(map(int, server.cli("dbsize").split()))
    used = info(server, "memory", "used_memory") - empty
    return {"by_persons_a_call": found, "bytes_a_person": round(used / persons), "persons": persons}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--people", type=int, default=200_000)
    asked.add_argument("--primaries", type=int, default=0, help="of a cluster; 0: one server")
    asked.add_argument("--parts", type=int, default=0, help="of the store; 0: as a new one has")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        single = ("--loglevel", "nothing")
        count: int = given.primaries
        server = Cluster(Path(folder), count, replicas=0) if count else Valkey(Path(folder), more=single)
        try:
            found = uvloop.run(measure(server, given.people, given.parts))
        finally:
            server.kill()
    words = "".join(f" --{name} {value}" for name, value in vars(given).items() if value)
    said = {"command": f"python -m tests.soak.shared{words}", "python": platform.python_version()}
    print(json.dumps(said | found, indent=2))


if __name__ == "__main__":
    main()
