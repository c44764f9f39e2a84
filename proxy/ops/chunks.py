"""Chunks: lines of many numbers between a command and the gate: of one key (what the numbers are in for) and one chunk each.

In: a line somebody sent, bitmaps. Out: bitmaps, lines; Refused where a line is none. Never: what the numbers mean.

``{"key": 0, "chunk": 12875, "numbers": "…"}``: base64 of the lower 20 bits of each, four bytes little-endian.
"""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from pyroaring import BitMap

from proxy.number import FIRST, LAST
from proxy.ops.control import Refused
from proxy.state.listed import CHUNK_BITS, LOW_MASK

LINE_NUMBERS_MAX = 45_000
_CHUNKS = range(FIRST >> CHUNK_BITS, (LAST >> CHUNK_BITS) + 1)


def numbers_of(said: Mapping[str, Any], keys: int) -> tuple[int, int, BitMap]:
    """(key, chunk, lower bits) of one line; Refused where it is no such thing, whoever sent it."""
    key, chunk, packed = said.get("key"), said.get("chunk"), said.get("numbers")
    if not (
        isinstance(key, int) and 0 <= key < keys and isinstance(chunk, int) and chunk in _CHUNKS and isinstance(packed, str)
    ):
        raise Refused("a line of numbers says no key, no chunk or no numbers: nothing was imported")
    try:
        octets = base64.b64decode(packed, validate=True)
        lows = array("I", octets)
    except (binascii.Error, ValueError):
        raise Refused("a line of numbers cannot be read: nothing was imported") from None
    if sys.byteorder == "big":
        lows.byteswap()
    if not 0 < len(lows) <= LINE_NUMBERS_MAX or max(lows) > LOW_MASK:
        raise Refused("a line of numbers holds too many, or one outside its chunk: nothing was imported")
    return key, chunk, BitMap(lows)


def lines_of(key: int, chunk: int, lows: BitMap) -> Iterable[dict[str, Any]]:
    """The lines that tell these numbers: for the client."""
    numbers = lows.to_array()
    if sys.byteorder == "big":
        numbers.byteswap()
    for start in range(0, len(numbers), LINE_NUMBERS_MAX):
        octets = numbers[start : start + LINE_NUMBERS_MAX].tobytes()
        yield {"key": key, "chunk": chunk, "numbers": base64.b64encode(octets).decode()}
