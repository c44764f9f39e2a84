"""Consent requests and replies to them: declared words, and replies that are one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, hash16
from proxy.model.recipient import CONSENT_REQUEST, Entry
from proxy.policy.replies.consent import CODES, DECLARED, WORDS, agreed, code_of, consent_answer, declared_words

REQUEST = Entry(7, 1, 2, 3, 4, Category.NOTICE, CONSENT_REQUEST, 5, hash16("R"), 1, declared_words("同意请回Y，拒收请回复R"))
TEXTS = Path(__file__).parents[2] / "data" / "texts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("同意请回Y", "Y"),
        ("同意请回ｙ", "Y"),
        ("回复1同意", "1"),
        ("回复 1 即表示同意接收", "1"),
        ("同意回复同意", "同意"),
        ("确认接收请回是", "是"),
        ("同意请回“是”", "是"),
        ("同意接收请直接回复数字1", "1"),
        ("如您同意接收本店短信，类型：优惠；频次：每月2条，请回复Y或同意", "Y 同意"),
        ("是否同意接收会员短信？同意回1，不同意回0，退订回T", "1"),
        ("同意回复1，不同意回复2", "1"),
        ("愿意回复1，不愿意无需回复", "1"),
        ("您好，如您同意請回覆Y。", "Y"),
        ("同意请回Y，不回复视为不同意。拒收请回复R", "Y"),
    ],
)
def test_a_request_declares_the_words_it_asks_for(text: str, words: str) -> None:
    assert DECLARED[declared_words(f"【青禾商城】{text}")] == frozenset(words.split())


@pytest.mark.parametrize(
    "text",
    [
        "不同意请回复1",
        "不愿意请回复1",
        "如不同意接收，回复1",
        "同意回复2，不同意回复1",
        "回复1拒绝，回复2同意",
        "拒收请回复Y",
        "同意请回复1，拒收请回复1",
        "感谢您同意接收，如需取消请回复1",
        "您已同意隐私政策。回复1参与抽奖",
        "请回复是否同意",
        "同意回复10",
        "同意回复Yes1",
        "确认订单请打开链接",
        "",
    ],
)
def test_what_is_no_consent_or_is_declared_as_a_refusal_too_counts_as_none(text: str) -> None:
    assert declared_words(f"【青禾商城】{text}") == 0


@pytest.mark.parametrize("name", ["develop", "frozen"])
def test_every_request_among_the_labelled_texts_declares_a_word(name: str) -> None:
    rows = [line.split("\t") for line in (TEXTS / f"{name}.tsv").read_text().splitlines()]
    requests = [row[-1] for row in rows if len(row) > 3 and row[1] == "consent-request"]
    assert len(requests) >= 6
    assert [text for text in requests if not declared_words(text)] == []


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("同意", "同意"), ("Y", "Y"), ("y", "Y"), ("Ｙ。", "Y"), (" 1 ", "1"), ("１", "1"), ("是", "是"), ("是的", "是"), ("我同意", "同意"), ("同意接收", "同意"),
        ("“同意”", "同意"), ("回复Y", "Y"), ("yes", "YES"), ("ok", "OK"), ("Y\u200b", "Y"),
    ],
)  # fmt: skip
def test_a_reply_that_is_a_word_of_consent_is_read_as_that_word(reply: str, word: str) -> None:
    assert agreed(reply) == word


@pytest.mark.parametrize(
    "reply",
    ["", "不同意", "N", "10", "Y1", "同意吗", "不是", "是不是", "同意退订", "我不同意接收", "11", "T", "好的谢谢", "同意" * 30],
)
def test_anything_else_is_no_consent(reply: str) -> None:
    assert agreed(reply) == ""


def test_a_code_has_room_in_an_entry_and_names_one_set_for_ever() -> None:
    assert len(DECLARED) == len(CODES) <= 32
    assert all(words <= frozenset(WORDS) for words in DECLARED)
    assert DECLARED[:6] == tuple(
        map(frozenset, ((), ("同意",), ("Y",), ("是",), ("1",), ("YES",)))
    )  # entries on disk have these


@given(st.frozensets(st.sampled_from(WORDS)))
def test_of_a_set_without_a_code_the_largest_part_with_one_is_kept(words: frozenset[str]) -> None:
    code = code_of(words)
    assert DECLARED[code] <= words
    assert bool(DECLARED[code]) == bool(words)


@given(st.text(max_size=200))
def test_whatever_stands_in_a_text_is_read_in_time(text: str) -> None:
    assert 0 <= declared_words(text) < 32
    assert agreed(text) in ("", *WORDS)


def test_a_reply_consents_only_to_a_request_that_declares_its_word() -> None:
    assert consent_answer("y", REQUEST) == "Y"
    assert consent_answer("1", REQUEST) == ""
    assert consent_answer("R", REQUEST) == ""
    assert consent_answer("Y", None) == ""
    assert consent_answer("Y", REQUEST._replace(consent=0)) == ""
    assert consent_answer("Y", REQUEST._replace(subcategory=0)) == ""
    assert consent_answer("Y", REQUEST._replace(keyword=hash16("Y"))) == ""


def test_an_entry_keeps_the_words_of_its_request() -> None:
    assert Entry.unpack(REQUEST.pack()) == REQUEST
    assert Entry.unpack(REQUEST._replace(consent=31, subcategory=63, signature=2**48 - 1).pack()).consent == 31
