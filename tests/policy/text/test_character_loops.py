"""Loops over characters find what a pattern finds that says the same."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content
from proxy.policy.text import contacts, folding, notices, split_words
from proxy.policy.text.text_analysis import TextAnalysis

LETTERS = st.text(
    st.one_of(
        st.sampled_from("退订回复T券優惠Ａａ０аο贷丨款|·-_. \u3000\u200b\n①𝐀\ud800ﬁ㍿ßİ0019,，【】"),
        st.characters(),
    ),
    max_size=60,
)
DIGITS = st.text("0123456789-x 贷)码号", max_size=40)
HOSTS = st.lists(st.sampled_from(["a", "z", "0", "-", ".", "..", "@", "贷", " ", "xn--", "example", ".com"]), max_size=20).map(
    "".join
)
PIECES = st.lists(
    st.sampled_from(
        [
            *"【】退|订T回复覆。:/ .,-点号y7拒收不",
            "回T退订",
            "回复TD退订",
            "reply",
            "http://",
            "q1.example",
            "确认请回1",
            "unsub",
            "青禾",
        ]
    ),
    max_size=30,
).map("".join)
CHINESE = "[\u3400-\u9fff]"
MARKS = f"[{re.escape(folding.MARKS)}]"
BETWEEN = re.compile(rf"(?<={CHINESE}){MARKS}{{1,3}}(?={CHINESE})")
DOMAIN = re.compile(r"[0-9a-z][0-9a-z.\-]*\.(?:[a-z]{2,18}|xn--[0-9a-z]{2,40})(?![0-9a-z@]|-+[0-9a-z])")
LONG_RUN = re.compile("[0-9][0-9) -]{3,}[0-9]")


def folded_by_table(text: str) -> tuple[str, bool]:
    return text.translate(folding._FOLD), any(one in folding.DRESSING for one in text)


@given(LETTERS)
def test_folding_is_a_table(text: str) -> None:
    assert folding.folding(text) == folded_by_table(text)


def test_what_has_nothing_to_fold_is_the_same_text() -> None:
    text = "贷款 abc, 1"
    assert folding.folding(text)[0] is text


@given(LETTERS, st.integers(1_900, 2_200))
def test_texts_of_any_length_are_folded_alike(text: str, length: int) -> None:
    long = (text * length)[:length]
    assert folding.folding(long) == folded_by_table(long)


def test_every_character_is_folded_alike() -> None:
    for start in range(0, 0x11000, 7):
        text = "".join(map(chr, range(start, start + 7)))
        assert folding.folding(text) == folded_by_table(text), f"U+{start:04X}"


@given(LETTERS)
def test_what_splits_words_is_taken_out(text: str) -> None:
    assert folding.squeeze(text) == BETWEEN.sub("", text)
    assert (folding.squeeze(text) is text) == (BETWEEN.search(text) is None)


def test_every_mark_between_two_characters_is_taken_out() -> None:
    for code in range(0x10000):
        for marks in (chr(code), f"{chr(code)}|.", f"||{chr(code)}|"):
            text = f"贷{marks}款"
            assert folding.squeeze(text) == BETWEEN.sub("", text), f"U+{code:04X}"


@given(DIGITS)
def test_telephone_numbers_are_those_of_the_pattern(text: str) -> None:
    runs = [match.span() for match in LONG_RUN.finditer(text)]
    found = [match for start, end in runs for match in contacts._CONTACT.finditer(text, start, end)]
    assert contacts.contacts(text) == tuple(re.sub("[^0-9]", "", match[match.lastindex or 0]) for match in found)
    zeros = re.sub("[0-9]", "0", text)
    masked = [match.span() for start, end in runs for match in contacts._MAY_CALL.finditer(zeros[:end], start)]
    assert contacts.call_spans(text) == tuple(masked)


@given(HOSTS)
def test_domains_are_those_of_the_pattern(text: str) -> None:
    names = DOMAIN.findall(text)
    wanted = [one for name in names for one in (contacts.apart(name) if ".." in name else [name])]
    assert list(contacts.links(text)) == wanted


@given(st.text("代开发票a1x,、 ", max_size=20))
def test_a_run_of_letters_has_a_mark_between_each_two(text: str) -> None:
    for run in split_words.split_runs(text):
        letters = iter(text)
        assert len(run) >= split_words.LETTERS_LEAST
        assert all(one in letters for one in run), "in their order"
    alone = re.fullmatch(r"\W*\w(\W+\w){2,}\W*", text)
    if alone is not None:
        whole = re.sub(r"\W", "", text)
        assert whole in split_words.split_runs(text) or whole.isdecimal()


@given(PIECES)
def test_one_pass_over_a_text_finds_what_a_search_for_each_finds(text: str) -> None:
    page = TextAnalysis(Content(text, "readable", b""))
    assert page.notice == notices.notice(page.squeezed)
    assert notices.asks(page.squeezed, page.notice, page.answer_at) == notices.asks(page.squeezed, page.notice)
    assert page.links == contacts.links(page.folded)
    assert page.signature == folding.signature(text)
