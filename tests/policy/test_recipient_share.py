"""A rule in shadow that is enforced for a share of recipients."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Order, Outcome, Sender, Verdict
from proxy.model.recipient import OptOut
from proxy.policy import time_windows
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.explain import explain, explain_text
from proxy.policy.explanation.history import NOTHING, Past, PastCounts
from proxy.policy.explanation.lines import as_text
from proxy.policy.explanation.precheck import count_over, forecast
from proxy.policy.judge import judge, judge_text
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.recipient_share import is_inside, percent
from tests.policy.conftest import AD, Bench, Make, Write

AT = "2026-11-11 10:00"
NOON = time_windows.moment("2026-11-11 12:00")[0]
FIRST = 13_800_000_000
IN_A_ROW = range(FIRST, FIRST + 25_000)
"""Numbers as a carrier hands them out."""
SPREAD = range(13_000_000_000, 19_900_700_000, 276_028)
"""25,000 numbers, over all segments."""
SIGMAS = 4.5
"""A share drawn at random is farther off once in 150,000 times; ids and numbers here are fixed."""
PERCENTS = ("0.1%", "1%", "10%", "12.5%", "33.3333%", "50%", "99.9%")
BAN = "- {{id: {id}, when: {{category: marketing}}, mode: shadow, enforce: {share}, then: reject, reason: region-ban}}"
CAP = "- {{id: {id}, limit: {{count: 2, per: day, key: [recipient]}}, mode: shadow, enforce: {share}, then: reject, reason: recipient-cap}}"
JIA = Sender.of("jia", "jia", "10690001", "10690", Category.MARKETING)


def rule_of(folder: Path, name: str, share: str) -> Rule:
    folder.mkdir(exist_ok=True)
    (folder / "rules.yaml").write_text(f"rules:\n  {BAN.format(id=name, share=share)}\n", encoding="utf-8")
    return load(folder).rules[0]


def inside(rule: Rule, numbers: range) -> set[int]:
    return {number for number in numbers if is_inside(rule, number)}


def both(rule: Rule) -> tuple[int, int]:
    """A number inside the share, and one outside."""
    within, without = (next(number for number in IN_A_ROW if is_inside(rule, number) is wanted) for wanted in (True, False))
    return within, without


def says(verdict: Verdict) -> str:
    """``reject ban``, ``allow ~ban``: what is decided, or what would be."""
    shadow = [f"~{one.rule}" for one in verdict.breaches if one.shadow]
    return " ".join([verdict.outcome.word, *([verdict.rule] if verdict.rule else []), *shadow])


def say(bench: Bench, number: int, text: str = AD, **how: Any) -> str:
    return says(bench.send(text, to=str(number), **how))


# --- who is inside


@pytest.mark.parametrize("written", PERCENTS)
@pytest.mark.parametrize("name", ["a", "night-estate", "夜间房产"])
@pytest.mark.parametrize("numbers", [IN_A_ROW, SPREAD], ids=["in a row", "spread"])
def test_a_share_is_as_large_as_it_says(tmp_path: Path, name: str, written: str, numbers: range) -> None:
    many, share = len(numbers), float(written[:-1]) / 100
    count = len(inside(rule_of(tmp_path / "rules", name, written), numbers))
    assert abs(count - share * many) <= SIGMAS * math.sqrt(many * share * (1 - share))


def test_a_larger_share_keeps_everybody_of_a_smaller_one(tmp_path: Path) -> None:
    shares = [inside(rule_of(tmp_path / "rules", "a", written), SPREAD) for written in (*PERCENTS, "100%")]
    assert all(small < large for small, large in itertools.pairwise(shares))
    assert shares[-1] == set(SPREAD)


def test_the_shares_of_two_rules_are_independent(tmp_path: Path) -> None:
    drawn = [inside(rule_of(tmp_path / "rules", name, "20%"), IN_A_ROW) for name in ("a", "b", "cap-1", "cap-2", "cap-10")]
    many = len(IN_A_ROW)
    for one, other in itertools.combinations(drawn, 2):
        assert abs(len(one & other) - many * 0.04) <= SIGMAS * math.sqrt(many * 0.04 * 0.96)


@pytest.mark.parametrize("step", [1, 2, 10, 100, 1000, 10_000])
def test_numbers_that_differ_little_are_independent(tmp_path: Path, step: int) -> None:
    drawn, many = inside(rule_of(tmp_path / "rules", "a", "20%"), IN_A_ROW), len(IN_A_ROW) - step
    pairs = sum(number + step in drawn for number in drawn)
    assert abs(pairs - many * 0.04) <= SIGMAS * 1.5 * math.sqrt(many * 0.04 * 0.96)  # the pairs overlap


def test_who_is_inside_stays_so_in_later_versions(tmp_path: Path) -> None:
    """An update of the gate must not draw other recipients."""
    rule = rule_of(tmp_path / "rules", "night-estate", "10%")
    assert [number - FIRST for number in range(FIRST, FIRST + 100) if is_inside(rule, number)] == KNOWN


KNOWN = [7, 12, 18, 35, 39, 40, 45, 50, 54, 60, 67, 71, 73, 89, 92, 95]


@pytest.mark.parametrize("rule", [BAN, CAP], ids=["ban", "cap"])
def test_two_gates_with_other_rules_beside_it_agree(write: Write, tmp_path: Path, rule: str) -> None:
    it = rule.format(id="it", share="30%")
    alone, among = Bench(load(write(f"rules:\n  {it}\n"))), tmp_path / "among"
    among.mkdir()
    others = "".join(f"  {CAP.format(id=f'other-{place}', share='40%')}\n" for place in range(5))
    (among / "rules.yaml").write_text(f"rules:\n{others}  {it}\n", encoding="utf-8")
    beside = Bench(load(among))
    for number in range(FIRST, FIRST + 500):
        for bench in (alone, beside):
            verdicts = [bench.send(to=str(number)) for _ in range(3)]
            (objection,) = [one for one in verdicts[-1].breaches if one.rule == "it"]
            assert objection.shadow is not is_inside(alone.rules.rules[0], number)


# --- what becomes of messages


def test_inside_it_refuses_and_outside_it_is_in_shadow(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%"))
    within, without = both(bench.rules.rules[0])
    assert (say(bench, within), say(bench, without)) == ("reject ban", "allow ~ban")


def test_at_100_percent_it_is_enforced_for_everybody(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="100%"))
    assert {say(bench, number) for number in range(FIRST, FIRST + 50)} == {"reject ban"}


def test_a_cap_counts_everybody_and_refuses_inside(make: Make) -> None:
    bench = make(CAP.format(id="cap", share="25%"))
    within, without = both(bench.rules.rules[0])
    assert [say(bench, within) for _ in range(4)] == ["allow", "allow", "reject cap", "reject cap"]
    assert [say(bench, without) for _ in range(4)] == ["allow", "allow", "allow ~cap", "allow ~cap"]


def test_what_was_sent_before_the_share_was_raised_counts(make: Make, tmp_path: Path) -> None:
    bench = make(CAP.format(id="cap", share="1%"))
    _, without = both(bench.rules.rules[0])
    assert [say(bench, without) for _ in range(3)] == ["allow", "allow", "allow ~cap"]
    (tmp_path / "rules" / "x.yaml").write_text(f"rules:\n  {CAP.format(id='cap', share='100%')}\n")
    bench.rules = load(tmp_path / "rules")
    assert say(bench, without) == "reject cap"


def test_several_limits_of_one_rule_hold_for_the_same_recipients(make: Make) -> None:
    limits = "[{count: 2, per: day, key: [recipient]}, {count: 1, per: day, key: [recipient, content], then: defer}]"
    bench = make(f"- {{id: cap, limit: {limits}, mode: shadow, enforce: 25%, then: reject, reason: recipient-cap}}")
    within, without = both(bench.rules.rules[0])
    assert [say(bench, within) for _ in range(2)] == ["allow", "defer cap"]
    assert [say(bench, without) for _ in range(3)] == ["allow", "allow ~cap", "allow ~cap"]


def test_other_conditions_on_the_recipient_hold_besides(make: Make) -> None:
    rule = "- {id: it, when: {recipient_in: some}, mode: shadow, enforce: 25%, then: reject, reason: keyword}"
    numbers = range(FIRST, FIRST + 40)
    listed = "".join(f"{number}\n" for number in numbers if number % 2)
    bench = make(rule, {"some.csv": listed}, head="lists: {some: {file: some.csv}}")
    for number in numbers:
        share = "reject it" if is_inside(bench.rules.rules[0], number) else "allow ~it"
        assert say(bench, number) == (share if number % 2 else "allow")


def test_an_exemption_spares_inside_and_outside(make: Make) -> None:
    mercy = "- {id: mercy, exempt: true, skip: [ban], when: {port: '1069'}}"
    bench = make(BAN.format(id="ban", share="25%") + "\n" + mercy)
    assert [say(bench, number) for number in both(bench.rules.rules[0])] == ["allow", "allow"]


def test_the_strictest_rule_that_is_enforced_for_this_recipient_is_reported(make: Make) -> None:
    words = "- {id: words, when: {text: 双11}, then: reject, reason: keyword}"
    bench = make(BAN.format(id="ban", share="25%") + "\n" + words)
    within, without = both(bench.rules.rules[0])
    assert (say(bench, within), say(bench, without)) == ("reject ban", "reject words ~ban")


@pytest.mark.parametrize(("head", "outside"), [("mode: shadow", "allow ~ban"), ("mode: off", "allow")])
def test_a_mode_of_the_whole_folder_ends_it(make: Make, head: str, outside: str) -> None:
    bench = make(BAN.format(id="ban", share="100%"), head=head)
    assert say(bench, FIRST) == outside
    assert bench.rules.rules[0].enforced_ppm == 0


def test_an_order_puts_the_share_into_shadow(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%") + "\n- {id: words, when: {text: 双11}, then: reject, reason: keyword}")
    numbers, since = both(bench.rules.rules[0]), time_windows.moment(AT)[0]
    bench.rules = bench.rules.with_orders((Order(1, "shadow", (), since, since + 60, "ops", "too much"),))
    assert [say(bench, number, at=since + 1) for number in numbers] == ["allow ~ban ~words"] * 2
    assert [say(bench, number, at=since + 61) for number in numbers] == ["reject ban", "reject words ~ban"]


def test_a_trial_puts_the_share_into_shadow_until_it_ends(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%").replace("mode", "trial: {until: 2026-11-12}, mode"))
    within, without = both(bench.rules.rules[0])
    assert say(bench, within) == say(bench, without) == "allow ~ban"
    assert say(bench, within, at="2026-11-12 10:00") == "reject ban"
    assert say(bench, without, at="2026-11-12 10:00") == "allow ~ban"


@pytest.mark.parametrize(("word", "said"), [("defer", ("defer cap", "allow ~cap")), ("allow", ("allow", "allow"))])
def test_without_the_store_it_is_as_its_rule_says(make: Make, word: str, said: tuple[str, str]) -> None:
    bench = make(CAP.format(id="cap", share="25%").replace("mode", f"on_store_failure: {word}, mode"))
    within, without = both(bench.rules.rules[0])
    bench.rules = bench.rules.cut_off
    assert (say(bench, within), say(bench, without)) == said


def test_a_scheduled_message_is_judged_by_the_same_share(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%"))
    within, without = both(bench.rules.rules[0])
    later = {"scheduled": "2026-11-12 10:00"}
    assert (say(bench, within, **later), say(bench, without, **later)) == ("reject ban", "allow ~ban")


def test_of_a_long_message_a_word_is_refused_at_once_inside_and_noted_at_the_end_outside(make: Make) -> None:
    bench = make("- {id: words, when: {text: 双11}, mode: shadow, enforce: 25%, then: reject, reason: keyword}")

    def of(number: int, *, complete: bool) -> tuple[Message, Past]:
        return Message(JIA, number, Content(AD, "readable", b"", complete=complete)), Past()

    within, without = both(bench.rules.rules[0])
    assert says(judge(*of(within, complete=False), bench.rules, NOON, NOTHING)) == "reject words"
    assert says(judge(*of(without, complete=False), bench.rules, NOON, NOTHING)) == "allow"
    message, past = of(without, complete=True)
    assert says(judge_text(message, bench.rules, NOON, past)) == "allow ~words"


def test_a_category_that_only_the_whole_text_shows_is_refused_inside(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%"))
    within, without = both(bench.rules.rules[0])
    sender = Sender.of("jia", "jia", "10690001", "10690", Category.NOTICE)
    for number, said in ((within, "reject ban"), (without, "allow ~ban")):
        message = Message(sender, number, Content(AD, "readable", b""))
        assert says(judge_text(message, bench.rules, NOON)) == said


def test_a_recipient_with_opt_outs_is_judged_by_the_same_share(make: Make) -> None:
    bench = make(BAN.format(id="ban", share="25%"))
    for number, said in zip(both(bench.rules.rules[0]), ("reject ban", "allow ~ban"), strict=True):
        bench.people[number].refusals.append(OptOut("advertiser", "别家", int(NOON), "reply", 0))
        assert say(bench, number) == said


# --- tests of rules, explain, precheck


def test_tests_of_rules_run_as_for_everybody(write: Write) -> None:
    steps = "".join(
        f'      - {{at: "2026-11-11 10:00", to: "{number}", from: "10690001", category: marketing, text: {AD}, want: {{reject: ban}}}}\n'
        for number in range(FIRST, FIRST + 20)
    )
    rules = f"rules:\n  {BAN.format(id='ban', share='0.001%')}\ntests:\n  - messages:\n{steps}"
    assert check(write(rules)).problems == []
    report = check(write(rules.replace("{reject: ban}", "allow")))
    assert "wanted allow, got reject by 'ban'" in str(report.problems[0])


def test_a_rule_with_a_share_needs_a_test(write: Write) -> None:
    report = check(write(f"rules:\n  {BAN.format(id='ban', share='5%')}\n"))
    assert any("has no test" in one.text for one in report.warnings)


@pytest.mark.parametrize("written", ["25%", "12.5%"])
def test_explain_says_whether_the_recipient_is_inside(make: Make, written: str) -> None:
    bench = make(BAN.format(id="ban", share=written))
    within, without = both(bench.rules.rules[0])
    for number, says_, where, zh in (
        (within, "refuses", "within", "之内"), (without, "would refuse", "outside", "之外"),
    ):  # fmt: skip
        told = explain(Message(JIA, number, Content(AD, "readable", b"")), Past(), bench.rules, NOON, NOTHING)
        (part,) = told.as_dict()["rules"]
        assert part["says"] == says_
        assert part["why"].endswith(f"the recipient is {where} the {written} for whom the rule is enforced")
        assert zh in part["why_zh"]
        assert (part["mode"], part["share"], part["in_share"]) == ("shadow", written, where == "within")
        assert zh in as_text(told, "zh")


def test_explain_says_so_of_a_rule_that_does_not_object_too(make: Make) -> None:
    rules = make(CAP.format(id="cap", share="25%")).rules
    within, _ = both(rules.rules[0])
    (part,) = explain_text(rules, str(within), "10690001", AD, "jia", None, NOON).as_dict()["rules"]
    assert part["says"] == "not counted"
    assert part["why"] == "limit: 2 per day for each recipient; the recipient is within the 25% for whom the rule is enforced"


def test_explain_has_no_share_of_other_rules(make: Make) -> None:
    rules = make("- {id: ban, when: {category: marketing}, mode: shadow, then: reject, reason: region-ban}").rules
    (part,) = explain_text(rules, str(FIRST), "10690001", AD, "jia", None, NOON).as_dict()["rules"]
    assert "share" not in part


def test_precheck_says_that_it_depends_and_counts_those_inside(make: Make) -> None:
    rules = make(BAN.format(id="ban", share="25%")).rules
    content, people = Content(AD, "readable", b""), range(FIRST, FIRST + 200)
    told = forecast(rules, JIA, content, NOON)
    assert (told.outcome, told.everywhere) == (Outcome.ALLOW, ())
    assert [(one.rule, str(one.on)) for one in told.depends] == [
        ("ban", "the recipient is within the 25% for whom the rule is enforced")
    ]
    counted = count_over(rules, JIA, content, people, NOON, {}, PastCounts())
    assert counted.refused == {"region-ban": len(inside(rules.rules[0], people))}


# --- how it is written


@pytest.mark.parametrize(
    ("written", "ppm"),
    [
        ("10%", 100_000), ('"10 %"', 100_000), ("10 %", 100_000), ("10％", 100_000), ("１０％", 100_000), ("10﹪", 100_000),
        ("10.0%", 100_000), ("12.5%", 125_000), (".5%", 5_000), ("0.0001%", 1), ("100%", 1_000_000), ("100.00 %", 1_000_000),
        ("33.3333%", 333_333), ('" 10% "', 100_000), ("05%", 50_000),
    ],
)  # fmt: skip
def test_a_percentage_may_be_written_in_several_ways(write: Write, written: str, ppm: int) -> None:
    (rule,) = load(write(f"rules:\n  {BAN.format(id='ban', share=written)}\n")).rules
    assert (rule.mode, rule.share_ppm, rule.enforced_ppm) == ("shadow", ppm, ppm)


@pytest.mark.parametrize(
    ("written", "says_"),
    [
        ("10", "'10' is a bare number: write 10%"), ('"10"', "'10' is a bare number: write 10%"),
        ("12.5", "'12.5' is a bare number: write 12.5%"), ("0.1", "'0.1' is a bare number: write 0.1% or 10%"),
        ("1", "'1' is a bare number: write 1% or 100%"), ("0", "'0' is a bare number: write a percentage like 10%"),
        ("150", "'150' is a bare number: write a percentage like 10%"),
        ("0%", "0% enforces the rule for nobody: leave enforce out (mode: shadow is enough)"),
        ("0.0 %", "0.0 % enforces the rule for nobody: leave enforce out (mode: shadow is enough)"),
        ("101%", "101% is more than all recipients: write at most 100%"),
        ("100.1%", "100.1% is more than all recipients: write at most 100%"),
        ("0.00001%", "0.00001% is too fine: write at most four decimal places (0.0001%)"),
        *(
            (one, f"must be a share of recipients like 10%, not '{one.strip(chr(34))}'")
            for one in ('"%10"', '"-10%"', '"+10%"', '"10%%"', '"12,5%"', '"10‰"', "1/10", '"10.%"', "ten percent", "1e1%", "10percent")
        ),
        ("true", "must be a share of recipients like 10%, not 'True'"), ("", "must be a share of recipients like 10%, not empty"),
        ("[10%]", "must be a share of recipients like 10%, not a list"),
    ],
)  # fmt: skip
def test_what_is_no_share_is_refused_with_what_to_write(write: Write, written: str, says_: str) -> None:
    with pytest.raises(RulesError) as error:
        load(write(f"rules:\n  - id: ban\n    when: {{category: marketing}}\n    mode: shadow\n    enforce: {written}\n"
                   "    then: reject\n    reason: region-ban\n"))  # fmt: skip
    assert [str(one) for one in error.value.problems] == [f"rules/x.yaml:5: enforce: {says_}"]


@given(st.integers(1, 1_000_000))
def test_a_share_is_read_as_it_is_printed(ppm: int) -> None:
    from proxy.policy.loading.source import Node
    from proxy.policy.recipient_share import read_share

    assert read_share(Node(percent(ppm), 1)) == ppm


SHADOW = "enforce: rule 'a' has {}: write mode: shadow beside enforce, or leave enforce out"
PROTECTS = (
    "enforce: rule 'a' has the reason {reason}, of which providers are told not-permitted: it protects each person "
    "(leave enforce out: mode: enforce)"
)
ALL_OR_NONE = (
    "enforce: rule 'a' has a limit without recipient in its key, which counts many people together: it holds for all or none "
    "(add recipient to the key, or leave enforce out)"
)


@pytest.mark.parametrize(
    ("rule", "says_"),
    [
        ("when: {category: otp}, then: reject, reason: keyword", [SHADOW.format("no mode")]),
        ("mode: enforce, when: {category: otp}, then: reject, reason: keyword", [SHADOW.format("mode: 'enforce'")]),
        ("mode: off, when: {category: otp}, then: reject, reason: keyword", [SHADOW.format("mode: 'off'")]),
        ("mode: on, when: {category: otp}, then: reject, reason: keyword",
         [SHADOW.format("mode: 'on'"), "mode: unknown mode 'on' (one of enforce, shadow, off)"]),
        ("exempt: true, when: {category: otp}", ["enforce: rule 'a' is an exemption: it spares all that it is about, not a share of them (leave enforce out)"]),
        ("exempt: true, mode: shadow, when: {category: otp}",
         ["enforce: rule 'a' is an exemption: it spares all that it is about, not a share of them (leave enforce out)"]),
        ("mode: shadow, limit: {count: 1, per: day, key: [provider]}, then: reject, reason: provider-quota", [ALL_OR_NONE]),
        ("mode: shadow, limit: {count: 1, per: 1s, key: [provider]}, then: throttle", [ALL_OR_NONE]),
        ("mode: shadow, limit: [{count: 1, per: day, key: [recipient]}, {count: 9, per: day, key: [port]}], then: reject, reason: recipient-cap",
         [ALL_OR_NONE]),
        ("mode: shadow, when: {suppressed: true}, then: reject, reason: keyword",
         ["enforce: rule 'a' asks suppressed: it protects the word of each person (leave enforce out: mode: enforce)"]),
        ("mode: shadow, when: {any: [{category: otp}, {not: {suppressed: {scope: advertiser}}}]}, then: reject, reason: keyword",
         ["enforce: rule 'a' asks suppressed: it protects the word of each person (leave enforce out: mode: enforce)"]),
        *(
            (f"mode: shadow, when: {{category: marketing}}, then: {then}, reason: {reason}",
             [PROTECTS.format(reason=reason)])
            for then in ("reject", "defer")
            for reason in ("complaint", "protected", "consent-missing", "consent-repeat", "renamed-sender", "suppressed")
        ),
    ],
)  # fmt: skip
def test_a_rule_that_holds_for_all_or_nobody_has_no_share(write: Write, rule: str, says_: list[str]) -> None:
    with pytest.raises(RulesError) as error:
        load(write(f"rules:\n  - {{id: a, enforce: 10%, {rule}}}\n"))
    assert sorted(one.text for one in error.value.problems) == sorted(says_)
    assert {one.line for one in error.value.problems} == {2}


def test_a_penalty_and_a_folder_have_no_share(write: Write) -> None:
    with pytest.raises(RulesError, match="the file: unknown key 'enforce'"):
        load(write("enforce: 10%\nrules: []\n"))
