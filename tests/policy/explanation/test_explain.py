"""Verdicts in words; the shipped rules; explanation needs no input or output."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import proxy
from proxy.i18n import phrases
from proxy.model.message import CATEGORY_WORDS, Category, Content, Message, Outcome, Sender
from proxy.policy import limit, time_windows
from proxy.policy.condition import leaves
from proxy.policy.explanation import lines
from proxy.policy.explanation.explain import explain, explain_text
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.explanation.lines import as_text
from proxy.policy.kinds import day, suppressed, when_kinds
from proxy.policy.kinds.fields import TEMPLATE_WORDS, TEXT_STATES
from proxy.policy.loading.check import check
from proxy.policy.loading.draft import MODES
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.filings import FILING_WORDS, LICENCE_WORDS
from proxy.policy.registries.holidays import WORDS as CALENDAR_WORDS
from proxy.policy.registries.people import CONSENT_STATES
from proxy.policy.registries.registry import LETTERS, PORT_USERS, STATE_WORDS
from proxy.policy.renamed_senders import WAYS
from proxy.policy.text.category import BANDS, PURPOSES, SUBCATEGORIES
from tests.policy.conftest import AD

RULES = Path(proxy.__file__).parent.parent / "rules"
AT = time_windows.moment("2026-11-11 10:00")[0]


def test_explain_says_each_rules_part(make: Callable[..., Any]) -> None:
    rules = make(
        """
- {id: ban, say: 北京不发, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
- {id: cap, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
- {id: trial, when: {text: 优惠券}, then: reject, reason: keyword, mode: shadow}
- {id: gone, when: {text: 优惠券}, then: reject, reason: keyword, mode: off}
- {id: night, when: {not: {time: 08:00-21:00}}, then: reject, reason: quiet-hours}
"""
    ).rules
    told = explain_text(rules, "+86 138 0010 0500", "10690001", "【测试】优惠券 拒收请回复R", "jia", Category.MARKETING, AT)
    found = told.as_dict()
    assert {key: found[key] for key in ("verdict", "reason", "rule", "province", "city", "category")} == {
        "verdict": "reject", "reason": "region-ban", "rule": "ban", "province": "北京", "city": "北京", "category": "marketing",
    }  # fmt: skip
    assert [(part["rule"], part["says"], part["why"]) for part in found["rules"]] == [
        ("ban", "refuses", "all its conditions hold"),
        ("cap", "not counted", "limit: 3 per day for each recipient"),
        ("trial", "would refuse", "found: 优惠券"),
        ("gone", "off", "the rule is switched off"),
        ("night", "does not apply", "excluded: time is 08:00-21:00"),
    ]
    json.dumps(found)
    assert "13800100500" not in as_text(told)
    assert "138****0500: reject (region-ban, by rule ban)" in as_text(told)


def test_explain_strips_what_a_terminal_would_obey(make: Callable[..., Any]) -> None:
    rules = make("- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}").rules
    told = explain_text(rules, "13800250500", "10690001", "【\x1b[31mred】\u202eabc", "jia", None, AT)
    assert "\x1b" not in as_text(told)
    assert "\u202e" not in as_text(told)


def test_explain_counts_what_the_person_had(make: Callable[..., Any]) -> None:
    bench = make("- {id: cap, limit: {count: 2, per: day, key: [recipient]}, then: reject, reason: recipient-cap}")
    bench.send(), bench.send()
    message = Message(Sender.of("jia", "jia", "1069", ""), 13800250500, Content("x", "readable", b""))
    told = explain(message, bench.people[13800250500], bench.rules, AT, NOTHING).as_dict()
    assert told["rules"][0] | {"say": ""} == {
        "rule": "cap", "say": "", "basis": "", "mode": "enforce", "says": "refuses", "why": "2 used of 2 per day for each recipient",
        "change": told["rules"][0]["change"], "says_zh": "拒绝", "why_zh": "已用 2，上限：同一号码每天 2 条",
        "change_zh": told["rules"][0]["change_zh"],
    }  # fmt: skip
    assert told["rules"][0]["change"]
    assert told["rules"][0]["change_zh"] not in ("", told["rules"][0]["change"])
    assert told["not_before"] == "2026-11-12 00:00:00"


NIGHT = time_windows.moment("2026-11-11 22:00")[0]
SIGNATURES = {"registries/signatures.csv": "青禾商城,青禾公司\n青禾会员,青禾公司\n"}


def told_of(bench: Any, text: str, at: float = AT, category: Category | None = Category.MARKETING) -> Any:
    message = Message(Sender.of("jia", "jia", "10690001", "", category), 13800250500, Content(text, "readable", b""))
    return explain(message, bench.people[13800250500], bench.rules, at, bench.counts)


def change(bench: Any, rule: str, *, at: float = AT, text: str = AD, category: Category | None = Category.MARKETING) -> Any:
    return next(part for part in told_of(bench, text, at, category).parts if part.rule == rule)


CHANGES = [
    ("when: {text: [代开发票, 六合彩]}", "【测试】代 开发票 拒收请回复R", "found: 代开发票", "命中：代开发票", "去掉命中的字词"),
    ("when: {url: {outside: [example.com]}}", "【测试】看 t.cn/a 拒收请回复R", "found: t.cn", "命中：t.cn", "只用规则允许的链接，或先登记在联系方式表"),
    ("when: {contact: {outside: ['4008001234']}}", "【测试】电13800138000", "found: 13800138000", "命中：13800138000", "只用规则允许的联系方式，或先登记在联系方式表"),
    ("when: {text_state: readable, not: {notice: tail}}", "【测试】上新", "all its conditions hold", "条件全部成立", "按规则要求在末尾写明退订方式（拒收请回复R）"),
    ("when: {time: 21:00-08:00}", "【测试】上新", "all its conditions hold", "条件全部成立", "换一个时段发送；或 2026-11-12 08:00:00 起再发"),
    ("when: {any: [{time: 21:00-08:00}, {calendar: workday}]}", "【测试】上新", "all its conditions hold", "条件全部成立", "换一天或换一个时段发送；或 2026-11-14 08:00:00 起再发"),
    ("when: {category: marketing}", "【测试】上新", "all its conditions hold", "条件全部成立", "发送方没有可改之处"),
    ("when: {recipient_in: vip}", "【测试】上新", "the recipient is on vip", "号码在名单 vip 上", "不发给该号码"),
    ("when: {suppressed: true}", "【测试】上新", "refused signature 【测试】 by reply on 2026-11-01 00:00:00", "2026-11-01 00:00:00 起拒收签名【测试】（回复退订）", "不发给该号码：只有本人能恢复（回复 START 或 取消退订）"),
    ("limit: {count: 1, per: day, key: [recipient]}", "【测试】上新", "1 used of 1 per day for each recipient", "已用 1，上限：同一号码每天 1 条", "2026-11-12 00:00:00 起再发（届时额度空出）"),
    ("limit: {count: 1, per: 24h, key: [provider]}", "【测试】上新", "1 used of 1 per 1d for each provider", "已用 1，上限：同一通道商任意 24 小时内 1 条", "2026-11-12 10:00:00 起再发（届时额度空出）"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text", "english", "chinese", "mend"), CHANGES, ids=[rule for rule, *_ in CHANGES])
def test_a_rule_that_refuses_says_what_it_saw_and_what_would_have_to_change(
    make: Callable[..., Any], rule: str, text: str, english: str, chinese: str, mend: str
) -> None:
    bench = make(
        f"- {{id: it, {rule}, then: reject, reason: keyword}}",
        {"vip.csv": "13800250500\n"},
        head="lists: {vip: {file: vip.csv}}",
    )
    assert "limit" not in rule or bench.says("【测试】上新") == "allow"
    bench.refuses("13800250500", "signature", "测试")
    part = change(bench, "it", at=NIGHT, text=text)
    assert (str(part.says), str(part.why), part.why.zh, part.change.zh) == ("refuses", english, chinese, mend)
    assert part.change != part.change.zh, "there is English, too"


def test_what_a_doubtful_reply_holds_is_told_with_its_end_and_is_a_refusal_afterwards(make: Callable[..., Any]) -> None:
    bench = make("- {id: it, when: {suppressed: true}, then: reject, reason: suppressed}")
    bench.refuses("13800250500", "signature", "测试", source="doubtful")
    held = change(bench, "it", text="【测试】上新", at=time_windows.moment("2026-11-07 23:59:59")[0])
    until = "a reply on 2026-11-01 00:00:00 is doubtful, until somebody decides or 2026-11-08 00:00:00"
    assert held.why == f"signature 【测试】 is held: {until}"
    assert held.why.zh == "签名【测试】 暂停：2026-11-01 00:00:00 的回复存疑，待人工判定，至 2026-11-08 00:00:00"
    later = change(bench, "it", text="【测试】上新", at=time_windows.moment("2026-11-08 00:00")[0])
    assert later.why == "refused signature 【测试】 by doubtful on 2026-11-01 00:00:00"
    assert later.why.zh == "2026-11-01 00:00:00 起拒收签名【测试】（存疑回复）"


def test_who_answers_for_the_signature_is_told_where_it_is_registered(make: Callable[..., Any]) -> None:
    bench = make("- {id: it, when: {category: otp}, then: reject, reason: keyword}", SIGNATURES)
    told = told_of(bench, "【青禾会员】上新")
    assert told.as_dict()["advertiser"] == "青禾公司"
    assert "signature 青禾会员 of 青禾公司, opt-out" in as_text(told)
    assert "签名 青禾会员（广告主 青禾公司），退订" in as_text(told, "zh")
    unknown = told_of(bench, "【无名】上新")
    assert unknown.as_dict()["advertiser"] is None
    assert "signature 无名, opt-out" in as_text(unknown)


def test_a_renamed_sender_is_told_in_both_languages(make: Callable[..., Any]) -> None:
    bench = make("- {id: it, when: {suppressed: {scope: advertiser}}, then: reject, reason: renamed-sender}", SIGNATURES)
    bench.refuses("13800250500", "advertiser", "青禾商城")
    part = change(bench, "it", text="【青禾会员】上新")
    assert part.why.endswith("signature 青禾会员 is of 青禾公司, too")
    assert part.why.zh.endswith("签名 青禾会员 也属于 青禾公司")


@pytest.mark.parametrize(
    "limit",
    [
        "{count: 2, per: day, key: [recipient]}",
        "{count: 2, per: 2h, key: [recipient]}",
        "{count: 2, per: 30m, key: [provider]}",
        "{count: 1, per: 10m, key: [provider], burst: 3}",
        "[{count: 2, per: 2h, key: [recipient]}, {count: 2, per: day, key: [recipient]}]",
    ],
)
@pytest.mark.parametrize("gaps", [(0, 0), (0, 600), (59, 1700), (1, 7100)])
def test_the_moment_at_which_there_is_room_again_is_true_to_the_second(
    make: Callable[..., Any], limit: str, gaps: tuple[int, int]
) -> None:
    bench = make(f"- {{id: it, limit: {limit}, then: reject, reason: recipient-cap}}")
    now = AT
    for gap in gaps:
        now += gap
        assert bench.says(at=now) in ("allow", "reject it")
    told = change(bench, "it", at=now).change
    if not told:
        return  # the first has left the window already
    assert told.count("send it from ") == 1, "of several limits the last to have room is told"
    again = time_windows.moment(told.split("from ")[1].split(" on,")[0])[0]
    assert bench.says(at=again - 1) == "reject it"
    assert bench.says(at=again) == "allow"


def test_whoever_reads_chinese_gets_chinese_and_whoever_does_not_gets_english(make: Callable[..., Any]) -> None:
    rules = make(
        "- {id: ban, say: 北京不发, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}"
    ).rules
    told = explain_text(rules, "13800100500", "10690001", "【测试】优惠券t.cn 拒收请回复R", "jia", Category.MARKETING, AT)
    assert as_text(told, "zh").splitlines() == [
        "138****0500：拒绝（该省号码不得接收，规则：北京不发）",
        "  归属地    北京",
        "  类别      营销（申报营销，内容判定营销）",
        "  文本      签名 测试，退订关键字 R",
        "  营销判定  肯定（得分 9；4 分起很可能，6 分起肯定）",
        "  依据      营销用语 4：优惠券，第 5 字",
        "  依据      链接 4：t.cn",
        "  依据      退订方式 1：R",
        "  不计此人收过和退订过的短信、给过的同意，也不计已用的额度。",
        "  拒绝           北京不发 | 条件全部成立",
        "                 要通过：不发给归属地在那里的号码",
    ]
    assert as_text(told, "en").splitlines()[-2:] == [
        "  refuses        ban: all its conditions hold",
        "                 to pass: leave out people who live there",
    ]


def test_without_a_record_nothing_of_it_is_stated(make: Callable[..., Any]) -> None:
    bench = make(
        """
- {id: cap, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
- {id: refused, when: {suppressed: true}, then: reject, reason: suppressed}
- {id: either, when: {any: [{suppressed: true}, {category: otp, province: 上海}]}, then: reject, reason: suppressed}
"""
    )
    told = as_text(explain_text(bench.rules, "13800100500", "10690001", "你好", "jia", None, AT), "zh")
    assert ("不计此人收过和退订过的短信" in told, "已用 " in told, "未超限" in told, "不成立" in told) == (
        True,
        False,
        False,
        False,
    )
    asked = as_text(told_of(bench, "你好"), "zh")
    assert ("不计此人收过和退订过的短信" in asked, "已用 0" in asked, "不成立" in asked) == (False, True, True)


def test_no_digit_of_a_code_is_among_the_words_found(make: Callable[..., Any]) -> None:
    bench = make("- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}")
    found = json.dumps(told_of(bench, "【测试】验证码482913元起", category=Category.OTP).as_dict(), ensure_ascii=False)
    assert ("482913" in found, "******元起" in found) == (False, True)


def test_every_word_of_when_and_every_closed_word_is_known_in_chinese(make: Callable[..., Any]) -> None:
    for word, kind in when_kinds().items():
        assert word == "category" or re.search("[一-鿿]", kind.mend.zh), word
    closed = [
        *CATEGORY_WORDS, *SUBCATEGORIES[1:], *BANDS, *STATE_WORDS, *FILING_WORDS, *LICENCE_WORDS, *PORT_USERS, *LETTERS, *TEXT_STATES, *suppressed.SCOPES, *suppressed.SOURCES, *WAYS,
        *CONSENT_STATES, *TEMPLATE_WORDS, *limit.KEYS, *CALENDAR_WORDS, *day._WEEKDAYS, *day._GROUPS, *time_windows.CALENDAR_S, *MODES,
        *(outcome.word for outcome in Outcome), "none", "unknown",
    ]  # fmt: skip
    assert [word for word in closed if word not in phrases.WORDS] == []
    assert set(lines.FEATURES) >= {*PURPOSES, "link", "opt-out", "evasion"}
    for rule in load(RULES).rules:
        for leaf in leaves(rule.when):
            assert re.search("[一-鿿]", phrases.in_language(leaf.words, "zh")), leaf


def test_explain_never_differs_from_the_verdict() -> None:
    rules = load(RULES)
    for to in ("13800100500", "13800210999", "13800250500"):
        for text in ("【测试】双11券 拒收请回复R", "代开发票", "【测试】验证码482913"):
            told = explain_text(rules, to, "10690001", text, "jia", None, AT)
            refusing = {part.rule for part in told.parts if part.says in ("refuses", "defers")}
            assert (told.verdict.rule in refusing) if told.verdict.rule else not refusing
            assert refusing == {breach.rule for breach in told.verdict.breaches if not breach.shadow}


def test_the_shipped_rules_pass_their_own_tests_and_say_why_they_exist() -> None:
    report = check(RULES)
    assert report.problems == []
    rules = load(RULES).rules
    assert {"beijing-marketing-ban", "daily-cap", "weekly-cap", "suppressed", "quiet-hours"} <= {rule.id for rule in rules}
    assert {rule.mode for rule in rules} == {"enforce", "shadow", "off"}
    assert all(rule.say and (rule.basis or rule.exempt) for rule in rules)
    tested = "\n".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.yaml"))
    for rule in rules:
        if rule.mode == "enforce" and not rule.exempt:
            assert f"reject: {rule.id}}}" in tested, f"no test refuses by {rule.id}"


def test_every_word_of_when_is_a_file_of_the_room() -> None:
    words = set(
        "category declared classified subcategory province city provider account port signature signature_state advertiser group text "
        "notice text_state url contact time day calendar suppressed consent preferences recipient_in provider_age reply_path template scheduled "
        "filing".split()
    )
    assert set(when_kinds()) == words


def test_a_message_is_judged_without_an_event_loop() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from proxy.policy.explanation.explain import explain_text; from proxy.policy.loading.load_rules import load\n"
        f"rules = load(Path({str(RULES)!r}))\n"
        "told = explain_text(rules, '13800100500', '10690001', 'x', 'jia', None, 1.8e9)\n"
        "assert told.verdict.rule == 'beijing-marketing-ban', told\n"
        "assert not {'asyncio', 'socket', 'uvloop', 'ssl'} & set(sys.modules), set(sys.modules) & {'asyncio', 'socket', 'ssl'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=RULES.parent)


def test_nobody_known_has_no_past() -> None:
    past = Past()
    assert (past.newest(), list(past.opt_outs())) == (0, [])


TEMPLATES = "otp,甲店,,otp,,您的验证码是{code:4-8 digits}，{minutes}分钟内有效\nparcel,甲店,,notice,,{name:≤4}您好，快件{order}已到\njia-only,甲店,jia,notice,,您好\n"
FILED = "- {id: filed, when: {template: mismatched}, then: reject, reason: template-mismatch}"


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("您的验证码是48，5分钟内有效", "template 'otp': {code:4-8 digits} '**' is not what was filed: 4 to 8 digits", "模板“otp”：{code:4-8 digits} “**” 与报备的不符：应为4 至 8 位数字"),
        ("张三您好，快件加微信abc123已到", "template 'parcel': {order} '加微信abc***' is not what was filed", "模板“parcel”：{order}"),
        ("李四您好，快件13800138000已到", "template 'parcel': {order} '***********' is a contact that was not filed", "是未报备的联系方式"),
        ("您好", "template 'jia-only': the template is registered for provider jia", "该模板报备给通道商 jia"),
        ("您的验证码是4829，5分钟内有效！领券", "template 'otp': at '!领券' the text goes on behind the end of the template", "模板已结束，后面还有内容"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_template_says_which_variable_did_not_fit(
    make: Callable[..., Any], text: str, english: str, chinese: str
) -> None:
    """Digits of a code are masked."""
    rules = make(FILED, {"registries/templates.csv": TEMPLATES}).rules
    (part,) = explain_text(rules, "13800210500", "10690001", f"【甲店】{text}", "yi", Category.OTP, AT).parts
    assert english in part.why
    assert chinese in part.why.zh
    assert part.change.startswith("send the text as it is registered")
    assert english in part.change


def test_a_rule_about_one_template_says_how_the_text_differs(make: Callable[..., Any]) -> None:
    rules = make(
        "- {id: it, when: {template: otp}, then: reject, reason: keyword}", {"registries/templates.csv": TEMPLATES}
    ).rules
    (part,) = explain_text(rules, "13800210500", "10690001", "【甲店】您的验证码是48，5分钟内有效", "yi", None, AT).parts
    assert part.why.startswith("template is mismatched, not otp (template 'otp': {code:4-8 digits} '48' is not what was filed")
    (part,) = explain_text(rules, "13800210500", "10690001", "【乙店】您的验证码是48", "yi", None, AT).parts
    assert part.why == "template is unregistered, not otp"
