"""Compares two results figure by figure, and lists what else differs.

Never: "faster" of figures that the rounds do not tell apart, or a comparison of two kinds.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.sim.bench.options import BenchFailed

FIGURES = (
    ("cpu_us", "CPU µs/msg"),
    ("life_cpu_us", "… with checkpoints"),
    ("per_s", "messages/s"),
    ("whole_ms.p50", "p50 ms"),
    ("whole_ms.p99", "p99 ms"),
    ("own_ms.p99", "own p99 ms"),
    ("store_cpu_us", "store's CPU µs/msg"),
    ("memory_mib", "memory MiB"),
)
NOISE = 0.2  # the assumed spread of a single round: a shared machine varied by a fifth from minute to minute
FILE_BYTES_MAX = 64 << 20
KINDS = ("bench", "matrix", "where", "suppressed")  # the kinds of results; the first two can be compared
ALWAYS_DIFFERENT = frozenset(("load_before", "mhz"))


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of one run in both results. ``least`` and ``most``: bounds of the ratio, by the spread of the rounds or by NOISE."""

    run: str
    figure: str
    first: float
    second: float
    ratio: float
    least: float
    most: float

    @property
    def tells(self) -> bool:
        """Whether the two results differ by more than their rounds do."""
        return not self.least <= 1 <= self.most


@dataclass(frozen=True, slots=True)
class Comparison:
    lines: tuple[ComparedFigure, ...]
    differs: tuple[tuple[str, str, str], ...]  # (what, in the first, in the second): options, machine, versions, commit
    guessed: bool  # whether a spread is assumed, because a result has one round only

    def as_dict(self) -> dict[str, Any]:
        figures = [{name: getattr(line, name) for name in (*ComparedFigure.__slots__, "tells")} for line in self.lines]
        return {
            "kind": "comparison",
            "figures": figures,
            "differs": [list(one) for one in self.differs],
            "guessed": self.guessed,
        }

    def as_text(self) -> str:
        wide = max(len(line.run) for line in self.lines) + 2
        found = [f"{'':{wide}}{'':20}{'A':>12}{'B':>12}{'B / A':>9}  {'between':15}"]
        for line in self.lines:
            said = "" if line.tells else "within the spread"
            between = f"{line.least:.2f}–{line.most:.2f}"
            found.append(
                f"{line.run:{wide}}{line.figure:20}{line.first:>12,.2f}{line.second:>12,.2f}{line.ratio:>8.2f}×  {between:15}{said}"
            )
        if self.guessed:
            found += [
                "",
                f"one of them has a single round: its spread is taken to be {NOISE:.0%} to either side (--rounds 5 would tell)",
            ]
        found += ["", "what else differs:"] if self.differs else ["", "nothing else differs"]
        found += [f"  {what}: {first} → {second}" for what, first, second in self.differs]
        return "\n".join(found)


def read(path: Path) -> dict[str, Any]:
    """A result from its file. Raises BenchFailed."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise BenchFailed(f"{path}: larger than {FILE_BYTES_MAX >> 20} MB, so no result of a bench")
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchFailed(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BenchFailed(f"{path}: not JSON ({error}); what `python -m tests.bench run --json` prints is wanted") from error
    kind = (kept.get("kind") or ("bench" if "runs" in kept else "")) if isinstance(kept, dict) else ""
    if kind not in KINDS:
        raise BenchFailed(f"{path}: no result of a bench; what `python -m tests.bench run --json` prints is wanted")
    return {**kept, "kind": kind}


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compares two results of ``read``. Raises BenchFailed if their kinds differ or they have no figure in common."""
    if first["kind"] != second["kind"]:
        raise BenchFailed(
            f"one of the two is a {first['kind']}, the other a {second['kind']}: they have nothing in common to compare"
        )
    if first["kind"] not in KINDS[:2]:
        raise BenchFailed(f"only results of a bench or of a matrix are compared, not of a {first['kind']}")
    lines = tuple(_rows(first, second) if first["kind"] == "matrix" else _runs(first, second))
    if not lines:
        raise BenchFailed("the two have no figure in common")
    guessed = any(not one.get("spread") for one in (first, second))
    return Comparison(lines, tuple(_differences(first, second)), guessed)


def _runs(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[ComparedFigure]:
    for name in first["runs"]:
        if name not in second["runs"]:
            continue
        for figure, words in FIGURES:
            line = _line(name, words, *(_figure(one, name, figure) for one in (first, second)))
            if line is not None:
                yield line


def _rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[ComparedFigure]:
    others = {row["name"]: row for row in second["rows"]}
    for row in first["rows"]:
        other = others.get(row["name"])
        if other is not None and row["measured"] is not None and other["measured"] is not None:
            both = [(one["measured"], *(one.get("spread") or _noise(one["measured"]))) for one in (row, other)]
            line = _line(row["name"], row["unit"], *both)
            if line is not None:
                yield line


def _figure(result: Mapping[str, Any], run: str, figure: str) -> tuple[float, float, float]:
    """(median, least, most)."""
    found: Any = result["runs"][run]
    for key in figure.split("."):
        found = found.get(key, 0) if isinstance(found, Mapping) else 0
    return found, *result.get("spread", {}).get(run, {}).get(figure, _noise(found))


def _noise(value: float) -> tuple[float, float]:
    return value / (1 + NOISE), value * (1 + NOISE)


def _line(
    run: str, figure: str, first: tuple[float, float, float], second: tuple[float, float, float]
) -> ComparedFigure | None:
    if min(*first, *second) <= 0:
        return None
    a, a_least, a_most = first
    b, b_least, b_most = second
    return ComparedFigure(run, figure, a, b, round(b / a, 3), round(b_least / a_most, 3), round(b_most / a_least, 3))


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for part in ("options", "machine", "versions"):
        here, there = first.get(part, {}), second.get(part, {})
        for key in sorted({*here, *there} - ALWAYS_DIFFERENT):
            if here.get(key) != there.get(key):
                yield f"{part}: {key}", _text(here.get(key)), _text(there.get(key))
    for key in ("rules", "commit"):
        if first.get(key) != second.get(key):
            yield key, _text(first.get(key)), _text(second.get(key))


def _text(value: object) -> str:
    return "unknown" if value is None or value == "" else str(value)
