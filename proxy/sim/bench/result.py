"""Result: what was measured, for people and for programs.

In: Runs, round by round, and the machine they ran on. Out: a table, JSON. Never: a figure without the command, the machine and the disk
beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from proxy.sim.drive import Run

Spread = tuple[float, float]
"""(least, most) over the rounds."""
FIGURES = ("per_s", "cpu_us", "busy", "driver_cpu_us", "memory_mib", "store_cpu_us", "others_busy", "life_cpu_us")
QUANTILES = (("whole_ms", "p50"), ("whole_ms", "p99"), ("whole_ms", "p999"), ("own_ms", "p50"), ("own_ms", "p99"))
BUSY_ELSEWHERE = 0.1
"""From so many cores on that others used, a figure is marked."""


@dataclass(frozen=True, slots=True)
class Result:
    command: str
    at: str
    machine: dict[str, object]
    versions: dict[str, str]
    sync_ms: dict[str, float]
    options: dict[str, Any]
    rules: int
    runs: dict[str, Run] = field(default_factory=dict)
    """By name (ceiling, raw, smpplib, gate, gate at 5000/s): of each figure the median of the rounds."""
    spread: dict[str, dict[str, Spread]] = field(default_factory=dict)
    """By name and figure (``cpu_us``, ``own_ms.p99``), and ``ratios``: what the rounds lay between; empty for one round."""
    start_s: float = 0.0
    """From the gate's start until it was ready."""
    commit: str = ""

    @property
    def ratios(self) -> dict[str, float]:
        """The gate's throughput and CPU against the baselines of the same run; above 1 is better for the gate in both."""
        return ratios(self.runs)

    def as_dict(self) -> dict[str, Any]:
        return {"kind": "bench"} | asdict(self) | {"ratios": self.ratios}

    def as_text(self) -> str:
        """A table for people."""
        headings = f"{'':16}{'messages/s':>12}{'CPU µs/msg':>12}{'core busy':>11}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}"
        lines = [
            described(self.options, self.rules),
            told_of_machine(self.machine, self.versions, self.sync_ms),
            "",
            headings + f"{'own p50':>9}{'own p99':>9}{'refused':>9}{'driver µs':>11}",
            *map(_line, self.runs.values()),
            *(_spread_line(name, self.spread[name]) for name in self.runs if name in self.spread),
        ]
        if self.ratios:
            between = self.spread.get("ratios", {})
            told = [
                f"{name.replace('_', ' ')} {value:.2f}×{_between(between.get(name))}" for name, value in self.ratios.items()
            ]
            lines += ["", "gate against: " + ", ".join(told)]
        return "\n".join([*lines, *remarks(self.runs), "", self.command])


def described(options: Mapping[str, Any], rules: int) -> str:
    """One line: what was asked for."""
    what = (
        f"{options['binds']} binds × window {options['window']}, {options['mix']} texts, {options['recipients']:,} recipients"
    )
    more = [f"{rules} rules", f"{options['seconds']:g} s each"]
    more += [f"{options['rate']:g} messages/s"] if options["rate"] else []
    more += [f"{options[key]:g} % {key}" for key in ("refused", "long") if options.get(key) is not None]
    words = {"tls": "TLS", "known": "all known from the start", "lived_in": "rates, quotas, registers, a list and refusals"}
    more += [words.get(key, key) for key in ("receipts", "tls", "known", "lived_in", "sealed") if options.get(key)]
    more += [f"{options['ports']:,} ports of each category"] if options.get("ports", 1) > 1 else []
    more += [f"{options['workers']} workers"] if options.get("workers", 1) > 1 else []
    store = options.get("store") or "embedded"
    more += [f"store {store.split('://')[0]}"] if store != "embedded" else []
    more += [f"median of {options['rounds']} rounds"] if options.get("rounds", 1) > 1 else []
    return ", ".join([what, *more])


def told_of_machine(machine: Mapping[str, Any], versions: Mapping[str, str], sync_ms: Mapping[str, float]) -> str:
    """One line: on what."""
    clock = f" at {machine['mhz']:,} MHz" if machine.get("mhz") else ""
    virtual = " (a virtual machine)" if machine.get("virtual") else ""
    disk = f"{machine.get('disk') or 'disk'} sync {sync_ms['median']:.3f} ms (worst {sync_ms['worst']:.3f})"
    return (
        f"{machine['cpu']}{clock}, {machine['cores']} cores, {machine['memory_gib']} GiB{virtual}, {machine['system']}, "
        f"Python {versions['python']}, hot functions {versions['hot functions']}; {disk}; load {machine['load_before']} before"
    )


def _line(run: Run) -> str:
    whole, own = run.whole_ms, run.own_ms
    shown = f"{own['p50']:>9.2f}{own['p99']:>9.2f}" if own else f"{'–':>9}{'–':>9}"
    refused = sum(run.refused.values()) / max(run.messages, 1)
    mark = "*" if run.limited_by == "driver" else " "
    return (
        f"{run.name:16}{run.per_s:>12,.0f}{mark[:1]}{run.cpu_us:>11.2f}{run.busy:>11.0%}{whole['p50']:>9.2f}{whole['p99']:>9.2f}"
        f"{whole['p999']:>10.2f}{shown}{refused:>9.1%}{run.driver_cpu_us:>11.2f}"
    )


def _spread_line(name: str, spread: Mapping[str, Spread]) -> str:
    told = [
        f"{figure} {spread[figure][0]:,.4g}–{spread[figure][1]:,.4g}"
        for figure in ("per_s", "cpu_us", "own_ms.p99")
        if figure in spread
    ]
    return f"  {name}: " + ", ".join(told)


def _between(spread: Spread | None) -> str:
    return f" ({spread[0]:.2f}–{spread[1]:.2f})" if spread else ""


def remarks(runs: Mapping[str, Run]) -> list[str]:
    """What a reader must know of single figures."""
    found = []
    if limited := [run.name for run in runs.values() if run.limited_by == "driver"]:
        found.append(f"* the load generator was at its end, not what is measured: {', '.join(limited)}")
    if busy := {run.name: run.others_busy for run in runs.values() if run.others_busy >= BUSY_ELSEWHERE}:
        told = ", ".join(f"{name} {cores:.2f}" for name, cores in busy.items())
        found.append(f"this machine did other work meanwhile, cores: {told}")
    for run in runs.values():
        if run.life_cpu_us:
            found.append(f"{run.name}: {run.life_cpu_us:.2f} CPU µs/msg with all checkpoints, the last one included")
        if run.store_cpu_us:
            found.append(f"{run.name}: {run.store_cpu_us:.2f} CPU µs/msg in the shared store's server")
        if run.receipts and run.cpu_us and run.own_ms:
            found.append(f"{run.name}: {run.receipts:,} receipts")
        if run.lost:
            found.append(f"{run.name}: {run.lost} submits were never answered")
    return ["", *found] if found else []


def ratios(runs: Mapping[str, Run]) -> dict[str, float]:
    """Of one round, or of medians."""
    gate_run = runs.get("gate")
    if gate_run is None or not gate_run.messages:
        return {}
    found = {}
    for name in ("raw", "smpplib"):
        if name in runs:
            found[f"throughput_vs_{name}"] = round(gate_run.per_s / runs[name].per_s, 3)
            found[f"cpu_vs_{name}"] = round(runs[name].cpu_us / gate_run.cpu_us, 3) if gate_run.cpu_us else 0.0
    return found


# -- several rounds


def median(runs: Sequence[Run]) -> Run:
    """Of each figure its own median; what is no figure is the first's."""
    if len(runs) == 1:
        return runs[0]
    return Run(**{one.name: _middle([getattr(run, one.name) for run in runs]) for one in fields(Run)})


def _middle(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, str):
        return max(values, key=len)  # a mark that any round has
    if isinstance(first, dict):
        return {
            key: _middle([value.get(key, 0) for value in values]) for key in {key: None for value in values for key in value}
        }
    if isinstance(first, list | tuple):
        return type(first)(_middle(together) for together in zip(*values, strict=True))
    found = statistics.median(values)
    return round(found) if isinstance(first, int) else round(found, 6)  # shares of 0.9999 among them


def spread_of(rounds: Sequence[Mapping[str, Run]]) -> dict[str, dict[str, Spread]]:
    """What the rounds lie between; nothing for one."""
    if len(rounds) < 2:
        return {}
    found: dict[str, dict[str, Spread]] = {}
    for name in rounds[0]:
        runs = [one[name] for one in rounds]
        figures = {figure: [float(getattr(run, figure)) for run in runs] for figure in FIGURES}
        figures |= {f"{part}.{key}": [getattr(run, part).get(key, 0.0) for run in runs] for part, key in QUANTILES}
        found[name] = {figure: (min(values), max(values)) for figure, values in figures.items() if any(values)}
    every = [ratios(one) for one in rounds]
    if every[0]:
        found["ratios"] = {name: (min(one[name] for one in every), max(one[name] for one in every)) for name in every[0]}
    return found


def of(told: Mapping[str, Any]) -> Result:
    """A result out of what ``as_dict`` gave, perhaps long ago: figures that were not measured then are 0."""
    known = {one.name for one in fields(Run)}
    runs = {name: Run(**{key: value for key, value in run.items() if key in known}) for name, run in told["runs"].items()}
    parts = ("command", "at", "machine", "versions", "sync_ms", "options", "rules", "spread", "start_s", "commit")
    spread = {name: {key: (low, high) for key, (low, high) in one.items()} for name, one in told.get("spread", {}).items()}
    return Result(**{key: told[key] for key in parts if key in told and key != "spread"}, runs=runs, spread=spread)
