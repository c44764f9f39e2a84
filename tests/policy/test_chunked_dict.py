"""A ChunkedDict behaves like a dict, and moves few entries at a time when it grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.chunked_dict import PIECES, ChunkedDict, distinct
from proxy.runtime.yield_point import PIECE, no_yield

WORDS = st.lists(st.text("优惠券a0", max_size=3))


@given(st.lists(st.tuples(st.text("优惠券a", max_size=3), st.integers())))
def test_it_says_what_a_dict_would(pairs: list[tuple[str, int]]) -> None:
    spread: ChunkedDict[str, int] = ChunkedDict()
    for word, value in pairs:
        spread[word] = value
    assert list(spread.items()) == list(dict(pairs).items())
    assert [spread.get(word) for word, _ in pairs] == [dict(pairs)[word] for word, _ in pairs]
    assert "no such word" not in spread
    assert spread.get("no such word") is None


@given(WORDS)
def test_the_first_value_stays_where_only_a_missing_one_is_set(words: list[str]) -> None:
    spread: ChunkedDict[str, int] = ChunkedDict()
    kept = [spread.setdefault(word, number) for number, word in enumerate(words)]
    assert kept == [words.index(word) for word in words]


@given(WORDS)
def test_each_of_many_comes_once_and_in_order(words: list[str]) -> None:
    assert list(distinct(words, no_yield)) == list(dict.fromkeys(words))


def test_what_is_distinct_rests_though_all_are_the_same() -> None:
    rested: list[None] = []
    assert list(distinct(["词"] * 4 * PIECE, lambda: rested.append(None))) == ["词"]
    assert len(rested) == 4


def test_no_piece_holds_much_more_than_its_share() -> None:
    spread: ChunkedDict[bytes, int] = ChunkedDict()
    for number in range(100_000):
        spread[f"词{number}".encode()] = number
    assert max(map(len, spread._pieces)) < 1.25 * 100_000 / PIECES


def test_it_lets_go_of_everything_with_rests_between() -> None:
    spread: ChunkedDict[bytes, int] = ChunkedDict()
    for number in range(2_000):
        spread[f"{number}".encode()] = number
    rested: list[int] = []
    spread.forget(lambda: rested.append(len(spread)))
    assert rested == [1_500, 1_000, 500, 0]
    assert not spread
    assert b"7" not in spread
