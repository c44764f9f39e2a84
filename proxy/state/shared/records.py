"""Loads and swaps recipients' records in the shared store.

One call loads or swaps many records.

In: recipients, versions, records. Out: the same; the recipients for whom the store could not be asked. Never: a call repeated that may have
been carried out, a cancelled call, this node's copy (state/stores/valkey.py); a number in a key: it has a keyed hash, and without the
secret a reader of the store learns no number.

With one server a call names the keys of all recipients. A server of a cluster gets one call for all of its parts, too: a GET for each
recipient in one write, and a function that may use keys of several slots; where the server does not allow that, a call for each part.
A key that is on another server, because its slot moves, is asked for there (servers.py).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, TypeVar

from proxy.native.blake2 import KeyedHash
from proxy.state.record.record import REPLY_S
from proxy.state.record.versions import Item, by_person, swap_arguments
from proxy.state.shared.connection import Connection, PipelineResult, Redirected, SplitKeys, StoreDown, StoreRefused
from proxy.state.shared.lua_library import ACROSS, SWAP
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
        return self.located(persons)[0]

    def located(self, persons: Iterable[int]) -> tuple[list[bytes], list[int]]:
        """The key of each recipient, and the part of each. Raises OverflowError for a number that is none."""
        heads, parts, digest, even = self._heads, len(self._heads), self._hash.digest, self.form > 1
        try:
            hashes = [digest(person.to_bytes(6, "big")) for person in persons]
        except OverflowError:
            raise OverflowError("a number is no person's") from None
        places = [(hashed[0] << 8 | hashed[1] if even else hashed[0]) % parts for hashed in hashes]
        return [heads[part] + hashed for part, hashed in zip(places, hashes, strict=True)], places

    def name(self, person: int) -> bytes:
        return self.names((person,))[0]

    def part(self, person: int) -> int:
        return self.part_of(self.name(person))

    def part_of(self, name: bytes) -> int:
        first = name[-HASH_BYTES]
        return (first << 8 | name[1 - HASH_BYTES] if self.form > 1 else first) % len(self._heads)


KEYS_MAX = 256
"""Keys of one call: more would block the server for 0.5 ms."""
_TAKEN, _ELSEWHERE = b"1m"
Row = TypeVar("Row")


class Records:
    def __init__(self, servers: Servers, keys: RecordKeys, doubted: Callable[[Iterable[int]], None]) -> None:
        """``doubted`` is called with recipients whose swap has an unknown outcome."""
        self._servers, self._keys, self._doubted = servers, keys, doubted
        self.keep_s = REPLY_S
        """Lifetime of a record without facts after its last change."""

    async def load(self, persons: Sequence[int]) -> tuple[dict[int, tuple[int, bytes]], list[int]]:
        """Returns the stored records, and the recipients for whom the store was unreachable."""
        found, cut_off = dict[int, tuple[int, bytes]](), list[int]()
        calls: list[tuple[Sequence[int], list[bytes], Future[Any]]] = []
        for server, places, names in self._pieces(persons, by_server=True):
            some = persons if len(places) == len(persons) else [persons[place] for place in places]
            if server is None:
                cut_off += some
            else:
                calls.append((some, names, server.get_each(names) if self._servers.cluster else server.call("MGET", *names)))
        for some, names, answer in calls:
            try:
                rows = await answer
            except (StoreDown, StoreRefused) as error:
                self._doubt(names, str(error))
                cut_off += some
                continue
            if isinstance(rows, PipelineResult):
                rows, failures = rows
                if failures:
                    failures = await self._load_elsewhere(names, rows, failures)
                for place, failure in failures.items():
                    self._doubt(names[place : place + 1], str(failure))
                if failures:
                    cut_off += [some[place] for place in failures]
                    rows, some = _without(rows, failures), _without(some, failures)
            found.update(by_person(some, rows))
        return found, cut_off

    async def _load_elsewhere(
        self, names: list[bytes], rows: list[Any], failures: dict[int, Exception]
    ) -> dict[int, Exception]:
        """Fills in the rows of keys that another server has; returns the failures that are left."""
        left, gets = dict[int, Exception](), [("GET", names[place]) for place in failures]
        for place, answer in zip(failures, await self._servers.follow(gets, list(failures.values())), strict=True):
            if isinstance(answer, Exception):
                left[place] = answer
            else:
                rows[place] = answer
        return left

    async def swap(self, items: Sequence[Item]) -> list[bool]:
        """Stores each record whose version is still current; returns for each whether it was stored."""
        calls: list[tuple[Connection, Sequence[int], list[bytes], Future[Any]]] = []
        unknown: list[int] = []
        elsewhere = dict[Connection, list[int]]()  # not done, by the server that was asked
        for server, places, names in self._pieces([person for person, _, _ in items]):
            if server is None:
                unknown += places
                continue
            flags, records = swap_arguments(items if len(places) == len(items) else [items[place] for place in places])
            if server.crosses_slots:
                call = server.call("FCALL", ACROSS[SWAP], 0, self.keep_s, flags, *names, *records)
            else:
                call = server.call("FCALL", SWAP, len(names), *names, self.keep_s, flags, *records)
            calls.append((server, places, names, call))
        done = [False] * len(items)
        for server, places, names, answer in calls:
            try:
                results = await answer
            except (Redirected, SplitKeys):
                elsewhere.setdefault(server, []).extend(places)
                continue
            except (StoreDown, StoreRefused) as error:  # it is judged again on the copy, and merging removes what was stored
                self._doubt(names, str(error))
                unknown += places
                continue
            for place, result in zip(places, results, strict=True):
                done[place] = result == _TAKEN
                if result == _ELSEWHERE:
                    elsewhere.setdefault(server, []).append(place)
        for server, places in elsewhere.items():
            unknown += await self._swap_each(server, places, items, done)
        if unknown:
            self._doubted([items[place][0] for place in unknown])
        return done

    async def _swap_each(self, server: Connection, places: list[int], items: Sequence[Item], done: list[bool]) -> list[int]:
        """Swaps each alone: then the server names the one that has the key. Returns the places with an unknown outcome."""
        arguments, unknown = [self.argument_of(items[place]) for place in places], []
        calls = [("FCALL", SWAP, 1, name, self.keep_s, flag, data) for name, flag, data in arguments]
        for place, argument, answer in zip(places, arguments, await self._servers.each(server, calls), strict=True):
            if isinstance(answer, Exception):
                self._doubt((argument.name,), str(answer))
                unknown.append(place)
            else:
                done[place] = answer[0] == _TAKEN
        return unknown

    def argument_of(self, item: Item) -> Argument:
        """A record as an argument of a swap together with sheets (multipart_exchange.py)."""
        flags, (data,) = swap_arguments((item,))
        return Argument(self._keys.name(item[0]), flags.decode(), data)

    def _doubt(self, names: Iterable[bytes], why: str) -> None:
        """A call about these keys failed: their parts are asked again once the server of each is known anew."""
        for part in {self._keys.part_of(name) for name in names} if self._servers.cluster else (0,):
            self._servers.doubt(part, why)

    def _pieces(
        self, persons: Sequence[int], *, by_server: bool = False
    ) -> Iterable[tuple[Connection | None, Sequence[int], list[bytes]]]:
        """Splits recipients into calls: (server, None if it is out of reach; their places among all; keys). ``by_server``: also where a
        function may only use keys of one part."""
        names, parts = self._keys.located(persons)
        for server, places in self._servers.calls(parts, KEYS_MAX, by_server=by_server):
            yield server, places, names if len(places) == len(names) else [names[place] for place in places]


def _without(rows: Sequence[Row], places: Container[int]) -> list[Row]:
    return [row for place, row in enumerate(rows) if place not in places]
