"""The verdict in words; the shipped rules; the room's purity."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import proxy
from proxy.message import Category, Content, Message, Sender
from proxy.policy import check, explain, explain_text, load, moments
from proxy.policy.history import NOTHING, Past
from proxy.policy.kinds import when_kinds

RULES = Path(proxy.__file__).parent.parent / "rules"
AT = moments.moment("2026-11-11 10:00")[0]


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
        ("cap", "is within", "0 used of 3 per day for each recipient"),
        ("trial", "would refuse", "all its conditions hold"),
        ("gone", "off", "the rule is switched off"),
        ("night", "does not apply", "excluded: time is 08:00-21:00"),
    ]
    json.dumps(found)
    assert "13800100500" not in told.as_text()
    assert "138****0500: reject (region-ban, by rule ban)" in told.as_text()


def test_explain_strips_what_a_terminal_would_obey(make: Callable[..., Any]) -> None:
    rules = make("- {id: ban, when: {province: 北京}, then: reject, reason: region-ban}").rules
    told = explain_text(rules, "13800250500", "10690001", "【\x1b[31mred】\u202eabc", "jia", None, AT)
    assert "\x1b" not in told.as_text()
    assert "\u202e" not in told.as_text()


def test_explain_counts_what_the_person_had(make: Callable[..., Any]) -> None:
    bench = make("- {id: cap, limit: {count: 2, per: day, key: [recipient]}, then: reject, reason: recipient-cap}")
    bench.send(), bench.send()
    message = Message(Sender.of("jia", "jia", "1069", ""), 13800250500, Content("x", "readable", b""))
    told = explain(message, bench.people[13800250500], bench.rules, AT, NOTHING).as_dict()
    assert told["rules"][0] | {"say": ""} == {
        "rule": "cap", "say": "", "mode": "enforce", "says": "refuses", "why": "2 used of 2 per day for each recipient",
    }  # fmt: skip
    assert told["not_before"] == "2026-11-12 00:00:00"


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
        "notice text_state url contact time day calendar suppressed consent preferences recipient_in provider_age template".split()
    )
    assert set(when_kinds()) == words


def test_a_message_is_judged_without_an_event_loop() -> None:
    code = (
        "import sys; from pathlib import Path; from proxy import policy\n"
        f"rules = policy.load(Path({str(RULES)!r}))\n"
        "told = policy.explain_text(rules, '13800100500', '10690001', 'x', 'jia', None, 1.8e9)\n"
        "assert told.verdict.rule == 'beijing-marketing-ban', told\n"
        "assert not {'asyncio', 'socket', 'uvloop', 'ssl'} & set(sys.modules), set(sys.modules) & {'asyncio', 'socket', 'ssl'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=RULES.parent)


def test_nobody_known_has_no_past() -> None:
    past = Past()
    assert (past.newest(), list(past.opt_outs())) == (0, [])
