"""Outline: what a plan asks, as octets in one place: a judge of many sees it there, without a look at objects that lie far from each other.

In: caps; how many a plan has of what else it asks. Out: octets, read by the compiled judge alone. Never: deciding; anything that the plan
does not say, whose caps are what counts where an outline's are not ``SIMPLE``.

    u16 the least entries that a cap needs   u8 caps   u8 persons   u8 bare persons   u8 sparing   u8 counters   u8 –   u32 longest window, s
    of each cap: u16 most   u8 SIMPLE, TEXTUAL, MARKED   u8 a bit for each category   u32 after   u32 rolling, s   6 octets: mark   2 –
"""

from __future__ import annotations

import struct
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.policy.plan import Cap

SIMPLE = 1
"""The outline says all of it: entries of some categories, within a time, with the mark and the template where it asks for them."""
TEXTUAL = 2
"""Entries have the message's template."""
MARKED = 4
"""Entries have the mark."""
_HEAD = struct.Struct(">HBBBBBxI")
_CAP = struct.Struct(">HBBII6sxx")
_U8, _U16, _U32 = 0xFF, 0xFFFF, 0xFFFF_FFFF


def outline(caps: Sequence[Cap], persons: Sized, bare_persons: Sized, sparing: Sized, counters: Sized) -> bytes:
    """Of what has more than 255 it says 255: nobody looks at the caps of such a plan here."""
    many = [min(len(some), _U8) for some in (caps, persons, bare_persons, sparing, counters)]
    fewest = min((cap.most for cap in caps), default=0)
    oldest_s = caps[-1].limit.window.seconds if caps else 0
    return b"".join((_HEAD.pack(min(fewest, _U16), *many, min(oldest_s, _U32)), *map(_cap, caps)))


def _cap(cap: Cap) -> bytes:
    pick = cap.pick
    simple = (
        cap.ask is None
        and "port" not in cap.limit.keys
        and pick.subcategories is None
        and pick.providers is None
        and (pick.signatures is None or len(cap.marks) == 1)
        and (0 < cap.after <= _U32 or (not cap.after and 0 < cap.rolling_s <= _U32))
    )
    if not simple:
        return _CAP.pack(min(cap.most, _U16), 0, 0, 0, 0, b"")
    sorts = SIMPLE | (TEXTUAL if cap.textual else 0) | (MARKED if cap.marks else 0)
    return _CAP.pack(min(cap.most, _U16), sorts, cap.categories, cap.after, cap.rolling_s, cap.marks[0] if cap.marks else b"")
