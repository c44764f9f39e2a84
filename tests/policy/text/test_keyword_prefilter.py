"""Several automata find what one automaton would find, whatever the set before had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.text import keyword_prefilter
from proxy.policy.text.keyword_prefilter import KeywordPrefilter, WordAutomaton

WORDS = st.lists(st.text("优惠券a0", min_size=1, max_size=4), max_size=12, unique=True)


def places(words: list[str]) -> dict[bytes, int]:
    return {word.encode(): place for place, word in enumerate(words)}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyword_prefilter, "SHARD_WORDS", 3)


@given(st.lists(WORDS, min_size=1, max_size=5), st.text("优惠券a0x", max_size=30))
def test_words_that_changed_again_and_again_are_found_as_if_they_had_always_been_so(sets: list[list[str]], text: str) -> None:
    now = KeywordPrefilter(places(sets[0]))
    for words in sets[1:]:
        now = KeywordPrefilter(places(words), now)
    assert now.matches(text.encode()) == KeywordPrefilter(places(sets[-1])).matches(text.encode())


@given(WORDS, WORDS)
def test_no_word_stands_in_two_automata(first: list[str], second: list[str]) -> None:
    known = [
        pattern
        for shard in KeywordPrefilter(places(second), KeywordPrefilter(places(first))).held
        for pattern in shard.patterns
    ]
    assert len(known) == len(set(known))


def test_what_did_not_change_is_not_built_again() -> None:
    first = KeywordPrefilter(places(["优惠", "券", "惠券"]))
    assert KeywordPrefilter(places(["券", "惠券", "优惠"]), first).held[0] is first.held[0], "another order is no other word"
    more = KeywordPrefilter(places(["优惠", "券", "惠券", "优"]), first)
    assert [one is first.held[0] for one in more.held] == [True, False]
    assert more.held[1].patterns == ["优".encode()]


def test_an_automaton_goes_when_most_of_its_words_are_wanted_no_more() -> None:
    first = KeywordPrefilter(places(["优惠", "券", "惠券"]))
    (only,) = KeywordPrefilter(places(["优惠", "满减", "立减"]), first).held
    assert only is not first.held[0]


def test_many_small_changes_do_not_leave_many_automata() -> None:
    words = ["一", "二", "三"]
    now = KeywordPrefilter(places(words))
    for number in range(30):
        words.append(f"词{number}")
        now = KeywordPrefilter(places(words), now)
    assert len(now.held) == 11  # three words each


def test_beside_traffic_nothing_large_is_built_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyword_prefilter, "SHARD_WORDS", 500)
    rested: list[None] = []
    held: list[WordAutomaton] = KeywordPrefilter(
        places([f"词{number}" for number in range(5_000)]), KeywordPrefilter({}), lambda: rested.append(None)
    ).held
    assert max(len(shard.patterns) for shard in held) <= 500
    assert len(rested) >= len(held)


def test_what_is_let_go_of_goes_one_by_one_and_whoever_asks_afterwards_is_not_told_that_nothing_is_there() -> None:
    first = KeywordPrefilter(places(["优惠", "券", "惠券"]))
    second = KeywordPrefilter(places(["优惠", "券", "惠券", "a", "0"]), first)
    rests: list[int] = []
    first.forget(lambda: rests.append(len(first.held)))
    assert rests == [0], "it was one"
    with pytest.raises(AttributeError):
        first.matches("优惠券".encode())
    assert len(second.matches("a优惠券0".encode())) == 5, "who has kept some of them still finds all"
    second.forget(lambda: rests.append(len(second.held)))
    assert rests == [0, 1, 0]
