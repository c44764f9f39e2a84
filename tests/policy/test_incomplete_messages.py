"""Long messages with missing parts: what is asked at once, and what when they are complete."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.model.message import Category, Content, Message, Order, Outcome, Sender, Verdict
from proxy.model.number import recipient_of
from proxy.model.recipient import OptOut
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.judge import judge, judge_text
from proxy.policy.ruleset import RuleSet
from tests.policy.conftest import Make

JIA = Sender.of("jia", "jia", "10690001", "10690", Category.MARKETING)
NOON = time_windows.moment("2026-11-11 12:00")[0]
NANJING, BEIJING = "13800250500", "13800100500"
PART = "【测试】双11优惠券满300减40"
WHOLE = PART + " 代开发票 t.cn/x 4008001234 拒收请回复R"


def message(text: str, *, complete: bool, to: str = NANJING, sender: Sender = JIA, **more: Any) -> Message:
    content = Content(text, more.pop("state", "readable" if text else "empty"), b"", complete=complete, **more)
    return Message(sender, recipient_of(to), content)


def early(rules: RuleSet, text: str = PART, *, past: Past | None = None, now: float = NOON, **how: Any) -> Verdict:
    return judge(message(text, complete=False, **how), past or Past(), rules, now, NOTHING)


def late(rules: RuleSet, text: str = WHOLE, *, now: float = NOON, past: Past | None = None, **how: Any) -> Verdict:
    return judge_text(message(text, complete=True, **how), rules, now, past)


def rule(when: str, name: str = "it", more: str = "then: reject\n  reason: keyword") -> str:
    return f"- id: {name}\n  when: {when}\n  {more}\n"


FINDS = [
    "{text: 代开发票}",
    '{text: {patterns: "发票"}}',
    '{text: {patterns: "[^已]开发票"}}',
    "{text: {all: [代开, 发票]}}",
    "{url: present}",
    "{url: [t.cn]}",
    "{url: {outside: [jd.com]}}",
    "{contact: present}",
    '{contact: ["4008001234"]}',
    "{contact: {outside: [95588]}}",
    "{any: [{text: 代开发票}, {category: otp}]}",
    "{any: [{text: 代开发票}, {notice: missing}]}",
    "{text: 代开发票, province: 江苏}",
    "{text: 代开发票, not: {province: 北京}}",
    "{not: {not: {text: 代开发票}}}",
    "{not: {any: [{province: 北京}, {not: {text: 代开发票}}]}}",
]
WAITS = [
    "{not: {text: 恭喜}}",
    '{text: {patterns: "发票.*R$"}}',
    r'{text: {patterns: "cn\\b"}}',
    "{notice: missing}",
    "{notice: present}",
    "{notice: tail}",
    "{url: none}",
    "{url: {outside: registered}}",
    "{contact: {outside: registered}}",
    "{text_state: [readable]}",
    "{signature_state: unregistered}",
    "{signature: none}",
    "{signature: several}",
    "{not: {signature: 京东}}",
    "{advertiser: none}",
    "{category: marketing, text: 代开发票}",
    "{classified: marketing, text: 代开发票}",
    "{signature: 测试, text: 代开发票}",
    "{scheduled: [none, today], text: 代开发票}",
    "{notice: tail, text: 代开发票}",
    "{text: 代开发票, not: {text: 恭喜}}",
    "{province: 江苏, not: {any: [{text: 恭喜}, {province: 北京}]}}",
]
READS_TEXT = [*FINDS, *WAITS]
MID = f"】在线办理{WHOLE[5:]}，办理【"
"""The part between two that are missing."""


@pytest.mark.parametrize("when", FINDS)
def test_what_finds_something_objects_to_a_part_of_the_text_as_to_the_whole(make: Make, when: str):
    rules = make(rule(when)).rules
    for text in ("", "没有签名", PART):
        assert early(rules, text).breaches == (), text
    for text in (WHOLE + " 【", MID):
        assert early(rules, text).breaches == late(rules).breaches != (), text


@pytest.mark.parametrize("when", WAITS)
def test_what_else_reads_the_text_does_not_object_to_a_part_of_it(make: Make, when: str):
    rules = make(rule(when)).rules
    for text in ("", "没有签名", PART, WHOLE, MID, "【甲店】【乙店】双11"):
        verdict = early(rules, text)
        assert (verdict.outcome, verdict.breaches) == (Outcome.ALLOW, ()), text


@pytest.mark.parametrize(
    ("when", "text"),
    [
        *((when, WHOLE) for when in READS_TEXT if "none" not in when and "missing" not in when and "several" not in when),
        ("{notice: missing}", PART),
        ("{url: none}", PART),
        ("{signature: none}", "没有签名"),
        ("{advertiser: none}", "没有签名"),
        ("{signature: several}", "【甲店】【乙店】双11"),
    ],
)
def test_and_it_is_asked_when_the_text_is_whole(make: Make, when: str, text: str):
    verdict = late(make(rule(when)).rules, text)
    assert (verdict.outcome, verdict.rule) == (Outcome.REJECT, "it")


@pytest.mark.parametrize(
    "when",
    [
        "{province: 江苏}",
        "{provider: jia}",
        '{port: "1069"}',
        "{category: marketing}",
        "{suppressed: true}",
        "{time: 11:00-13:00}",
        "{signature: 测试}",
        "{not: {province: 北京}}",
    ],
)
def test_person_place_time_and_sender_decide_on_what_is_there(make: Make, when: str):
    rules = make(rule(when)).rules
    past = Past()
    past.refusals.append(OptOut("all", "", int(NOON) - 60, "reply", 0))
    assert early(rules, past=past).rule == "it"
    assert judge(message(WHOLE, complete=True), past, rules, NOON, NOTHING).rule == "it"


def test_caps_count_a_message_of_which_parts_are_missing(make: Make):
    bench = make(
        "- id: cap\n  when: {category: marketing}\n  limit: {count: 2, per: day, key: [recipient]}\n  then: reject\n  reason: recipient-cap"
    )
    bench.send(PART)
    assert early(bench.rules, past=bench.people[recipient_of(NANJING)]).outcome is Outcome.ALLOW
    bench.send(PART)
    assert early(bench.rules, past=bench.people[recipient_of(NANJING)]).rule == "cap"
    assert late(bench.rules, past=bench.people[recipient_of(NANJING)]).outcome is Outcome.ALLOW  # inherited, not asked again


def test_a_limit_over_words_takes_nothing_before_they_are_known(make: Make):
    rules = make(
        "- id: words\n  when: {text: 双11}\n  limit: {count: 1, per: day, key: [provider]}\n  then: reject\n  reason: campaign-cap"
    ).rules
    assert early(rules).takes == ()
    assert late(rules).takes == ()
    assert judge(message(PART, complete=True), Past(), rules, NOON, NOTHING).takes


@pytest.mark.parametrize(
    "more",
    [
        "then: tag\n  reason: keyword",
        "then: review\n  reason: keyword",
        "then: reject\n  reason: keyword\n  mode: shadow",
        "then: reject\n  reason: keyword\n  trial: {until: 2026-12-01}",
        "limit: {count: 1, per: day, key: [provider]}\n  then: reject\n  reason: keyword",
    ],
)
def test_what_does_not_refuse_each_text_is_asked_of_the_whole_alone(make: Make, more: str):
    rules = make(rule("{text: 代开发票}", more=more)).rules
    assert early(rules, MID).breaches == ()


def test_a_rule_is_asked_at_once_when_its_trial_is_over(make: Make):
    rules = make(rule("{text: 代开发票}", more="then: reject\n  reason: keyword\n  trial: {until: 2026-11-12}")).rules
    assert early(rules, MID).breaches == ()
    assert early(rules, MID, now=NOON + 86_400).rule == "it"
    assert early(rules, MID).breaches == ()


def test_a_rule_that_an_order_puts_in_shadow_waits_meanwhile(make: Make):
    plain = make(rule("{text: 代开发票}")).rules
    shadow = Order(1, "shadow", (), NOON - 60, NOON + 60, "li", "试")
    rules = plain.with_orders((shadow,))
    assert early(rules, MID).breaches == ()
    assert early(rules, MID, now=NOON + 61).rule == early(plain, MID).rule == "it"


@pytest.mark.parametrize(
    ("exempt", "outcome"),
    [
        ("{text: 发票}", "allow"),
        ("{signature: 测试}", "allow"),
        ("{category: notice}", "allow"),
        ("{suppressed: true}", "allow"),
        ("{any: [{port: '1063'}, {declared: otp, url: none}]}", "allow"),
        ("{province: 北京}", "reject"),
        ("{provider: yi}", "reject"),
        ("{recipient_in: friends}", "reject"),
    ],
)
def test_a_rule_waits_where_an_exemption_that_reads_the_text_may_spare_it(make: Make, exempt: str, outcome: str):
    files = {"friends.csv": "13800250999\n", "y.yaml": "lists: {friends: {file: friends.csv}}\n"}
    spare = f"- id: spare\n  when: {exempt}\n  exempt: true\n  skip: [it]\n"
    rules = make(rule("{text: 代开发票}") + rule("{text: 六合彩}", "other") + spare, files).rules
    assert early(rules, MID).outcome.word == outcome
    assert early(rules, "】在线买六合彩吧【").rule == "other"


def test_whom_an_exemption_spares_whatever_the_text_says_is_spared_at_once(make: Make):
    files = {"friends.csv": f"{NANJING}\n", "y.yaml": "lists: {friends: {file: friends.csv}}\n"}
    spare = "- id: spare\n  when: {recipient_in: friends}\n  exempt: true\n  skip: [it]\n"
    rules = make(rule("{text: 代开发票}") + spare, files).rules
    assert early(rules, MID).outcome is Outcome.ALLOW
    assert early(rules, MID, to=BEIJING).rule == "it"


def test_a_part_that_comes_later_is_asked_for_what_it_holds_before_all_are_there(make: Make):
    rules = make(rule("{text: 代开发票}") + rule("{notice: missing}", "notice") + rule("{province: 江苏}", "place")).rules
    assert judge_text(message("】在线代开发票吧【", complete=False), rules, NOON).rule == "it"
    assert judge_text(message("】在线代开发票【", complete=False), rules, NOON).breaches == ()


def test_a_shadow_rule_waits_and_is_asked_likewise(make: Make):
    rules = make(rule("{text: 代开发票}", more="then: reject\n  reason: keyword\n  mode: shadow")).rules
    assert early(rules, WHOLE).breaches == ()
    verdict = late(rules)
    assert (verdict.outcome, [one.shadow for one in verdict.breaches]) == (Outcome.ALLOW, [True])


def test_the_whole_text_is_judged_at_the_time_of_the_message_not_of_its_last_part(make: Make):
    rules = make(rule("{category: marketing, time: 21:00-08:00}")).rules
    evening = time_windows.moment("2026-11-11 20:59")[0]
    assert early(rules, now=evening).outcome is Outcome.ALLOW
    assert late(rules, now=evening).outcome is Outcome.ALLOW


def test_a_category_that_only_the_whole_text_shows_is_asked_again_where_it_lives(make: Make):
    rules = make(rule("{category: marketing, province: 江苏}")).rules
    otp = Sender.of("jia", "jia", "10690002", "10690", Category.OTP)
    code = "【测试】您的验证码是482913"
    assert early(rules, code, sender=otp).outcome is Outcome.ALLOW
    verdict = late(rules, code + " 全场低至5折, 点击领取优惠券", sender=otp)
    assert (verdict.rule, verdict.facts.category) == ("it", Category.MARKETING)
    assert late(rules, code + " 全场低至5折, 点击领取优惠券", sender=otp, to=BEIJING).outcome is Outcome.ALLOW


def test_suppression_is_not_asked_again(make: Make):
    rules = make(rule("{category: marketing, suppressed: true}")).rules
    past = Past()
    past.refusals.append(OptOut("all", "", int(NOON) - 60, "reply", 0))
    assert late(rules, past=past).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "when", ["{scheduled: later}", "{category: notice, scheduled: later}", "{not: {scheduled: [none, today]}}"]
)
def test_a_last_part_that_asks_for_a_later_day_is_refused_by_who_refuses_that(make: Make, when: str):
    rules = make(rule(when)).rules
    notice = Sender.of("jia", "jia", "10690001", "10690", Category.NOTICE)
    text = "【测试】您的快件已到"
    assert early(rules, text, sender=notice).outcome is Outcome.ALLOW
    assert late(rules, text, sender=notice).outcome is Outcome.ALLOW
    assert late(rules, text, sender=notice, scheduled=NOON + 86_400).rule == "it"


def test_a_rule_on_words_and_a_person_is_asked_about_both(make: Make):
    rules = make(rule("{text: 代开发票, suppressed: true}")).rules
    past = Past()
    past.refusals.append(OptOut("all", "", int(NOON) - 60, "reply", 0))
    assert early(rules, MID, past=past).outcome is Outcome.ALLOW
    assert (late(rules, past=past).rule, late(rules).rule) == ("it", "")


def test_an_exemption_that_rests_on_the_text_spares_nothing_until_the_text_is_whole(make: Make):
    rules = make(
        rule("{province: 江苏}", "place")
        + rule("{text: 代开发票}", "words")
        + "- id: spare\n  when: {text: 双11}\n  exempt: true\n  skip: [place, words]\n"
    ).rules
    assert early(rules).rule == "place"
    assert late(rules).outcome is Outcome.ALLOW
    by_name = make(
        rule("{province: 江苏}", "place") + "- id: spare\n  when: {signature: 测试}\n  exempt: true\n  skip: [place]\n"
    )
    assert early(by_name.rules).outcome is Outcome.ALLOW


def test_parts_and_wholes_of_one_text_do_not_share_what_is_remembered(make: Make):
    rules = make(rule("{text: 双11, category: marketing}")).rules
    for _ in range(3):
        assert early(rules).outcome is Outcome.ALLOW
        assert judge(message(PART, complete=True), Past(), rules, NOON, NOTHING).rule == "it"
    scheduled = message(PART, complete=False, scheduled=NOON + 3600)
    assert judge(scheduled, Past(), rules, NOON, NOTHING).outcome is Outcome.ALLOW


def test_explain_says_that_a_rule_waits_and_what_another_has_found(make: Make):
    rules = make(rule("{text: 代开发票}") + rule("{notice: missing}", "notice")).rules
    told = explain(message(MID, complete=False), Past(), rules, NOON, NOTHING)
    assert [(str(part.says), str(part.why)) for part in told.parts] == [
        ("refuses", "found: 代开发票"),
        ("waits", "parts of the text are missing"),
    ]
