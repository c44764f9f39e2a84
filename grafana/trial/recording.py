"""Recording: all that the boards ask of one run of the demo, kept so that it can be drawn again and again.

In: a staged run. Out: a Recording, and a file of it. Never: labels or values that Prometheus did not give.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grafana.trial.asking import board, choices, fill, first, panels
from grafana.trial.prometheus import Series
from grafana.trial.staging import Staged

FILE = Path(__file__).parent.parent / "pictures" / "run.json.gz"
NAMES = ("overview", "compliance", "provider")
SHOWN = {"provider": "yunqi"}
"""Where a board shows one only: which."""
STILL_S = 5.0
"""The last seconds, in which the demo waits for the last answers and drains, are not shown."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One query of a panel: as it stands on the board, and what Prometheus said."""

    expr: str
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Recording:
    start: float
    end: float
    step_s: int
    chosen: Mapping[str, Mapping[str, str]]
    """Board → variable → what stood in it."""
    answers: Mapping[str, Mapping[int, Sequence[Answered]]]
    """Board → number of the panel → its queries."""


def record(staged: Staged) -> Recording:
    """Asks all that the boards ask, of the gate that had the demo's traffic."""
    window = replace(staged.window, end=staged.window.end - STILL_S)
    chosen: dict[str, dict[str, str]] = {}
    answers: dict[str, dict[int, list[Answered]]] = {}
    for name in NAMES:
        of = board(name, "en")
        stands = {variable["name"]: first(variable, values) for variable, values in choices(of, staged.prometheus, window)}
        stands |= {"instance": staged.gate} | ({"provider": SHOWN[name]} if name in SHOWN else {})
        chosen[name] = stands
        answers[name] = {}
        for panel in panels(of):
            said = []
            for query in panel["targets"]:
                expr = fill(query["expr"], stands, window)
                if query.get("instant"):
                    series = staged.prometheus.at(expr, window.end)
                else:
                    series = staged.prometheus.over(expr, window.start, window.end, window.step_s)
                said.append(Answered(query["expr"], series))
            answers[name][panel["id"]] = said
    return Recording(window.start, window.end, window.step_s, chosen, answers)


def save(recording: Recording, path: Path = FILE) -> None:
    boards = {
        name: {
            str(number): [
                {"expr": one.expr, "series": [_written(series, recording.start) for series in one.series]} for one in said
            ]
            for number, said in of.items()
        }
        for name, of in recording.answers.items()
    }
    whole = {
        "start": recording.start,
        "end": recording.end,
        "step_s": recording.step_s,
        "chosen": recording.chosen,
        "boards": boards,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))


def load(path: Path = FILE) -> Recording:
    whole = json.loads(gzip.decompress(path.read_bytes()))
    answers = {
        name: {
            int(number): [Answered(one["expr"], [_read(row, whole["start"]) for row in one["series"]]) for one in said]
            for number, said in of.items()
        }
        for name, of in whole["boards"].items()
    }
    return Recording(whole["start"], whole["end"], whole["step_s"], whole["chosen"], answers)


def _written(series: Series, start: float) -> dict[str, Any]:
    points = [
        [round(moment - start, 3), float(f"{value:.5g}") if math.isfinite(value) else None] for moment, value in series.points
    ]
    return {"labels": series.labels, "points": points}


def _read(row: Mapping[str, Any], start: float) -> Series:
    return Series(
        row["labels"], [(start + moment, float("nan") if value is None else value) for moment, value in row["points"]]
    )
