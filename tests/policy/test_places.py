"""Places are grouped only for texts whose rules can tell them apart, and decisions are those of each place alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.model.message import Category, Content, Sender
from proxy.policy.evaluation_plan import Plan
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.regions import SEGMENT_FIRST
from proxy.sim.bench.gate_process import count_rules, extra_rules
from proxy.sim.encoded_submits import DeckPorts
from proxy.sim.gate_process import CHINA, copy_rules
from proxy.sim.texts import MIXES
from tests.policy.conftest import BEIJING, NANJING, SHANGHAI
from tests.policy.test_sameness import PEOPLE, SEASONED, SENDERS, START, TEXTS

Make = Callable[..., Any]
PORTS = DeckPorts.under("1069001")


def plans_of(bench: Any) -> list[int]:
    """How many sorts of places there are to each text that was sent."""
    return sorted(len(known.plans) for known in bench.rules.known.young.values())


def rule(when: str, more: str = "then: reject, reason: stopped") -> str:
    return f"- {{id: it, when: {when}, {more}}}"


@pytest.mark.parametrize(
    ("when", "more"),
    [
        ("{province: 北京, signature: 别家}", ""),
        ("{province: 北京, text: 禁词}", ""),
        ("{city: 南京, provider: yi}", ""),
        ("{any: [{province: 北京}, {city: 南京}], category: otp}", ""),
        ("{not: {province: 北京}, text: 禁词}", ""),
        ("{province: 北京, time: 21:00-08:00}", ""),
        ("{province: 北京, not: {category: marketing}}", ""),
        ("{province: 北京, signature: 别家}", "limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: stopped"),
    ],
)
def test_a_province_is_like_any_other_to_texts_that_a_rule_cannot_meet(make: Make, when: str, more: str) -> None:
    bench = make(rule(when, *filter(None, [more])))
    assert [bench.says(to=to) for to in (BEIJING, NANJING, SHANGHAI)] == ["allow"] * 3
    assert plans_of(bench) == [1]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{province: 北京, signature: 测试}", ["reject it", "allow", "allow"]),
        ("{not: {province: 北京}, signature: 测试}", ["allow", "reject it", "reject it"]),
        ("{any: [{province: 北京}, {signature: 别家}]}", ["reject it", "allow", "allow"]),
        ("{any: [{city: 南京}, {signature: 别家}], category: marketing}", ["allow", "reject it", "allow"]),
        ("{not: {any: [{province: 北京}, {city: 南京}]}}", ["allow", "allow", "reject it"]),
        ("{not: {province: port}, port: '1069'}", ["reject it", "reject it", "reject it"]),
    ],
)
def test_a_province_is_told_apart_where_a_rule_may_meet_the_text(make: Make, when: str, says: list[str]) -> None:
    bench = make(rule(when))
    assert [bench.says(to=to) for to in (BEIJING, NANJING, SHANGHAI)] == says


def test_an_exemption_of_one_province_tells_it_apart(make: Make) -> None:
    bench = make(rule("{category: marketing}") + "\n- {id: mercy, exempt: true, skip: [stopped], when: {province: 北京}}")
    assert [bench.says(to=to) for to in (BEIJING, NANJING, SHANGHAI)] == ["allow", "reject it", "reject it"]
    assert plans_of(bench) == [2]


def test_a_share_of_one_province_tells_it_apart(make: Make) -> None:
    limit = "limit: {share: 0.5, per: day, key: [provider], least: 2}, then: defer, reason: probation"
    bench = make(rule("{signature: 测试, province: 北京}", limit))
    assert [bench.says(to=BEIJING) for _ in range(4)][-1] == "defer it"
    assert bench.says(to=NANJING) == "allow"


def test_a_condition_on_time_tells_a_province_apart_while_it_holds(make: Make) -> None:
    bench = make(rule("{province: 北京, time: 21:00-08:00}"))
    said = [bench.says(to=to, at=at) for at in ("2026-11-11 20:59:59", "2026-11-11 21:00") for to in (BEIJING, NANJING)]
    assert said == ["allow", "allow", "reject it", "allow"]
    assert plans_of(bench) == [2]


def told(plan: Plan) -> tuple[object, ...]:
    """All of a plan but the day its caps are bound to."""
    caps = sorted((cap.breach.rule, cap.most, cap.pick, cap.by_port, cap.by_template) for cap in plan.caps)
    counters = [(one.key, one.total, one.limit, one.breach, one.spared) for one in plan.counters]
    persons = [(breach, repr(ask)) for ask, breach in plan.persons]
    return plan.outcome, plan.reason, plan.rule, plan.breaches, persons, caps, counters, plan.sparing


def test_a_plan_for_a_sort_of_places_is_that_of_each_place() -> None:
    rules = SEASONED
    rules.turn(START)
    seen = set()
    for sender in SENDERS:
        related = rules.related(sender, START)
        for text in TEXTS:
            traits = rules.reader.read(Content(text, "readable", b"")).traits
            known = rules.know(related, traits)
            for number in PEOPLE:
                cell = rules.cells[number // 10_000 - SEGMENT_FIRST]
                plan = rules.plan(known, cell, START)
                assert told(plan) == told(rules.plan_at(sender, number, traits, START)), (sender, text, number)
                seen.add((plan.outcome, plan.rule))
    assert len(seen) > 8, "they decide too little to tell"


def sorts(folder: Path, count: int) -> list[int]:
    """How many sorts of places a bench's texts have under so many rules, by text."""
    at = datetime.fromtimestamp(START, CHINA)
    copied = copy_rules(folder / str(count), at, [(PORTS.otp, "", Category.OTP)])
    if count:
        (copied / "more.yaml").write_text(extra_rules(count - count_rules(copied)), encoding="utf-8")
    rules = load(copied)
    rules.turn(START)
    found = []
    for one in MIXES["standard"](106, None)[:300]:
        related = rules.related(Sender.of("p", "p", PORTS.of(one.category), "1069001", Category.MARKETING), START)
        found.append(len(rules.know(related, rules.reader.read(Content(one.text, "readable", b"")).traits).plans))
    return found


def test_five_hundred_rules_tell_no_more_places_apart_than_the_shipped_ones(tmp_path: Path) -> None:
    """DESIGN §13: half of those that a bench adds name a province."""
    shipped = sorts(tmp_path, 0)
    assert sorts(tmp_path, 500) == shipped
    assert max(shipped) > 1
