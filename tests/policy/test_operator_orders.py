"""Conversations about temporary orders: stops, suspensions, the whole set in shadow. The test sets the time."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.model.message import ORDER_NUMBERS_FROM, Category, Content, Message, Order, Sender
from proxy.model.number import recipient_of
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import Past
from proxy.policy.judge import judge_text
from proxy.policy.operator_orders import NotInScope, scope_of, words_of

AD = "【测试】双11优惠券 拒收请回复R"
OTP = "【测试】您的验证码是482913, 5分钟内有效"
BEIJING, SHANGHAI = "13800100500", "13800210500"
NINE, TEN, ELEVEN = ("2026-11-11 09:00", "2026-11-11 10:00", "2026-11-11 11:00")
NOTHING = "- id: never\n  when: {text: {words: [六合彩]}}\n  then: reject\n  reason: keyword\n"
SIGNATURES = {
    "registries/signatures.csv": "signature,advertiser,group,provider,port,state\n"
    "京选,京选公司,京选集团,,,approved\n京选秒杀,京选公司,京选集团,,,approved\n"
}


def at(text: str) -> float:
    return time_windows.moment(text)[0]


def order(kind: str = "stop", number: int = 1, since: str = TEN, until: str = ELEVEN, **scope: Any) -> Order:
    said = tuple((dimension, (value,) if isinstance(value, str) else tuple(value)) for dimension, value in scope.items())
    return Order(number, kind, said, at(since), at(until), "ops", "投诉激增")


@pytest.fixture
def bench(make):
    """``bench(order, …)``: one rule that never objects here, and these orders."""

    def with_orders(*orders: Order, rules: str = NOTHING, files: dict[str, str] | None = None):
        found = make(rules, files)
        found.rules = found.rules.with_orders(orders)
        return found

    return with_orders


@pytest.mark.parametrize(
    ("scope", "how", "says"),
    [
        ({"category": "marketing"}, {}, "reject stop-1"),
        ({"category": "marketing"}, {"text": OTP, "category": Category.OTP}, "allow"),
        ({"province": "北京"}, {"to": BEIJING}, "reject stop-1"),
        ({"province": "北京"}, {"to": SHANGHAI}, "allow"),
        ({"province": ["北京", "上海"]}, {"to": SHANGHAI}, "reject stop-1"),
        ({"province": "北京", "category": "marketing"}, {"to": BEIJING}, "reject stop-1"),
        ({"province": "北京", "category": "notice"}, {"to": BEIJING}, "allow"),
        ({"provider": "jia"}, {}, "reject stop-1"),
        ({"provider": "yi"}, {}, "allow"),
        ({"account": "jia-2"}, {"account": "jia-2"}, "reject stop-1"),
        ({"port": "1069"}, {}, "reject stop-1"),
        ({"port": "1062"}, {}, "allow"),
        ({"signature": "测试"}, {}, "reject stop-1"),
        ({"signature": "别家"}, {}, "allow"),
        ({"subcategory": "loan"}, {"text": "【某贷】无抵押贷款 当天放款"}, "reject stop-1"),
        ({"advertiser": "京选公司"}, {"text": "【京选秒杀】五折 拒收请回复R"}, "reject stop-1"),
        ({"group": "京选集团"}, {"text": "【京选】五折 拒收请回复R"}, "reject stop-1"),
        ({"advertiser": "京选公司"}, {}, "allow"),
    ],
)
def test_a_stop_is_about_what_it_names_and_all_it_names_must_hold(bench, scope, how, says):
    assert bench(order(**scope), files=SIGNATURES).says(at=TEN, **how) == says


def test_it_is_in_force_from_its_first_second_and_not_in_its_last(bench):
    stopped = bench(order(category="marketing"))
    assert stopped.says(at=at(TEN) - 0.001) == "allow"
    assert stopped.says(at=at(TEN)) == "reject stop-1"
    assert stopped.says(at=at(ELEVEN) - 0.001) == "reject stop-1"
    assert stopped.says(at=at(ELEVEN)) == "allow"
    assert stopped.says(at=at(TEN)) == "reject stop-1"  # asked about the past, it says the same as then


def test_the_verdict_gives_the_reason_until_when_and_a_number_no_rule_has(bench):
    verdict = bench(order(number=17, provider="jia")).send(at=TEN)
    assert verdict.reason is not None
    assert (verdict.reason.name, verdict.reason.status) == ("stopped", 0x473)
    (breach,) = verdict.breaches
    assert (breach.rule, breach.number, breach.not_before) == ("stop-17", ORDER_NUMBERS_FROM | 17, at(ELEVEN))


def test_a_suspension_is_the_same_with_another_reason(bench):
    verdict = bench(order("suspension", 4, provider="jia", category="marketing")).send(at=TEN)
    assert verdict.reason is not None
    assert (verdict.rule, verdict.reason.name, verdict.reason.status) == ("suspension-4", "suspended", 0x472)


def test_the_other_rules_are_evidence_beside_it(bench):
    words = "- id: words\n  when: {text: {words: [优惠券]}}\n  then: reject\n  reason: keyword\n"
    verdict = bench(order(provider="jia"), rules=words).send(at=TEN)
    assert [breach.rule for breach in verdict.breaches] == ["words", "stop-1"]


def test_no_exemption_switches_an_order_off(bench):
    exempt = NOTHING + "- id: friends\n  exempt: true\n  when: {provider: jia}\n"
    assert bench(order(provider="jia"), rules=exempt).says(at=TEN) == "reject stop-1"


def test_a_message_ordered_for_later_does_not_evade_a_stop_nor_one_that_will_be_in_force_then(bench):
    stopped = bench(order(category="marketing"))
    assert stopped.says(at=TEN, scheduled="2026-11-13 10:00") == "reject stop-1"
    assert stopped.says(at=NINE, scheduled=TEN) == "reject stop-1"
    assert stopped.says(at=NINE, scheduled="2026-11-13 10:00") == "allow"


def test_lifting_it_and_ordering_another_leaves_what_was_learnt_of_texts(bench):
    stopped = bench(order(category="marketing"))
    assert stopped.says(at=TEN) == "reject stop-1"
    reader = stopped.rules.reader
    stopped.rules = stopped.rules.with_orders(())
    assert stopped.says(at=TEN) == "allow"
    stopped.rules = stopped.rules.with_orders((order(number=2, port="1069"),))
    assert stopped.says(at=TEN) == "reject stop-2"
    assert stopped.rules.reader is reader
    assert stopped.rules.orders == (order(number=2, port="1069"),)


def test_explain_names_it_says_who_ordered_it_and_why(bench):
    rules = bench(order(number=3, province="北京", category="marketing")).rules
    sender = Sender.of("jia", "jia", "10690001", "1069", Category.MARKETING)
    for to, now, says, why in (
        (BEIJING, TEN, "refuses", "all its conditions hold"),
        (SHANGHAI, TEN, "does not apply", "province is 上海, not 北京"),
        (BEIJING, NINE, "does not apply", "stop-3 is in force from 2026-11-11 10:00:00 to 2026-11-11 11:00:00"),
    ):
        message = Message(sender, recipient_of(to), Content(AD, "readable", b""))
        told = explain(message, Past(), rules, at(now), bench().counts)
        (part,) = (part for part in told.parts if part.rule == "stop-3")
        assert (part.says, part.say) == (says, "投诉激增")
        assert why in part.why


def test_a_stop_of_a_signature_waits_for_the_text_of_a_long_message_as_a_rule_would(bench):
    rules = bench(order(signature="测试")).rules
    sender = Sender.of("jia", "jia", "10690001", "1069", Category.MARKETING)
    whole = Message(sender, recipient_of(SHANGHAI), Content(AD, "readable", b""))
    said = judge_text(whole, rules, at(TEN))
    assert said.rule == "stop-1"


# -- shadow

RULES = """\
- {id: ban, when: {province: 上海}, then: reject, reason: region-ban}
- {id: cap, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
- {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
- {id: minors, when: {recipient_in: minors}, then: reject, reason: protected}
"""
MINORS = {"lists/minors.csv": "13800250999\n", "y.yaml": "lists: {minors: {file: lists/minors.csv}}\n"}


def test_in_shadow_rules_are_judged_and_not_enforced_until_it_ends(bench):
    dark = bench(order("shadow"), rules=RULES, files=MINORS)
    verdict = dark.send(at=TEN, to=SHANGHAI)
    assert verdict.outcome.word == "allow"
    assert [(breach.rule, breach.shadow) for breach in verdict.breaches] == [("ban", True)]
    verdict = dark.send(at=TEN, to=SHANGHAI)  # the second of the day
    assert [(breach.rule, breach.shadow) for breach in verdict.breaches] == [("ban", True), ("cap", True)]
    assert dark.says(at=ELEVEN, to=SHANGHAI) == "reject ban"


def test_what_a_person_refused_and_whom_the_law_protects_stay_enforced_unless_everything_is_said(bench):
    dark = bench(order("shadow"), rules=RULES, files=MINORS)
    dark.refuses(SHANGHAI, "all")
    assert dark.says(at=TEN, to=SHANGHAI) == "reject refused"
    assert dark.says(at=TEN, to="13800250999") == "reject minors"
    dark.rules = dark.rules.with_orders((order("shadow", everything=()),))
    assert dark.says(at=TEN, to=SHANGHAI) == "allow"
    assert dark.says(at=TEN, to="13800250999") == "allow"


def test_a_stop_stays_a_stop_in_shadow(bench):
    dark = bench(order("shadow", everything=()), order(number=2, province="上海"), rules=RULES, files=MINORS)
    assert dark.says(at=TEN, to=SHANGHAI) == "reject stop-2"


def test_a_trial_is_counted_and_stops_nothing(bench):
    verdict = bench(order(category="marketing", trial=())).send(at=TEN)
    assert verdict.outcome.word == "allow"
    assert [(breach.rule, breach.shadow) for breach in verdict.breaches] == [("stop-1", True)]


# -- what an order may be about


def test_what_it_is_about_is_read_in_any_spelling_and_kept_in_one(bench):
    registry = bench(files=SIGNATURES).rules.registry
    said = {"category": ["marketing"], "province": ["北京市", "110000", "上海"], "signature": ["【京 选】"], "provider": []}
    found = scope_of(said, registry)
    assert found == (("province", ("北京", "上海")), ("signature", ("京选",)), ("category", ("marketing",)))
    assert words_of(order(**dict[str, Any](found))) == "province 北京 or 上海 and signature 京选 and category marketing"
    assert words_of(order("shadow")) == "everything"


@pytest.mark.parametrize(
    ("dimension", "word", "says"),
    [
        ("province", "北平", "unknown province '北平'"),
        ("category", "marketting", "unknown category 'marketting' (did you mean 'marketing'?)"),
        ("subcategory", "loans", "unknown subcategory 'loans' (did you mean 'loan'?)"),
        ("advertiser", "京选公司司", "unknown advertiser of registries/signatures.csv '京选公司司' (did you mean '京选公司'?)"),
        ("group", "nobody", "unknown group of registries/signatures.csv 'nobody'"),
        ("port", "10690-1", "port '10690-1' is no prefix of digits"),
        ("signature", "【】", "signature '【】' is no name"),
    ],
)
def test_what_nobody_knows_is_refused_with_what_was_meant(bench, dimension, word, says):
    with pytest.raises(NotInScope) as caught:
        scope_of({dimension: [word]}, bench(files=SIGNATURES).rules.registry)
    assert says in str(caught.value)
