"""What a shared store costs its server: processor, memory and network for each message, and for totals over gates.

    python -m tests.soak.shared_sizes --persons 100000 > tests/data/numbers/shared.json

In: a real Valkey on this machine, the engine itself with no gate around it. Out: JSON. Each message is one look and one swap of a person's record,
as many of them in a call as ``--batch`` says: so many a busy gate has in a turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
import uvloop

from proxy.model.message import Category, Take
from proxy.model.recipient import Entry
from proxy.sim.measure import machine
from proxy.state import open_store
from proxy.state.record import record
from proxy.state.shared.lease_requests import LeaseRequest
from proxy.state.shared.lease_rules import RateRequest
from proxy.state.stores.valkey import ValkeyStore
from tests.valkey import SECRET, Valkey

FIRST, MESSAGES = 13_800_210_0000, 3
DAY_S = 86_400
BEATS, NAMES = 200, 100
PORTIONS, KEYS = 200, 100


def processor_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Meter:
    """The server's processor time and network, from one moment to another."""

    def __init__(self, server: Valkey) -> None:
        assert server.process is not None
        self._server, self._pid = server, server.process.pid
        self.start()

    def info(self) -> dict[str, int]:
        said = dict(line.split(":", 1) for line in self._server.cli("info", "all").splitlines() if ":" in line)
        return {name: int(said[name]) for name in ("used_memory", "total_net_input_bytes", "total_net_output_bytes")}

    def start(self) -> None:
        self._info, self._processor_s, self._at_s = self.info(), processor_s(self._pid), time.monotonic()
        self._own_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])

    def since(self, things: int) -> dict[str, float]:
        """For each of so many things."""
        own_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - self._own_s
        server_s, now = processor_s(self._pid) - self._processor_s, self.info()
        return {
            "server_us": round(server_s / things * 1e6, 2),
            "gate_us": round(own_s / things * 1e6, 2),
            "bytes_to_server": round((now["total_net_input_bytes"] - self._info["total_net_input_bytes"]) / things),
            "bytes_from_server": round((now["total_net_output_bytes"] - self._info["total_net_output_bytes"]) / things),
            "wall_s": round(time.monotonic() - self._at_s, 1),
        }


async def messages(store: ValkeyStore, persons: int, batch: int) -> None:
    """So many messages to each, in an order of its own each time."""
    people, dice, number, now = list(range(FIRST, FIRST + persons)), random.Random(1), 0, int(time.time())
    for _ in range(MESSAGES):
        dice.shuffle(people)
        for start in range(0, persons, batch):
            some = people[start : start + batch]
            loaded = await store.load(some)
            writes = []
            for person in some:
                version, data = loaded[person]
                number += 1
                entry = Entry(number, now, number % 50, 1, 1, Category.MARKETING, 0, 0, 0, 0)
                writes.append((person, version, record.add(data, entry, now, DAY_S)))
            assert all(await store.swap(writes)), "nobody else is there"


async def measured(server: Valkey, persons: int, batch: int) -> dict[str, Any]:
    store: ValkeyStore = open_store(server.url, secret=SECRET, deadline_s=10.0)
    await store.open()
    meter = Meter(server)
    before = meter.info()["used_memory"]
    await messages(store, persons, batch)
    found: dict[str, Any] = {"persons": persons, "messages": persons * MESSAGES, "batch": batch}
    found["message"] = each = meter.since(persons * MESSAGES)
    each["a_second_and_core"] = round(1e6 / each["server_us"], -3)
    found["bytes_a_person"] = round((meter.info()["used_memory"] - before) / persons)

    meter.start()
    for _ in range(BEATS):
        await store.leases.shares([(f"p:{name}", RateRequest(100.0, 80.0, 80.0)) for name in range(NAMES)])
        await store.leases.places([LeaseRequest(f"p:{name}", 8, 4) for name in range(NAMES)])
    found["rate_and_binds_once"] = meter.since(BEATS * NAMES)

    counters, now = store.totals, time.time()
    meter.start()
    for _ in range(PORTIONS):
        for key in range(KEYS):
            if counters.count(key, int(now - DAY_S), 10**6) < 10**6:
                counters.take(Take(key, 675, DAY_S + 675), now)
        await store.fill()
        for keys in counters.due():
            await store._report_counts(keys)
    found["limit_once"] = meter.since(PORTIONS * KEYS)
    store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=64)
    asked = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    command = f"python -m tests.soak.shared_sizes --persons {asked.persons} --batch {asked.batch}"
    with tempfile.TemporaryDirectory(prefix="gate106-sizes-") as folder:
        server = Valkey(Path(folder))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(measured(server, asked.persons, asked.batch))
        finally:
            server.kill()
    json.dump({"command": command, "machine": machine(), **found}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
