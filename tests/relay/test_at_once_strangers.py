"""New and forgotten senders and texts are judged at once as one by one.

So are texts that need a review, whose verdict carries more than the names of rules."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.records import messages
from proxy.policy import related_senders, ruleset
from tests.examples import COMPARED_SEEDS
from tests.harness import NOON, RULES
from tests.needs import needs
from tests.relay.test_at_once import in_batches, lived, without

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
        in_batches(monkeypatch)
    at_once = left("one")
    without(monkeypatch)
    assert left("other") == at_once
    kinds = [record.kind for one in at_once for record in one[1]]
    assert kinds.count(messages.REVIEW) > len(seeds)
