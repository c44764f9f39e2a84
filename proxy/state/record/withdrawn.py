"""Stores withdrawn consents as facts of a record.

In: a record's bytes, the scope of the withdrawal. Out: the record's bytes. Never: consents (state/lists/consent_lists.py), the
content of a message, the clock.

    withdrawn   time 4 bytes, advertiser and category in UTF-8 with a NUL between them (empty = any)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from proxy.state.record.packed_facts import WITHDRAWN, facts

WITHDRAWN_MAX = 32
"""A recipient with more withdrawals is treated as having withdrawn all consents."""
WORD_BYTES_MAX = 240
_TIME = struct.Struct(">I")
_HEAD, _ENTRY_BYTES = 7, 32


class Withdrawal(NamedTuple):
    advertiser: str
    category: str
    time: int


def withdrawals(area: bytes) -> list[Withdrawal]:
    """All withdrawals, oldest first."""
    return sorted((one for _, _, one in _found(area)), key=lambda one: one.time)


def _found(area: bytes) -> Iterator[tuple[int, int, Withdrawal]]:
    for kind, start, end in facts(area):
        if kind == WITHDRAWN:
            advertiser, category = area[start + _TIME.size : end].decode("utf-8", "replace").split("\0")
            yield start - 2, end, Withdrawal(advertiser, category, _TIME.unpack_from(area, start)[0])


def withdraw(data: bytes, one: Withdrawal) -> bytes:
    """The record with this withdrawal; of two with the same scope the newer stays. Raises ValueError if the texts are too long."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    held = list(_found(area))
    if len(held) >= WITHDRAWN_MAX and not any(old[:2] == one[:2] for _, _, old in held):
        one = Withdrawal("", "", one.time)
    for start, stop, old in reversed(held):
        if old[:2] == one[:2] or one[:2] == ("", ""):
            if old.time > one.time:
                continue
            area = area[:start] + area[stop:]
    if any(old[:2] == one[:2] for _, _, old in _found(area)):
        return data  # a newer one is there
    body = _TIME.pack(one.time) + f"{one.advertiser}\0{one.category}".encode()
    if len(body) > WORD_BYTES_MAX:
        raise ValueError(f"advertiser and category have {len(body)} bytes, at most {WORD_BYTES_MAX} are kept")
    return data[:end] + area + bytes((WITHDRAWN, len(body))) + body
