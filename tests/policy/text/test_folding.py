"""Signature, notice and category of a text; the meaning of replies. All texts are made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, Content
from proxy.native.text_units import masked, without_numbers
from proxy.policy.condition import Bits
from proxy.policy.loading.folder import shipped_words
from proxy.policy.text import folding as room
from proxy.policy.text.category_evidence import evidence
from proxy.policy.text.contacts import contacts, links
from proxy.policy.text.folding import fingerprint, fold, normal_signature, signature, squeeze
from proxy.policy.text.lexicon import read_lexicon
from proxy.policy.text.notices import notice
from proxy.policy.text_reader import Reader


@pytest.mark.parametrize(
    ("text", "keyword", "at_tail"),
    [
        ("你好 回T退订", "T", True), ("退订回T", "T", True), ("回TD退订", "TD", True), ("退订回复TD", "TD", True),
        ("拒收请回复R", "R", True), ("退订回N", "N", True), ("退订请回复0000", "0000", True), ("取消订阅回复0000", "0000", True),
        ("回0退订", "0", True), ("[回@5TD退订短信]", "5TD", True), ("回#BY退订优惠资讯", "BY", True), ("回复QXDY取消订阅", "QXDY", True),
        ("退订回复CC", "CC", True), ("如需退订,请回复CKTD", "CKTD", True), ("回复A退订", "A", True), ("退订回复“TD”。", "TD", True),
        ("拒收请回复Ｒ", "R", True), ("拒收請回復R", "R", True), ("拒收请回复R【测试】", "R", True),
        ("回T退订 后面还有很长很长的一段话", "T", False), ("Reply STOP to unsubscribe", "STOP", True),
        ("退订成功", "", False), ("您的退款已到账", "", False), ("回复电话13800000000", "", False), ("", "", False),
    ],
)  # fmt: skip
def test_the_keyword_is_learnt_from_the_notice(text: str, keyword: str, at_tail: bool) -> None:
    assert notice(fold(text))[:2] == (keyword, at_tail)


@pytest.mark.parametrize(
    ("text", "name", "edges"),
    [
        ("【京东】你好", "京东", 1), ("你好【京东】", "京东", 1), ("\u200b 【京 东】你好", "京东", 1), ("【ＪＤ】你好", "JD", 1),
        ("【甲】你好", "", 1), ("【" + "长" * 17 + "】", "", 1), ("【甲店】【乙店】你好", "甲店", 2), ("【甲店】你好【乙店】", "甲店", 2),
        ("你好", "", 0), ("你【好】吗", "", 0), ("【甲店", "", 0), ("】【", "", 0), ("", "", 0),
    ],
)  # fmt: skip
def test_a_signature_stands_at_an_edge(text: str, name: str, edges: int) -> None:
    found = signature(text)
    assert (found.name, found.edges) == (name, edges)


@pytest.mark.parametrize("blank", "\u115f\u1160\u3164\uffa0\u2800")
def test_letters_that_are_drawn_as_nothing_hide_nothing_and_make_no_other_signature(blank: str) -> None:
    assert squeeze(fold(f"代{blank}开{blank}发{blank}票")) == "代开发票"
    assert normal_signature(f"青{blank}禾") == "青禾"


@pytest.mark.parametrize("dot", "·•・‧∙⋅･")
def test_dots_of_any_kind_split_no_word_and_make_no_other_signature(dot: str) -> None:
    assert squeeze(fold(f"代{dot}开{dot}发{dot}票")) == "代开发票"
    assert normal_signature(f"{dot}青{dot}禾{dot}") == "青禾"


@pytest.mark.parametrize("text", ["贷丨款", "优|惠", "减/肥", "贷 款", "贷-·-款"])
def test_split_words_are_put_together(text: str) -> None:
    assert squeeze(fold(text)) in ("贷款", "优惠", "减肥")


@given(st.text(max_size=80))
def test_folding_settles_and_never_breaks(text: str) -> None:
    once = fold(text)
    assert fingerprint(masked(once)) == fingerprint(masked(once))
    squeeze(once), signature(text), notice(once), links(once), contacts(once)


@given(
    st.lists(st.sampled_from(["验证码", "，", "元"]), min_size=1, max_size=5), st.integers(0, 9999), st.integers(0, 99999999)
)
def test_fingerprints_do_not_see_digits(words: list[str], one: int, two: int) -> None:
    first, second = (without_numbers(f"{number}".join(["", *words])) for number in (one, two))
    assert fingerprint(first) == fingerprint(second)


LEXICON, _ = read_lexicon((shipped_words(), shipped_words("codes.csv")))
READER = Reader(Bits(), LEXICON, None)


def category(text: str) -> Category:
    found: Category = READER.read(Content(text, "readable", b"")).traits.classified
    return found


@pytest.mark.parametrize(
    "text",
    [
        "双11好礼放送，百万优惠券限量领",
        "恭喜您获得一张28元新人代金券",
        "最后2小时！你有30枚鸡蛋待0元带走",
        "【某店】全场低至5折，点击 t.cn/abc 抢购 拒收请回复R",
        "【某贷】无抵押，当天放款，详询4008001234",
        "【某城】首付30万起，均价8000，开盘钜惠",
        "【某店】優惠券限時领取",
        "【某店】优|惠|券 秒丨杀",
        "验证码1234 全场秒杀 优惠券 点击t.cn/a",  # a password as a disguise
    ],
)
def test_advertisements_are_told_by_their_words(text: str) -> None:
    assert category(text) is Category.MARKETING


@pytest.mark.parametrize(
    "text",
    [
        "【某行】您尾号1234的账户11月11日消费100元，余额2000元",
        "【快递】您的快件已到，取件码8-2-1234，回T退订",
        "【某航】您的航班MU1234已出票",
        "【某行】您的账单已出，还款日11月20日，逾期将影响征信",
        "你好",
        "",
        "【某行】验证码482913，点击 t.cn/x 登录",  # a password with a link is none
        "【某行】验证码请勿告诉他人",  # nor one without a code
    ],
)
def test_notices_are_what_is_neither(text: str) -> None:
    assert category(text) is Category.NOTICE


@pytest.mark.parametrize(
    "text",
    [
        "【某行】您的验证码是482913，5分钟内有效",
        "482913是您的校验码",
        "Your verification code is 482913",
        "【某行】验证码1234，退订回T",
    ],
)
def test_passwords_have_a_code_and_nothing_else(text: str) -> None:
    assert category(text) is Category.OTP


def test_the_reasons_are_kept_for_the_clerk() -> None:
    found = evidence(READER, Content("【某店】优\u200b惠|券低至5折 t.cn/a 拒收请回复R", "readable", b""))
    assert [str(feature) for feature in found.features] == [
        "ad 4: 优\\u200b惠|券 → 优惠券 at 4",
        "evasion 3: 优\\u200b惠|券 → 优惠券 at 4",
        "ad 3: 低至5 at 9",
        "ad 3: 5折 at 11",
        "link 4: t.cn",  # beside an opt-out notice
        "opt-out 1: R",
    ]
    assert (found.classified.band, found.classified.score) == ("surely", 18)


def test_what_folding_does_not_look_at_it_would_have_left_as_it_is() -> None:
    """All characters that most texts are of, but those that it changes: no more and no fewer."""
    usual = map(chr, (10, *range(0x20, 0x7F), *range(0x3001, 0x3003), *range(0x3008, 0x3012), *range(0x4E00, 0xA000)))
    looked_at = {one for one in usual if room._KIND_TABLE[ord(one)] & room.TOUCHED}
    assert all(room._FOLD[code] == chr(code) for code in range(0x4E00, 0xA000) if chr(code) not in looked_at)
    assert all(room._FOLD[ord(one)] != one for one in looked_at)
    assert {"A", "開", "丨"} <= looked_at
    assert looked_at.isdisjoint("a 开\n【】")
    assert all(room._KIND_TABLE[ord(one)] & room.TOUCHED for one in ("а", "Ａ", "\u200b", "\ud800", "①"))


def test_folding_a_character_settles() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x10000), *range(0x1D400, 0x1D800), *range(0x1F100, 0x1F200)):
        once = fold(chr(code))
        assert fold(once) == once, hex(code)
