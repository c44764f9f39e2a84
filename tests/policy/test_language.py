"""The exact meaning of rule keys: bursts, shares, trials, zones, retries, templates; counts are checked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.message import Breach, Category, Content, Outcome
from proxy.model.reasons import Reason
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain, explain_text
from proxy.policy.explanation.history import NOTHING, PastCounts
from proxy.policy.limit import Limit, reached
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.reviewed_texts import review_key
from proxy.policy.registries.templates import Fit, TemplateRow, Templates
from proxy.policy.time_windows import Window
from tests.examples import examples
from tests.policy.catalogue import AD, BEIJING, CODE, NANJING, SHANGHAI
from tests.policy.conftest import Make, Write


def moment(text: str) -> float:
    return time_windows.moment(text)[0]


# --- limits by counter


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.sampled_from((0, 0, 0, 1, 1, 2, 5, 30)), max_size=60), st.integers(1, 3), st.integers(2, 9))
def test_a_burst_passes_and_ten_windows_hold_ten_times_the_count(gaps: list[int], most: int, burst: int) -> None:
    burst = min(max(burst, most + 1), most * 10)
    limit = Limit(most, Window("rolling", 2), frozenset(("provider",)), "", 1, burst)
    counts, now = PastCounts(), 1_000_000
    passed: list[int] = []
    for gap in gaps:
        now += gap
        recent = [at for at in passed if at > now - 2]
        room = len(recent) < burst and len([at for at in passed if at > now - 20]) < most * 10
        assert reached(limit, counts, 7, 0, float(now)) == (not room)
        if room:
            passed.append(now)
            counts.take(limit.take(7), now)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from((0.1, 0.3, 0.5)), st.integers(1, 5))
def test_what_a_rule_is_about_stays_within_its_share(kinds: list[bool], share: float, least: int) -> None:
    limit = Limit(0, Window("day", 86_400), frozenset(("provider",)), "", 1, 0, share, least)
    counts, mine, all_ = PastCounts(), 0, 0
    for is_mine in kinds:
        if is_mine and reached(limit, counts, 1, 2, 1e6):
            assert mine >= least
            assert (mine + 1) > share * (all_ + 1)
            continue
        for key in (1, 2) if is_mine else (2,):
            counts.take(limit.take(key), 1e6)
        mine, all_ = mine + is_mine, all_ + 1
        assert not is_mine or mine <= least or mine <= share * all_


def test_a_share_of_something_counts_only_that(make: Make) -> None:
    bench = make(
        "- id: it\n  when: {category: marketing}\n  limit: {share: 0.5, of: {province: 江苏}, per: day, key: [provider], least: 1}\n"
        "  then: reject\n  reason: probation"
    )
    assert [bench.says(to=BEIJING, text=CODE, category=Category.OTP) for _ in range(3)] == ["allow"] * 3
    assert [bench.says() for _ in range(2)] == ["allow", "reject it"]  # codes to 北京 are not what it is a share of
    assert bench.says(text=CODE, category=Category.OTP) == "allow"
    assert bench.says(text=CODE, category=Category.OTP) == "allow"
    assert bench.says() == "allow"  # two of four
    assert bench.says() == "reject it"


# --- when to come again, trials


def breach_of(
    make: Make, more: str, at: str, *, when: str = "{category: marketing, time: 21:00-08:00}", then: str = "defer"
) -> Breach:
    bench = make(f"- id: it\n  when: {when}\n  then: {then}\n  reason: quiet-hours\n  {more}")
    (breach,) = bench.send(at=at).breaches
    return breach


@pytest.mark.parametrize(
    ("more", "at", "again"),
    [
        ('defer_until: "08:30"', "2026-11-11 22:00", "2026-11-12 08:30"),
        ('defer_until: "07:00"', "2026-11-11 22:00", "2026-11-13 07:00"),  # seven is quiet, too: the next seven behind the end
        ("defer_until: 2026-11-20 10:00", "2026-11-11 22:00", "2026-11-20 10:00"),
        ("jitter: 45m", "2026-11-11 22:00", "2026-11-12 08:00"),
    ],
)  # fmt: skip
def test_a_deferred_message_is_told_when_to_come_again(make: Make, more: str, at: str, again: str) -> None:
    assert breach_of(make, more, at).not_before == moment(again)


def test_people_are_spread_out_and_each_has_one_moment(make: Make) -> None:
    breach = breach_of(make, "jitter: 45m", "2026-11-11 22:00")
    moments_ = [breach.again(13800250000 + person) for person in range(2_000)]
    assert breach.not_before is not None
    behind = [moment_ - breach.not_before for moment_ in moments_ if moment_ is not None]
    assert 0 <= min(behind) < 60
    assert 44 * 60 < max(behind) < 45 * 60
    quarters = [sum(1 for one in behind if first <= one < first + 675) for first in (0, 675, 1350, 2025)]
    assert min(quarters) > 400
    assert breach.again(13800250001) == moments_[1]


def test_what_would_wait_too_long_is_refused_until_it_would_not(make: Make) -> None:
    bench = make(
        '- id: it\n  when: {category: marketing, time: 21:00-08:00}\n  then: defer\n  reason: quiet-hours\n  defer_until: "08:30"\n  max_defer: 10h'
    )
    said = [bench.says(at=at) for at in ("2026-11-11 22:29:59", "2026-11-11 22:30", "2026-11-11 22:29", "2026-11-12 03:00")]
    assert said == ["reject it", "defer it", "reject it", "defer it"]


def test_without_a_time_of_its_own_the_next_clock_is_the_one_behind_now(make: Make) -> None:
    bench = make('- {id: it, when: {category: marketing}, then: defer, reason: quiet-hours, defer_until: "09:00"}')
    for at, again in (("08:00", "2026-11-11 09:00"), ("09:30", "2026-11-12 09:00"), ("23:59", "2026-11-12 09:00")):
        (breach,) = bench.send(at=f"2026-11-11 {at}").breaches
        assert breach.not_before == moment(again)


def test_a_trial_ends_by_itself_for_caps_and_persons_too(make: Make) -> None:
    bench = make(
        "- {id: cap, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap, trial: {until: 2026-11-12}}\n"
        "- {id: refused, when: {suppressed: true}, then: reject, reason: suppressed, trial: {until: 2026-11-12 12:00}}"
    )
    bench.refuses(BEIJING, "all")
    assert [bench.says(at="2026-11-11 10:00") for _ in range(3)] == ["allow"] * 3
    assert [breach.shadow for breach in bench.send(at="2026-11-11 10:00").breaches] == [True]
    assert bench.says(at="2026-11-12 00:00") == "allow"
    assert bench.says(at="2026-11-12 00:01") == "reject cap"
    assert bench.says(to=BEIJING, at="2026-11-12 11:59:59") == "allow"
    assert [(one.rule, one.shadow) for one in bench.send(to=BEIJING, at="2026-11-12 12:00:00").breaches] == [
        ("cap", False),
        ("refused", False),
    ]


def test_explain_says_until_when_a_rule_is_on_trial(make: Make) -> None:
    bench = make("- {id: ban, when: {province: 江苏}, then: reject, reason: region-ban, trial: {until: 2026-11-12 12:00}}")

    def told(at: str) -> tuple[str, str]:
        found = explain_text(bench.rules, NANJING, "10690001", AD, "jia", Category.MARKETING, moment(at)).as_dict()["rules"][0]
        return found["says"], found["why_zh"]

    assert told("2026-11-12 11:59:59") == ("would refuse", "条件全部成立；规则试行到 2026-11-12 12:00，之后执行")
    assert told("2026-11-12 12:00") == ("refuses", "条件全部成立")


BEGUN = """
- {id: ban, when: {province: 北京}, active: {from: 2027-01-01, to: 2027-01-31}, then: reject, reason: region-ban}
- {id: cap, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, active: {campaign: eve}, then: reject, reason: recipient-cap, trial: {until: 2027-02-01}}
- {id: gone, when: {province: 江苏}, active: {to: 2026-11-01}, then: reject, reason: region-ban}
- {id: off, mode: off, when: {province: 江苏}, active: {from: 2027-01-01}, then: reject, reason: region-ban}
- {id: shadow, mode: shadow, when: {province: 上海}, active: {from: 2027-01-01}, then: reject, reason: region-ban}
- {id: spared, exempt: true, when: {city: 天津}, skip: [cap], active: {from: 2027-01-01}}
"""
TIANJIN = "13800220500"


def test_rules_are_rehearsed_as_if_they_had_begun_and_end_when_they_do(make: Make) -> None:
    files = {"registries/campaigns.csv": "eve,2027-01-10,2027-01-12\n"}
    bench = make(BEGUN, files)
    assert [bench.says(to=to) for to in (BEIJING, NANJING, NANJING, SHANGHAI, TIANJIN)] == ["allow"] * 5
    bench.rules = bench.rules.as_begun({"ban", "cap", "gone", "off", "shadow", "spared"})
    assert bench.says(to=BEIJING) == "reject ban"
    assert bench.says(to=NANJING) == "reject cap", "that of the campaign, and no trial; what is over or off stays so"
    assert [breach.shadow for breach in bench.send(to=SHANGHAI).breaches if breach.rule == "shadow"] == [True]
    assert bench.says(to=TIANJIN) == "allow", "the exemption has begun, too"
    later = {"to": BEIJING, "at": "2027-02-01 00:00"}
    assert bench.says(**later) == "allow"
    assert bench.says(**later) == "allow", "ban and campaign are over by then"


def test_a_rule_that_is_not_named_waits_in_the_rehearsal_of_others(make: Make) -> None:
    bench = make(BEGUN, {"registries/campaigns.csv": "eve,2027-01-10,2027-01-12\n"})
    bench.rules = bench.rules.as_begun({"cap"})
    assert [bench.says(to=BEIJING) for _ in range(2)] == ["allow", "reject cap"]
    assert bench.says(to=BEIJING, at="2027-01-05 10:00") == "reject ban"


# --- time of day in other zones


@pytest.mark.parametrize(
    ("zone", "at", "said"),
    [
        ("+06:00", "2026-11-11T20:59:59+06:00", "allow"), ("+06:00", "2026-11-11T21:00:00+06:00", "reject it"),
        ("-05:30", "2026-11-11T07:59:59-05:30", "reject it"), ("-05:30", "2026-11-11T08:00:00-05:30", "allow"),
        ("America/New_York", "2026-07-01T20:59:59-04:00", "allow"), ("America/New_York", "2026-07-01T21:00:00-04:00", "reject it"),
        ("America/New_York", "2026-12-01T20:59:59-05:00", "allow"), ("America/New_York", "2026-12-01T21:00:00-05:00", "reject it"),
    ],
)  # fmt: skip
def test_a_clock_may_be_another_zones(make: Make, zone: str, at: str, said: str) -> None:
    bench = make(f"- {{id: it, when: {{time: {{between: 21:00-08:00, zone: '{zone}'}}}}, then: reject, reason: quiet-hours}}")
    bench.send(at=moment(at) - 3 * 3600)  # a decision that must not be remembered too long
    assert bench.says(at=moment(at)) == said


# --- templates, reviews


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("【甲店】您的验证码是482913，5分钟内有效", True), ("【甲店】您的验证码是４８２９１３，5 分钟内有效", True), ("【甲店】您的驗證碼是482913，15分钟内有效", True),
        ("【甲店】您的验证码是，5分钟内有效", False), ("【甲店】您的验证码是482913，5分钟内有效！点击领券", False), ("【甲店】您的验证码是" + "9" * 9 + "，5分钟内有效", False),
        ("您的验证码是482913，5分钟内有效", False),
    ],
)  # fmt: skip
def test_a_template_is_tolerant_of_looks_and_of_nothing_else(text: str, fits: bool) -> None:
    templates = Templates([TemplateRow("otp", "甲店", "", Category.OTP, "", "【甲店】您的验证码是{code:8}，{m}分钟内有效")])
    assert templates.fitting("甲店", text) == ((Fit(0),) if fits else ())
    assert templates.fitting("乙店", text) is None


def test_a_registered_text_declares_what_it_was_registered_for(make: Make) -> None:
    files = {
        "registries/templates.csv": 't,甲店,jia,notice,,"您的包裹到了，取件码{code}"\nc,甲店,,marketing,consent-request,"同意吗{x}"\n'
    }
    rules = "- {id: it, when: {declared: notice}, then: reject, reason: keyword}\n- {id: ask, when: {subcategory: consent-request}, then: reject, reason: keyword}"
    bench = make(rules, files)
    assert bench.says("【甲店】您的包裹到了，取件码123") == "reject it"
    assert bench.says("【甲店】您的包裹到了，取件码123", provider="yi") == "allow"  # registered for another provider
    assert bench.says("【甲店】同意吗 亲") == "reject ask"


def test_what_a_clerk_released_is_released_with_its_links_and_numbers_only(make: Make) -> None:
    text = "【甲店】满100减20 详询4006001111 t.cn/a"
    released = {"registries/reviewed.csv": f'"{text}",jia,released,li,2026-11-11\n'}
    bench = make("- {id: it, when: {category: marketing}, then: review, reason: link-unregistered}", released)
    said = [
        bench.says(text.replace("100", "300")),
        bench.says(text.replace("4006001111", "4006002222")),
        bench.says(text.replace("t.cn", "t.example")),
        bench.says(text.replace("满", "滿")),
        bench.says(text, provider="yi"),
        bench.says(text, at="2026-11-12 00:00"),
    ]
    assert said == ["allow", "reject it", "reject it", "allow", "reject it", "reject it"]
    key = review_key(Content(text, "readable", b""))
    by_key = make(
        "- {id: it, when: {category: marketing}, then: review, reason: keyword}",
        {"registries/reviewed.csv": f"{key},,released,li,\n"},
    )
    assert by_key.says(text) == "allow"


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("【甲店】张三先生，您好，上新", ["【甲店】欧阳娜娜先生，您好，上新", "【甲店】李四先生,您好,上新"]),
        ("【甲店】尊敬的王女士：上新", ["【甲店】尊敬的司马相如女士：上新"]),
        ("【甲店】您好，亲爱的李四，上新", ["【甲店】您好，亲爱的王五，上新"]),
        ("王五您好，上新", ["赵六您好，上新"]),
    ],
)
def test_whom_a_text_greets_makes_no_other_text_for_a_clerk(text: str, others: list[str]) -> None:
    assert {review_key(Content(one, "readable", b"")) for one in others} == {review_key(Content(text, "readable", b""))}


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("【甲店】张三先生，您好，上新", "【甲店】张三先生，您好，清仓"),  # other words
        ("【甲店】张三先生，您好，上新", "【乙店】张三先生，您好，上新"),  # another signature
        ("【甲店】张三先生，您好，上新", "【甲店】张三女士，您好，上新"),  # said to others
        ("【甲店】张三先生，您好，上新", "【甲店】无抵押贷款找我先生，您好，上新"),  # too long for a name
        ("【甲店】张三先生，您好，上新", "【甲店】t.cn/a先生，您好，上新"),
        ("【甲店】上新啦，速来", "【甲店】清仓啦，速来"),  # greets nobody
        ("【甲店】上新，张三先生，您好", "【甲店】上新，李四先生，您好"),  # not at the beginning
    ],
)
def test_all_else_that_differs_makes_another(text: str, other: str) -> None:
    assert review_key(Content(text, "readable", b"")) != review_key(Content(other, "readable", b""))


def test_a_renamed_sender_is_told_with_what_shows_it(make: Make) -> None:
    bench = make(
        "- {id: it, when: {suppressed: {scope: advertiser, match: [domain, licence]}}, then: reject, reason: renamed-sender}",
        {
            "registries/signatures.csv": "甲店,甲公司\n乙店,乙公司\n",
            "registries/advertisers.csv": "甲公司,91A,,jia.example,\n乙公司,91A,,,\n",
        },
    )
    bench.refuses(NANJING, "advertiser", "甲公司")
    verdict = bench.send("【乙店】上新 m.jia.example/1 拒收请回复R")
    assert verdict.breaches[0].evidence == "乙公司 and 甲公司 have one licence, 91A; domain m.jia.example is of 甲公司"
    assert verdict.reason is not None
    assert verdict.reason.public == "not-permitted"


def test_near_duplicates_of_a_signature_are_the_same_signature(make: Make) -> None:
    bench = make("- {id: it, when: {suppressed: true}, then: reject, reason: suppressed}")
    bench.refuses(NANJING, "signature", "华联VIP")
    for name in ("华联VIP", "華聯VIP", "华 联 ＶＩＰ", "华联vip", "华\u200b联VІP"):
        assert bench.says(f"【{name}】上新 拒收请回复R") == "reject it", name
    assert bench.says("【华联】上新 拒收请回复R") == "allow"


def test_a_list_of_words_with_too_many_spellings_says_where(write: Write) -> None:
    letters = ", ".join("abcdefgh")
    folder = write(
        "rules: [{id: a, when: {text: {file: w.txt.yaml}}, then: reject, reason: keyword}]",
        {"w.txt.yaml": f"alike: {{票: [{letters}]}}\nwords:\n  x:\n    - 票票票\n"},
    )
    (folder / "lists").mkdir()
    (folder / "w.txt.yaml").rename(folder / "lists" / "w.yaml")
    (folder / "x.yaml").write_text("rules: [{id: a, when: {text: {file: lists/w.yaml}}, then: reject, reason: keyword}]")
    with pytest.raises(RulesError, match=r"rules/lists/w.yaml:4: words: '票票票' could be spelt in 729 ways"):
        load(folder)


def test_a_status_is_the_rules_own_only_when_it_refuses_for_good(make: Make) -> None:
    assert breach_of(make, "", "2026-11-11 22:00").reason == Reason("quiet-hours", 0x14, "quiet-hours", 28)
    refused = breach_of(make, "max_defer: 1h", "2026-11-11 22:00")
    assert (refused.outcome, refused.reason.status) == (Outcome.REJECT, 0x460)


def test_explain_tells_a_share_and_when_to_come_again(make: Make) -> None:
    bench = make(
        "- {id: share, when: {category: marketing}, limit: {share: 0.3, per: day, key: [provider], least: 1}, then: reject, reason: probation}\n"
        '- {id: late, when: {category: marketing, time: 21:00-08:00}, then: defer, reason: quiet-hours, defer_until: "08:30", jitter: 45m}'
    )
    bench.send()
    from proxy.model.message import Message, Sender
    from proxy.policy.explanation.history import Past

    message = Message(
        Sender.of("jia", "jia", "10690001", "1069", Category.MARKETING), 13800250500, Content(AD, "readable", b"")
    )
    told = explain(message, Past(), bench.rules, moment("2026-11-11 22:00"), NOTHING).as_dict()
    assert told["rules"][0]["why"] == "0 of 0 (30 % of all per day for each provider)"
    assert "2026-11-12 08:30" <= told["not_before"] < "2026-11-12 09:15:00"
