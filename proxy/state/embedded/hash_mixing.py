"""Draws the multiplier that spreads keys over a table's buckets.

In: random bits. Out: that multiplier. Never: a table.

The bucket of a key is the lowest bits of ``key * mix >> 20``. Phone numbers come in sequences, and a sequence steps through the
buckets in strides of one length. How evenly it spreads depends on how near that length is to a simple fraction of the number of
buckets: one draw in 500 put 40 and more of 20,000 sequential numbers into one bucket, where 4 is usual, and some put 600 there.
Such draws are rejected.
"""

from __future__ import annotations

import os

SHIFT = 20
LOAD = 2
"""Average records per bucket at which the table grows."""
LOAD_MAX = 12
"""Sequential numbers in one bucket at most. Five draws in eight satisfy it; a limit of 8 only three in ten."""
STEPS = (1, 10, 100, 1000, 10_000)
"""Distances between the numbers of a sequence."""
SIZES = tuple(1 << bits for bits in range(10, 26))
"""Numbers of buckets: from a new table to one of 64 million records."""


def draw_multiplier() -> int:
    """A random multiplier, so that nobody can choose numbers that all fall into one bucket; odd, and of 29 bits for speed."""
    while True:
        mix = int.from_bytes(os.urandom(4), "big") >> 3 | 1 << 28 | 1
        if spreads_evenly(mix):
            return mix


def spreads_evenly(mix: int) -> bool:
    return all(fullest_bucket(mix, step, buckets) <= LOAD_MAX for buckets in SIZES for step in STEPS)


def fullest_bucket(mix: int, step: int, buckets: int) -> float:
    """The approximate number of records in the fullest bucket if the table is full of numbers that lie ``step`` apart.

    Each convergent p/q of the step's continued fraction groups the sequence into q heaps of ``held / q`` numbers. Neighbours in a heap lie
    ``1 / next`` of the range of buckets apart, where ``next`` is the following q.
    """
    held, of = LOAD * buckets, buckets << SHIFT
    rest = step * mix % of
    before, q, most = 0, 1, 0.0
    while rest and q <= held:
        following = of // rest * q + before
        most = max(most, min(following / buckets, held / q))
        of, rest = rest, of % rest
        before, q = q, following
    return most if rest or q > held else max(most, held / q)
