"""Loads and swaps recipients' records in the shared store.

One call loads or swaps many records.

In: recipients, versions, records. Out: the same; the recipients for whom the store could not be asked. Never: a retry, a
cancelled call, this node's copy (state/stores/valkey.py); a number in a key: it has a keyed hash, and without the secret a reader of
the store learns no number.

With one server a call may name recipients of all parts; in a cluster a call is about one part (servers.py).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from proxy.native.blake2 import KeyedHash
from proxy.state.record.record import REPLY_S
from proxy.state.record.versions import Item, by_person, swap_arguments
from proxy.state.shared.connection import StoreDown, StoreRefused
from proxy.state.shared.lua_library import SWAP
from proxy.state.shared.multipart_exchange import Argument
from proxy.state.shared.servers import Servers

HASH_BYTES = 12
"""Bytes of the keyed hash in a key: among a billion recipients a collision has odds of 1 in 10**11."""


class RecordKeys:
    """Keys of records. The first octets of the hash select the part, whose hash tag comes first (servers.py)."""

    def __init__(self, key: bytes, heads: Sequence[bytes], *, form: int) -> None:
        """``key``: of the hash, 32 octets. ``heads``: the prefix of the keys of each part; it may change until the store is open.
        ``form``: of the store. In form 1 one octet selects the part: with 90 parts, 76 of them have half as many persons again as the others.
        In form 2 two octets do: the parts differ by 0.4 % at most."""
        self._heads, self.form = heads, form
        self._hash = KeyedHash(key, HASH_BYTES)

    def names(self, persons: Iterable[int]) -> list[bytes]:
        """The key of each recipient. Raises OverflowError for a number that is none."""
        heads, parts, digest, even = self._heads, len(self._heads), self._hash.digest, self.form > 1
        try:
            hashes = [digest(person.to_bytes(6, "big")) for person in persons]
        except OverflowError:
            raise OverflowError("a number is no person's") from None
        return [heads[(hashed[0] << 8 | hashed[1] if even else hashed[0]) % parts] + hashed for hashed in hashes]

    def name(self, person: int) -> bytes:
        return self.names((person,))[0]

    def part(self, person: int) -> int:
        return self.part_of(self.name(person))

    def part_of(self, name: bytes) -> int:
        first = name[-HASH_BYTES]
        return (first << 8 | name[1 - HASH_BYTES] if self.form > 1 else first) % len(self._heads)


KEYS_MAX = 256
"""Keys of one call: more would block the server for 0.5 ms."""
_TAKEN = ord("1")


class Records:
    def __init__(self, servers: Servers, keys: RecordKeys, doubted: Callable[[Iterable[int]], None]) -> None:
        """``doubted`` is called with recipients whose swap has an unknown outcome."""
        self._servers, self._keys, self._doubted = servers, keys, doubted
        self.keep_s = REPLY_S
        """Lifetime of a record without facts after its last change."""

    async def load(self, persons: Sequence[int]) -> tuple[dict[int, tuple[int, bytes]], list[int]]:
        """Returns the stored records, and the recipients for whom the store was unreachable."""
        servers, found, cut_off = self._servers, dict[int, tuple[int, bytes]](), list[int]()
        calls: list[tuple[int, Sequence[int], Future[Any]]] = []
        for part, places, names in self._pieces(persons):
            some = persons if len(places) == len(persons) else [persons[place] for place in places]
            if servers.at[part] is None:
                cut_off += some
            else:
                calls.append((part, some, servers.call(part, "MGET", *names)))
        for part, some, answer in calls:
            try:
                rows = await answer
            except (StoreDown, StoreRefused) as error:
                servers.doubt(part, str(error))
                cut_off += some
                continue
            found.update(by_person(some, rows))
        return found, cut_off

    async def swap(self, items: Sequence[Item]) -> list[bool]:
        """Stores each record whose version is still current; returns for each whether it was stored."""
        calls: list[tuple[int, Sequence[int], Future[Any]]] = []
        for part, places, names in self._pieces([person for person, _, _ in items]):
            flags, records = swap_arguments(items if len(places) == len(items) else [items[place] for place in places])
            call = self._servers.call(part, "FCALL", SWAP, len(names), *names, self.keep_s, flags, *records)
            calls.append((part, places, call))
        done = [False] * len(items)
        for part, places, answer in calls:
            try:
                results = await answer
            except (StoreDown, StoreRefused) as error:  # it is judged again on the copy, and merging removes what was stored
                self._servers.doubt(part, str(error))
                self._doubted([items[place][0] for place in places])
                continue
            for place, taken in zip(places, results, strict=True):
                done[place] = taken == _TAKEN
        return done

    def argument_of(self, item: Item) -> Argument:
        """A record as an argument of a swap together with sheets (multipart_exchange.py)."""
        flags, (data,) = swap_arguments((item,))
        return Argument(self._keys.name(item[0]), flags.decode(), data)

    def _pieces(self, persons: Sequence[int]) -> Iterable[tuple[int, Sequence[int], list[bytes]]]:
        """Splits recipients into calls: (part, their places among all, keys)."""
        names = self._keys.names(persons)
        if not self._servers.cluster:
            for at in range(0, len(names), KEYS_MAX):
                some = names[at : at + KEYS_MAX]
                yield 0, range(at, at + len(some)), some
            return
        by_part: dict[int, list[int]] = {}
        for place, name in enumerate(names):
            by_part.setdefault(self._keys.part_of(name), []).append(place)
        for part, places in by_part.items():
            for at in range(0, len(places), KEYS_MAX):
                piece = places[at : at + KEYS_MAX]
                yield part, piece, [names[place] for place in piece]
