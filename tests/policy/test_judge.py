"""Conversations with the judge, one condition after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from proxy.desk.revisions.rule_text import rule_in_words
from proxy.model.message import Category, Content, Message, Outcome, Sender, hash48
from proxy.model.number import recipient_of
from proxy.model.recipient import HOLD_S
from proxy.policy import evaluation_plan, time_windows
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.judge import facts, judge
from proxy.policy.loading.load_rules import load

if TYPE_CHECKING:
    from collections.abc import Callable

AD = "【测试】双11优惠券 拒收请回复R"
OTP_TEXT = "【测试】您的验证码是482913, 5分钟内有效"
BEIJING, SHANGHAI, NANJING, UNKNOWN = "13800100500", "13800210500", "13800250500", "15400000500"


def refusing(when: str, extra: str = "") -> str:
    return f"- id: it\n  when: {when}\n  then: reject\n  reason: keyword\n  {extra}\n"


CASES: list[tuple[str, dict[str, Any], str]] = [
    # when, how the message is, what is said of it
    ("{category: marketing}", {}, "reject it"),
    ("{category: otp}", {}, "allow"),
    ("{category: otp}", {"text": OTP_TEXT, "category": Category.OTP}, "reject it"),
    ("{category: [otp, notice]}", {"text": "你好", "category": Category.NOTICE}, "reject it"),
    ("{category: notice}", {"text": "你好", "category": Category.OTP}, "reject it"),  # no code in it: no one-time password
    (
        "{declared: otp, classified: marketing}",
        {"category": Category.OTP, "text": "【测试】全场低至5折, 点击领取优惠券"},
        "reject it",
    ),
    ("{category: marketing}", {"category": None, "text": "你好"}, "reject it"),  # who declares nothing sends marketing
    ("{subcategory: loan}", {"text": "【某贷】无抵押贷款 当天放款"}, "reject it"),
    ("{subcategory: none}", {"text": "【某贷】无抵押贷款 当天放款"}, "allow"),
    ("{province: 北京}", {"to": BEIJING}, "reject it"),
    ("{province: 北京市}", {"to": "+86 138 0010 0500"}, "reject it"),
    ("{province: 110000}", {"to": BEIJING}, "reject it"),
    ("{province: [上海, 江苏]}", {"to": NANJING}, "reject it"),
    ("{province: 北京}", {"to": NANJING}, "allow"),
    ("{province: unknown}", {"to": UNKNOWN}, "reject it"),
    ("{province: unknown}", {"to": NANJING}, "allow"),
    ("{city: 南京}", {"to": NANJING}, "reject it"),
    ("{city: 南京市}", {"to": SHANGHAI}, "allow"),
    ("{provider: jia}", {}, "reject it"),
    ("{provider: [yi, bing]}", {}, "allow"),
    ("{account: jia-2}", {"account": "jia-2"}, "reject it"),
    ("{account: jia-2}", {}, "allow"),
    ('{port: "1069"}', {"port": "106912"}, "reject it"),
    ('{port: ["1062", 1063]}', {"port": "106312"}, "reject it"),
    ('{port: "1069"}', {"port": "106"}, "allow"),
    ("{signature: 测试}", {}, "reject it"),
    ("{signature: 【测 试】}", {}, "reject it"),
    ("{signature: none}", {"text": "没有签名"}, "reject it"),
    ("{signature: none}", {}, "allow"),
    ("{signature: several}", {"text": "【甲店】【乙店】上新"}, "reject it"),
    ("{text: [上新, 优惠券]}", {}, "reject it"),
    ("{text: 代开发票}", {"text": "代|开-发.票"}, "reject it"),
    ("{text: 代开发票}", {"text": "代開發票"}, "reject it"),
    ("{text: 代开发票}", {"text": "代\u200b开\u2060发票"}, "reject it"),
    ("{text: vip}", {"text": "ＶＩＰ尊享"}, "reject it"),
    ("{text: vip}", {"text": "VІP"}, "reject it"),  # with a Ukrainian І
    ("{text: 代开发票}", {"text": "发票已开"}, "allow"),
    ('{text: {patterns: "q{2}\\\\d{5}"}}', {"text": "加QQ12345"}, "reject it"),
    ('{text: {patterns: "q{2}\\\\d{5}"}}', {"text": "加QQ123"}, "allow"),
    ('{text: {patterns: "刻.?章辦證"}}', {"text": "刻丨章办证"}, "reject it"),  # a pattern is read as texts are
    ('{text: {patterns: "加.{0,3}ＶＸ（"}}', {"text": "加我VX(免费"}, "reject it"),
    ('{text: {patterns: "[^一-龥]证"}}', {"text": "办证"}, "allow"),
    ('{text: {patterns: "代.票"}}', {"text": "代开票 \ud83d"}, "reject it"),  # half an emoji stops no pattern
    ("{text_state: [unreadable, compressed]}", {"text": "", "state": "compressed"}, "reject it"),
    ("{text_state: [unreadable, compressed]}", {}, "allow"),
    ("{scheduled: later}", {"at": "2026-10-20 10:00", "scheduled": "2026-11-11 00:00"}, "reject it"),
    ("{scheduled: later}", {"at": "2026-11-10 23:59", "scheduled": "2026-11-11 00:00"}, "reject it"),
    ("{scheduled: later}", {"at": "2026-11-11 00:00", "scheduled": "2026-11-11 23:59"}, "allow"),
    ("{scheduled: [none, today]}", {"at": "2026-11-11 00:00", "scheduled": "2026-11-11 23:59"}, "reject it"),
    ("{scheduled: today}", {"scheduled": "2026-11-10 10:00"}, "allow"),  # over: it goes at once
    ("{scheduled: none}", {"scheduled": "2026-11-10 10:00"}, "reject it"),
    ("{scheduled: none}", {}, "reject it"),
    ("{notice: missing}", {"text": "【测试】优惠券"}, "reject it"),
    ("{notice: missing}", {}, "allow"),
    ("{not: {notice: 拒收请回复R}}", {}, "allow"),
    ("{not: {notice: 拒收请回复R}}", {"text": "【测试】优惠券 回T退订"}, "reject it"),
    ("{notice: tail}", {"text": "【测试】回T退订 之后还有很多很多的话要说呢"}, "allow"),
    ("{url: present}", {"text": "看 t.cn/abc"}, "reject it"),
    ("{url: none}", {"text": "价格9.9元"}, "reject it"),
    ("{url: [bad.example]}", {"text": "见 http://www.BAD.example/x"}, "reject it"),
    ("{url: [bad.example]}", {"text": "见 notbad.example/x"}, "allow"),
    ("{url: {outside: [good.example]}}", {"text": "见 a.good.example/1 和 http://192.0.2.7/x"}, "reject it"),
    ("{url: {outside: [good.example]}}", {"text": "见 a.good.example/1"}, "allow"),
    ("{contact: present}", {"text": "电话13800000000"}, "reject it"),
    ('{contact: {outside: ["400-800-1234"]}}', {"text": "电话4008001234"}, "allow"),
    ('{contact: ["+86 138 0013 8000", "(010)12345678"]}', {"text": "电话138-0013-8000"}, "reject it"),
    ('{contact: ["+86 138 0013 8000", "(010)12345678"]}', {"text": "电话010-1234 5678"}, "reject it"),
    ("{contact: none}", {"text": "取件码 8-2-1234"}, "reject it"),
    ("{time: 21:00-08:00}", {"at": "2026-11-11 21:00"}, "reject it"),
    ("{time: 21:00-08:00}", {"at": "2026-11-11 07:59:59"}, "reject it"),
    ("{time: 21:00-08:00}", {"at": "2026-11-11 08:00"}, "allow"),
    ("{time: 21:00-08:00}", {"at": "2026-11-11 20:59:59"}, "allow"),
    ("{time: 12:00-24:00}", {"at": "2026-11-11 23:59:59"}, "reject it"),
    ("{time: [09:00-10:00, 12:00-13:00]}", {"at": "2026-11-11 12:30"}, "reject it"),
    ("{day: weekend}", {"at": "2026-11-14 00:00"}, "reject it"),
    ("{day: weekend}", {"at": "2026-11-13 23:59"}, "allow"),
    ("{day: [mon, 2026-11-11]}", {}, "reject it"),
    ("{day: {from: 2026-11-10, to: 2026-11-11}}", {"at": "2026-11-11 23:59:59"}, "reject it"),
    ("{day: {from: 2026-11-10, to: 2026-11-11}}", {"at": "2026-11-12 00:00"}, "allow"),
    ("{provider_age: {below: 30d}}", {"since": "2026-10-20"}, "reject it"),
    ("{provider_age: {below: 30d}}", {"since": "2026-10-12 10:00"}, "allow"),  # thirty days to the second
    ("{provider_age: {below: 30d}}", {}, "allow"),
    ("{provider_age: {above: 30d}}", {}, "reject it"),
    ("{category: marketing, not: {province: 北京}}", {"to": BEIJING}, "allow"),
    ("{category: marketing, not: {province: 北京, provider: yi}}", {"to": BEIJING}, "reject it"),
    ("{any: [{province: 北京}, {provider: jia}]}", {}, "reject it"),
    ("{any: [{province: 北京}, {provider: yi}]}", {}, "allow"),
    ("{any: [{province: 北京}, {not: {any: [{provider: yi}, {port: '1062'}]}}]}", {}, "reject it"),
]


@pytest.mark.parametrize(("when", "how", "said"), CASES)
def test_a_rule_holds_when_all_its_words_hold(make: Callable[..., Any], when: str, how: dict[str, Any], said: str) -> None:
    assert make(refusing(when)).says(**how) == said


def test_a_shadow_rule_is_told_but_changes_nothing(make: Callable[..., Any]) -> None:
    verdict = make(refusing("{category: marketing}", "mode: shadow")).send()
    assert (verdict.outcome, verdict.reason, verdict.rule) == (Outcome.ALLOW, None, "")
    assert [(breach.rule, breach.shadow, breach.outcome) for breach in verdict.breaches] == [("it", True, Outcome.REJECT)]


def test_a_rule_that_is_off_says_nothing(make: Callable[..., Any]) -> None:
    assert make(refusing("{category: marketing}", "mode: off")).send().breaches == ()


def test_the_mode_of_the_set_holds_for_all_rules(make: Callable[..., Any]) -> None:
    shadow = make(refusing("{category: marketing}"), head="mode: shadow").send()
    assert (shadow.outcome, len(shadow.breaches)) == (Outcome.ALLOW, 1)
    assert make(refusing("{category: marketing}"), head="mode: off").send().breaches == ()


def test_shadow_caps_count_what_was_sent(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: cap, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap, mode: shadow}"
    )
    assert [len(bench.send().breaches) for _ in range(3)] == [0, 1, 1]


def test_all_breaches_are_evidence_and_the_strictest_is_reported(make: Callable[..., Any]) -> None:
    bench = make(
        """
- {id: late, when: {category: marketing}, then: defer, reason: quiet-hours}
- {id: zz-ban, when: {province: 北京}, then: reject, reason: region-ban}
- {id: aa-ban, when: {province: 北京}, then: reject, reason: region-ban}
- {id: words, when: {text: 优惠券}, then: reject, reason: keyword}
- {id: noted, when: {text: 优惠券}, then: tag, reason: port-misuse}
"""
    )
    verdict = bench.send(to=BEIJING)
    assert (verdict.outcome, verdict.rule, verdict.reason.name) == (Outcome.REJECT, "aa-ban", "region-ban")
    assert [breach.rule for breach in verdict.breaches] == ["aa-ban", "zz-ban", "words", "late", "noted"]
    assert bench.says(text="你好") == "defer late"


def test_a_deferred_message_gets_a_temporary_status_never_a_vendor_one(make: Callable[..., Any]) -> None:
    verdict = make("- {id: late, when: {time: 21:00-08:00}, then: defer, reason: quiet-hours}").send(at="2026-11-11 22:00")
    assert (verdict.outcome, verdict.reason.name, verdict.reason.status) == (Outcome.DEFER, "quiet-hours", 0x14)


def test_a_tag_refuses_nothing(make: Callable[..., Any]) -> None:
    verdict = make("- {id: noted, when: {category: marketing}, then: tag, reason: port-misuse}").send()
    assert (verdict.outcome, verdict.breaches[0].rule) == (Outcome.ALLOW, "noted")


@pytest.mark.parametrize(
    ("at", "when", "again"),
    [
        ("2026-11-11 22:30", "{time: 21:00-08:00}", "2026-11-12 08:00"),
        ("2026-11-12 03:00", "{time: 21:00-08:00}", "2026-11-12 08:00"),
        ("2026-11-14 03:00", "{time: 21:00-08:00, day: weekend}", "2026-11-14 08:00"),
        ("2026-11-14 12:00", "{day: weekend}", "2026-11-16 00:00"),
        ("2026-11-14 12:00", "{category: marketing}", None),
    ],
)
def test_a_refusal_by_time_says_when_to_come_again(make: Callable[..., Any], at: str, when: str, again: str | None) -> None:
    (breach,) = make(refusing(when)).send(at=at).breaches
    assert breach.not_before == (time_windows.moment(again)[0] if again else None)


@pytest.mark.parametrize(
    ("active", "at", "said"),
    [
        ("{from: 2021-11-01}", "2021-10-31 23:59:59", "allow"),
        ("{from: 2021-11-01}", "2021-11-01 00:00:00", "reject it"),
        ("{to: 2021-11-12}", "2021-11-12 23:59:59", "reject it"),  # whole days, both included
        ("{to: 2021-11-12}", "2021-11-13 00:00:00", "allow"),
        ("{to: 2021-11-12 10:00}", "2021-11-12 09:59:59", "reject it"),
        ("{to: 2021-11-12 10:00}", "2021-11-12 10:00:00", "allow"),  # with a time, to is exclusive
        ("[{from: 2021-06-01, to: 2021-06-20}, {from: 2021-11-01, to: 2021-11-12}]", "2021-11-05 10:00", "reject it"),
        ("[{from: 2021-06-01, to: 2021-06-20}, {from: 2021-11-01, to: 2021-11-12}]", "2021-08-05 10:00", "allow"),
        ('{from: "2021-11-01T00:00:00+00:00"}', "2021-11-01 07:59:59", "allow"),
    ],
)
def test_dates_are_whole_days_unless_a_time_is_said(make: Callable[..., Any], active: str, at: str, said: str) -> None:
    assert make(refusing("{category: marketing}", f"active: {active}")).says(at=at) == said


def test_decisions_are_forgotten_when_time_turns_either_way(make: Callable[..., Any]) -> None:
    bench = make(refusing("{time: 21:00-08:00}"))
    clock = ["2026-11-11 20:59:59", "2026-11-11 21:00", "2026-11-11 20:59:59", "2026-11-12 08:00", "2026-11-11 21:00"]
    assert [bench.says(at=at) for at in clock] == ["allow", "reject it", "allow", "allow", "reject it"]


def test_a_provider_grows_old_between_two_messages(make: Callable[..., Any]) -> None:
    bench = make(refusing("{provider_age: {below: 30d}}"))
    assert bench.says(at="2026-11-11 09:59:59", since="2026-10-12 10:00") == "reject it"
    assert bench.says(at="2026-11-11 10:00:00", since="2026-10-12 10:00") == "allow"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("{provider_age: {below: 30d}}", "通道商入网不满 30 天"),
        ('{calendar: {day: holiday, before: "10:00"}}', "当天是节假日 10:00 以前"),
        ('{calendar: {day: holiday, after: "21:00"}}', "当天是节假日 21:00 以后"),
    ],
)
def test_a_condition_is_chinese_to_its_last_word(make: Callable[..., Any], when: str, words: str) -> None:
    (rule,) = make(refusing(when)).rules.rules
    assert [chinese for chinese, _ in rule_in_words(rule)["when"]] == [words]


def test_scheduled_delivery_is_judged_by_its_own_time(make: Callable[..., Any]) -> None:
    bench = make(refusing("{time: 21:00-08:00}"))
    assert bench.says(at="2026-11-11 10:00", scheduled="2026-11-11 23:00") == "reject it"
    assert bench.says(at="2026-11-11 23:00", scheduled="2026-11-12 09:00") == "allow"
    assert bench.says(at="2026-11-11 23:00", scheduled="2026-11-11 12:00") == "reject it"  # earlier than now: now counts
    assert bench.says(at="2026-11-11 10:00") == "allow"


def test_an_exemption_spares_what_it_names(make: Callable[..., Any]) -> None:
    bench = make(
        """
- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}
- {id: words, when: {text: 优惠券}, then: reject, reason: keyword}
- {id: vip, exempt: true, when: {provider: gov}, skip: [region-ban]}
- {id: all-but, exempt: true, when: {provider: test}, keep: [words]}
- {id: all, exempt: true, when: {provider: own}}
"""
    )
    assert bench.says(to=BEIJING) == "reject ban"
    assert bench.says(to=BEIJING, provider="gov") == "reject words"
    assert bench.says(to=BEIJING, provider="gov", text="你好") == "allow"
    assert bench.says(to=BEIJING, provider="test") == "reject words"
    assert bench.says(to=BEIJING, provider="own") == "allow"


def test_an_exemption_for_a_person_spares_standing_rules_and_caps_but_not_the_rest(make: Callable[..., Any]) -> None:
    bench = make(
        """
- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}
- {id: cap, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}
- {id: vip, exempt: true, when: {recipient_in: vip}, skip: [region-ban, cap]}
""",
        {"lists/vip.csv": f"number\n{BEIJING}\n"},
        head="lists: {vip: {file: lists/vip.csv}}",
    )
    assert [bench.says(to=BEIJING) for _ in range(3)] == ["allow"] * 3
    assert bench.says(to="13800100501") == "reject ban"
    assert [bench.says(to=NANJING) for _ in range(2)] == ["allow", "reject cap"]
    bench.refuses(BEIJING, "all")
    assert bench.says(to=BEIJING) == "reject no"


def test_opt_outs_cover_marketing_only(make: Callable[..., Any]) -> None:
    bench = make("- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}")
    bench.refuses(NANJING, "all")
    verdict = bench.send()
    assert (verdict.rule, verdict.reason.public, verdict.reason.status) == ("no", "not-permitted", 0x420)
    assert bench.says(text=OTP_TEXT, category=Category.OTP) == "allow"
    assert bench.says(to=SHANGHAI) == "allow"


SIGNATURES = """signature,advertiser,group,provider,port,state
测试,甲公司,某集团,,,approved
改名,甲公司,某集团,,,approved
金服,乙公司,某集团,,,expired
专用,丙公司,,jia,1069,approved
"""


@pytest.mark.parametrize(
    ("scope", "value", "how", "said"),
    [
        ("signature", "测试", {}, "reject no"),
        ("signature", f"{hash48('测试'):012x}", {}, "reject no"),
        ("signature", "别家", {}, "allow"),
        ("advertiser", "甲公司", {}, "reject no"),
        (
            "advertiser",
            "甲公司",
            {"text": "【改名】优惠券", "port": "10659", "provider": "yi"},
            "reject no",
        ),  # under another name
        ("advertiser", f"{hash48('测试'):012x}", {"text": "【改名】优惠券"}, "reject no"),  # refused before it was registered
        ("advertiser", f"{hash48('没报备'):012x}", {"text": "【没报备】优惠券"}, "reject no"),
        ("advertiser", "甲公司", {"text": "【金服】优惠券"}, "allow"),
        ("provider", "jia", {}, "reject no"),
        ("provider", "yi", {}, "allow"),
        ("port", "1069", {}, "reject no"),
        ("port", "1065", {}, "allow"),
        ("category", "loan", {"text": "【金服】无抵押贷款 放款"}, "reject no"),
        ("category", "loan", {}, "allow"),
        ("all", "", {}, "reject no"),
    ],
)
def test_a_refusal_reaches_as_far_as_its_scope(
    make: Callable[..., Any], scope: str, value: str, how: dict[str, Any], said: str
) -> None:
    rule = "- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}"
    bench = make(rule, {"registries/signatures.csv": SIGNATURES})
    bench.refuses(NANJING, scope, value)
    assert bench.says(**how) == said


def test_a_rule_may_mean_refusals_of_one_kind_only(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: no, when: {suppressed: {scope: provider, source: complaint, max_age: 180d}}, then: reject, reason: complaint}"
    )
    bench.refuses(NANJING, "provider", "jia", source="reply")
    assert bench.says() == "allow"
    bench.refuses(NANJING, "provider", "jia", source="complaint", at="2026-05-15 10:00")  # 180 days to the second
    assert bench.says() == "allow"
    bench.refuses(NANJING, "provider", "jia", source="complaint", at="2026-05-15 10:00:01")
    assert bench.says() == "reject no"


def test_a_rule_that_means_replies_means_doubtful_ones_too(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: no, when: {suppressed: {scope: provider, source: [reply, officer]}}, then: reject, reason: suppressed}"
    )
    bench.refuses(NANJING, "provider", "jia", source="doubtful")
    assert bench.says() == "reject no"
    others = make("- {id: no, when: {suppressed: {source: [officer, import]}}, then: reject, reason: suppressed}")
    others.refuses(NANJING, "provider", "jia", source="doubtful")
    assert others.says() == "allow"
    alone = make("- {id: no, when: {suppressed: {source: doubtful}}, then: reject, reason: suppressed}")
    alone.refuses(NANJING, "provider", "jia", source="reply")
    assert alone.says() == "allow"


def test_a_hold_of_a_doubtful_reply_refuses_for_good_or_ends_after_seven_days(make: Callable[..., Any]) -> None:
    since = int(time_windows.moment("2026-11-11 10:00")[0])
    ends = make("- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}")
    ends.refuses(NANJING, "all", source="doubtful", at="2026-11-11 10:00", expiry=since + HOLD_S)
    stays = make("- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}")
    stays.refuses(NANJING, "all", source="doubtful", at="2026-11-11 10:00")
    for at, ended, stayed in (("2026-11-18 09:59:59", "reject no", "reject no"), ("2026-11-18 10:00:00", "allow", "reject no")):
        assert (ends.says(at=at), stays.says(at=at)) == (ended, stayed)


def test_a_refusal_that_has_expired_is_none(make: Callable[..., Any]) -> None:
    bench = make("- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}")
    bench.refuses(NANJING, "all", expiry=int(time_windows.moment("2026-11-11 10:00")[0]))
    assert bench.says(at="2026-11-11 09:59:59") == "reject no"
    assert bench.says(at="2026-11-11 10:00:00") == "allow"


def test_a_list_may_be_long_and_spell_numbers_as_it_likes(make: Callable[..., Any]) -> None:
    rows = "".join(f"{13900000000 + n}\n" for n in range(20_000))
    bench = make(
        "- {id: no, when: {suppressed: {scope: global}}, then: reject, reason: suppressed}\n- {id: in, when: {recipient_in: big}, then: tag, reason: protected}",
        {"lists/big.csv": "recipient,note\n# comment\n+86 138-0025-0500,who\n" + rows},
        head="lists: {big: {file: lists/big.csv, suppress: global}}",
    )
    assert bench.says() == "reject no"
    assert bench.says(to="13900019999") == "reject no"
    assert bench.says(to="13900020000") == "allow"
    assert [b.rule for b in bench.send(to="13900000000", text=OTP_TEXT, category=Category.OTP).breaches] == ["in"]


def test_the_registry_says_who_signs(make: Callable[..., Any]) -> None:
    files = {"registries/signatures.csv": SIGNATURES}
    assert make(refusing("{advertiser: 甲公司}"), files).says(text="【改名】你好") == "reject it"
    assert make(refusing("{group: 某集团}"), files).says(text="【金服】你好") == "reject it"
    assert make(refusing("{advertiser: none}"), files).says(text="你好") == "reject it"
    bad = make(refusing("{signature_state: [unregistered, misused, expired, none]}"), files)
    assert bad.says(text="【专用】你好") == "allow"
    assert bad.says(text="【专用】你好", provider="yi") == "reject it"
    assert bad.says(text="【专用】你好", port="1065") == "reject it"
    assert [bad.says(text=text) for text in ("【没报备】你好", "【金服】你好", "你好")] == ["reject it"] * 3


PORTS = "prefix,province,categories\n1062,,\n10620025,江苏,\n10690,,otp\n106901,,otp|marketing\n"


def test_a_port_may_send_where_it_is_registered_for(make: Callable[..., Any]) -> None:
    bench = make(refusing("{not: {province: port}}"), {"registries/ports.csv": PORTS})
    assert bench.says(port="106200251", to=NANJING) == "allow"
    assert bench.says(port="106200251", to=SHANGHAI) == "reject it"
    assert bench.says(port="10629", to=SHANGHAI) == "allow"  # registered as national
    assert bench.says(port="10659", to=SHANGHAI) == "reject it"  # not registered


@pytest.mark.parametrize(
    ("port", "default", "tag", "declared"),
    [
        ("106900", Category.MARKETING, None, Category.OTP),  # the port's only category
        ("106901", Category.MARKETING, None, Category.MARKETING),  # two: the provider's default
        ("106901", Category.MARKETING, b"otp", Category.OTP),  # the port allows what the message says
        ("10659", Category.MARKETING, b"otp", Category.MARKETING),  # no port of that kind
        ("10659", Category.OTP, b"marketing", Category.MARKETING),  # stricter is always believed
        ("10659", None, None, Category.MARKETING),
        ("10659", Category.NOTICE, b"rubbish", Category.NOTICE),
        ("106901", Category.NOTICE, b"\x00", Category.OTP),
    ],
)
def test_what_is_declared_comes_from_message_port_or_provider(
    make: Callable[..., Any], port: str, default: Category | None, tag: bytes | None, declared: Category
) -> None:
    bench = make(refusing("{province: 北京}"), {"registries/ports.csv": PORTS}, tag=0x1500)
    verdict = bench.send(text=OTP_TEXT, port=port, category=default, extra=((0x1500, tag),) if tag else ())
    assert verdict.facts.declared is declared


def test_facts_are_known_before_judging(make: Callable[..., Any]) -> None:
    rules = make(refusing("{city: 南京}")).rules
    sender = Sender.of("jia", "jia", "10690001", "1069", Category.OTP)
    found = facts(Message(sender, recipient_of(NANJING), Content(AD, "readable", b"")), rules, 0.0)
    assert (found.category, found.signature, found.keyword) == (Category.MARKETING, "测试", "R")


def test_texts_that_differ_in_digits_only_are_not_taken_for_each_other(make: Callable[..., Any]) -> None:
    bench = make(refusing('{text: ["尾号8888"]}') + refusing("{contact: ['13900000001']}").replace("id: it", "id: contact"))
    assert [bench.says(text=f"账户尾号{n}") for n in (1234, 8888, 5678)] == ["allow", "reject it", "allow"]
    assert [bench.says(text=f"致电1390000000{n}") for n in (2, 1, 3)] == ["allow", "reject contact", "allow"]
    first, second = (bench.send(text=f"【{n}同城】回{n}退订").facts for n in (58, 59))
    assert (first.signature, first.keyword, second.signature, second.keyword) == ("58同城", "58", "59同城", "59")


def test_one_template_is_one_fingerprint_whatever_its_digits(make: Callable[..., Any]) -> None:
    bench = make(refusing("{province: 北京}"))
    one, two, other = (bench.send(text=text).template for text in ("验证码1234", "验证码567890", "校验码1234"))
    assert one == two != other
    assert 0 < one < 1 << 32


def test_memories_are_bounded_and_forgetting_changes_no_verdict(make: Callable[..., Any]) -> None:
    bench = make(refusing("{text: 禁词}"))
    reader = bench.rules.reader
    for memo in (
        reader._masks,
        reader._traits,
        bench.rules.known,
        bench.rules._decisions,
        bench.rules.senders,
    ):
        memo.most = 3
    for n in range(60):
        word = "禁词" if n % 7 == 0 else "好词"
        for _ in range(2):  # nothing is remembered the first time
            said = bench.says(text=f"【店{chr(0x4E00 + n)}】{word}", provider=f"p{n % 11}", to=f"1380025{n:04d}")
            assert said == ("reject it" if word == "禁词" else "allow")
        assert 0 < max(len(memo.young) + len(memo.old) for memo in (reader._masks, reader._traits, bench.rules.known)) <= 6


def test_caps_are_bound_once_for_all_texts_of_a_signature_and_forgetting_that_mixes_none_up(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_plan, "CAPPED_MAX", 3)
    bench = make(
        "- {id: cap, when: {category: marketing}, limit: {count: 2, per: day, key: [recipient, signature]}, then: reject, reason: advertiser-cap}"
    )
    bound = 0
    plain = evaluation_plan.cap_of

    def counted(*given: Any) -> Any:
        nonlocal bound
        bound += 1
        return plain(*given)

    monkeypatch.setattr(evaluation_plan, "cap_of", counted)
    sent = [
        [bench.says(text=f"【店{name}】{text}") for name in "甲乙丙丁戊"]
        for text in ("优惠券", "www.a.cn 抢券 拒收请回复R", "满减")
    ]
    assert sent == [["allow"] * 5, ["allow"] * 5, ["reject cap"] * 5]
    assert 5 <= bound < 15


def test_judging_changes_nothing_it_was_given(make: Callable[..., Any]) -> None:
    rules = make("- {id: q, limit: {count: 1, per: day, key: [provider]}, then: reject, reason: provider-quota}").rules
    message = Message(Sender.of("jia", "jia", "1069", "1069"), recipient_of(NANJING), Content(AD, "readable", b""))
    past = Past()
    first = [judge(message, past, rules, 1e9, NOTHING) for _ in range(3)]
    assert {verdict.outcome for verdict in first} == {Outcome.ALLOW}
    assert past.entries == []
    assert first[0].takes == first[2].takes


def test_the_revision_changes_with_every_file_and_only_then(write: Callable[..., Any]) -> None:
    text = "lists: {l: {file: lists/l.csv}}\nrules: [{id: a, when: {recipient_in: l}, then: reject, reason: keyword}]"
    first = load(write(text, {"lists/l.csv": "13800000000\n"})).revision
    assert load(write(text)).revision == first
    assert len(first) == 16
    assert load(write(text, {"lists/l.csv": "13800000001\n"})).revision != first
    assert load(write(text + "\n")).revision != first
