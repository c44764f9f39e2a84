"""BenchOptions of ``gate106 bench``, and who gets which text."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.config.yaml_file import load
from proxy.sim import synthetic_recipients, texts
from proxy.sim.bench.gate_process import refusing
from proxy.sim.bench.options import BenchOptions, Unfit
from tests.commands import app


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mix": "standart"}, "--mix: unknown mix 'standart' (did you mean 'standard'?)"),
        ({"binds": 0}, "--binds: 0 is not from 1 to 1,000"),
        ({"window": 10_001}, "--window: 10001 is not from 1 to 10,000"),
        ({"refused": 101}, "--refused: 101 is not from 0 to 100"),
        ({"long": -1}, "--long: -1 is not from 0 to 100"),
        ({"rate": -5}, "--rate: -5 is less than nothing"),
        ({"store": "redis://x"}, "--store: 'redis://x' is neither embedded, valkey nor an address such as valkey://host:6379/0"),
        ({"workers": 2}, "--workers 2: several workers need a store that they share (--store valkey)"),
        ({"refused": 100, "recipients": 6_000_000}, "--refused: at most 5,000,000 recipients can be refused; take fewer --recipients than 6,000,000"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_started(asked: dict[str, Any], said: str):
    with pytest.raises(Unfit) as caught:
        BenchOptions(**asked)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"refused": 30.0, "long": 12.5, "receipts": True, "tls": True, "ports": 7},
        {"sealed": True, "rate": 5000.0},
        {"store": "valkey", "workers": 2, "mix": "varied", "rate": 100.0, "rules": 500},
        {"store": "valkey://h 1:6379/0"},
    ],
)
def test_the_command_of_a_result_measures_the_same_again(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    options = replace(BenchOptions(), **changed)
    asked: list[BenchOptions] = []

    def run(said: BenchOptions, tell: object) -> object:
        asked.append(said)
        raise Unfit("enough")

    monkeypatch.setattr("proxy.sim.bench.measurement.measure_gate", run)
    words = shlex.split(options.command)
    assert words[:2] == ["gate106", "bench"]
    result = CliRunner().invoke(app, words[1:])
    assert "enough" in result.output
    assert asked == [options]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--binds", "2000"], "--binds: 2000 is not from 1 to 1,000"),
        (["--window", "0"], "--window: 0 is not from 1 to 10,000"),
        (["--workers", "2"], "--workers 2: several workers need a store that they share (--store valkey)"),
    ],
)
def test_a_command_that_cannot_be_done_is_one_clear_line_and_exit_2(words: list[str], said: str):
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("gate106: ")
    assert result.stderr.count("\n") == 1


# -- who is written to, and with what


def test_of_those_who_are_refused_there_are_as_many_as_asked_for_at_any_point_of_the_way():
    crowd = synthetic_recipients.distinct_numbers(10_000, refused=30)
    (rule,) = json.loads(refusing())["rules"]
    at_home = [synthetic_recipients.province_of(number) for number in crowd]
    assert rule["when"] == {"province": synthetic_recipients.BANNED}
    assert at_home.count(synthetic_recipients.BANNED) == 3000
    assert 290 <= at_home[5000:6000].count(synthetic_recipients.BANNED) <= 310
    assert not set(synthetic_recipients.SPARED) & set(at_home)
    assert len(set(crowd)) == len(crowd)
    assert crowd == synthetic_recipients.distinct_numbers(10_000, refused=30)


def test_where_the_spared_live_is_where_shipped_rules_refuse_by_province():
    named = set()
    for path in Path("rules").glob("*.yaml"):
        told: Any = load(path).value
        for rule in told.get("rules", ()):
            named |= {
                word for word in synthetic_recipients.PROVINCES if word in str(rule.get("when")) and "port" not in rule["id"]
            }
    assert named <= set(synthetic_recipients.SPARED)


@pytest.mark.parametrize("share", [0, 100])
def test_nobody_or_everybody_can_be_refused(share: float):
    homes = {synthetic_recipients.province_of(number) for number in synthetic_recipients.distinct_numbers(500, refused=share)}
    assert (homes == {synthetic_recipients.BANNED}) == (share == 100)
    assert (synthetic_recipients.BANNED in homes) == (share == 100)


def test_no_more_people_are_drawn_than_there_are():
    with pytest.raises(ValueError, match="no more than"):
        synthetic_recipients.distinct_numbers(10_000_000, refused=100)


@pytest.mark.parametrize("mix", texts.MIXES)
@pytest.mark.parametrize("share", [0, 25, 100])
def test_so_many_texts_are_long_as_are_asked_for(mix: str, share: float):
    found = texts.MIXES[mix](106, share)
    assert sum(one.long for one in found) == len(found) * share // 100


def test_in_the_varied_mix_every_text_has_something_that_changes():
    found = texts.varied(106)
    assert all(one.varied for one in found)
    assert len({one.text for one in found}) == len(found)
