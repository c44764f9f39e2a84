"""Measures all agreed rows briefly, one after the other on one machine, beside their goals.

In: MeasuringOptions (seconds and rounds of each row). Out: rows, in one dictionary. Never: a judgement by a run in which the load generator was the
limit, without a remark.

Gates that a row compares are measured one after the other. Where a tenth decides, they are measured several times in turns, and the row is the
median of the turns' ratios: two runs of the same gate on a shared host differ by more than a tenth.
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from proxy.native import loader
from proxy.sim import gate_process, measure
from proxy.sim.bench.gate_process import certificate
from proxy.sim.bench.measurement import BUSY_ELSEWHERE, describe_machine, life_cpu_us, run_request
from proxy.sim.bench.options import OWN_VALKEY, BenchFailed
from proxy.sim.bench.run_figures import RunFigures, RunRequest
from proxy.sim.encoded_submits import CARDS
from tests.bench import suppression_lists
from tests.bench.memory import bytes_a_person
from tests.bench.options import MeasuringOptions
from tests.bench.processes import LoadProcesses, baseline_process, prepared_gate
from tests.bench.reload import reload_under_load
from tests.bench.rounds import Progress, folder_of
from tests.bench.rows import ROWS, Figures, GoalRow

FEW, SOME, MANY = 10_000, 1_000_000, 10_000_000
MEMORY_OF = (200_000, 250_000, 300_000, 350_000, 400_000)
"""Recipients, each number of them in a process of its own. Records and buckets take the same for any number; the freed memory that Python's
allocator keeps beside them differs by a fifth."""
LATENCY_RATE = 5000.0
RELOAD_RATE, RELOAD_TIMES, RELOAD_RULES, RELOAD_WORDS = 1000.0, 2, 500, 100_000
RELOAD_RUNS = 3
"""A shared host pauses for 40 to 90 ms now and then, also while nothing changes: the row is the median of each run's longest pause."""
TURNS = 5  # turns of compared gates. With three on a shared host a row was 0.4 one time and 0.8 the next
CONFLICTS = "gate106_store_conflicts_total"

Part = Callable[[MeasuringOptions, LoadProcesses], dict[str, float]]


def measured(
    options: MeasuringOptions, progress: Progress = lambda text: None, parts: Mapping[str, Part] | None = None, only: str = ""
) -> dict[str, Any]:
    """All rows; a part that fails here is named with the reason. ``parts`` instead of PARTS; ``only``: those whose name contains this text.
    Raises BenchFailed if no part is left."""
    wanted = {name: part for name, part in (PARTS if parts is None else parts).items() if only in name}
    if not wanted:
        raise BenchFailed(f"--only: no part has {only!r} in its name; there are: {'; '.join(PARTS)}")
    facts, began = gate_process.conditions(), time.monotonic()
    base = replace(options, baselines=False, warmup_s=min(2.0, options.seconds / 4), rounds=1)
    with folder_of(options) as folder:
        sync_ms = measure.sync_ms(folder)
    rounds: list[Figures] = []
    problems: dict[str, str] = {}
    loads = LoadProcesses()
    try:
        for number in range(1, options.rounds + 1):
            figures: dict[str, float] = {}
            for name, part in wanted.items():
                progress(f"{name}" + (f" (round {number} of {options.rounds})" if options.rounds > 1 else ""))
                try:
                    figures |= part(base, loads)
                except BenchFailed as failed:
                    problems[name] = str(failed)
                    loads.close()  # perhaps it failed itself
            rounds.append(figures)
    finally:
        loads.close()
    return {
        "kind": "matrix",
        "command": f"python -m tests.bench matrix --seconds {options.seconds:g}"
        + (f" --rounds {options.rounds}" if options.rounds > 1 else "")
        + (f" --only {shlex.quote(only)}" if only else ""),
        **facts,
        "took_s": round(time.monotonic() - began),
        "sync_ms": sync_ms,
        "options": {"seconds": options.seconds, "rounds": options.rounds},
        "rows": [_row(row, rounds) for row in ROWS],
        "figures": {
            name: round(statistics.median(one[name] for one in rounds if name in one), 3)
            for name in dict.fromkeys(name for one in rounds for name in one)
        },
        "problems": problems,
        "spread": options.rounds > 1,
    }


def _row(row: GoalRow, rounds: list[Figures]) -> dict[str, Any]:
    found = []
    for figures in rounds:
        try:
            found.append(row.of(figures))
        except (KeyError, ZeroDivisionError):
            continue
    value = round(statistics.median(found), 3) if found else None
    return {
        "name": row.name,
        "unit": row.unit,
        "goal": row.goal_for(loader.BUILT),
        "most": row.most,
        "measured": value,
        "met": None if value is None else row.met(value, loader.BUILT),
        "spread": [round(min(found), 3), round(max(found), 3)] if len(found) > 1 else None,
        "note": row.note,
    }


def as_text(told: Mapping[str, Any]) -> list[str]:
    lines = [describe_machine(told["machine"], told["versions"], told["sync_ms"]), "", f"{'':64}{'measured':>14}{'goal':>14}  "]
    for row in told["rows"]:
        spread = f"  ({row['spread'][0]:g}–{row['spread'][1]:g})" if row["spread"] else ""
        lines.append(
            f"{row['name']:64}{with_unit(row['measured'], row['unit']):>14}{goal_of(row):>14}  {met_or_not(row)}{spread}"
        )
    lines += [f"not measured: {name}: {why}" for name, why in told["problems"].items()]
    return [*lines, *remarks(told), "", f"{told['command']}    ({told['took_s']} s)"]


def remarks(told: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the whole and of single figures."""
    figures = told["figures"]
    found = []
    if limited := sorted(name.split(".")[0] for name, value in figures.items() if name.endswith(".limited") and value):
        found.append(f"the load generator was at its end, not the gate: {', '.join(limited)}")
    busy = max((value for name, value in figures.items() if name.endswith(".others_busy")), default=0)
    if busy >= BUSY_ELSEWHERE:
        found.append(
            f"this machine did other work meanwhile, up to {busy:.2f} of its {told['machine']['cores']} cores: measure again when it does not"
        )
    return found


def goal_of(row: Mapping[str, Any]) -> str:
    return "–" if row["goal"] is None else f"{'≤' if row['most'] else '≥'} {with_unit(row['goal'], row['unit'])}"


def met_or_not(row: Mapping[str, Any]) -> str:
    return {None: "", True: "met", False: "not met"}[row["met"]]


def with_unit(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.2f}"
    return f"{text} {unit}".strip() if unit not in ("×", "%", "/s") else text + unit


# -- parts


def _figures(name: str, run: RunFigures) -> dict[str, float]:
    return {
        f"{name}.cpu_us": run.cpu_us,
        f"{name}.per_s": run.per_s,
        f"{name}.others_busy": run.others_busy,
        f"{name}.limited": float(run.limited_by == "driver"),
        f"{name}.refused": sum(run.refused.values()) / max(1, run.messages),
    }


def _of(name: str, **changes: Any) -> Part:
    """One gate with these options, as fast as answers come."""

    def part(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
        options = replace(base, **changes)
        with folder_of(options) as folder:
            pem = certificate(folder) if options.tls else None
            load = loads.process(options, pem)
            with prepared_gate(options, folder, load.carrier, pem) as measured_gate:
                run = load.run(run_request(measured_gate))
                scraped = measure.samples(measure.fetch(measured_gate.metrics))
        conflicts = sum(value for (metric, _), value in scraped.items() if metric == CONFLICTS)
        return _figures(name, run) | {
            f"{name}.start_s": measured_gate.start_s,
            f"{name}.stop_s": measured_gate.stop_s,
            f"{name}.start_cpu_s": round(measured_gate.ready_cpu_s, 2),
            f"{name}.store_cpu_us": run.store_cpu_us,
            f"{name}.conflicts": round(conflicts / max(1, run.all_messages) * 100, 3),
            f"{name}.life_cpu_us": life_cpu_us(measured_gate, run.all_messages),
            f"{name}.receipts": run.receipts,
        }

    return part


def in_turns(gates: Mapping[str, Part]) -> Part:
    """Measures gates one after the other, TURNS times over: medians of the figures of each, and medians of comparisons with the first gate within
    each turn, with their least and most: ``name.times`` (its CPU divided by the first one's), ``name.slower`` (the first one's throughput divided
    by its own), ``name.less`` (the first one's CPU µs a message minus its own)."""
    first, *others = gates

    def part(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
        turns: list[Figures] = []
        for _ in range(TURNS):
            found: dict[str, float] = {}
            for one in gates.values():
                found |= one(base, loads)
            times = {f"{name}.times": found[f"{name}.cpu_us"] / found[f"{first}.cpu_us"] for name in others}
            slower = {f"{name}.slower": found[f"{first}.per_s"] / found[f"{name}.per_s"] for name in others}
            less = {f"{name}.less": found[f"{first}.cpu_us"] - found[f"{name}.cpu_us"] for name in others}
            turns.append(found | times | slower | less)
        between = {
            f"{name}.{what}": sorted(turn[f"{name}.{what}"] for turn in turns)
            for name in others
            for what in ("times", "slower", "less")
        }
        return {
            **{name: statistics.median(turn[name] for turn in turns) for name in turns[0]},
            **{f"{name}_least": found[0] for name, found in between.items()},
            **{f"{name}_most": found[-1] for name, found in between.items()},
        }

    return part


def _relay(name: str) -> Part:
    def part(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
        load = loads.process(base)
        with baseline_process(name, load.carrier, None) as (port, pid):
            return _figures(name, load.run(RunRequest(name, port, pid)))

    return part


def _ceiling_and_latency(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
    """The generator alone, the bare relay, and the gate's own latency below its limit."""
    load = loads.process(base)
    alone = load.run(RunRequest("ceiling", None, None))
    with folder_of(base) as folder, prepared_gate(base, folder, load.carrier) as measured_gate:
        slow = load.run(run_request(measured_gate, LATENCY_RATE))
    return {
        **_figures("ceiling", alone),
        **_relay("raw")(base, loads),
        "latency.own_p99_ms": slow.own_ms["p99"],
        "latency.others_busy": slow.others_busy,
    }


def _memory(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
    found = [round(bytes_a_person(persons)) for persons in MEMORY_OF]
    return {"memory.bytes_a_person": statistics.median(found), "memory.most_bytes_a_person": max(found)}


def _suppressed(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
    found = suppression_lists.measured(suppression_lists.NUMBERS, base.seconds, lambda text: None)
    names = "lookup_us lookup_other_us load_s load_cpu_s start_s slowest_ms import_s memory_mib state_mb"
    return {f"suppressed.{name}": found[name] for name in names.split()}


def _reload(base: MeasuringOptions, loads: LoadProcesses) -> dict[str, float]:
    reports = []
    for _ in range(RELOAD_RUNS):
        with folder_of(base) as folder:
            reports.append(
                reload_under_load(folder, rate=RELOAD_RATE, times=RELOAD_TIMES, words=RELOAD_WORDS, rules=RELOAD_RULES)
            )
    worst = sorted(report.worst_ms for report in reports)
    return {
        "reload.worst_ms": statistics.median(worst),
        "reload.worst_ms_least": worst[0],
        "reload.worst_ms_most": worst[-1],
        "reload.lost": sum(report.unanswered for report in reports),
    }


PARTS: Mapping[str, Part] = {
    "the standard mix, a relay on smpplib's PDU classes, and 500 rules": in_turns(
        {"standard": _of("standard"), "smpplib": _relay("smpplib"), "rules-500": _of("rules-500", rules=500)}
    ),
    "the generator alone, a bare relay, and own latency": _ceiling_and_latency,
    "Valkey, one worker and two": in_turns(
        {
            "valkey": _of("valkey", store=OWN_VALKEY),
            "embedded": _of("embedded"),
            "workers-2": _of("workers-2", store=OWN_VALKEY, workers=2),
            "workers-2-each": _of("workers-2-each", store=OWN_VALKEY, workers=2, binds=16),
        }
    ),
    "a gate in its first hour, after years, and with many ports": in_turns(
        {"new": _of("new"), "lived-in": _of("lived-in", lived_in=True), "many-ports": _of("many-ports", ports=CARDS)}
    ),
    "1 M people known": _of("known-some", recipients=SOME, known=True),
    "10 M people known": _of("known-many", recipients=MANY, known=True),
    "10 k people known": _of("known-few", recipients=FEW, known=True),
    "repeated texts": in_turns({"repeated": _of("repeated", mix="repeated")}),
    "varied texts": _of("varied", mix="varied"),
    "nobody refused, everybody, and receipts": in_turns(
        {
            "refused-none": _of("refused-none", refused=0.0),
            "refused-all": _of("refused-all", refused=100.0),
            "receipts": _of("receipts", refused=0.0, receipts=True),
        }
    ),
    "TLS": _of("tls", tls=True),
    "long texts": _of("long", long=100.0),
    "64 binds": _of("binds-64", binds=64, window=10),
    "500 binds": _of("binds-500", binds=500, window=1),
    "1 bind": _of("binds-1", binds=1, window=1, long=0.0),
    "memory of a person": _memory,
    "rules and words changed": _reload,
    "100 M suppressed": _suppressed,
}
"""Gates that a row compares are neighbours; the load generator is kept while the load stays the same."""
