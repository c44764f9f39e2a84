"""This tree's gate beside that of another tree: it is the other's code that runs there, and the ratio is that of both figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from proxy.sim.bench.options import BenchFailed
from proxy.sim.gate_process import CODE
from tests.bench import against
from tests.bench.options import MeasuringOptions

BRIEF = MeasuringOptions(mix="repeated", seconds=0.3, binds=2, window=10, recipients=1_000, warmup_s=0.1)


def test_the_ratio_is_that_of_both_figures() -> None:
    told: list[str] = []
    found = against.measured(BRIEF, CODE, 1, 1, told.append)
    assert told == ["restart 1 of 1"]
    (row,) = found["restarts"]
    assert row["this"] > 0
    assert row["other"] > 0
    assert row["ratio"] == pytest.approx(row["this"] / row["other"], rel=0.01)  # of one turn
    lines = against.as_text(json.loads(json.dumps(found)))
    assert f"CPU per submit: {row['ratio']:.3f}× the other's ({row['ratio']:.3f} to {row['ratio']:.3f})" in lines
    assert lines[-1] == found["command"]


def test_it_is_the_other_trees_code_that_runs_there(tmp_path: Path) -> None:
    shutil.copytree(CODE / "rules", tmp_path / "rules")
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__init__.py").touch()
    (tmp_path / "proxy" / "__main__.py").write_text("raise SystemExit('the other tree speaks')\n", encoding="utf-8")
    with pytest.raises(BenchFailed, match="the other tree speaks"):
        against.measured(BRIEF, tmp_path, 1, 1)


def test_a_folder_without_a_gate_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match=rf"{tmp_path}: no checkout of gate106 \(it has no proxy/__main__.py\)"):
        against.measured(BRIEF, tmp_path, 1, 1)
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__main__.py").touch()
    with pytest.raises(BenchFailed, match=r"\(it has no rules\)"):
        against.measured(BRIEF, tmp_path, 1, 1)
