"""Limits while the shared store is out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.model.message import Category, Content, Counters, Message, Outcome, Sender
from proxy.model.reasons import GATE_REASONS
from proxy.policy.explanation.history import Past
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load

NOON = 1_762_833_600.0
RULE = """
rules:
  - {{id: ban, when: {{province: 北京}}, then: reject, reason: region-ban}}
  - {{id: cap, when: {{category: marketing}}, limit: {{count: 3, per: day, key: [recipient]}}, then: reject, reason: recipient-cap{more}}}
"""


def says(tmp_path: Path, more: str, *, number: int = 13800210500, category: Category = Category.MARKETING) -> str:
    (tmp_path / "rules.yaml").write_text(RULE.format(more=more), encoding="utf-8")
    rules = load(tmp_path)
    message = Message(Sender("jia", "jia", "1069001", "1069001", category), number, Content("hello", "text", b"1"))
    verdict = judge(message, Past(), rules.cut_off, NOON, NoCounters())
    return f"{verdict.outcome.word} {verdict.rule} {verdict.reason.name if verdict.reason else ''}".strip()


class NoCounters(Counters):
    def count(self, key: int, after: float, most: int = 0) -> int:
        raise AssertionError("nothing here is counted over many people")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "allow"),
        (", on_store_failure: local", "allow"),
        (", on_store_failure: allow", "allow"),
        (", on_store_failure: defer", "defer cap store-down"),
        (", on_store_failure: defer, mode: shadow", "allow"),
    ],
)
def test_a_cap_says_what_becomes_of_messages_meanwhile(tmp_path, more, said):
    assert says(tmp_path, more) == said


def test_what_the_cap_is_not_about_is_judged_as_ever(tmp_path):
    assert says(tmp_path, ", on_store_failure: defer", category=Category.OTP) == "allow"


def test_a_ban_does_not_depend_on_the_store(tmp_path):
    assert says(tmp_path, ", on_store_failure: allow", number=13800100500) == "reject ban region-ban"


def test_without_such_rules_the_set_is_the_very_same(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULE.format(more=""), encoding="utf-8")
    rules = load(tmp_path)
    assert rules.cut_off is rules
    assert GATE_REASONS["store-down"].status == 0x14
    assert Outcome.DEFER < Outcome.REJECT
