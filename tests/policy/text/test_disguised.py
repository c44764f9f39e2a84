"""Disguised contacts are looked up among known ones; ordinary texts contain none. All texts and numbers are made up."""

from __future__ import annotations

import random
import time
from itertools import product

import pytest

from proxy.model.message import Content
from proxy.policy.text.disguised import candidates, domains
from proxy.policy.text.folding import fold
from proxy.policy.text.text_analysis import TextAnalysis
from tests.policy.conftest import Bench, Make

RULES = """
- {id: phones, when: {contact: ["13900138000", "4006000106", "95588", "057188886666"]}, then: reject, reason: keyword}
- {id: domains, when: {url: [qinghe.example, 58.example]}, then: reject, reason: link-unregistered}
"""
DIGITS = ("0123456789", "〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖", "零幺两三四五六拐八勾", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "⓿❶❷❸❹❺❻❼❽❾", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "OIZ3456789", "o1Z34S67B9", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")  # fmt: skip
MARKS = ("", " ", "  ", ".", "....", "。", "/", "*", "-", "—", "_", "\n", "、", "★", "😀", "\u200b", "()", "~")


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(RULES)


@pytest.mark.parametrize("digits", DIGITS)
def test_a_number_is_found_in_digits_of_any_script_with_marks_between_them(bench: Bench, digits: str) -> None:
    for mark, number in product(MARKS, ("13900138000", "4006000106", "95588")):
        if digits[0] in "Oo" and number == "95588":  # so short a number has no letters
            continue
        written = mark.join(digits[int(one)] for one in number)
        assert bench.says(f"【青禾】详询{written}，老张") == "reject phones", written


@pytest.mark.parametrize(
    "written",
    [
        "139.0013.8000", "139 00 13 80 00", "13900/138000", "1390-0138-000", "139－0013 8000", "+86139.0013.8000", "0086 139·0013·8000", "一39零零13八000", "139OO138OOO",
        "八六一三九零零一三八零零零", "(一三九)0013-8000", "4 006000106", "四百: 400.600.0106", "零五七一 8888 6666", "0571.8888.6666", "1️⃣3️⃣9️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣",
    ],
)  # fmt: skip
def test_a_number_is_found_however_it_is_grouped(bench: Bench, written: str) -> None:
    assert bench.says(f"【青禾】详询 {written}") == "reject phones"


def test_digits_and_marks_of_any_mixture_hide_no_number(bench: Bench) -> None:
    draw = random.Random(37)
    for _ in range(500):
        written = "".join(draw.choice(DIGITS)[int(one)] + draw.choice(MARKS) * draw.randint(0, 3) for one in "13900138000")
        assert bench.says(f"【青禾】详询{written}，老张") == "reject phones", written


@pytest.mark.parametrize(
    "written",
    [
        "qinghe。example", "qinghe点example", "qinghe 点 example", "q i n g h e . e x a m p l e", "qinghe .example", "ｑｉｎｇｈｅ．ｅｘａｍｐｌｅ", "%71inghe.example",
        "%2571inghe%2eexample", "qinghe(.)example", "qinghe[点]example", "qinghe(dot)example", "qinghe dot example", "qinghe&#46;example", "www。qinghe。example/a", "qinghe，example", "qinghe·example",
        "q-i-n-g-h-e-.-e-x-a-m-p-l-e", "q\ni\nn\ng\nh\ne\n.\ne\nx\na\nm\np\nl\ne", "QINGHE 。 EXAMPLE", "5 8 。 e x a m p l e", "58。example", "http://qinghe。example/x",
    ],
)  # fmt: skip
def test_a_domain_is_found_with_other_dots_spaces_and_codes(bench: Bench, written: str) -> None:
    assert bench.says(f"【青禾】点{written}，领券") == "reject domains"


def test_a_number_of_qq_is_found_where_the_text_says_that_it_is_one(make: Make) -> None:
    bench = make('- {id: qq, when: {contact: ["100004030"]}, then: reject, reason: keyword}')
    for text in ("加Q 1 0 0 0 0 4 0 3 0", "扣扣一零零零零四零三零", "QQ100004030", "❶⓿⓿⓿⓿❹⓿❸⓿（企鹅）"):
        assert bench.says(text) == "reject qq", text
    for text in ("订单100004030", "订单 1000 04030"):
        assert bench.says(text) == "allow", text


def test_ordinary_numbers_are_no_disguised_ones(bench: Bench) -> None:
    for text in (
        "2026-11-13 14:00至16:00", "卡号6222 0213 8001 3800 012", "单号SF1390013800012", "订单139001380001", "余额10,284.17元", "验证码 95588", "您的验证码为：9 5 5 8 8",
        "一、签到；二、领奖；三、九点开始", "三五好友", "第139期，0013场，8000人", "9:55 88元起", "满300减40，APP下单", "58元。examples",
    ):  # fmt: skip
        assert bench.says(text) == "allow", text


def test_from_memory_too_a_number_is_another_with_other_digits(bench: Bench) -> None:
    for _ in range(3):
        for last, said in (("8001", "allow"), ("8000", "reject phones"), ("9999", "allow")):
            assert bench.says(f"【青禾】详询139.0013.{last}") == said
            assert bench.says(f"【青禾】详询一三九0013{last}") == said
            many = f"9{' 99' * 40} 139.0013.{last}{' 99' * 40}"
            assert bench.says(many) == said
        for first, said in (("59", "allow"), ("58", "reject domains")):
            assert bench.says(f"【青禾】{first}。example") == said


def test_a_refused_senders_number_is_found_whoever_writes_it(make: Make) -> None:
    bench = make(
        "- {id: renamed, when: {suppressed: {scope: advertiser, match: [domain, phone]}}, then: reject, reason: renamed-sender}",
        {
            "registries/advertisers.csv": "青禾有限公司,,,qinghe.example,13900138000\n",
            "registries/signatures.csv": "青禾,青禾有限公司,,,,approved,,\n",
        },
    )
    bench.refuses("13800250500", "advertiser", "青禾有限公司")
    for text in (
        "【乙店】详询一三九零零一三八零零零",
        "【乙店】1 3 9 0 0 1 3 8 0 0 0",
        "【乙店】上qinghe。example",
        "【乙店】%71inghe.example",
    ):
        assert bench.says(text) == "reject renamed", text
    assert bench.says("【乙店】详询一三九零零一三八零零一") == "allow"


def test_a_long_text_costs_what_its_length_does() -> None:
    for text in ("1 " * 20_000, "a b. " * 8_000, "一" * 40_000, "q。" * 20_000, "%71" * 13_000, "1" * 40_000, ". " * 20_000):
        start = time.perf_counter()
        page = TextAnalysis(Content(text, "readable", b""))
        assert page.find_disguised_links() is page.find_disguised_links()
        assert page.find_disguised_contacts() is page.find_disguised_contacts()
        page.may_call()
        assert time.perf_counter() - start < 1.5, text[:10]
    assert domains("t.cn/abc和s.example/x") == () == candidates(fold("电话13900138000"))
