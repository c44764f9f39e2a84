"""Estimates what a peak needs, from measured costs: ``python -m tests.bench.peak``.

In: submits a second, persons, the figures in tests/data/numbers. Out: tables. Never: a measurement of its own.

A worker judges what has gathered for GATHER_S together, b submits, and asks p primaries for their persons. For a submit the worker and the
servers each take

    cost = a + (t + c · p) / b

with a, t and c fitted to the rows of one worker in shared-gate.json (3 and 10 primaries). ``check`` holds it against the rows of more workers,
which it does not know. More than 10 primaries are extrapolated.

A worker is at half load with half of the submits a second that it takes at most, in a closed loop: what it costs a submit falls with the
rate, so half a core is no measure of what it can still do.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any, NamedTuple

NUMBERS = Path(__file__).parents[1] / "data" / "numbers"
GATHER_S = 0.005
HALF = 0.5
"""Of what a worker or a server can do, so that a peak within the peak, or the loss of a machine, finds room."""

Row = dict[str, Any]


class Cost(NamedTuple):
    """µs a submit: ``a + (t + c · primaries) / submits of a turn``."""

    a_us: float
    t_us: float
    c_us: float

    def us(self, turn: float, primaries: int) -> float:
        return self.a_us + (self.t_us + self.c_us * primaries) / turn


class Needs(NamedTuple):
    workers: int  # at half load
    per_s: float  # of each
    gate_us: float
    busy: float  # of a worker's core
    valkey_us: float
    primaries_by_cpu: int
    gb_a_primary: float


def rows() -> list[Row]:
    found: dict[str, Row] = json.loads((NUMBERS / "shared-gate.json").read_text())["rows"]
    return list(found.values())


def turn_of(per_s: float) -> float:
    """Submits of a worker's turn at this rate."""
    return max(1.0, per_s * GATHER_S)


def fit(figure: str, measured: list[Row]) -> Cost:
    """The line through the rows of one worker at a rate; slope by primaries, one constant."""
    alone = [row for row in measured if row["workers"] == 1 and row["rate"]]
    lines = {
        primaries: statistics.linear_regression(
            [1 / turn_of(row["per_s"]) for row in alone if row["primaries"] == primaries],
            [row[figure] for row in alone if row["primaries"] == primaries],
        )
        for primaries in {row["primaries"] for row in alone}
    }
    few, many = min(lines), max(lines)
    c_us = (lines[many].slope - lines[few].slope) / (many - few)
    return Cost(statistics.mean(line.intercept for line in lines.values()), lines[few].slope - c_us * few, c_us)


def check(measured: list[Row]) -> list[tuple[str, float, float]]:
    """For each row with a rate: its name, and by how much the estimate for gate and for servers is too large, as shares."""
    gate, valkey = fit("gate_us", measured), fit("valkey_us", measured)
    found = []
    for row in measured:
        if row["rate"]:
            turn, primaries = turn_of(row["per_s"] / row["workers"]), row["primaries"]
            off = [cost.us(turn, primaries) / row[name] - 1 for name, cost in (("gate_us", gate), ("valkey_us", valkey))]
            found.append((f"{primaries} primaries, {row['workers']} workers, {row['rate']}/s", *off))
    return found


def most_per_s(measured: list[Row]) -> float:
    """What one worker takes at most, with the most primaries that were measured."""
    closed = [row for row in measured if not row["rate"] and row["workers"] == 1]
    return float(max(closed, key=lambda row: row["primaries"])["per_s"])


def needs(per_s: float, persons: float, primaries: int, measured: list[Row], *, bytes_a_person: int) -> Needs:
    workers = math.ceil(per_s / (HALF * most_per_s(measured)))
    each = per_s / workers
    gate_us = fit("gate_us", measured).us(turn_of(each), primaries)
    valkey_us = fit("valkey_us", measured).us(turn_of(each), primaries)
    return Needs(
        workers, each, gate_us, each * gate_us / 1e6, valkey_us, math.ceil(per_s * valkey_us / 1e6 / HALF),
        persons * bytes_a_person / primaries / 1e9,
    )  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rate", type=float, default=200_000)
    asked.add_argument("--persons", type=float, default=1e9)
    asked.add_argument("--primaries", type=int, nargs="*", default=[10, 16])
    given = asked.parse_args()
    a_person: int = json.loads((NUMBERS / "shared-store.json").read_text())["bytes_a_person"]
    measured = rows()
    for name in ("gate_us", "valkey_us"):
        print(name, fit(name, measured))
    for name, gate, valkey in check(measured):
        print(f"{name}: gate {gate:+.0%}, servers {valkey:+.0%}")
    for primaries in given.primaries:
        print(f"{primaries} primaries: {needs(given.rate, given.persons, primaries, measured, bytes_a_person=a_person)}")


if __name__ == "__main__":
    main()
