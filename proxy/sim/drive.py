"""Drive: carrier and load generator in one process, beside the process under test. bench starts it and talks to it in lines of JSON.

In: ``python -m proxy.sim.drive '{"mix": …}'``, then one order a line on standard input. Out: one result a line. Never: the process
under test itself; of that it knows a port, a process id and an address of /metrics.

    {"carrier": 40001}                                                   the carrier listens there
    → {"name": "gate", "port": 40002, "pid": 77, "metrics": "http://…"}   an order (port null: straight to the carrier, the ceiling)
    {"name": "gate", "messages": 312455, …}                              its result
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from proxy.sim import measure, people
from proxy.sim.carrier import Carrier
from proxy.sim.deck import Card, Ports, deck, recipients
from proxy.sim.load import Load

GATE_SECONDS = "gate106_gate_seconds"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True)
class Plan:
    """What all runs of one bench share."""

    mix: str
    binds: int
    window: int
    seconds: float
    warmup_s: float
    rate: float
    recipients: int
    providers: dict[str, str]  # system_id → port prefix
    password: str
    seed: int = 106


@dataclass(frozen=True, slots=True)
class Run:
    """What one process under test did in the measured time."""

    name: str
    seconds: float
    messages: int
    per_s: float
    cpu_us: float
    """CPU µs per message of the process under test, all threads and children."""
    busy: float
    """Share of one core it used."""
    driver_cpu_us: float
    """CPU µs per message of carrier and load generator together."""
    driver_busy: float
    whole_ms: dict[str, float]
    own_ms: dict[str, float]
    """The gate's own part, as its /metrics says; empty for others."""
    refused: dict[str, int]
    forwarded: int
    """Submits the carrier received."""
    lost: int
    """Submits never answered."""
    memory_mib: float


class Driver:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.carrier = Carrier()
        self.decks: dict[str, list[Card]] = {}
        self.people: list[bytes] = []
        self._first = 0
        """Where the next run begins among the people: the gate remembers whom it wrote to in the run before, and caps hold."""

    async def prepare(self) -> int:
        for name, prefix in self.plan.providers.items():
            self.decks[name] = deck(self.plan.mix, Ports.under(prefix), self.plan.seed)
        self.people = recipients(people.crowd(self.plan.recipients, self.plan.seed))
        gc.collect()
        gc.freeze()
        return await self.carrier.start()

    async def run(self, name: str, port: int | None, pid: int | None, metrics: str | None, rate: float | None) -> Run:
        """One measurement: binds, warm-up, the measured time, answers waited for."""
        plan = self.plan
        load = Load(plan.window, plan.rate if rate is None else rate)
        names = list(plan.providers)
        for number in range(plan.binds):
            who = names[number % len(names)]
            first = self._first + number * len(self.people) // plan.binds
            await load.add("127.0.0.1", port or self.carrier.port, who, plan.password, self.decks[who], self.people, first)
        load.go()
        await self._sleep(load, plan.warmup_s)
        before = measure.samples(await asyncio.to_thread(measure.fetch, metrics)) if metrics else {}
        load.fresh_counts()
        cpu, own_cpu, start, forwarded = (
            measure.cpu_s(pid) if pid else 0.0,
            time.process_time(),
            time.perf_counter(),
            self.carrier.received,
        )
        await self._sleep(load, plan.seconds)
        counts, load.counts = load.counts, type(load.counts)()
        took = time.perf_counter() - start
        used = measure.cpu_s(pid) - cpu if pid else 0.0
        own_used, forwarded = time.process_time() - own_cpu, self.carrier.received - forwarded
        after = measure.samples(await asyncio.to_thread(measure.fetch, metrics)) if metrics else {}
        memory = measure.memory_bytes(pid) if pid else 0
        lost = await load.stop()
        self._first += load.furthest
        quantiles = {key: measure.bucket_quantile_s(before, after, GATE_SECONDS, share) for key, share in QUANTILES.items()}
        messages = max(counts.answered, 1)
        return Run(
            name=name,
            seconds=round(took, 3),
            messages=counts.answered,
            per_s=round(counts.answered / took, 1),
            cpu_us=round(used / messages * 1e6, 2),
            busy=round(used / took, 3),
            driver_cpu_us=round(own_used / messages * 1e6, 2),
            driver_busy=round(own_used / took, 3),
            whole_ms={key: round(counts.quantile_s(share) * 1e3, 3) for key, share in QUANTILES.items()},
            own_ms={key: round(value * 1e3, 3) for key, value in quantiles.items() if value is not None},
            refused={f"0x{status:03x}": count for status, count in sorted(counts.refused.items())},
            forwarded=forwarded,
            lost=lost,
            memory_mib=round(memory / 1024**2, 1),
        )

    @staticmethod
    async def _sleep(load: Load, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if load.problem:
            raise RuntimeError(load.problem)


async def _serve(plan: Plan) -> None:
    driver = Driver(plan)
    print(json.dumps({"carrier": await driver.prepare()}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order: dict[str, Any] = json.loads(line)
        try:
            run = await driver.run(order["name"], order.get("port"), order.get("pid"), order.get("metrics"), order.get("rate"))
            print(json.dumps(asdict(run)), flush=True)
        except (RuntimeError, OSError, TimeoutError) as error:
            print(json.dumps({"name": order["name"], "problem": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(Plan(**json.loads(sys.argv[1]))))
