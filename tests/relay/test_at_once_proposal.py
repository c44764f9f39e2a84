"""A proposed rule set judges at once as one by one: the same counts, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proxy.policy.loading.load_rules import load
from proxy.relay.proposed_rules import CandidateRules
from tests.examples import COMPARED_SEEDS
from tests.harness import NOON, RULES
from tests.needs import needs
from tests.relay.test_at_once import LI, TEXT, WANG, carried, in_batches, lived, mixed_alike, submit, without
from tests.relay.test_at_once_beside import all_of_it
from tests.relay.test_at_once_counted import drawn

STRICTER = (
    RULES
    + "  - {id: late, when: {category: marketing, text: {words: [点击领取]}}, then: reject, reason: keyword, mode: shadow}\n"
)


def waiting(seed: int) -> str:
    """Other limits, and of every other seed another word that is refused: some of the texts have it, and none of them the one in force."""
    rules = drawn(seed + 1000)
    return rules.replace("六合彩", "请回复R1") if seed % 2 else rules


@needs("gcc")
@pytest.mark.parametrize("seeds", COMPARED_SEEDS, ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("shared", [False, True], ids=["at once", "in chains"])
def test_what_waits_is_asked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range, shared: bool) -> None:
    def left(name: str) -> list[Any]:
        return [lived(tmp_path / f"{name}-{seed}", seed, rules=drawn(seed), reads=20, waiting=waiting(seed)) for seed in seeds]

    if shared:
        in_batches(monkeypatch)
    at_once = left("one")
    without(monkeypatch)
    assert left("other") == at_once
    said = [one[9] for one in at_once]
    assert not any(errors for _, _, _, errors in said)
    assert sum(judged for judged, _, _, _ in said) > 15 * len(said)
    assert sum(stricter for _, stricter, _, _ in said) > 20
    assert sum(milder for _, _, milder, _ in said) > 20


@needs("gcc")
@pytest.mark.parametrize("waiting", [RULES, STRICTER, "rules: []"])
def test_it_is_asked_about_whoever_lists_and_refusals_say_something_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: str
) -> None:
    at_once = carried(tmp_path / "one", beside=all_of_it, waiting=waiting)
    without(monkeypatch)
    assert carried(tmp_path / "other", beside=all_of_it, waiting=waiting) == at_once


EVENING = (
    RULES + "  - {id: late, when: {category: marketing, time: 21:00-08:00}, then: reject, reason: quiet-hours, mode: shadow}\n"
)
NINE = NOON + 9 * 3600


def asked_around_nine(folder: Path) -> tuple[int, int, dict[Any, int]]:
    """The clock was put back from a little past nine to a little before: who has had a message then is judged as of then."""
    (folder / "waiting").mkdir(parents=True)
    (folder / "waiting" / "rules.yaml").write_text(EVENING, encoding="utf-8")
    harness = mixed_alike(folder)
    harness.relay.admission.candidate = proposal = CandidateRules(load(folder / "waiting"), harness.tally)
    jia, number = cast("Any", harness.binds["jia"]), 0
    for now, persons in (
        (NINE + 5, [LI]),
        (NINE - 2, [WANG, LI, WANG + 1, WANG + 2, LI, WANG + 3]),
        (NINE - 1, [WANG + 4, LI]),
    ):
        harness.now = now
        frames = [submit(number + place, person, TEXT) for place, person in enumerate(persons, 1)]
        number += len(frames)
        harness.relay.submit_all(jia, frames, harness.now, harness.now)
        harness.turn()
    return proposal.judged, proposal.stricter, dict(harness.tally.proposed)


@needs("gcc")
def test_of_what_waits_the_plans_of_the_hour_are_asked_for_each_also_when_the_clock_was_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = asked_around_nine(tmp_path / "one")
    assert at_once == (9, 0, {("late", "reject"): 4})
    without(monkeypatch)
    assert asked_around_nine(tmp_path / "other") == at_once
