"""A proposed rule set judges each message and changes nothing: no verdict, no reading, no counter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proxy.model.recency_filter import RecencyFilter
from proxy.operations.metrics import Gauges, exposition
from proxy.policy.generational_cache import Memo
from proxy.policy.loading.load_rules import load
from proxy.relay.proposed_rules import CandidateRules
from tests.harness import BEIJING, SHANGHAI, Harness

BOTH = """\
rules:
  - {id: region-ban, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: words, when: {text: 优惠}, then: reject, reason: keyword}
  - {id: share, when: {category: marketing}, limit: {count: 2, per: day, key: [provider]}, then: reject, reason: provider-quota}
"""
OFFER, PLAIN = "【测试】双11优惠 拒收请回复R", "【测试】双11券 拒收请回复R"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    harness = Harness(tmp_path, rules="rules: [{id: region-ban, when: {province: 北京}, then: reject, reason: region-ban}]")
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    (waiting / "rules.yaml").write_text(BOTH, encoding="utf-8")
    harness.relay.admission.candidate = CandidateRules(load(waiting), harness.tally)
    return harness


def proposal(harness: Harness) -> CandidateRules:
    found = harness.relay.admission.candidate
    assert found is not None
    return found


def test_what_it_would_do_is_counted_and_not_done(harness: Harness) -> None:
    for person, text in ((SHANGHAI, OFFER), (SHANGHAI + 1, PLAIN), (BEIJING, OFFER)):
        harness.submit("jia", person, text)
    assert len(harness.at_carrier()) == 2
    told = proposal(harness)
    assert (told.judged, told.stricter, told.milder, told.errors) == (3, 1, 0, 0)
    assert dict(told.objections) == {"words": 2}, "of region-ban both say the same"
    assert dict(harness.tally.shadow) == {}, "no rule in force is in shadow"
    assert b'gate106_shadow_total{rule="words",verdict="reject"} 2.0' in exposition(harness.tally, Gauges())


def test_what_it_would_let_pass_is_counted_too(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "waiting" / "rules.yaml").write_text("rules: []", encoding="utf-8")
    harness.relay.admission.candidate = CandidateRules(load(tmp_path / "waiting"), harness.tally)
    harness.submit("jia", BEIJING, PLAIN)
    assert (proposal(harness).milder, harness.at_carrier()) == (1, [])


def test_it_takes_nothing_from_counters(harness: Harness) -> None:
    for number in range(5):
        harness.submit("jia", SHANGHAI + number, PLAIN)
    assert (proposal(harness).judged, proposal(harness).stricter) == (5, 0), "nothing was taken, so the share is never used up"
    assert len(harness.at_carrier()) == 5


def test_a_text_stays_read_by_the_set_in_force(harness: Harness) -> None:
    for person in (SHANGHAI + 2, SHANGHAI):  # what has come twice is remembered
        harness.submit("jia", person, OFFER)
    readers = harness.relay.admission.rules.reader, proposal(harness).rules.reader
    for reader in readers:  # each knows no text now
        reader._masks, reader._twice = Memo(8), RecencyFilter()
    harness.submit("jia", SHANGHAI + 1, OFFER)
    assert [bool(reader._twice.marks) for reader in readers] == [False, True]
    assert (proposal(harness).judged, proposal(harness).stricter) == (3, 3)


def test_one_that_fails_harms_nobody(harness: Harness) -> None:
    cast("Any", proposal(harness).rules).provinces = None  # nobody lives anywhere
    harness.submit("jia", SHANGHAI, PLAIN)
    assert (len(harness.at_carrier()), proposal(harness).errors, harness.tally.judge_errors[()]) == (1, 1, 0)
