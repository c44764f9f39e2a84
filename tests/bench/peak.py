"""Estimates what a peak needs, from measured costs: ``python -m tests.bench.peak``.

In: submits a second, persons, the figures in tests/data/numbers. Out: a table. Never: a measurement of its own.

A turn of b persons calls S of p primaries, S = p · (1 − (1 − 1/p)^b). For a person the gate and Valkey each take

    cost = a + c · S/b

with a and c fitted to the rows of shared-cluster-3.json and shared-cluster-10.json. A turn lasts GATHER_S and the call. Numbers of primaries
above 10, and turns above 90 persons, are extrapolated; the table says so.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import NamedTuple

NUMBERS = Path(__file__).parents[1] / "data" / "numbers"
MEASURED_PRIMARIES, MEASURED_TURN = (3, 10), 90
GATHER_S, CALL_S = 0.005, 0.001
HALF = 0.5
"""Of a core, so that a peak within the peak, or the loss of a machine, finds room."""


class Cost(NamedTuple):
    """µs a person: ``a + c · servers/persons`` of a turn."""

    a_us: float
    c_us: float
    off: float
    """The largest relative error over the measured rows."""

    def us(self, persons: float, primaries: int) -> float:
        return self.a_us + self.c_us * servers(persons, primaries) / persons


class Needs(NamedTuple):
    workers: int
    persons_a_turn: float
    gate_us: float
    valkey_us: float
    primaries_by_cpu: int
    gb_a_primary: float
    extrapolated: bool


def servers(persons: float, primaries: int) -> float:
    """How many primaries a turn of so many persons calls."""
    return float(primaries * (1 - (1 - 1 / primaries) ** persons))


def load(name: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((NUMBERS / f"{name}.json").read_text())["by_persons_a_call"]
    return found


def fit(figure: str) -> Cost:
    rows = [
        (servers(int(batch), primaries) / int(batch), row[figure])
        for primaries in MEASURED_PRIMARIES
        for batch, row in load(f"shared-cluster-{primaries}").items()
    ]
    c_us, a_us = statistics.linear_regression([each[0] for each in rows], [each[1] for each in rows])
    return Cost(a_us, c_us, max(abs(a_us + c_us * share - us) / us for share, us in rows))


def needs(per_s: float, persons: float, primaries: int, *, own_us: float, bytes_a_person: int) -> Needs:
    """``own_us``: of the gate for a submit without a shared store."""
    gate, valkey = fit("extra_us"), fit("valkey_us")
    workers, turn = 1, per_s * (GATHER_S + CALL_S)
    while per_s / workers * (own_us + gate.us(turn, primaries)) / 1e6 > HALF:
        workers += 1
        turn = max(1.0, per_s / workers * (GATHER_S + CALL_S))
    valkey_us = valkey.us(turn, primaries)
    return Needs(
        workers, turn, own_us + gate.us(turn, primaries), valkey_us, math.ceil(per_s * valkey_us / 1e6 / HALF),
        persons * bytes_a_person / primaries / 1e9, turn > MEASURED_TURN or primaries > max(MEASURED_PRIMARIES),
    )  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rate", type=float, default=200_000)
    asked.add_argument("--persons", type=float, default=1.4e9)
    asked.add_argument("--primaries", type=int, nargs="*", default=[10, 16, 30])
    given = asked.parse_args()
    own_us: float = json.loads((NUMBERS / "standard.json").read_text())["runs"]["gate"]["cpu_us"]
    a_person: int = json.loads((NUMBERS / "shared-store.json").read_text())["bytes_a_person"]
    for name in ("extra_us", "valkey_us"):
        cost = fit(name)
        print(f"{name}: {cost.a_us:.1f} + {cost.c_us:.1f} · servers/persons, off by at most {cost.off:.0%}")
    for primaries in given.primaries:
        found = needs(given.rate, given.persons, primaries, own_us=own_us, bytes_a_person=a_person)
        print(f"{primaries} primaries: {found}")


if __name__ == "__main__":
    main()
