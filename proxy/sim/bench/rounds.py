"""Rounds: one bench from its start to its Result.

In: Options. Out: a Result. Never: what is measured by the process that measures: this one only waits.

A round is the ceiling, the baselines, the gate, one after the other: what the machine does to one of them it does to the next. Each round
has a gate of its own, for one that has run knows people, and its checkpoint goes on beside what is measured next.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from proxy.sim import gate, measure
from proxy.sim.bench.driver import Driver, baseline, driver
from proxy.sim.bench.house import House, certificate, house
from proxy.sim.bench.options import Options
from proxy.sim.bench.result import Result, median, spread_of
from proxy.sim.drive import Order, Run
from proxy.sim.gate import CHINA

BASELINES = ("raw", "smpplib")
Tell = Callable[[str], None]


def run(options: Options, tell: Tell = lambda text: None) -> Result:
    """Measures; raises BenchFailed. ``tell`` is told what happens now."""
    rounds: list[dict[str, Run]] = []
    houses: list[House] = []
    facts = measure.machine()
    with folder_of(options) as folder:
        median_s, worst_s = measure.sync_s(folder)
        pem = certificate(folder) if options.tls else None
        with driver(options, pem) as beside:
            for number in range(1, options.rounds + 1):
                told = f"round {number} of {options.rounds}: " if options.rounds > 1 else ""
                runs = without_gate(options, beside, pem, partial(_tell_of, tell, told))
                if options.gate:
                    tell(f"{told}the gate")
                    with _of_round(folder, number) as place:
                        houses.append(_measure_gate(options, place, beside, runs, pem))
                rounds.append(runs)
    return Result(
        command=options.command,
        at=datetime.now(CHINA).isoformat(timespec="seconds"),
        machine=facts,
        versions=measure.versions(),
        sync_ms={"median": round(median_s * 1e3, 3), "worst": round(worst_s * 1e3, 3)},
        options={key: value for key, value in asdict(options).items() if key != "keep"},
        rules=houses[-1].rules if houses else 0,
        runs={name: median([runs[name] for runs in rounds]) for name in rounds[0]},
        spread=spread_of(rounds),
        start_s=houses[-1].start_s if houses else 0.0,
        commit=measure.commit(gate.CODE),
    )


@contextmanager
def folder_of(options: Options) -> Iterator[Path]:
    """Where all of it lies; gone afterwards, unless it is to be kept."""
    with tempfile.TemporaryDirectory(prefix="gate106-bench-") as temporary:
        yield options.keep or Path(temporary)


def _tell_of(tell: Tell, told: str, text: str) -> None:
    tell(told + text)


@contextmanager
def _of_round(folder: Path, number: int) -> Iterator[Path]:
    """The folder itself for the first round; one of its own, that goes again, for each that follows."""
    if number == 1:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="round-", dir=folder) as temporary:
        yield Path(temporary)


def without_gate(options: Options, beside: Driver, pem: Path | None, tell: Tell) -> dict[str, Run]:
    """The generator by itself, and relays without rules."""
    tell("the load generator's own ceiling")
    runs = {"ceiling": beside.order(Order("ceiling", None, None))}
    for name in BASELINES if options.baselines else ():
        tell(f"baseline: {name}")
        with baseline(name, beside.carrier, pem) as (port, pid):
            runs[name] = beside.order(Order(name, port, pid))
    return runs


def _measure_gate(options: Options, folder: Path, beside: Driver, runs: dict[str, Run], pem: Path | None) -> House:
    """Starts the gate, measures it, ends it."""
    with house(options, folder, beside.carrier, pem) as one:
        subject = one.gate
        runs["gate"] = beside.order(Order("gate", subject.smpp, subject.pid, one.metrics, store=one.store))
        answers = runs["gate"].all_messages
        if options.latency_rate:
            name = f"gate at {options.latency_rate:g}/s"
            runs[name] = beside.order(Order(name, subject.smpp, subject.pid, one.metrics, options.latency_rate, one.store))
            answers += runs[name].all_messages
    if not options.latency_rate:
        runs["gate"] = replace(runs["gate"], life_cpu_us=round(one.life_cpu_s / max(1, answers) * 1e6, 2))
    return one
