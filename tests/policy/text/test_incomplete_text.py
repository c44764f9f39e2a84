"""Pieces of an incomplete text that missing parts cannot change."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Sender
from proxy.model.number import recipient_of
from proxy.policy import time_windows
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.policy.text import incomplete_text
from proxy.policy.text.incomplete_text import GAP
from proxy.runtime.shipped_files import shipped
from proxy.wire import joined
from proxy.wire.joined_text import GAP as JOINED_GAP
from tests.policy.conftest import Make

JIA = Sender.of("jia", "jia", "10690001", "10690", Category.MARKETING)
NOON = time_windows.moment("2026-11-11 12:00")[0]
NANJING = recipient_of("13800250500")
CASES = (
    ("text: 代开发票", "】在线代开发票吧【", True),
    ("text: 代开发票", "】代开发票吧【", False),
    ("text: 代开发票", "】在线代开发票【", False),
    ("text: 代开发票", "】在线代开发票 【", False),
    ("text: 代开发票", "】在线代开发|票|||【", False),
    ("text: 代开发票", "】在线代|开/发.票吧【", True),
    ("text: 代开发票", "】 .在线代\u202d开\u200b发票吧【", True),
    ("text: 代开发票", "代开发票吧【", True),
    ("text: 代开发票", "】在线代开发票", True),
    ("text: 代开发票", "代开发票【】在线", False),
    ("text: 代开发票", "在线代开【】发票吧", False),
    ("text: 代开发票", "在线代开发票吧【】在线", True),
    ("text: 代开发票", "代开发票", False),
    ("text: 代开发票", "在线代开发票吧", True),
    ("text: 代开发票", "】在线\u05d0代开发票吧【", False),
    ("text: 代开发票", "】在线\u05d0在代开发票吧【", True),
    ("text: '票|'", "】在线票|【", False),
    ("text: '票|'", "】在线票||据【", False),
    ("text: casino", "】xcasinox【", True),
    ("text: casino", "】casino【", False),
    ("text: 加q12", "】在线加q123【", True),
    ("text: 加q12", "】在线加q12【", False),
    ("text: {patterns: '开.票'}", "】在线开发票吧【", True),
    ("text: {patterns: '开.票'}", "】开发票吧【", False),
    ("text: {patterns: '线.*吧'}", "】在线开发【】发票吧哦【", False),
    ("text: {patterns: '[【】]'}", "】在线开发【】发票吧哦【", False),
    ("url: [t.cn]", "】在线点击 t.cn/x 领取优惠券【", True),
    ("url: [t.cn]", "】在线点击 t.cn【", False),
    ("url: [t.cn]", "】在线点击 t.cn/x【", False),
    ("url: [t.cn]", "】t.cn/x 领取优惠券【", False),
    ("url: [t.cn]", "】领取券t.cn领取优【", True),
    ("url: present", "】领取券 http://例子很长.中国在此【", False),
    ("url: present", "】领取券 http://例子很长.中国/领取优惠【", True),
    ("url: {outside: [jd.com]}", "】领取券 m.jd【", False),
    ("url: {outside: [jd.com]}", "】领取券 m.jd.com 领取券【", False),
    ("url: {outside: [jd.com]}", "】领取券 m.jd.co 领取券【", True),
    ("contact: present", "】请致电客服 4008001234 咨询吧【", True),
    ("contact: present", "】请致电客服 4008001234【", False),
    ("contact: present", "】4008001234 咨询吧【", False),
    ("contact: present", "】客服 400 800 1234 咨询吧在线【", False),
    ("contact: present", "】码95588123在线咨询【", False),
    ("contact: present", "】的验证码:95588123在线咨询【", False),
    ("contact: present", "】服务电话是95588在线咨询【", True),
    ("contact: present", "】一三八〇零一二三四五六七八95588在线咨询【", False),
)


def test_gaps_are_those_of_joined_texts():
    assert GAP == JOINED_GAP


@pytest.mark.parametrize(("when", "text", "found"), CASES)
def test_what_is_found_away_from_edges_is_found(make: Make, when: str, text: str, found: bool):
    rules = make(f"- id: it\n  when: {{{when}}}\n  then: reject\n  reason: keyword\n").rules
    for content in (Content(text, "readable", b"", complete=False), joined([Content(text, "readable", b"1"), None])):
        if content.text:
            assert (judge(Message(JIA, NANJING, content), Past(), rules, NOON, NOTHING).rule == "it") is found


# -- any text, in any parts, of which any are missing

WORDS = ("代开发票", "六合彩", "发票", "代", "开", "发", "票", "t.cn/x", "jd.com", "m.jd.com", "http://", "例子.中国", "4008001234", "13800138000",
         "95588", "验证码", "客服电话", "在线", "优惠券", "拒收请回复R", "casino", "q12")  # fmt: skip
MARKS = (" ", "|", "/", ".", "。", "，", "\n", "-", "★", "\u200b", "\u202e", "\u05d0", "【", "】", "1", "0", "x", "\ud83c\udf81".encode("utf-16", "surrogatepass").decode("utf-16"), "開", "Ｔ")  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS) | st.sampled_from(MARKS), min_size=1, max_size=30).map("".join)
RULES = (
    "text: [代开发票, 六合彩, casino, 加q12, '票|', 发票]", "text: {patterns: '开.{0,3}票'}", "text: {all: [代开, 在线]}", "url: present",
    "url: [t.cn, jd.com]", "url: {outside: [jd.com]}", "contact: present", "contact: ['4008001234']", "contact: {outside: [95588]}",
    "any: [{text: 代开发票}, {notice: missing}]", "text: 六合彩, not: {province: 北京}",
)  # fmt: skip


@cache
def rules_here() -> RuleSet:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        lines = [f"  - {{id: rule-{n}, when: {{{when}}}, then: reject, reason: keyword}}\n" for n, when in enumerate(RULES)]
        (Path(folder) / "x.yaml").write_text("rules:\n" + "".join(lines), encoding="utf-8")
        return load(Path(folder))


@cache
def rules_shipped() -> RuleSet:
    return load(shipped("rules"))


def parts_of(text: str, cuts: list[int]) -> list[Content]:
    octets = text.encode("utf-16-be")
    places = sorted({0, len(octets), *(2 * cut % len(octets) for cut in cuts)})
    return [Content("", "readable", bytes((a & 255,)), octets=(8, octets[a:b])) for a, b in pairwise(places)]


@pytest.mark.parametrize("rules", [rules_here, rules_shipped])
@given(text=TEXTS, cuts=st.lists(st.integers(0, 400), min_size=1, max_size=3), missing=st.sets(st.integers(0, 3), min_size=1))
def test_what_is_refused_on_what_is_there_is_refused_whole(rules, text: str, cuts: list[int], missing: set[int]):
    parts = parts_of("【测试】" + text, cuts)
    here = [None if place in missing else part for place, part in enumerate(parts)]
    if any(here) and None in here:
        known, whole = (
            judge(Message(JIA, NANJING, joined(some)), Past(), rules(), NOON, NOTHING).breaches for some in (here, parts)
        )
        assert {one.rule for one in known} <= {one.rule for one in whole}


@given(before=TEXTS, behind=TEXTS, place=st.integers(0, 2))
def test_a_forbidden_word_amid_a_part_is_found_whatever_stands_around(before: str, behind: str, place: int):
    mine = Content("", "readable", b"1", octets=(8, f"{before}的代开发票的{behind}".encode("utf-16-be")))
    here = [mine if one == place else None for one in range(3)]
    verdict = judge(Message(JIA, NANJING, joined(here)), Past(), rules_shipped(), NOON, NOTHING)
    assert verdict.rule == "banned-words"


def test_a_text_of_many_gaps_has_no_more_pieces_than_are_read():
    for text in (
        "】代" + "|" * 20_000 + "开发【",
        "】" + "码" * 20_000 + "【",
        "】" + "的" * 20_000 + "://" + "的." * 9_000 + "【",
        "【】" * 9_000,
    ):
        assert len(list(incomplete_text.pieces(text))) <= incomplete_text.PIECES_MAX
