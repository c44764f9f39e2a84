"""Finds the carrier that a recipient's number segment belongs to.

In: the segment table of the package ``phone``. Out: a short name (移动), empty where the table lacks the segment. Never: a number that moved to
another carrier (携号转网): the table does not know it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path

import phone

from proxy.policy.registries.regions import SEGMENT_FIRST, SEGMENTS

_TYPES = ("", "移动", "联通", "电信", "电信", "联通", "移动", "广电", "广电")
"""By the type in the table: three carriers, then their virtual operators (电信, 联通, 移动), then 广电."""


def carrier_of(recipient: int) -> str:
    place = recipient // 10_000 - SEGMENT_FIRST
    return _TYPES[segment_types()[place]] if 0 <= place < SEGMENTS else ""


@lru_cache(maxsize=1)
def segment_types() -> bytes:
    """One octet a segment, read once (0.1 s), only where a registry names carriers: see Registry."""
    data = Path(phone.__file__).with_name("phone.dat").read_bytes()
    (start,) = struct.unpack_from("<i", data, 4)
    types = bytearray(SEGMENTS)
    end = start + (len(data) - start) // 9 * 9
    for segment, _, kind in struct.iter_unpack("<iiB", data[start:end]):
        types[segment - SEGMENT_FIRST] = kind if kind < len(_TYPES) else 0
    return bytes(types)
