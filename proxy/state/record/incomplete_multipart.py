"""Stores keys of multipart messages of which only some parts arrived.

In: a record's bytes, the key of a message, the time. Out: the record with that key, or without it; whether it is there. Never:
the clock, how long a key counts (a setting), which parts there are.

    fact = kind 13, length 12, key 8 octets, time u32 in seconds

A handset joins parts by sender and by the low octet of the reference. So the key holds both, whatever carried the reference (a
header of 8 or of 16 bits, ``sar_*``) and however many parts were announced; the recipient is the record's. A later part under the
same key would be shown together with the parts that are there, and the rules never saw the two together.

Two octets of a key identify the provider; they do not tell one message from another. Each provider has its own bound in a record,
so that none uses up another's.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from proxy.state.record.packed_facts import TORN, facts

KEPT_S = 7 * 86_400
"""The longest time that a key may count."""
TORN_MAX = 64
"""Keys of one provider in one record, of 14 octets each: more than a recipient gets by accident. Beyond this number a provider may start no
incomplete message to that recipient."""
HELD_MAX = 4 * TORN_MAX
"""The bound including messages that were sent whole and of which the carrier refused a part; beyond it the oldest key is dropped."""
_FACT = struct.Struct(">QI")
_HEAD, _ENTRY_BYTES = 7, 32
_COUNTRY = ("+86", "0086", "86")
_HOUR_S = 3600
_OWNER_SHIFT = 48
_PLACE = (1 << _OWNER_SHIFT) - 1


@lru_cache(maxsize=4096)
def _of_port(port: str) -> int:
    code = next((code for code in _COUNTRY if port.startswith(code)), "")
    return int.from_bytes(blake2b(port[len(code) :].encode(), digest_size=5).digest(), "big") << 8


@lru_cache(maxsize=1024)
def _of_owner(provider: str) -> int:
    return int.from_bytes(blake2b(provider.encode(), digest_size=2).digest(), "big") << _OWNER_SHIFT


def key_of(provider: str, port: str, reference: int) -> int:
    """The key: two octets for the provider, five of the port's digest (without country code), and the low octet of the reference."""
    return _of_owner(provider) | _of_port(port) | reference & 0xFF


def same(one: int, other: int) -> bool:
    """Whether a handset would join the parts of these two keys, whichever provider sent them: a port may have changed its owner."""
    return (one ^ other) & _PLACE == 0


def of_its_owner(keys: Iterable[int], key: int) -> int:
    """How many of these keys have the same provider as ``key``."""
    return sum((held ^ key) >> _OWNER_SHIFT == 0 for held in keys)


def torn(data: bytes) -> Iterator[tuple[int, int]]:
    """(key, time) of each torn message, oldest first."""
    area = data[_HEAD + data[6] * _ENTRY_BYTES :]
    for kind, start, _ in facts(area):
        if kind == TORN:
            yield _FACT.unpack_from(area, start)


def mark_incomplete(data: bytes, key: int, time: int) -> bytes:
    """The record with the key of a torn message; the very same object if it is there already."""
    end, found = _HEAD + data[6] * _ENTRY_BYTES, list(torn(data))
    if any(same(held, key) and at >= time for held, at in found):
        return data
    kept = [(held, at) for held, at in found if not same(held, key) and at > time - KEPT_S]
    if of_its_owner([held for held, _ in kept], key) >= HELD_MAX:
        kept.remove(min((pair for pair in kept if of_its_owner(pair[:1], key)), key=lambda pair: pair[1]))
    kept = sorted([*kept, (key, time)], key=lambda pair: pair[1])
    return data[:end] + _others(data[end:]) + b"".join([_pack(*one) for one in kept])


def mark_complete(data: bytes, key: int) -> bytes:
    """The record without the key: the message is complete, or no part of it was sent. The very same object if the key is not there."""
    end, found = _HEAD + data[6] * _ENTRY_BYTES, list(torn(data))
    if not any(same(held, key) for held, _ in found):
        return data
    return data[:end] + _others(data[end:]) + b"".join([_pack(*one) for one in found if not same(one[0], key)])


def forget(area: bytes, before: int) -> bytes:
    """The facts area without keys older than ``before``."""
    return b"".join(
        area[start - 2 : end] for kind, start, end in facts(area) if kind != TORN or _FACT.unpack_from(area, start)[1] >= before
    )


def _pack(key: int, time: int) -> bytes:
    return bytes((TORN, _FACT.size)) + _FACT.pack(key, time)


def _others(area: bytes) -> bytes:
    return b"".join(area[start - 2 : end] for kind, start, end in facts(area) if kind != TORN)


class TornKeys:
    """Counts each provider's torn messages by hour."""

    def __init__(self, counted: Iterable[Sequence[int]] = ()) -> None:
        """``counted``: the result of ``rows``."""
        self._by_hour: dict[int, Counter[int]] = {}
        for owner, hour, many in counted:
            self._by_hour.setdefault(owner, Counter())[hour] += many

    def add(self, provider: str, time: float, many: int = 1) -> None:
        hours = self._by_hour.setdefault(_of_owner(provider) >> _OWNER_SHIFT, Counter())
        hour = int(time) // _HOUR_S
        hours[hour] = max(hours[hour] + many, 0)

    def found(self, data: bytes) -> None:
        """Adds the keys of a record."""
        for key, time in torn(data):
            self._by_hour.setdefault(key >> _OWNER_SHIFT, Counter())[time // _HOUR_S] += 1

    def count(self, provider: str, after: float) -> int:
        """The torn messages of a provider since the hour of ``after``."""
        hours = self._by_hour.get(_of_owner(provider) >> _OWNER_SHIFT)
        if hours is None:
            return 0
        for hour in [hour for hour in hours if hour < int(after) // _HOUR_S]:
            del hours[hour]
        return hours.total()

    def rows(self) -> list[tuple[int, int, int]]:
        """(owner, hour since 1970, count)."""
        return [(owner, hour, many) for owner, hours in self._by_hour.items() for hour, many in hours.items() if many]
