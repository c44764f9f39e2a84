"""Runs the simulated carrier and the load generator in one process.

In: ``python -m proxy.sim.bench.load_generator '{"mix": …}'``, then one request a line on standard input. Out: one result a line. Never: the
process under test; of that it knows a port, a process id and the address of /metrics.

    {"carrier": 40001}                                                   the carrier listens there
    → {"name": "gate", "port": 40002, "pid": 77, "metrics": "http://…"}   a request (port null: the load goes straight to the carrier)
    {"name": "gate", "messages": 312455, …}                              its result
"""

import asyncio
import gc
import json
import ssl
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import uvloop

from proxy.sim import measure, synthetic_recipients
from proxy.sim.encoded_submits import Card, DeckPorts, deck, recipients
from proxy.sim.load import Load
from proxy.sim.simulated_carrier import Conduct, SimulatedCarrier

GATE_SECONDS = "gate106_gate_seconds"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
CURVE = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)  # quantiles for a plot
RECEIPTS_WINDOW = 500
DRIVER_FULL, SUBJECT_FREE = 0.9, 0.95  # of a core. A busier load generator was the limit, if the gate was less busy


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What all runs of one process share."""

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
    refused: float | None = None
    long: float | None = None
    receipts: bool = False
    ports: int = 1
    pem: str = ""  # certificate and key of the TLS listener that is bound to; empty: no TLS


class RunRequest(NamedTuple):
    """One run: binds, warm-up, the measured time, and the wait for the last answers."""

    name: str
    port: int | None  # where the process under test listens; None: the carrier of this process
    pid: int | None
    metrics: str | None = None
    rate: float | None = None
    store: int | None = None  # process id of a shared store's server


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What one process under test did in the measured time."""

    name: str
    seconds: float
    messages: int
    per_s: float
    cpu_us: float  # CPU µs per message of the process under test, all threads and children
    busy: float  # share of one core it used
    driver_cpu_us: float  # CPU µs per message of carrier and load generator together
    driver_busy: float
    whole_ms: dict[str, float]
    own_ms: dict[str, float]  # the time within the gate, by its /metrics; empty for other processes
    refused: dict[str, int]
    forwarded: int  # submits the carrier received
    lost: int  # submits never answered
    memory_mib: float
    receipts: int = 0  # receipts the load generator got
    curve_ms: list[tuple[float, float]] = field(default_factory=list)  # (share of answers, ms not exceeded), submit to answer
    store_cpu_us: float = 0.0  # CPU µs per message of a shared store's server; 0 if it was not started for the run
    others_busy: float = 0.0  # cores used by other programs and by a virtual machine's host: how wrong a figure may be
    limited_by: str = ""  # ``driver``: the load generator's limit, not that of the process under test; ``rate``: a fixed rate
    slowest_ms: float = 0.0  # the slowest answer; at a fixed rate no pause can be longer
    all_messages: int = 0  # answers since the binds, the warm-up's included
    life_cpu_us: float = 0.0  # CPU µs per message of a gate from ready to its end, the last checkpoint included; 0 if unknown
    waits_per_s: float = 0.0  # how often its main thread waited, a second: about its loop's turns
    calls: float = 0.0  # system calls that read or write, a message
    late_ms: dict[str, float] = field(default_factory=dict)  # how late submits were sent; of open_loop.py


def median(runs: Sequence[RunFigures]) -> RunFigures:
    """The median of each figure; the first run's name."""
    if len(runs) == 1:
        return runs[0]
    return RunFigures(**{one.name: _middle([getattr(run, one.name) for run in runs]) for one in fields(RunFigures)})


def _middle(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, str):
        return max(values, key=len)  # a mark of any round
    if isinstance(first, dict):
        return {
            key: _middle([value.get(key, 0) for value in values]) for key in {key: None for value in values for key in value}
        }
    if isinstance(first, list | tuple):
        return type(first)(_middle(together) for together in zip(*values, strict=True))
    found = statistics.median(values)
    return round(found) if isinstance(first, int) else round(found, 6)  # shares of 0.9999 among them


class LoadGenerator:
    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        conduct = Conduct(receipts_at_once=plan.receipts, window=RECEIPTS_WINDOW)
        self.carrier = SimulatedCarrier(conduct)
        self.direct = SimulatedCarrier(conduct) if plan.pem else self.carrier  # for runs without a gate, which use TLS too
        self._tls = ssl.create_default_context(cafile=plan.pem) if plan.pem else None
        self.decks: dict[str, list[Card]] = {}
        self.people: list[bytes] = []
        self._first = 0  # index of the next run's first recipient: caps of those of the run before are used up

    async def prepare(self) -> int:
        plan = self.plan
        for name, prefix in plan.providers.items():
            receipts = int(plan.receipts)
            self.decks[name] = deck(
                plan.mix, DeckPorts.under(prefix), plan.seed, long=plan.long, registered=receipts, extensions=plan.ports
            )
        self.people = recipients(synthetic_recipients.distinct_numbers(plan.recipients, plan.seed, plan.refused))
        gc.collect()
        gc.freeze()
        if self.plan.pem:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(plan.pem)
            await self.direct.start(tls=tls)
        return await self.carrier.start()

    async def run(self, request: RunRequest) -> RunFigures:
        name, port, pid, metrics, rate, store = request
        plan = self.plan
        carrier = self.carrier if port else self.direct
        load = Load(plan.window, plan.rate if rate is None else rate, receipts=plan.receipts)
        names = list(plan.providers)
        for number in range(plan.binds):
            who = names[number % len(names)]
            first = self._first + number * len(self.people) // plan.binds
            cards = self.decks[who]
            await load.add("127.0.0.1", port or carrier.port, who, plan.password, cards, self.people, first, tls=self._tls)
        load.go()
        await self._sleep(load, plan.warmup_s)
        before = measure.samples(await asyncio.to_thread(measure.fetch, metrics)) if metrics else {}
        load.fresh_counts()
        activity = measure.activity(pid) if pid else None
        cpu, store_cpu, own_cpu, busy_s, start, forwarded = (
            measure.cpu_s(pid) if pid else 0.0,
            measure.cpu_s(store) if store else 0.0,
            time.process_time(),
            measure.busy_s(),
            time.perf_counter(),
            carrier.received,
        )
        await self._sleep(load, plan.seconds)
        counts = load.counts
        load.fresh_counts()
        took = time.perf_counter() - start
        used = measure.cpu_s(pid) - cpu if pid else 0.0
        did = measure.activity(pid) - activity if pid and activity else measure.Activity(0.0, 0, 0)
        store_used = measure.cpu_s(store) - store_cpu if store else 0.0
        own_used, forwarded = time.process_time() - own_cpu, carrier.received - forwarded
        others = measure.busy_s() - busy_s - used - store_used - own_used
        after = measure.samples(await asyncio.to_thread(measure.fetch, metrics)) if metrics else {}
        memory = measure.memory_bytes(pid) if pid else 0
        lost = await load.stop()
        self._first += load.furthest
        quantiles = {key: measure.bucket_quantile_s(before, after, GATE_SECONDS, share) for key, share in QUANTILES.items()}
        messages = max(counts.answered, 1)
        limited = "rate" if load.rate else ""
        if pid and (own_used + store_used) / took >= DRIVER_FULL and used / took < SUBJECT_FREE:
            limited = "driver"
        return RunFigures(
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
            receipts=counts.delivers,
            curve_ms=[(share, round(counts.quantile_s(share) * 1e3, 3)) for share in CURVE],
            store_cpu_us=round(store_used / messages * 1e6, 2),
            others_busy=round(max(0.0, others / took), 3),
            limited_by=limited,
            slowest_ms=round(counts.quantile_s(1.0) * 1e3, 1),
            all_messages=load.before + load.counts.answered,
            waits_per_s=round(did.waits / took, 1),
            calls=round(did.calls / messages, 2),
        )

    @staticmethod
    async def _sleep(load: Load, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if load.problem:
            raise RuntimeError(load.problem)


async def _serve(plan: LoadPlan) -> None:
    generator = LoadGenerator(plan)
    print(json.dumps({"carrier": await generator.prepare()}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = RunRequest(**json.loads(line))
        try:
            figures = await generator.run(request)
            print(json.dumps(asdict(figures)), flush=True)
        except (RuntimeError, OSError, TimeoutError) as error:
            print(json.dumps({"name": request.name, "problem": f"{type(error).__name__}: {error}"}), flush=True)


def main() -> None:
    uvloop.run(_serve(LoadPlan(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
