"""Turns figures of several rounds into one result, as a table and as JSON.

Never: a figure without the command, the machine and the disk beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from proxy.sim.bench.measurement import BenchResult, describe_load, describe_machine, remarks
from proxy.sim.bench.run_figures import RunFigures

Spread = tuple[float, float]  # (least, most) over the rounds
FIGURES = ("per_s", "cpu_us", "busy", "driver_cpu_us", "memory_mib", "store_cpu_us", "others_busy", "life_cpu_us")
QUANTILES = (("whole_ms", "p50"), ("whole_ms", "p99"), ("whole_ms", "p999"), ("own_ms", "p50"), ("own_ms", "p99"))


@dataclass(frozen=True, slots=True)
class RoundsResult(BenchResult):
    """``runs``, by name (ceiling, raw, smpplib, gate, gate at 5000/s): the median of each figure over the rounds."""

    spread: dict[str, dict[str, Spread]] = field(default_factory=dict)
    """By name and figure (``cpu_us``, ``own_ms.p99``), and ``ratios``: the range over the rounds; empty for one round."""

    @property
    def ratios(self) -> dict[str, float]:
        """The gate's throughput and CPU against the baselines of the same run; above 1 is better for the gate in both."""
        return ratios(self.runs)

    def as_dict(self) -> dict[str, Any]:
        return BenchResult.as_dict(self) | {"ratios": self.ratios}

    def as_text(self) -> str:
        headings = f"{'':16}{'messages/s':>12}{'CPU µs/msg':>12}{'core busy':>11}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}"
        lines = [
            describe_rounds(self.options, self.rules),
            describe_machine(self.machine, self.versions, self.sync_ms),
            "",
            headings + f"{'own p50':>9}{'own p99':>9}{'refused':>9}{'driver µs':>11}",
            *map(_line, self.runs.values()),
            *(_spread_line(name, self.spread[name]) for name in self.runs if name in self.spread),
        ]
        if self.ratios:
            between = self.spread.get("ratios", {})
            compared = [
                f"{name.replace('_', ' ')} {value:.2f}×{_between(between.get(name))}" for name, value in self.ratios.items()
            ]
            lines += ["", "gate against: " + ", ".join(compared)]
        return "\n".join([*lines, *remarks_of(self.runs), "", self.command])


def describe_rounds(options: Mapping[str, Any], rules: int) -> str:
    """The load, the gate's set-up and the rounds in one line. ``options`` as in JSON, perhaps of an earlier version."""
    words = {"known": "all known from the start", "lived_in": "rates, quotas, registers, a list and refusals"}
    more = [word for key, word in words.items() if options.get(key)]
    more += [f"median of {options['rounds']} rounds"] if options.get("rounds", 1) > 1 else []
    return ", ".join([describe_load(options, rules), *more])


def _line(run: RunFigures) -> str:
    whole, own = run.whole_ms, run.own_ms
    shown = f"{own['p50']:>9.2f}{own['p99']:>9.2f}" if own else f"{'–':>9}{'–':>9}"
    refused = sum(run.refused.values()) / max(run.messages, 1)
    mark = "*" if run.limited_by == "driver" else " "
    return (
        f"{run.name:16}{run.per_s:>12,.0f}{mark[:1]}{run.cpu_us:>11.2f}{run.busy:>11.0%}{whole['p50']:>9.2f}{whole['p99']:>9.2f}"
        f"{whole['p999']:>10.2f}{shown}{refused:>9.1%}{run.driver_cpu_us:>11.2f}"
    )


def _spread_line(name: str, spread: Mapping[str, Spread]) -> str:
    figures = [
        f"{figure} {spread[figure][0]:,.4g}–{spread[figure][1]:,.4g}"
        for figure in ("per_s", "cpu_us", "own_ms.p99")
        if figure in spread
    ]
    return f"  {name}: " + ", ".join(figures)


def _between(spread: Spread | None) -> str:
    return f" ({spread[0]:.2f}–{spread[1]:.2f})" if spread else ""


def remarks_of(runs: Mapping[str, RunFigures]) -> list[str]:
    found = remarks(runs)
    lives = [
        f"{run.name}: {run.life_cpu_us:.2f} CPU µs/msg with all checkpoints, the last one included"
        for run in runs.values()
        if run.life_cpu_us
    ]
    return [*(found or [""]), *lives] if lives else found


def ratios(runs: Mapping[str, RunFigures]) -> dict[str, float]:
    """The gate against each relay, of one round or of medians."""
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


def spread_of(rounds: Sequence[Mapping[str, RunFigures]]) -> dict[str, dict[str, Spread]]:
    """The range of each figure over the rounds; empty for one round."""
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


def from_dict(kept: Mapping[str, Any]) -> RoundsResult:
    """A result from JSON, perhaps of an earlier version: figures that were not measured then are 0."""
    known = {one.name for one in fields(RunFigures)}
    runs = {
        name: RunFigures(**{key: value for key, value in run.items() if key in known}) for name, run in kept["runs"].items()
    }
    parts = ("command", "at", "machine", "versions", "sync_ms", "options", "rules", "start_s", "commit")
    values: dict[str, Any] = {"start_s": 0.0, "commit": ""} | {key: kept[key] for key in parts if key in kept}
    spread = {name: {key: (low, high) for key, (low, high) in one.items()} for name, one in kept.get("spread", {}).items()}
    return RoundsResult(**values, runs=runs, spread=spread)
