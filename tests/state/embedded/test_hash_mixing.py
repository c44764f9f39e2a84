"""Sequential numbers spread evenly over buckets with every drawn multiplier."""

from __future__ import annotations

from collections import Counter

import pytest

from proxy.state.embedded.record_table import (
    LOAD,
    LOAD_MAX,
    SHIFT,
    SIZES,
    STEPS,
    Table,
    draw_multiplier,
    fullest_bucket,
    spreads_evenly,
)

FIRST = 13_800_000_000
BAD = ((0x12F684CB, 1, 607), (0x15789151, 10, 517), (0x104F5543, 1000, 214), (0x167B6DB7, 4096, 256))
"""A number that does not spread a row of this step over 8192 buckets, and how many are in the fullest."""


def counted(mix: int, step: int, buckets: int) -> int:
    """How many a row puts into one bucket."""
    row = range(FIRST, FIRST + LOAD * buckets * step, step)
    return max(Counter((number * mix >> SHIFT) % buckets for number in row).values())


@pytest.mark.parametrize(("mix", "step", "most"), BAD)
def test_a_number_that_heaps_rows_up_is_known_by_it(mix: int, step: int, most: int) -> None:
    assert counted(mix, step, 8192) == most
    assert fullest_bucket(mix, step, 8192) == pytest.approx(most, abs=2)
    table = Table(mix)
    for number in range(16_384):
        table.put(FIRST + number * step, b"x")
    assert max(len(list(table.bucket(index))) for index in range(table.buckets)) == most, "as in a table"


def test_what_is_told_of_a_number_is_what_a_row_does() -> None:
    for seed in range(1, 60):
        mix = seed * 0x9E3779B1 % (1 << 28) | 1 << 28 | 1
        step, buckets = STEPS[seed % len(STEPS)], SIZES[seed % 4]
        assert fullest_bucket(mix, step, buckets) == pytest.approx(counted(mix, step, buckets), abs=3), hex(mix)


def test_what_is_drawn_spreads() -> None:
    for _ in range(5):
        mix = draw_multiplier()
        assert spreads_evenly(mix)
        assert mix.bit_length() == 29
        assert mix & 1
        assert counted(mix, 1, 1024) <= LOAD_MAX + 3
    assert draw_multiplier() != draw_multiplier()
    assert not any(spreads_evenly(mix) for mix, step, _ in BAD if step in STEPS)
