"""Caps: calendar and rolling windows, every key, against a naive model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Outcome, Sender
from proxy.model.recipient import Entry
from proxy.policy import time_windows
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

AD = "【测试】优惠券 拒收请回复R"


def cap(limit: str, when: str = "{category: marketing}", then: str = "reject") -> str:
    return f"- {{id: cap, when: {when}, limit: {limit}, then: {then}, reason: recipient-cap}}"


def conversation(bench: Any, *turns: tuple[str, dict[str, Any]]) -> list[bool]:
    return [bench.says(at=at, **how) == "allow" for at, how in turns]


@pytest.mark.parametrize(
    ("per", "times", "allowed"),
    [
        ("day", ["2026-11-11 00:00", "2026-11-11 23:59:59", "2026-11-12 00:00"], [True, False, True]),
        ("hour", ["2026-11-11 09:00", "2026-11-11 09:59:59", "2026-11-11 10:00"], [True, False, True]),
        ("minute", ["2026-11-11 09:00:00", "2026-11-11 09:00:59", "2026-11-11 09:01:00"], [True, False, True]),
        ("week", ["2026-11-09 00:00", "2026-11-15 23:59:59", "2026-11-16 00:00"], [True, False, True]),  # Monday to Sunday
        ("month", ["2026-02-01 00:00", "2026-02-28 23:59:59", "2026-03-01 00:00"], [True, False, True]),
        ("59s", ["2026-11-11 10:00:00", "2026-11-11 10:00:58", "2026-11-11 10:00:59"], [True, False, True]),  # (now-w, now]
        ("24h", ["2026-11-10 10:00:00", "2026-11-11 09:59:59", "2026-11-11 10:00:00"], [True, False, True]),
        ("7d", ["2026-11-04 10:00:00", "2026-11-11 09:59:59", "2026-11-11 10:00:00"], [True, False, True]),
    ],
)
@pytest.mark.parametrize("key", ["recipient", "provider"])
def test_windows_begin_and_end_to_the_second(
    make: Callable[..., Any], per: str, times: list[str], allowed: list[bool], key: str
) -> None:
    bench = make(cap(f"{{count: 1, per: {per}, key: [{key}]}}"))
    assert [bench.says(at=at) == "allow" for at in times] == allowed


def test_a_refused_message_does_not_count(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 1, per: 1h, key: [recipient]}"))
    assert [bench.says(at=f"2026-11-11 10:{m:02d}") for m in (0, 30, 59)] == ["allow", "reject cap", "reject cap"]
    assert bench.says(at="2026-11-11 11:00") == "allow"


def test_a_cap_is_about_what_it_is_about(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 1, per: day, key: [recipient]}"))
    assert bench.says(text="【测试】验证码482913", category=Category.OTP) == "allow"
    assert bench.says(text=AD) == "allow"  # the password before did not count
    assert bench.says(text=AD) == "reject cap"
    assert bench.says(text="【测试】验证码482914", category=Category.OTP) == "allow"
    assert bench.says(text=AD, to="13800250501") == "allow"


SIGNATURES = "甲店,甲公司,集团\n甲二,甲公司,集团\n乙店,乙公司,集团\n"


@pytest.mark.parametrize(
    ("key", "how", "shared"),
    [
        ("signature", {"text": "【甲店】别的话"}, True),
        ("signature", {"text": "【甲二】优惠券"}, False),
        ("advertiser", {"text": "【甲二】优惠券"}, True),  # another signature counts with the first
        ("advertiser", {"text": "【乙店】优惠券"}, False),
        ("group", {"text": "【乙店】优惠券"}, True),
        ("group", {"text": "【丙店】优惠券"}, False),
        ("category", {"text": "【甲店】您的快件", "category": Category.NOTICE}, False),
        ("subcategory", {"text": "【甲店】无抵押 放款"}, False),
        ("provider", {"provider": "yi"}, False),
        ("provider", {"port": "10690002"}, True),
        ("port", {"provider": "yi"}, True),
        ("port", {"port": "10690002"}, False),
        ("content", {"text": "【甲店】优惠券1"}, False),
        ("content", {"provider": "yi", "port": "10651"}, True),
        ("template", {"provider": "yi"}, True),
        ("province", {"provider": "yi"}, True),
    ],
)
@pytest.mark.parametrize("counted_by", ["recipient", "counter"])
def test_a_key_says_what_counts_together(
    make: Callable[..., Any], key: str, how: dict[str, Any], shared: bool, counted_by: str
) -> None:
    keys = f"[recipient, {key}]" if counted_by == "recipient" else f"[{key}]"
    bench = make(
        f"- {{id: cap, limit: {{count: 1, per: day, key: {keys}}}, then: reject, reason: recipient-cap}}",
        {"registries/signatures.csv": SIGNATURES},
    )
    assert bench.says(text="【甲店】优惠券") == "allow"
    assert bench.says(**({"text": "【甲店】优惠券"} | how)) == ("reject cap" if shared else "allow")


def test_without_recipient_all_people_count_together(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 2, per: day, key: [province]}"))
    assert bench.says(to="13800250500") == "allow"
    assert bench.says(to="13800250501") == "allow"
    assert bench.says(to="13800250502") == "reject cap"
    assert bench.says(to="13800210502") == "allow"  # Shanghai


def test_a_counter_counts_only_what_its_rule_is_about(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 1, per: day, key: [provider]}", "{text: 优惠券}"))
    assert bench.says(text="你好") == "allow"
    assert bench.says(text=AD) == "allow"
    assert bench.says(text=AD, to="13800250501") == "reject cap"
    assert bench.says(text="你好") == "allow"


def test_what_is_refused_takes_nothing(make: Callable[..., Any]) -> None:
    bench = make(
        cap("{count: 1, per: day, key: [provider]}") + "\n- {id: no, when: {text: 禁词}, then: reject, reason: keyword}"
    )
    refused = bench.send(text="禁词")
    assert (refused.rule, refused.takes) == ("no", ())
    assert bench.says(text=AD) == "allow"


def test_throttle_is_a_temporary_status_and_the_whole_bind_only_for_its_own_rate(make: Callable[..., Any]) -> None:
    own = make("- {id: rate, when: {provider: jia}, limit: {count: 1, per: 1s, key: [provider]}, then: throttle}")
    assert own.says() == "allow"
    verdict = own.send()
    assert (verdict.outcome, verdict.reason.name, verdict.reason.status) == (Outcome.DEFER, "rate-exceeded", 0x58)
    assert own.says(at="2026-11-11 10:00:01") == "allow"
    shared = make("- {id: rate, limit: {count: 1, per: 1s, key: [province]}, then: throttle}")
    assert shared.says() == "allow"
    assert shared.send().reason.status == 0x14


def test_one_rule_may_throttle_first_and_refuse_later(make: Callable[..., Any]) -> None:
    bench = make(
        "- id: quota\n  limit: [{count: 1, per: 1s, key: [provider], then: throttle}, {count: 2, per: day, key: [provider]}]\n"
        "  then: reject\n  reason: provider-quota"
    )
    said = [bench.says(at=f"2026-11-11 10:00:0{s}") for s in (0, 0, 1, 2)]
    assert said == ["allow", "defer quota", "allow", "reject quota"]


def test_time_and_place_say_when_a_cap_applies_not_what_it_counts(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 1, per: 24h, key: [recipient]}", "{time: 12:00-13:00, province: 江苏}"))
    assert bench.says(at="2026-11-11 11:00") == "allow"
    assert bench.says(at="2026-11-11 12:00") == "reject cap"  # the one at eleven counts
    assert bench.says(at="2026-11-11 13:00") == "allow"


def test_a_cap_added_at_noon_counts_the_morning(make: Callable[..., Any]) -> None:
    morning = make("- {id: other, when: {text: 禁词}, then: reject, reason: keyword}")
    for m in range(3):
        assert morning.says(at=f"2026-11-11 09:0{m}") == "allow"
    noon = make(cap("{count: 3, per: day, key: [recipient]}"))
    noon.people = morning.people
    assert noon.says(at="2026-11-11 12:00") == "reject cap"


def test_a_calendar_cap_says_when_the_next_period_begins(make: Callable[..., Any]) -> None:
    bench = make(cap("{count: 1, per: day, key: [recipient]}"))
    bench.send()
    (breach,) = bench.send().breaches
    assert breach.not_before == time_windows.moment("2026-11-12")[0]


# --- against a naive model

SHAPES = [
    ("{count: 2, per: day, key: [recipient]}", "day", 2, ()),
    ("{count: 3, per: 2d, key: [recipient]}", 2 * 86_400, 3, ()),
    ("{count: 1, per: 90s, key: [recipient, signature]}", 90, 1, ("signature",)),
    ("{count: 2, per: week, key: [recipient, provider]}", "week", 2, ("provider",)),
    ("{count: 2, per: hour, key: [recipient, category]}", "hour", 2, ("category",)),
]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 44, 45, 89, 90, 1800, 3599, 3600, 30_000, 86_399, 86_400, 172_800]),  # seconds since the last
        st.sampled_from(["甲店", "乙店"]),
        st.sampled_from(["jia", "yi"]),
        st.sampled_from([Category.MARKETING, Category.NOTICE]),
    ),
    max_size=30,
)
SENDERS = {(p, c): Sender.of(p, p, "10690001", "1069", c) for p in ("jia", "yi") for c in (Category.MARKETING, Category.NOTICE)}


def naive_start(window: str | int, now: int) -> int:
    """First second inside the window, by the calendar of the datetime module."""
    if isinstance(window, int):
        return now - window + 1
    from datetime import datetime, timedelta

    at = datetime.fromtimestamp(now, time_windows.ZONE)
    if window == "hour":
        return int(at.replace(minute=0, second=0).timestamp())
    midnight = at.replace(hour=0, minute=0, second=0)
    return int((midnight - timedelta(days=at.weekday() if window == "week" else 0)).timestamp())


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(SHAPES), st.integers(0, 10**6), EVENTS)
def test_caps_agree_with_a_naive_count(
    shape: tuple[str, str | int, int, tuple[str, ...]], start: int, events: list[tuple[int, str, str, Category]]
) -> None:
    limit, window, most, keys = shape
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "x.yaml").write_text(
            f"rules:\n  - {{id: cap, limit: {limit}, then: reject, reason: recipient-cap}}\n", encoding="utf-8"
        )
        rules = load(Path(place))
    now, past = 1_794_000_000 + start, Past()
    sent: list[tuple[int, dict[str, object]]] = []
    for gap, signature, provider, category in events:
        now += gap
        sender = SENDERS[provider, category]
        verdict = judge(
            Message(sender, 13800250500, Content(f"【{signature}】你好", "readable", b"")), past, rules, now, PastCounts()
        )
        mine: dict[str, object] = {"signature": signature, "provider": provider, "category": category}
        first = naive_start(window, now)
        used = sum(time >= first and all(entry[key] == mine[key] for key in keys) for time, entry in sent)
        assert (verdict.outcome is Outcome.ALLOW) == (used < most), (now, used)
        if verdict.outcome is Outcome.ALLOW:
            sent.append((now, mine))
            facts = verdict.facts
            past.add(
                Entry(
                    len(sent),
                    now,
                    facts.signature_hash,
                    sender.provider_hash,
                    sender.port_hash,
                    facts.category,
                    0,
                    verdict.template,
                    0,
                    1,
                )
            )


def test_a_lenient_limit_of_a_rule_hides_no_stricter_one(tmp_path):
    (tmp_path / "r.yaml").write_text(
        """
rules:
  - id: both
    say: tag the second of a day, refuse the third
    when: {category: marketing}
    limit:
      - {count: 1, per: day, key: [recipient], then: tag}
      - {count: 2, per: day, key: [recipient]}
    then: reject
    reason: recipient-cap
tests:
  - note: the third is refused though the second was only tagged
    messages:
      - {at: "2026-11-11 10:00", to: "13800210500", from: "10690001", text: 【测试】券, repeat: 2, want: allow}
      - {at: "2026-11-11 10:01", to: "13800210500", from: "10690001", text: 【测试】券, want: {reject: both}}
""",
        encoding="utf-8",
    )
    from proxy.policy.loading.check import check

    assert check(tmp_path).problems == []
