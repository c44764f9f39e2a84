"""Words with a mark between every letter are found, whatever the marks; lists are not words. All texts are made up."""

from __future__ import annotations

import random

import pytest

from proxy.model.message import Category, Content
from proxy.policy.text.category_evidence import evidence
from proxy.policy.text.folding import fold
from proxy.policy.text.split_words import split_runs
from proxy.policy.text.text_analysis import TextAnalysis
from tests.policy.conftest import Bench, Make

WORDS = ("代开发票", "六合彩", "百家乐", "加v信", "b站代", "bet365", "18禁", "满300", "代开fp")
MARKS = [
    "....", "    ", "_____", "★", "×", "()", "😀", "👨‍👩‍👧", "\n", "\n\n\n\n\n", "\u200b.\u200b.\u200b.\u200b.", "\u0336 \u0336 \u0336 \u0336 ",
    "、", ",", "。", "——————", "……", "｜｜｜｜", "\u3000\u3000\u3000\u3000", "\t\t\t\t", "☆", "♥♥♥♥♥", "/\\/\\/", "《》", "ツ", "ㄨ", "﹏﹏﹏﹏", "\u2060•\u2060•\u2060•\u2060•", " 。 ",
]  # fmt: skip
RULES = f"""
- {{id: words, when: {{text: [{", ".join(WORDS)}, 黄赌]}}, then: reject, reason: keyword}}
- {{id: pattern, when: {{text: {{patterns: ["刻章(办|辦)?证"]}}}}, then: reject, reason: keyword}}
"""


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(RULES)


@pytest.mark.parametrize("mark", MARKS)
def test_a_word_is_found_whatever_stands_between_every_two_letters(bench: Bench, mark: str) -> None:
    for word in (*WORDS, "刻章办证"):
        for text in (mark.join(word), f"【青禾】您好{mark}{mark.join(word)}{mark}详询店员", mark.join(["", *word, ""])):
            assert bench.says(text).startswith("reject "), text


@pytest.mark.parametrize("around", ["()", "（）", "[]", "【】", "《》", "“”", "{}", "〔〕"])
def test_brackets_around_each_letter_are_marks(bench: Bench, around: str) -> None:
    assert bench.says("".join(f"{around[0]}{one}{around[1]}" for one in "代开发票")) == "reject words"


def test_every_two_letters_may_have_other_marks_between_them(bench: Bench) -> None:
    draw = random.Random(37)
    for _ in range(300):
        word = draw.choice(WORDS)
        text = word[0] + "".join("".join(draw.choices(MARKS, k=draw.randint(1, 4))) + one for one in word[1:])
        assert bench.says(draw.choice(("", "找我", "【青禾】")) + text) == "reject words", text


def test_letters_and_numbers_may_be_marks_between_chinese_characters(bench: Bench) -> None:
    for text in ("代x开x发x票", "代①开②发③票", "1.代 2.开 3.发 4.票", "代1️⃣开2️⃣发3️⃣票", "代.a开.b发.c票"):
        assert bench.says(text) == "reject words", text


def test_the_first_and_the_last_letter_may_belong_to_more(bench: Bench) -> None:
    assert bench.says("我们可代....开....发....票据齐全") == "reject words"
    assert bench.says("xbet....3....6....5") == "allow"  # of a Latin word they are letters of another


def test_a_mark_that_is_not_between_every_letter_is_none(bench: Bench) -> None:
    for text in ("现代，开发票务", "现代，开发，票务", "时代、开、发票", "百家，乐、事", "六合、彩", "黄、赌", "黄....赌"):
        assert bench.says(text) == "allow", text


def test_lists_are_no_words(bench: Bench) -> None:
    for text in (
        "每周一、三、五配送",
        "甲 乙 丙 丁",
        "王、李、张三位",
        "A、B、C",
        "1、2、3",
        "11月20日18时30分",
        "余额328.50元，点 s.example",
        "a b c",
    ):
        assert bench.says(text) == "allow", text


def test_a_split_word_of_an_offer_makes_an_advertisement_and_is_told_to_a_clerk(make: Make) -> None:
    bench = make("- {id: ads, when: {classified: marketing}, then: reject, reason: keyword}")
    text = "【青禾】优....惠....券....限....时....抢....购"
    assert bench.says(text, category=Category.NOTICE) == "reject ads"
    features = evidence(bench.rules.reader, Content(text, "readable", b"")).features
    assert {"优惠券", "限时抢购"} & {one.what for one in features}
    assert any("is hidden" in one.what for one in features)
    assert bench.says("【青禾】优惠，券", category=Category.NOTICE) == "allow"


def test_a_split_word_with_digits_is_another_with_others(bench: Bench) -> None:
    for _ in range(3):  # from memory, too
        assert bench.says("b.e.t.3.6.6") == "allow"
        assert bench.says("b.e.t.3.6.5") == "reject words"


def test_a_long_text_of_single_letters_costs_what_its_length_does() -> None:
    runs = split_runs("代、" * 50_000)
    assert [len(run) for run in runs] == [50_000]
    assert TextAnalysis(Content("代、开、发、票", "readable", b"")).split == ("代开发票",)
    assert split_runs(fold("您好，回复T退订")) == ()
