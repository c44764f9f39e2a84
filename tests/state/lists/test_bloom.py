"""A filter passes every present number and holds back most others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from proxy.state.lists.bloom import CHUNK_BITS, LOW_MASK, BloomFilters, bloom_filter_of, may_hold
from tests.needs import needs

LOWS = st.sets(st.one_of(st.integers(0, LOW_MASK), st.integers(0, 300), st.integers(LOW_MASK - 300, LOW_MASK)), max_size=400)


@given(there=st.dictionaries(st.integers(0, 40), LOWS), strangers=st.lists(st.integers(0, 1 << 40)))
def test_nobody_who_is_there_falls_through(there: dict[int, set[int]], strangers: list[int]) -> None:
    sieves = BloomFilters()
    for place, lows in there.items():
        sieves.put(place, BitMap(lows))
    for place, lows in there.items():
        assert all(sieves.may_hold(place << CHUNK_BITS | low) for low in lows)
        sieves.put(place, BitMap())
        assert not any(sieves.may_hold(place << CHUNK_BITS | low) for low in lows), "nobody is left there"
    assert not any(sieves.may_hold(number) for number in strangers)


@given(lows=LOWS, asked=st.lists(st.integers(0, LOW_MASK), max_size=200))
def test_a_number_is_looked_up_in_the_filter_of_its_place(lows: set[int], asked: list[int]) -> None:
    sieves, number = BloomFilters(), 13_912_345_678
    sieves.put(number >> CHUNK_BITS, BitMap(lows))
    sieve = sieves.by_place[-1]
    assert len(sieve) & len(sieve) - 1 == 0
    for low in (*asked, *lows):
        one = number & ~LOW_MASK | low
        assert sieves.may_hold(one) is may_hold(sieve, low)


@needs("gcc")
@pytest.mark.skipif("GATE106_PURE" in os.environ, reason="without compiled code every number passes the filter")
@pytest.mark.parametrize("numbers", [BitMap(range(0, 15_000, 1)), BitMap(range(0, 1 << 20, 70))], ids=["neighbours", "apart"])
def test_most_of_those_who_are_not_there_fall_through(numbers: BitMap) -> None:
    sieve = bloom_filter_of(numbers)
    others = [low for low in range(1 << 20) if low not in numbers]
    held_back = sum(may_hold(sieve, low) for low in others) / len(others)
    assert 0.1 < held_back < 0.25
    assert len(sieve) <= len(numbers)


def test_where_nothing_is_compiled_everybody_is_held_back_where_there_is_anybody() -> None:
    said = """
from pyroaring import BitMap
from proxy.state.lists.bloom import bloom_filter_of, may_hold
assert all(may_hold(bloom_filter_of(BitMap((4711,))), low) for low in range(0, 1 << 20, 4099))
assert bloom_filter_of(BitMap()) == b""
assert not may_hold(b"", 4711)
"""
    subprocess.run([sys.executable, "-c", said], env=os.environ | {"GATE106_PURE": "1"}, check=True)


@needs("gcc")
def test_where_many_are_there_everybody_is_held_back() -> None:
    many, more = BitMap(range(1 << 17)), BitMap(range((1 << 17) + 1))
    if "GATE106_PURE" not in os.environ:
        assert len(bloom_filter_of(many)) == 1 << 16
    assert bloom_filter_of(more) == b"\xff"
