"""Filters out numbers that are certainly in no bitmap.

It is a Bloom filter with one hash function: one bit stands for a number, and several numbers share a bit.

In: numbers, as bitmaps by their upper bits (their place). Out: whether a number may be in them. Never: False for a number that is
there.

A bitmap of 100 million numbers fits into no cache, and one look-up takes half a dozen steps that each wait for memory. Here 4 to
8 bits stand for each number: 1/8 to 1/5 of the absent numbers pass the filter and are looked up in the bitmap. Where more than
1/8 of all numbers are present, the filter passes everything, so that one change costs at most half a millisecond.
"""

from __future__ import annotations

import cython
from pyroaring import BitMap

CHUNK_BITS = 20
LOW_MASK = (1 << CHUNK_BITS) - 1
SPREAD = 0x9E377
"""Odd, so that different numbers stay different; sequential numbers, of which a list has many, are spread far apart."""
BYTES_MIN = 8
NUMBERS_MAX = 1 << 17
"""Above this the bitmap, which is dense then, is asked."""

_LOW_MASK = cython.declare(cython.ulonglong, LOW_MASK)
_SPREAD = cython.declare(cython.ulonglong, SPREAD)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _bit(low: cython.ulonglong, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """The index of a number's bit in a filter of ``size`` bytes."""
    return (low * _SPREAD & _LOW_MASK) * size >> 17


def bloom_filter_of(numbers: BitMap) -> bytes:
    """The filter of one place. Where this is not compiled it passes every number: building a filter would cost more than it saves."""
    count: cython.Py_ssize_t = len(numbers)
    if not count or count > NUMBERS_MAX or not cython.compiled:
        return b"\xff" if count else b""
    size: cython.Py_ssize_t = BYTES_MIN
    while size * 2 < count:
        size <<= 1
    bits: bytearray = bytearray(size)
    lows: cython.uint[:] = numbers.to_array()  # type: ignore[valid-type, type-arg, assignment] # a memory view
    for place in range(count):
        bit: cython.Py_ssize_t = _bit(lows[place], size)  # type: ignore[index] # likewise
        bits[bit >> 3] |= 1 << (bit & 7)
    return bytes(bits)


@cython.ccall
def may_hold(sieve: bytes, low: cython.ulonglong) -> bool:
    if not sieve:
        return False
    bits: cython.p_uchar = sieve
    bit: cython.Py_ssize_t = _bit(low, len(sieve))
    return bits[bit >> 3] >> (bit & 7) & 1 != 0


@cython.final
@cython.cclass
class BloomFilters:
    by_place: list[bytes]

    def __init__(self) -> None:
        self.by_place = []

    def put(self, place: int, numbers: BitMap) -> None:
        """Sets the numbers of a place."""
        if place >= len(self.by_place):
            self.by_place += [b""] * (place + 1 - len(self.by_place))
        self.by_place[place] = bloom_filter_of(numbers)

    @cython.ccall
    def may_hold(self, number: cython.ulonglong) -> bool:
        """Whether the number may be present; False is certain."""
        place: cython.Py_ssize_t = number >> 20
        return place < len(self.by_place) and may_hold(self.by_place[place], number & _LOW_MASK)
