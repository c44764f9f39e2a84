"""The campaign's report says what was never hit, and its seeds come by everything."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import campaign
from tests.campaign import STREAM, TROUBLE, Crashed, Simulated, follow_some, simulate_some, table
from tests.crash import choosing
from tests.crash.points import POINTS
from tests.simulation.world import World


def test_each_point_comes_once_a_round_and_within_three_rounds_by_kill_and_by_power_and_with_clocks(tmp_path: Path) -> None:
    rounds = 3 * len(POINTS)
    worlds = [choosing.in_turn(tmp_path, seed) for seed in range(1, rounds + 1)]
    last = [world.deaths[-1].point for world in worlds]
    assert last == list(POINTS) * 3
    powered = {point for point, world in zip(last, worlds, strict=True) if world.power}
    killed = {point for point, world in zip(last, worlds, strict=True) if not world.power}
    assert powered == set(POINTS) - set(choosing.AFTER_LOSS)
    followed = {name for name, point in POINTS.items() if point.follower}
    assert killed == set(POINTS) - followed
    machines = [point for point, world in zip(last, worlds, strict=True) if world.follower is not None]
    assert followed < set(machines)
    assert sum(world.clock for world in worlds) == rounds // 3


def test_what_was_never_hit_stands_in_the_report() -> None:
    crashed = Crashed()
    crashed.hits["written"] = 2
    assert crashed.never == [point for point in (*POINTS, *STREAM) if point != "written"] + list(TROUBLE)
    said = table(simulate_some(1, 3), follow_some(1, 3), crashed)
    assert "never: half-written" in said
    assert "never: trimmed" in said
    assert "never: power lost" in said
    assert "never: written" not in said.splitlines()


def test_a_world_that_breaks_a_promise_stands_there_with_its_seed_and_the_exit_is_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def breaks(world: World) -> None:
        raise AssertionError("a promise")

    monkeypatch.setattr(World, "run", breaks)
    assert [line.split(" (")[0] for line in simulate_some(7, 9).failed] == [
        "seed 7: AssertionError('a promise')",
        "seed 8: AssertionError('a promise')",
    ]
    monkeypatch.setattr(campaign, "simulate", lambda *asked: Simulated(failed=["seed 7"]))
    monkeypatch.setattr(sys, "argv", ["campaign", "--seeds", "1", "--crashes", "0", "--json", str(tmp_path / "report.json")])
    with pytest.raises(SystemExit) as ended:
        campaign.main()
    assert ended.value.code == 1
    said = json.loads((tmp_path / "report.json").read_text())
    assert (said["simulated"]["failed"], said["followed"]["failed"]) == (["seed 7"], ["seed 7"])


def test_two_worlds_do_not_come_by_everything_and_that_is_no_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["campaign", "--seeds", "2", "--crashes", "0", "--json", str(tmp_path / "report.json")])
    with pytest.raises(SystemExit) as ended:
        campaign.main()
    assert ended.value.code == 1
    assert "2 simulated worlds" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["simulated"]["never"]
