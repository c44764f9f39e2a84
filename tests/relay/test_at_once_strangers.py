"""New and forgotten senders and texts are judged at once as one by one.

So are texts that need a review, whose verdict carries more than the names of rules."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.journal.records import messages
from proxy.native.loader import PURE
from proxy.policy import related_senders, ruleset
from proxy.relay.batching import Batching
from tests.examples import COMPARED_SEEDS
from tests.harness import NOON, RULES, SHANGHAI, Harness
from tests.needs import needs
from tests.relay.test_at_once import PORTS, TEXT, lived, submit, without

pytestmark = pytest.mark.skipif("GATE106_PURE" in os.environ, reason="GATE106_PURE does without the twins, which this is about")

LOOKED_AT = [
    "{when: {category: marketing, text: {words: [点击领取]}}",
    "{when: {port: '10690011'}",
    "{when: {category: marketing, province: 上海}",
    "{when: {category: marketing, recipient_in: some}",
    "{when: {category: marketing, suppressed: true}",
]
AGES = ["", "  - {id: young, when: {provider_age: {below: 1h}, text: {words: [R1]}}, then: reject, reason: probation}\n"]
EXEMPTIONS = ["", "  - {id: spared, exempt: true, when: {recipient_in: some}, skip: [looked-at-0, keyword]}\n"]
LISTS = "lists: {some: {file: some.csv}}"


def drawn(seed: int) -> str:
    draw, rules = random.Random(seed), LISTS + RULES
    for number, one in enumerate(draw.sample(LOOKED_AT, draw.randint(1, 3))):
        mode, then = draw.choice(("", "", ", mode: shadow")), draw.choice(("review", "review", "reject"))
        rules += f"  - {one.replace('{', f'{{id: looked-at-{number}, ', 1)}, then: {then}, reason: stopped{mode}}}\n"
    if draw.random() < 0.3:
        rules += "  - {id: quota, when: {category: marketing}, limit: {count: 7, per: hour, key: [provider]}, then: reject, reason: stopped}\n"
    return rules + draw.choice(AGES) + draw.choice(EXEMPTIONS)


@needs("gcc")
@pytest.mark.parametrize("seeds", COMPARED_SEEDS, ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("chained", [False, True], ids=["at once", "in chains"])
@pytest.mark.parametrize("forgetful", [False, True], ids=["remembered", "forgotten"])
def test_whoever_comes_whatever_is_to_be_looked_at_is_judged_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range, chained: bool, forgetful: bool
) -> None:
    def left(name: str) -> list[Any]:
        return [
            lived(
                tmp_path / f"{name}-{seed}", seed, rules=drawn(seed), reads=25, since=NOON - 3500,
                waiting=drawn(seed + 500) if seed % 3 == 0 else "",
            )
            for seed in seeds
        ]  # fmt: skip

    if forgetful:
        monkeypatch.setattr(related_senders, "SENDERS_MAX", 1)
        monkeypatch.setattr(related_senders, "GROUPS_MAX", 1)
        for most in ("KNOWN_MAX", "PLANS_MAX", "DECISIONS_MAX"):
            monkeypatch.setattr(ruleset, most, 1)
    if chained:
        monkeypatch.setattr(Batching, "_judge_at_once", PURE["batching_judge_at_once"])
    at_once = left("one")
    without(monkeypatch)
    assert left("other") == at_once
    kinds = [record.kind for one in at_once for record in one[1]]
    assert kinds.count(messages.REVIEW) > len(seeds)


@needs("gcc")
def test_whoever_comes_is_judged_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers choose what stands behind their prefixes: a port that has not come before is no exception."""
    harness = Harness(tmp_path)
    harness.submit("jia", SHANGHAI, TEXT)  # the rules look at their watch

    def asked(*given: Any) -> None:
        raise AssertionError("message by message")

    monkeypatch.setitem(cast("Any", PURE), "admission_judge", asked)
    monkeypatch.setattr(messages, "pack_verdict", asked)
    frames = [submit(number, SHANGHAI + number, TEXT, port=f"1069001{number:05d}") for number in range(1, 31)]
    frames += [submit(31, SHANGHAI + 31, "【乙店】您的快件已到", port=PORTS[0])]
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    said = harness.verdicts()
    assert [one.port for one in said] == [PORTS[0], *(f"1069001{number:05d}" for number in range(1, 31)), PORTS[0]]
    assert not any(one.reason for one in said)


@needs("gcc")
@pytest.mark.parametrize("looked_at", [one for one in LOOKED_AT if "port" not in one and "suppressed" not in one])
def test_what_a_clerk_is_to_look_at_is_judged_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_at: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "some.csv").write_text("recipient\n" + "".join(f"{SHANGHAI + one}\n" for one in range(40)))
    harness = Harness(tmp_path, rules=f"{LISTS}\nrules:\n  - {looked_at}, id: it, then: review, reason: stopped}}\n")
    harness.submit("jia", SHANGHAI + 50, TEXT)

    def asked(*given: Any) -> None:
        raise AssertionError("message by message")

    monkeypatch.setitem(cast("Any", PURE), "admission_judge", asked)
    frames = [submit(number, SHANGHAI + number % 10, TEXT) for number in range(1, 31)]
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    assert [one.reason for one in harness.verdicts()].count("in-review") >= 10
    assert [one.kind for one in harness.written()].count(messages.REVIEW) == 1
