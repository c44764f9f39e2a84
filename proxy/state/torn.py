"""Torn: keys of long messages of which a person has some parts and not all.

In: a record's bytes, the key of a message, the time. Out: the record with that key, or without it; whether it is there. Never: the clock, how
long a key counts (a setting), which parts there are.

    fact = kind 13, length 12, key 8 octets, time u32 in seconds

A handset joins parts by who sends, and by the low octet of the reference. So the key is both, whatever carried the reference (a header of 8 or
of 16 bits, ``sar_*``) and however many parts were announced; the recipient is the record's. A later part under a key would be shown with
the parts that are there, and the rules never saw the two together.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from proxy.state.facts import TORN, facts

KEPT_S = 7 * 86_400
"""The longest that a key may count."""
TORN_MAX = 64
"""Keys in one record, of 14 octets each: more than a person has of messages that came in part, unless somebody makes them."""
_FACT = struct.Struct(">QI")
_HEAD, _ENTRY_BYTES = 7, 32
_COUNTRY = ("+86", "0086", "86")
_HOUR_S = 3600


@lru_cache(maxsize=4096)
def _of_port(port: str) -> int:
    code = next((code for code in _COUNTRY if port.startswith(code)), "")
    return int.from_bytes(blake2b(port[len(code) :].encode(), digest_size=7).digest(), "big") << 8


def key_of(port: str, reference: int) -> int:
    """Seven octets of the port's digest, however it is spelt, and the low one of the reference."""
    return _of_port(port) | reference & 0xFF


def is_torn(data: bytes, key: int, after: int) -> bool:
    """Whether a message with this key was torn later than that."""
    return any(held == key and time > after for held, time in torn(data))


def torn(data: bytes) -> Iterator[tuple[int, int]]:
    """(key, time) of each, oldest first."""
    area = data[_HEAD + data[6] * _ENTRY_BYTES :]
    for kind, start, _ in facts(area):
        if kind == TORN:
            yield _FACT.unpack_from(area, start)


def tear(data: bytes, key: int, time: int) -> bytes:
    """The record with the key of a message that is torn; the very same object if it is there."""
    end, found = _HEAD + data[6] * _ENTRY_BYTES, list(torn(data))
    if any(held == key and at >= time for held, at in found):
        return data
    kept = [(held, at) for held, at in found if held != key and at > time - KEPT_S]
    kept = sorted([*kept, (key, time)], key=lambda pair: pair[1])[-TORN_MAX:]
    return data[:end] + _others(data[end:]) + b"".join([_pack(*one) for one in kept])


def mend(data: bytes, key: int) -> bytes:
    """The record without it: the message is whole, or nothing of it is out. The very same object if it is not there."""
    end, found = _HEAD + data[6] * _ENTRY_BYTES, list(torn(data))
    if not any(held == key for held, _ in found):
        return data
    return data[:end] + _others(data[end:]) + b"".join([_pack(*one) for one in found if one[0] != key])


def forget(area: bytes, before: int) -> bytes:
    """The facts without keys from before then."""
    return b"".join(
        area[start - 2 : end] for kind, start, end in facts(area) if kind != TORN or _FACT.unpack_from(area, start)[1] >= before
    )


def _pack(key: int, time: int) -> bytes:
    return bytes((TORN, _FACT.size)) + _FACT.pack(key, time)


def _others(area: bytes) -> bytes:
    return b"".join(area[start - 2 : end] for kind, start, end in facts(area) if kind != TORN)


class TornKeys:
    """How many keys each provider's messages have, by the hour in which they were torn: since this gate was started."""

    def __init__(self) -> None:
        self._by_hour: dict[str, Counter[int]] = {}

    def add(self, provider: str, time: float, many: int = 1) -> None:
        hours = self._by_hour.setdefault(provider, Counter())
        hour = int(time) // _HOUR_S
        hours[hour] = max(hours[hour] + many, 0)

    def count(self, provider: str, after: float) -> int:
        """Of those that were torn in the hour of ``after``, or later."""
        hours = self._by_hour.get(provider)
        if hours is None:
            return 0
        for hour in [hour for hour in hours if hour < int(after) // _HOUR_S]:
            del hours[hour]
        return hours.total()

    @property
    def providers(self) -> list[str]:
        return list(self._by_hour)
