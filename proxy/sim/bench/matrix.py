"""Matrix: all rows that were agreed on, briefly, one after the other on one machine: what is measured beside what was aimed at.

In: Options (seconds and rounds of each are taken from them). Out: rows, in one dictionary. Never: a run that a goal is judged by though the
generator was at its end, without saying so.

What a row compares is measured one after the other, so that the machine is the same to both as far as it can be; where a tenth decides,
several times in turns, and the row is the median of the turns' ratios: between two runs of the same gate a shared host makes more than that.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from proxy.native import loader
from proxy.sim import gate, measure
from proxy.sim.bench import suppressed
from proxy.sim.bench.driver import Drivers, baseline
from proxy.sim.bench.house import certificate, house
from proxy.sim.bench.options import OWN_VALKEY, BenchFailed, Options
from proxy.sim.bench.result import BUSY_ELSEWHERE, told_of_machine
from proxy.sim.bench.rounds import folder_of
from proxy.sim.bench.rows import ROWS, Figures, Row
from proxy.sim.deck import CARDS
from proxy.sim.drive import Order, Run
from proxy.sim.gate import CHINA
from proxy.sim.memory import bytes_a_person
from proxy.sim.reload import reload_under_load

FEW, SOME, MANY = 10_000, 1_000_000, 10_000_000
MEMORY_OF = (200_000, 250_000, 300_000, 350_000, 400_000)
"""Each in a process of its own, with a mixing number of its own. The records and their buckets take the same, whatever their number; how
much Python's allocator keeps beside them of what it freed while they grew differs by a fifth."""
LATENCY_RATE = 5000.0
RELOAD_RATE, RELOAD_TIMES, RELOAD_RULES, RELOAD_WORDS = 1000.0, 2, 500, 100_000
RELOAD_RUNS = 3
"""A shared host stands still for 40 to 90 ms now and then, also while nothing changes: the row is the median of each run's longest pause."""
TURNS = 5
"""Of gates that are measured in turns: of three on a shared host a row was 0.4 one time and 0.8 the next."""
CONFLICTS = "gate106_store_conflicts_total"

Tell = Callable[[str], None]
Part = Callable[[Options, Drivers], dict[str, float]]


def measured(options: Options, tell: Tell = lambda text: None, parts: Mapping[str, Part] | None = None) -> dict[str, Any]:
    """All rows; what cannot be measured here says why. ``parts``: only these."""
    facts, began = measure.machine(), datetime.now(CHINA)
    base = replace(options, baselines=False, warmup_s=min(2.0, options.seconds / 4), rounds=1)
    with folder_of(options) as folder:
        median_s, worst_s = measure.sync_s(folder)
    rounds: list[Figures] = []
    problems: dict[str, str] = {}
    drivers = Drivers()
    try:
        for number in range(1, options.rounds + 1):
            figures: dict[str, float] = {}
            for name, part in (PARTS if parts is None else parts).items():
                tell(f"{name}" + (f" (round {number} of {options.rounds})" if options.rounds > 1 else ""))
                try:
                    figures |= part(base, drivers)
                except BenchFailed as failed:
                    problems[name] = str(failed)
                    drivers.close()  # it may be that one which failed
            rounds.append(figures)
    finally:
        drivers.close()
    return {
        "kind": "matrix",
        "command": f"gate106 bench --matrix --seconds {options.seconds:g}"
        + (f" --rounds {options.rounds}" if options.rounds > 1 else ""),
        "at": began.isoformat(timespec="seconds"),
        "took_s": round((datetime.now(CHINA) - began).total_seconds()),
        "commit": measure.commit(gate.CODE),
        "machine": facts,
        "versions": measure.versions(),
        "sync_ms": {"median": round(median_s * 1e3, 3), "worst": round(worst_s * 1e3, 3)},
        "options": {"seconds": options.seconds, "rounds": options.rounds},
        "rows": [_row(row, rounds) for row in ROWS],
        "figures": {name: round(statistics.median(one[name] for one in rounds if name in one), 3) for name in _names(rounds)},
        "problems": problems,
        "spread": options.rounds > 1,
    }


def _names(rounds: list[Figures]) -> list[str]:
    return list({name: None for one in rounds for name in one})


def _row(row: Row, rounds: list[Figures]) -> dict[str, Any]:
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
    """A table for people."""
    lines = [told_of_machine(told["machine"], told["versions"], told["sync_ms"]), "", f"{'':64}{'measured':>14}{'goal':>14}  "]
    for row in told["rows"]:
        spread = f"  ({row['spread'][0]:g}–{row['spread'][1]:g})" if row["spread"] else ""
        lines.append(f"{row['name']:64}{shown(row['measured'], row['unit']):>14}{goal_of(row):>14}  {verdict_of(row)}{spread}")
    lines += [f"not measured: {name}: {why}" for name, why in told["problems"].items()]
    return [*lines, *remarks(told), "", f"{told['command']}    ({told['took_s']} s)"]


def remarks(told: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the whole, and of single figures."""
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
    return "–" if row["goal"] is None else f"{'≤' if row['most'] else '≥'} {shown(row['goal'], row['unit'])}"


def verdict_of(row: Mapping[str, Any]) -> str:
    return {None: "", True: "met", False: "not met"}[row["met"]]


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    told = f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.2f}"
    return f"{told} {unit}".strip() if unit not in ("×", "%", "/s") else told + unit


# -- parts


def _figures(name: str, run: Run) -> dict[str, float]:
    return {
        f"{name}.cpu_us": run.cpu_us,
        f"{name}.per_s": run.per_s,
        f"{name}.others_busy": run.others_busy,
        f"{name}.limited": float(run.limited_by == "driver"),
        f"{name}.refused": sum(run.refused.values()) / max(1, run.messages),
    }


def _of(name: str, **changes: Any) -> Part:
    """One gate, as fast as answers come."""

    def part(base: Options, drivers: Drivers) -> dict[str, float]:
        options = replace(base, **changes)
        with folder_of(options) as folder:
            pem = certificate(folder) if options.tls else None
            beside = drivers.driver(options, pem)
            with house(options, folder, beside.carrier, pem) as one:
                run = beside.order(Order("gate", one.gate.smpp, one.gate.pid, one.metrics, store=one.store))
                scraped = measure.samples(measure.fetch(one.metrics))
        conflicts = sum(value for (metric, _), value in scraped.items() if metric == CONFLICTS)
        return _figures(name, run) | {
            f"{name}.start_s": one.start_s,
            f"{name}.stop_s": one.stop_s,
            f"{name}.start_cpu_s": round(one.ready_cpu_s, 2),
            f"{name}.store_cpu_us": run.store_cpu_us,
            f"{name}.conflicts": round(conflicts / max(1, run.all_messages) * 100, 3),
            f"{name}.life_cpu_us": round(one.life_cpu_s / max(1, run.all_messages) * 1e6, 2),
            f"{name}.receipts": run.receipts,
        }

    return part


def in_turns(gates: Mapping[str, Part]) -> Part:
    """Gates by name, one after the other, TURNS times over: medians of the figures of each; as ``name.times`` the median of its CPU
    against the first one's in the same turn, and what those lay between; as ``name.slower`` how many times as much the first one carries;
    as ``name.less`` how many µs a message it takes less than the first one."""
    first, *others = gates

    def part(base: Options, drivers: Drivers) -> dict[str, float]:
        turns: list[Figures] = []
        for _ in range(TURNS):
            found: dict[str, float] = {}
            for one in gates.values():
                found |= one(base, drivers)
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
    """One without rules."""

    def part(base: Options, drivers: Drivers) -> dict[str, float]:
        beside = drivers.driver(base)
        with baseline(name, beside.carrier, None) as (port, pid):
            return _figures(name, beside.order(Order(name, port, pid)))

    return part


def _beside(base: Options, drivers: Drivers) -> dict[str, float]:
    """The generator alone, a relay that changes nothing, and the gate's own latency where it is not at its end."""
    beside = drivers.driver(base)
    alone = beside.order(Order("ceiling", None, None))
    with folder_of(base) as folder, house(base, folder, beside.carrier) as one:
        slow = beside.order(Order("gate", one.gate.smpp, one.gate.pid, one.metrics, LATENCY_RATE))
    return {
        **_figures("ceiling", alone),
        **_relay("raw")(base, drivers),
        "latency.own_p99_ms": slow.own_ms["p99"],
        "latency.others_busy": slow.others_busy,
    }


def _memory(base: Options, drivers: Drivers) -> dict[str, float]:
    found = sorted(bytes_a_person(persons) for persons in MEMORY_OF)
    return {"memory.bytes_a_person": round(found[len(found) // 2]), "memory.most_bytes_a_person": round(found[-1])}


def _suppressed(base: Options, drivers: Drivers) -> dict[str, float]:
    told = suppressed.measured(suppressed.NUMBERS, base.seconds, lambda text: None)
    names = (
        "lookup_us",
        "lookup_other_us",
        "load_s",
        "load_cpu_s",
        "start_s",
        "slowest_ms",
        "import_s",
        "memory_mib",
        "state_mb",
    )
    return {f"suppressed.{name}": told[name] for name in names}


def _reload(base: Options, drivers: Drivers) -> dict[str, float]:
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
    "the generator alone, a bare relay, and own latency": _beside,
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
"""Those beside each other that a row compares; of those that send the same the generator goes on."""
