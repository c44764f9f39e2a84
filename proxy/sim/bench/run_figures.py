"""Declares what a load generator is asked for, and its figures.

Each travels as one line of JSON between load_process.py and load_generator.py.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

BUCKET_S = 0.000_01
BUCKETS = 200_000  # latencies from 0 to 2 s in steps of 10 µs; slower ones count in the last
GATE_SECONDS = "gate106_gate_seconds"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
CURVE = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)  # quantiles for a plot


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
    late_ms: dict[str, float] = field(default_factory=dict)  # how late submits were sent


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


def histogram() -> list[int]:
    return [0] * (BUCKETS + 1)


def quantile_ms(counts: Sequence[int], share: float) -> float:
    """The latency that ``share`` of the counts did not exceed: the upper edge of a bucket; 0 without counts."""
    wanted, seen = sum(counts) * share, 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted and seen:
            return round((bucket + 1) * BUCKET_S * 1e3, 3)
    return 0.0
