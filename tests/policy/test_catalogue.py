"""Every need of the catalogue: what its rule refuses, that it passes with the rule off, and that shadow changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import proxy
from proxy.config import yaml_file
from proxy.model.message import Verdict
from tests.policy.catalogue import EXEMPTIONS, NEEDS, SHIPPED, WITH_THE_DESK, Need, Step
from tests.policy.conftest import Bench, Make

RULES = Path(proxy.__file__).parent.parent / "rules"


def rules_of(need: Need, mode: str) -> str:
    return f"- id: it\n  {need.rule}\n  mode: {mode}\n{need.others}"


def bench_of(make: Make, need: Need, mode: str) -> Bench:
    return make(rules_of(need, mode), need.files, head=need.head)


def play(bench: Bench, steps: tuple[Step, ...]) -> list[Verdict]:
    said = []
    for step in steps:
        scope, value, source = step.refuses
        if scope:
            bench.refuses(step.how.get("to", "13800250500"), scope, value, source=source, at=step.how.get("at", "2026-11-01"))
        said.append(bench.send(**step.how))
    return said


def told(verdict: Verdict) -> tuple[str, str]:
    return verdict.outcome.word, verdict.reason.name if verdict.reason else ""


@pytest.mark.parametrize("need", [*NEEDS, *EXEMPTIONS], ids=lambda need: need.name)
def test_a_need_is_met(make: Make, need: Need) -> None:
    for step, verdict in zip(need.steps, play(bench_of(make, need, "enforce"), need.steps), strict=True):
        assert told(verdict) == (step.said, step.reason), step
        assert step.said == "allow" or need in EXEMPTIONS or verdict.rule == "it"
    assert any(step.said != "allow" for step in need.steps)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.name)
def test_once_the_rule_is_off_everything_passes_and_in_shadow_it_is_only_told(make: Make, need: Need) -> None:
    off = play(bench_of(make, need, "off"), need.steps)
    assert [(verdict.outcome.word, verdict.breaches) for verdict in off] == [("allow", ())] * len(off)
    shadow = play(bench_of(make, need, "shadow"), need.steps)
    assert [told(verdict) for verdict in shadow] == [told(verdict) for verdict in off]
    first = next(place for place, step in enumerate(need.steps) if step.said != "allow")
    assert [breach.rule for breach in shadow[first].breaches] == [
        "it"
    ]  # until then no message more has passed than under the rule
    assert all(breach.shadow for verdict in shadow for breach in verdict.breaches)


@pytest.mark.parametrize("need", EXEMPTIONS, ids=lambda need: need.name)
def test_without_the_exemption_more_is_refused(make: Make, need: Need) -> None:
    with_it, without = play(bench_of(make, need, "enforce"), need.steps), play(bench_of(make, need, "off"), need.steps)
    assert sum(one.reason is not None for one in without) > sum(one.reason is not None for one in with_it)


def test_every_need_stands_here_or_waits_for_the_desk() -> None:
    ids = {need.id for need in (*NEEDS, *EXEMPTIONS)} | set(WITH_THE_DESK)
    assert {f"R{number:02d}" for number in range(1, 37)} <= ids


def test_every_need_has_its_rule_in_the_set_that_ships_with_words_and_ground() -> None:
    assert set(SHIPPED) | {"R34"} == {f"R{number:02d}" for number in range(1, 37)}
    files: list[Any] = [yaml_file.load(path).value for path in RULES.glob("*.yaml")]
    rules = [rule for file in files for rule in (*file["rules"], *file.get("penalties", []))]
    written = {rule["id"]: bool(rule.get("say") and ("exempt" in rule or rule.get("basis"))) for rule in rules}
    asked = {name for names in SHIPPED.values() for name in names.split()}
    assert {name: written.get(name) for name in asked} == dict.fromkeys(asked, True)
