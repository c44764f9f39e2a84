"""Options and commands of the measuring tools, and kept results that are shown, drawn and compared."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.sim.bench.options import Unfit
from tests.bench import rounds
from tests.bench.__main__ import app
from tests.bench.options import MeasuringOptions

STANDARD = Path(__file__).parents[2] / "data" / "numbers" / "standard.json"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rounds": 0}, "--rounds: 0 is not from 1 to 1,000"),
        ({"latency_rate": -5}, "--latency-rate: -5 is less than nothing"),
        ({"binds": 0}, "--binds: 0 is not from 1 to 1,000"),
        ({"known": True, "store": "valkey"}, "--known: only the embedded store can be filled beforehand (leave out --store)"),
        ({"lived_in": True, "store": "valkey"}, "--lived-in: only the embedded store can be filled beforehand (leave out --store)"),
        ({"known": True, "recipients": 60_000_000}, "--known: at most 50,000,000 recipients, not 60,000,000"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused_before_anything_is_started(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Unfit) as caught:
        MeasuringOptions(**asked)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"refused": 30.0, "long": 12.5, "receipts": True, "tls": True, "rounds": 5},
        {"known": True, "sealed": True, "baselines": False, "latency_rate": 5000.0},
        {"store": "valkey", "workers": 2, "mix": "varied", "rate": 100.0, "rules": 500},
        {"lived_in": True, "ports": 20_001},
    ],
)
def test_the_command_of_a_result_measures_the_same_again(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(MeasuringOptions(), **changed)
    asked: list[MeasuringOptions] = []

    def run(given: MeasuringOptions, progress: object) -> object:
        asked.append(given)
        raise Unfit("enough")

    monkeypatch.setattr(rounds, "run", run)
    words = shlex.split(options.command)
    assert words[:4] == ["python", "-m", "tests.bench", "run"]
    result = CliRunner().invoke(app, words[3:])
    assert "enough" in result.output
    assert asked == [options]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--binds", "2000"], "--binds: 2000 is not from 1 to 1,000"),
        (["compare", "/nowhere/a.json", "/nowhere/b.json"], "/nowhere/a.json: No such file or directory"),
        (["show", "{tmp}"], "no result of a bench"),
        (["matrix", "--only", "nothing"], "--only: no part has 'nothing' in its name; there are: the standard mix"),
        (["matrix", "--page", "/nowhere/x.html"], "--page: /nowhere/x.html cannot be written"),
    ],
)
def test_a_command_that_cannot_be_done_is_one_clear_line_and_exit_2(words: list[str], said: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"command": "something else"}), encoding="utf-8")
    result = CliRunner().invoke(app, [word.replace("{tmp}", str(other)) for word in words])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("gate106: ")
    assert result.stderr.count("\n") == 1


PROFILE = {
    "kind": "where",
    "command": "python -m tests.bench profile",
    "cpu_us": 20.0,
    "samples": 9,
    "spent_us": {"wire": 12.0, "judge": 8.0},
}


def test_a_kept_result_is_shown_drawn_and_compared_without_a_measurement(tmp_path: Path) -> None:
    kept, profile, drawn = tmp_path / "a.json", tmp_path / "profile.json", tmp_path / "a.html"
    kept.write_bytes(STANDARD.read_bytes())
    profile.write_text(json.dumps(PROFILE), encoding="utf-8")

    shown = CliRunner().invoke(app, ["show", str(kept), "--page", str(drawn)])
    assert shown.exit_code == 0, shown.output
    assert "gate against: throughput vs raw" in shown.stdout
    assert "<svg" in drawn.read_text(encoding="utf-8")

    compared = CliRunner().invoke(app, ["compare", str(kept), str(kept), "--json"])
    assert compared.exit_code == 0, compared.output
    found = json.loads(compared.stdout)
    assert {one["ratio"] for one in found["figures"]} == {1.0}
    assert found["differs"] == []

    spent = CliRunner().invoke(app, ["show", str(profile)])
    assert re.search(r"^wire +12\.00 µs +60%$", spent.stdout, re.MULTILINE)
