"""Filters out numbers that are certainly in no bitmap.

It is a Bloom filter with one hash function: one bit stands for a number, and several numbers share a bit.

In: numbers, as bitmaps by their upper bits (their place). Out: whether a number may be in them. Never: False for a number that is
there.

A bitmap of 100 million numbers fits into no cache, and one look-up takes half a dozen steps that each wait for memory. Here 4 to
8 bits stand for each number: 1/8 to 1/5 of the absent numbers pass the filter and are looked up in the bitmap. Where more than
1/8 of all numbers are present, the filter passes everything, so that one change costs at most half a millisecond.
"""

from __future__ import annotations

from pyroaring import BitMap

from proxy.native.loader import compiled

CHUNK_BITS = 20
LOW_MASK = (1 << CHUNK_BITS) - 1
SPREAD = 0x9E377
"""Odd, so that different numbers stay different; sequential numbers, of which a list has many, are spread far apart."""


@compiled("bloom_filter_of")
def bloom_filter_of(numbers: BitMap) -> bytes:
    """The filter of one place. Without the compiled version it passes every number: built in Python it would cost more than it saves."""
    return b"\xff" if numbers else b""


def may_hold(sieve: bytes, low: int) -> bool:
    place = (low * SPREAD & LOW_MASK) * len(sieve) >> CHUNK_BITS - 3
    return sieve != b"" and bool(sieve[place >> 3] >> (place & 7) & 1)


class BloomFilters:
    __slots__ = ("by_place",)  # at a fixed place, which compiled code reads (native/accelerated.pyx)

    def __init__(self) -> None:
        self.by_place: list[bytes] = []

    def put(self, place: int, numbers: BitMap) -> None:
        """Sets the numbers of a place."""
        if place >= len(self.by_place):
            self.by_place += [b""] * (place + 1 - len(self.by_place))
        self.by_place[place] = bloom_filter_of(numbers)

    @compiled("bloom_filters_may_hold")
    def may_hold(self, number: int) -> bool:
        """Whether the number may be present; False is certain."""
        place = number >> CHUNK_BITS
        return place < len(self.by_place) and may_hold(self.by_place[place], number & LOW_MASK)
