"""A proposed rule set judges each message and changes nothing: no verdict, no reading, no counter."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import policy
from proxy.model.message import Content
from proxy.policy.text_reader import Reader, Reading
from proxy.relay.proposed_rules import CandidateRules
from tests.harness import BEIJING, SHANGHAI, House

BOTH = """\
rules:
  - {id: region-ban, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: words, when: {text: 优惠}, then: reject, reason: keyword}
  - {id: share, when: {category: marketing}, limit: {count: 2, per: day, key: [provider]}, then: reject, reason: provider-quota}
"""
OFFER, PLAIN = "【测试】双11优惠 拒收请回复R", "【测试】双11券 拒收请回复R"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, rules="rules: [{id: region-ban, when: {province: 北京}, then: reject, reason: region-ban}]")
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    (waiting / "rules.yaml").write_text(BOTH, encoding="utf-8")
    house.relay.admission.candidate = CandidateRules(policy.load(waiting), house.tally)
    return house


def proposal(house: House) -> CandidateRules:
    found = house.relay.admission.candidate
    assert found is not None
    return found


def test_what_it_would_do_is_counted_and_not_done(house: House) -> None:
    for person, text in ((SHANGHAI, OFFER), (SHANGHAI + 1, PLAIN), (BEIJING, OFFER)):
        house.submit("jia", person, text)
    assert len(house.at_carrier()) == 2
    told = proposal(house)
    assert (told.judged, told.stricter, told.milder, told.errors) == (3, 1, 0, 0)
    assert dict(house.tally.shadow) == {("words", "reject"): 2}, "of region-ban both say the same"


def test_what_it_would_let_pass_is_counted_too(house: House, tmp_path: Path) -> None:
    (tmp_path / "waiting" / "rules.yaml").write_text("rules: []", encoding="utf-8")
    house.relay.admission.candidate = CandidateRules(policy.load(tmp_path / "waiting"), house.tally)
    house.submit("jia", BEIJING, PLAIN)
    assert (proposal(house).milder, house.at_carrier()) == (1, [])


def test_it_takes_nothing_from_counters(house: House) -> None:
    for number in range(5):
        house.submit("jia", SHANGHAI + number, PLAIN)
    assert (proposal(house).judged, proposal(house).stricter) == (5, 0), "nothing was taken, so the share is never used up"
    assert len(house.at_carrier()) == 5


def test_a_text_stays_read_by_the_set_in_force(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in (SHANGHAI + 2, SHANGHAI):  # what has come twice is remembered
        house.submit("jia", person, OFFER)
    fresh, asked = Reader._fresh, []

    def reads(reader: Reader, content: Content) -> Reading:
        asked.append(reader)
        return fresh(reader, content)

    monkeypatch.setattr(Reader, "_fresh", reads)
    house.submit("jia", SHANGHAI + 1, OFFER)
    assert asked == [proposal(house).rules.reader]
    assert (proposal(house).judged, proposal(house).stricter) == (3, 3)


def test_one_that_fails_harms_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("proxy.relay.proposed_rules.judge", fails)
    house.submit("jia", SHANGHAI, PLAIN)
    assert (len(house.at_carrier()), proposal(house).errors, house.tally.judge_errors[()]) == (1, 1, 0)
