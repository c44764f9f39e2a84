"""Texts that handsets display in another order than they are written: matches in either order count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.model.message import Category, Content
from proxy.policy import time_windows
from proxy.policy.explanation.explain import explain_text
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.reviewed_texts import review_key
from proxy.policy.text.category_evidence import evidence
from proxy.policy.text_reader import Reader
from proxy.runtime.shipped_files import shipped
from tests.policy.conftest import BEIJING, NANJING

RLO, LRO, PDF, RLI, PDI, RLM, ALM = "\u202e", "\u202d", "\u202c", "\u2067", "\u2069", "\u200f", "\u061c"
MIRROR = str.maketrans("【】()", "】【)(")
SHORT_AD = "【甲店】双11优惠券领取 拒收回R"
UYGHUR = (
    "【新疆移动】ياخشىمۇسىز، تەستىق كودىڭىز 482913، 5 مىنۇت ئىچىدە كۈچكە ئىگە.",
    "【新疆邮政】ئەۋەتكەن پوسىلكىڭىز كەلدى، ئېلىش كودى 3-2-1408، 联系电话13800138000。",
    "ھۆرمەتلىك خېرىدار، سىزنىڭ بۇ ئايدىكى تېلېفون ھەققىڭىز 58.60 يۈەن. 中国移动【新疆移动】",
    "【甲银行】您尾号1234的账户于11月11日收入500.00元。ھېساباتىڭىزغا 500.00 يۈەن كىردى",
    "【ئالىي مەكتەپ】ئەتە سائەت 10:00 دە يىغىن (A-305) بار، ۋاقتىدا كېلىڭ. 请准时参加！",
)


def turned(text: str) -> str:
    """So that an override shows the text."""
    return RLO + text[::-1].translate(MIRROR) + PDF


def marked(text: str, mark: str = RLM) -> str:
    """So that a handset that goes by the first letter shows the text."""
    return mark + mark.join(text[::-1].translate(MIRROR))


WAYS = {
    "override": turned,
    "marks": marked,
    "Arabic marks": lambda text: marked(text, ALM),
    "isolate": lambda text: f"{RLI}{marked(text)}{PDI}",
}


@pytest.fixture(params=["trie", "automata"])
def reader(request: pytest.FixtureRequest) -> Reader:
    found = load(shipped("rules")).reader
    if request.param == "automata":
        without_trie(found)
    return found


def without_trie(reader: Reader) -> None:
    """Lets the automata find the words, as where nothing is compiled."""
    reader._trie = reader._split_trie = None


def traits(reader: Reader, text: str) -> Any:
    return reader.read(Content(text, "readable", b"0123456789abcdef")).traits


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_advertisement_that_is_turned_round_is_an_advertisement(reader: Reader, way: Callable[[str], str]) -> None:
    found = traits(reader, way(SHORT_AD))
    assert (found.classified, found.signature) == (Category.MARKETING, "甲店")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_forbidden_word_that_is_turned_round_is_found(make: Callable[..., Any], way: Callable[[str], str]) -> None:
    bench = make("- {id: it, when: {text: 代开发票}, then: reject, reason: keyword}")
    assert bench.says(way("代开发票")) == "reject it"
    assert bench.says(f"【甲店】您好\n{way('代开发票')}\n请联系") == "reject it"
    assert bench.says(way("票发开代")) == "reject it"  # as it is written it stands there, too
    assert bench.says(way("您好")) == "allow"


def test_links_numbers_and_regions_are_those_that_are_seen(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: link, when: {url: [qinghe.example]}, then: reject, reason: link-unregistered}\n"
        '- {id: call, when: {contact: ["13800138000"]}, then: reject, reason: keyword}\n'
        '- {id: pattern, when: {text: {patterns: "退税[0-9]{3}元"}}, then: reject, reason: keyword}\n'
        "- {id: ban, when: {province: 北京, category: marketing}, then: reject, reason: region-ban}"
    )
    assert bench.says(turned("qinghe.example"), category=Category.NOTICE) == "reject link"
    assert bench.says(turned("电话13800138000"), category=Category.NOTICE) == "reject call"
    assert bench.says(turned("退税128元"), category=Category.NOTICE) == "reject pattern"
    assert bench.says(turned("退税129元"), category=Category.NOTICE) == "reject pattern"
    assert bench.says(turned("优惠券免费领取"), category=Category.NOTICE, to=BEIJING) == "reject ban"


def test_who_was_refused_is_refused_though_the_name_is_turned_round(make: Callable[..., Any]) -> None:
    bench = make("- {id: no, when: {suppressed: true}, then: reject, reason: suppressed}")
    bench.refuses(NANJING, "signature", "甲店")
    assert bench.says(f"{turned('【甲店】')}优惠券") == "reject no"
    assert bench.says(f"【{turned('甲店')}】优惠券") == "reject no"
    assert bench.says("【店甲】优惠券") == "allow"


def test_two_names_one_written_and_one_seen_cannot_be_resolved(reader: Reader) -> None:
    assert traits(reader, f"【{turned('甲店')}】您的快件已到").state == "unreadable"
    assert traits(reader, f"【甲店】您的快件已到{turned('啦')}").state == "readable"


def test_what_a_text_must_say_it_must_say_in_every_order(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: no-notice, when: {not: {notice: tail}}, then: reject, reason: notice-missing}\n"
        "- {id: no-link, when: {not: {url: none}}, then: reject, reason: link-unregistered}"
    )
    assert bench.says("【甲店】优惠券 拒收请回复R") == "allow"
    assert bench.says(f"【甲店】优惠券 {RLO}拒收请回复R") == "reject no-notice"
    assert bench.says(f"【甲店】优惠券 {turned('拒收请回复R')}") == "reject no-notice"  # and seen on no other handset
    assert bench.says(f"【甲店】优惠券{turned('很多')} 拒收请回复R") == "allow"
    assert bench.says(f"【甲店】优惠券{turned('s.example')} 拒收请回复R") == "reject no-link"


def test_a_text_that_was_released_is_not_released_in_another_order() -> None:
    plain, other = (Content(text, "readable", b"") for text in ("【甲店】免费领取", f"【甲店】{RLO}免费{PDF}领取"))
    assert review_key(plain) != review_key(other)
    assert review_key(plain) == review_key(Content(f"【甲店】{LRO}免费{PDF}领取", "readable", b""))


def test_a_template_fits_in_the_order_that_is_seen(make: Callable[..., Any]) -> None:
    rows = "template,signature,provider,category,subcategory,text\ncode,甲店,,otp,,【甲店】验证码{code:6}请勿告诉他人\n"
    bench = make(
        "- {id: other, when: {template: mismatched}, then: reject, reason: template-mismatch}",
        {"registries/templates.csv": rows},
    )
    assert bench.says("【甲店】验证码482913请勿告诉他人") == "allow"
    assert bench.says(f"【甲店】验证码{LRO}482913{PDF}请勿告诉他人") == "allow"
    assert bench.says(f"【甲店】验证码{RLO}票发开{PDF}请勿告诉他人") == "allow"
    assert bench.says(f"【甲店】验证码482913{RLO}请勿告诉{PDF}他人") == "reject other"


@pytest.mark.parametrize("text", UYGHUR)
def test_uyghur_texts_stay_readable(reader: Reader, text: str) -> None:
    found = traits(reader, text)
    assert found.state == "readable"
    assert found.classified is not Category.MARKETING
    assert found.signature in text.replace(" ", "")
    assert found.signature


def test_an_advertisement_in_uyghur_has_its_notice_and_its_one_sender(make: Callable[..., Any]) -> None:
    bench = make(
        "- {id: notice, when: {not: {notice: tail}}, then: reject, reason: notice-missing}\n"
        "- {id: signature, when: {signature: [none, several]}, then: reject, reason: signature-missing}\n"
        "- {id: unreadable, when: {text_state: unreadable}, then: reject, reason: text-unreadable}"
    )
    assert bench.says("【新疆百货】بۈگۈن بارلىق مەھسۇلاتلار 50% ئەرزان، تېلېفون 0991-2345678。拒收请回复R") == "allow"
    assert bench.says("【ئالىي】بۈگۈن بارلىق مەھسۇلاتلار 50% ئەرزان. 拒收请回复R") == "allow"
    assert bench.says("بۈگۈن بارلىق مەھسۇلاتلار 50% ئەرزان. 拒收请回复R【新疆百货】") == "allow"


def test_a_number_copied_from_a_phone_book_raises_no_suspicion(reader: Reader) -> None:
    plain = traits(reader, "【甲店】验证码482913，客服13800138000")
    copied = traits(reader, f"【甲店】验证码482913，客服{LRO}13800138000{PDF}")
    assert copied is plain


@pytest.mark.parametrize("mark", [LRO, PDF, "\u200e", "\u202a", "\u2066", "\u2068", "\ufffd", "\ufeff"])
def test_a_mark_that_changes_nothing_hides_no_signature(reader: Reader, mark: str) -> None:
    assert traits(reader, f"{mark}【甲店】您的快件已到").signature == "甲店"
    assert traits(reader, f"您的快件已到【甲店】{mark}").signature == "甲店"
    assert traits(reader, f"{mark}【{mark}甲{mark}店{mark}】您的快件已到").signature == "甲店"


def test_no_part_of_a_word_is_lost_to_half_a_surrogate_pair(make: Callable[..., Any]) -> None:
    bench = make("- {id: it, when: {text: 代开发票}, then: reject, reason: keyword}")
    assert bench.says("代\ufffd开\ufffd发\ufffd票") == "reject it"


def test_binary_data_need_a_port_that_is_registered_for_them(make: Callable[..., Any]) -> None:
    rule = '- {id: it, when: {text_state: binary, not: {port: ["1062", binary]}}, then: reject, reason: text-unreadable}'
    bench = make(rule, {"registries/ports.csv": "106900,,notice|binary\n10690009,,notice\n"})
    assert bench.says("", state="binary", port="10690001") == "allow"
    assert bench.says("", state="binary", port="10690009") == "reject it"
    assert bench.says("", state="binary", port="10620001") == "allow"
    assert bench.says("", state="binary", port="10610001") == "reject it"


def test_explain_says_what_was_found_in_the_order_that_is_shown(make: Callable[..., Any]) -> None:
    bench = make("- {id: it, when: {any: [{text: 代开发票}, {text_state: unreadable}]}, then: reject, reason: keyword}")
    text = f"【甲店】{RLO}票发开代{PDF}您好今天在我们店里购买任何一件商品都打五折而且还送礼品"
    told = explain_text(
        bench.rules, NANJING, "10690001", text, "jia", Category.NOTICE, time_windows.moment("2026-11-11 10:00")[0]
    )
    said = str(told.as_dict())
    assert "found: 代开发票" in said
    assert "without controls that change its order" in said


def test_evidence_is_of_the_order_that_speaks_for_the_category(reader: Reader) -> None:
    found = evidence(reader, Content(turned(SHORT_AD), "readable", b""))
    assert found.classified.category is Category.MARKETING
    assert any(one.what == "优惠券" for one in found.features)
