"""The rule condition ``reply_path``: which states it names, how a rule set learns them, what a rule test says of them."""

from __future__ import annotations

import pytest

from proxy.model.message import Category, Content, Message, Sender
from proxy.model.number import recipient_of
from proxy.policy.explanation.explain import explain
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.explanation.lines import as_text
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.loading.schema import schema
from proxy.policy.reply_paths import ReplyPath
from tests.policy.conftest import AD, NANJING, Make, Write
from tests.policy.test_bad_rules import when

RULE = "- {{id: closed, when: {{category: marketing, reply_path: {}}}, then: reject, reason: reply-path}}\n"
PREFIX = "10690"  # of the bench's ports
LATE = "{unproven: {after: 100}}"


@pytest.mark.parametrize(
    ("asked", "path", "said"),
    [
        ("[dead, silent]", ReplyPath("dead"), "reject closed"),
        ("[dead, silent]", ReplyPath("silent", 90_000), "reject closed"),
        ("[dead, silent]", ReplyPath("proven"), "allow"),
        ("[dead, silent]", ReplyPath("unproven", 90_000), "allow"),
        ("dead", ReplyPath("silent"), "allow"),
        (LATE, ReplyPath("unproven", 99), "allow"),
        (LATE, ReplyPath("unproven", 100), "reject closed"),
        (LATE, ReplyPath("proven", 100), "allow"),
        (f"[dead, {LATE}]", ReplyPath("dead"), "reject closed"),
        (f"[dead, {LATE}]", ReplyPath("unproven", 101), "reject closed"),
        ("{unproven: {after: 0}}", ReplyPath("unproven", 0), "reject closed"),
        ("proven", ReplyPath("proven"), "reject closed"),
    ],
)
def test_a_rule_holds_for_ports_whose_path_is_in_a_state_it_names(make: Make, asked: str, path: ReplyPath, said: str) -> None:
    bench = make(RULE.format(asked))
    bench.rules = bench.rules.with_orders((), {PREFIX: path})
    assert bench.says() == said
    assert bench.says("【测试】验证码482913", category=None) == "allow" or said != "allow"


def test_the_verdict_has_a_reason_and_a_status_of_its_own(make: Make) -> None:
    bench = make(RULE.format("dead"))
    bench.rules = bench.rules.with_orders((), {PREFIX: ReplyPath("dead")})
    verdict = bench.send()
    assert verdict.reason is not None
    assert (verdict.reason.name, verdict.reason.status, verdict.reason.public) == ("reply-path", 0x445, "reply-path")


def test_other_states_are_another_rule_set_and_what_was_decided_before_is_forgotten(make: Make) -> None:
    bench = make(RULE.format(f"[dead, {LATE}]"))
    rules = bench.rules
    for path, said in (
        (ReplyPath("unproven", 99), "allow"),
        (ReplyPath("unproven", 100), "reject closed"),
        (ReplyPath("dead", 100), "reject closed"),
        (ReplyPath("proven"), "allow"),
    ):
        bench.rules = rules.with_orders((), {PREFIX: path})
        assert bench.says() == said
    assert bench.rules.reader is rules.reader, "what was learnt of texts is kept"
    assert bench.rules.with_orders((), {PREFIX: ReplyPath("dead")}).cut_off.paths == {PREFIX: ReplyPath("dead")}


def test_without_a_book_every_path_counts_as_proven_and_with_one_an_unknown_prefix_as_unused(make: Make) -> None:
    bench = make(RULE.format("[dead, silent, {unproven: {after: 0}}]"))
    assert bench.says() == "allow"
    bench.rules = bench.rules.with_orders((), {})
    assert bench.says() == "reject closed"


def test_a_set_says_which_conditions_hold_for_a_path_and_that_nothing_asks(make: Make) -> None:
    asks = make(RULE.format("dead")).rules
    assert asks.asked_of(ReplyPath("dead")) > 0
    assert asks.asked_of(ReplyPath("silent")) == 0
    assert make(RULE.replace(", reply_path: {}", "").format()).rules.asked_of(ReplyPath("dead")) == -1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("daed", "reply_path: unknown state 'daed' (did you mean 'dead'?)"),
        ("[dead, mute]", "reply_path: unknown state 'mute' (one of proven, unproven, silent, dead)"),
        ("unproven", "reply_path: a new port must be able to begin: say after how many advertisements (unproven: {after: 10000})"),
        ("{unproven: {}}", "reply_path: unproven: 'after' is missing (like {after: 10000})"),
        ("{unproven: {after: soon}}", "reply_path: unproven: after: must be a whole number from 0 to 1000000000, not 'soon'"),
        ("{unproven: {after: -1}}", "reply_path: unproven: after: must be a whole number from 0 to 1000000000, not '-1'"),
        ("{unproven: {afterr: 5}}", "reply_path: unproven: unknown key 'afterr' (did you mean 'after'?)"),
        ("{silent: {after: 5}}", "reply_path: unknown key 'silent' (one of unproven)"),
        ("[]", "reply_path: an empty list matches nothing (name states, like [dead, silent])"),
        ("[{unproven: {after: 1}}, {unproven: {after: 2}}]", "reply_path: unproven stands here twice"),
        ("7", "reply_path: unknown state '7' (one of proven, unproven, silent, dead)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(write: Write, asked: str, said: str) -> None:
    with pytest.raises(RulesError) as error:
        load(write(when(f"{{reply_path: {asked}}}")))
    assert [(one.line, one.text) for one in error.value.problems] == [(3, said)]


def test_a_cap_of_a_person_cannot_ask_for_it_and_says_why(write: Write) -> None:
    with pytest.raises(RulesError) as error:
        load(
            write(
                "rules:\n  - id: a\n    when: {reply_path: dead}\n    limit: {count: 1, per: day, key: [recipient]}\n    then: reject\n    reason: recipient-cap\n"
            )
        )
    (found,) = error.value.problems
    assert "not what was known of its reply path then" in found.text


def test_explain_says_the_states_in_both_languages(make: Make) -> None:
    bench = make(RULE.format(f"[dead, {LATE}]"))
    rules = bench.rules.with_orders((), {PREFIX: ReplyPath("dead")})
    told = explain(message_of(), Past(), rules, 1_794_000_000.0, NOTHING)
    assert "the reply path of the port is dead" in as_text(told)
    assert "端口的退订通路不通" in as_text(told, "zh")
    rules = bench.rules.with_orders((), {PREFIX: ReplyPath("unproven", 99)})
    told = explain(message_of(), Past(), rules, 1_794_000_000.0, NOTHING)
    assert "not true: the reply path of the port is dead or unproven after 100 advertisements" in as_text(told)
    assert "不成立：端口的退订通路不通或满 100 条营销短信仍未验证" in as_text(told, "zh")


TESTS = """tests:
  - note: a dead port sends no advertisements
    messages:
      - {at: 2026-11-11 10:00, to: "13800250500", from: "10690001", category: marketing, text: 上新, want: allow}
      - {at: 2026-11-11 10:01, to: "13800250500", from: "10690001", category: marketing, text: 上新, reply_path: dead, want: {reject: closed}}
      - {at: 2026-11-11 10:02, to: "13800250500", from: "10690001", category: marketing, text: 上新, reply_path: {unproven: {after: 99}}, want: allow}
      - {at: 2026-11-11 10:03, to: "13800250500", from: "10690001", category: marketing, text: 上新, reply_path: {unproven: {after: 100}}, want: {reject: closed}}
      - {at: 2026-11-11 10:04, to: "13800250500", from: "10690001", category: marketing, text: 上新, want: allow}
"""


def test_a_rule_test_may_set_the_state_of_a_path(write: Write) -> None:
    assert check(write("rules:\n" + RULE.format(f"[dead, {LATE}]") + TESTS)).problems == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ded", "reply_path: unknown state 'ded' (did you mean 'dead'?)"),
        ("[dead, silent]", "test: reply_path: one state, like dead, or unproven: {after: 10000}"),
        ("unproven", "reply_path: a new port must be able to begin"),
    ],
)
def test_a_state_in_a_rule_test_that_is_none_is_told_with_its_line(write: Write, state: str, said: str) -> None:
    tests = TESTS.replace("reply_path: dead", f"reply_path: {state}")
    (found,) = check(write("rules:\n" + RULE.format(f"[dead, {LATE}]") + tests)).problems
    assert (found.line, found.text.startswith(said)) == (7, True), found


def test_the_schema_knows_the_word_and_what_a_test_may_say() -> None:
    parts = schema()["$defs"]
    assert "reply_path" in parts["when"]["properties"]
    assert "reply_path" in parts["step"]["properties"]


def message_of() -> Message:
    sender = Sender.of("jia", "jia", "10690001", PREFIX, Category.MARKETING)
    return Message(sender, recipient_of(NANJING), Content(AD, "readable", b""))


def test_a_rule_set_is_loaded_without_a_book(write: Write) -> None:
    assert load(write("rules:\n" + RULE.format("dead"))).paths is None
