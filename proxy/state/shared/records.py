"""Loads and swaps recipients' records in the shared store.

A turn's records are loaded with a GET each, and swapped with a SET each that names what was loaded (IFEQ): a write to each server has all
of its records, whatever their slots.

In: recipients, versions, records. Out: the same; the recipients for whom the store could not be asked. Never: a call repeated that may have
been carried out, a cancelled call, this node's copy (state/stores/valkey.py); a number in a key: it has a keyed hash, and without the
secret a reader of the store learns no number.

A server before Valkey 8.1 does not know IFEQ: it gets a call of a function for each record (lua_library.py), and takes longer.
A key that is on another server, because its slot moves, is asked for there (servers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import cython
import structlog

from proxy.native.blake2 import KeyedHash
from proxy.state.record.record import REPLY_S
from proxy.state.record.versions import EMPTY_BYTES, Item, by_person, has_no_facts, successor, swap_arguments, version_of
from proxy.state.shared.connection import Answers, Connection, Portion, StoreDown, bulk, command, size_line
from proxy.state.shared.lua_library import SWAP, TOMB_MS
from proxy.state.shared.multipart_exchange import Argument
from proxy.state.shared.servers import Servers

log = structlog.get_logger()

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

    @cython.nonecheck(False)
    def located(self, persons: Iterable[int]) -> tuple[list[bytes], list[int]]:
        """The key of each recipient, and the part of each. Raises OverflowError for a number that is none."""
        heads, digest, even = self._heads, self._hash.digest, self.form > 1
        count: cython.Py_ssize_t = len(heads)
        part: cython.Py_ssize_t
        hashed: bytes
        names: list[bytes] = []
        parts: list[int] = []
        for person in persons:
            try:
                hashed = digest(person.to_bytes(6, "big"))
            except OverflowError:
                raise OverflowError("a number is no person's") from None
            part = (hashed[0] << 8 | hashed[1] if even else hashed[0]) % count
            names.append(heads[part] + hashed)
            parts.append(part)
        return names, parts

    def name(self, person: int) -> bytes:
        return self.names((person,))[0]

    def part(self, person: int) -> int:
        return self.part_of(self.name(person))

    def part_of(self, name: bytes) -> int:
        first = name[-HASH_BYTES]
        return (first << 8 | name[1 - HASH_BYTES] if self.form > 1 else first) % len(self._heads)


ROWS_MAX = 10_000
"""Rows that are remembered for their swap, twice at most: more than a gate has recipients in judgment at once."""
SINCE_S, TICKS_PER_S = 1_700_000_000, 100_000
"""A version is a time in 10 µs since 2023 (lua_library.py)."""
IF_EQUAL = b"IFEQ"
_UNKNOWN_OPTION = "ERR syntax error"
_SET = [b"*%d\r\n$3\r\nSET" % words for words in range(8)]
_STORED = (b"OK", b"1")
Row = TypeVar("Row")


class Records:
    def __init__(
        self, servers: Servers, keys: RecordKeys, doubted: Callable[[Iterable[int]], None], now: Callable[[], float]
    ) -> None:
        """``doubted`` is called with recipients whose swap has an unknown outcome. ``now``: seconds since the epoch."""
        self._servers, self._keys, self._doubted, self._now = servers, keys, doubted, now
        self._rows: dict[int, bytes | None] = {}
        """What the store had for a recipient at the last load …"""
        self._rows_before = self._rows
        """… for those who were loaded before the last ROWS_MAX."""
        self.compares = True
        """Whether all servers know IF_EQUAL, as far as this node knows; set again with each new connection."""
        self.keep_s = REPLY_S
        """Lifetime of a record without facts after its last change."""

    async def load(self, persons: Sequence[int]) -> tuple[dict[int, tuple[int, bytes]], list[int]]:
        """Returns the stored records, and the recipients for whom the store was unreachable."""
        names, parts = self._keys.located(persons)
        gets = [b"".join((b"*2\r\n$3\r\nGET", size_line(name), name, b"\r\n")) for name in names]
        rows, failures = await self._answers(gets, parts)
        cut_off = [persons[place] for place in failures]
        if failures:
            self._doubt(parts, failures)
            persons, rows = _without(persons, failures), _without(rows, failures)
        if len(self._rows) > ROWS_MAX:
            self._rows_before, self._rows = self._rows, {}
        self._rows.update(zip(persons, rows, strict=True))
        return by_person(persons, rows), cut_off

    async def swap(self, items: Sequence[Item]) -> list[bool]:
        """Stores each record whose version is still current; returns for each whether it was stored."""
        names, parts = self._keys.located([person for person, _, _ in items])
        calls = self._compare_and_set(items, names) if self.compares else [self._function(item) for item in items]
        answers, failures = await self._answers(calls, parts)
        if failures:
            old = [place for place, why in failures.items() if str(why) == _UNKNOWN_OPTION]
            if old:  # nothing was done
                log.info("store takes a call for each record", why=str(failures[old[0]]))
                self.compares = False
                for place, stored in zip(old, await self.swap([items[place] for place in old]), strict=True):
                    answers[place] = b"OK" if stored else None
                    del failures[place]
            self._doubt(parts, failures)
            self._doubted([items[place][0] for place in failures])  # they are judged again on the copy
        return [answer in _STORED for answer in answers]

    def _compare_and_set(self, items: Sequence[Item], names: Sequence[bytes]) -> list[bytes | None]:
        """Commands that store each record if the store still has the row of its version; None where another row was loaded meanwhile."""
        now = max(1, int((self._now() - SINCE_S) * TICKS_PER_S))
        equal, new = bulk(IF_EQUAL), bulk(b"NX")
        tomb, life = bulk(b"PX") + bulk(b"%d" % TOMB_MS), bulk(b"EX") + bulk(b"%d" % self.keep_s)
        calls: list[bytes | None] = []
        name: bytes
        data: bytes
        record: bytes
        ends: bytes
        condition: bytes
        row: bytes | None
        for name, (person, version, data) in zip(names, items, strict=True):
            row = (self._rows if person in self._rows else self._rows_before).pop(person, None)
            if version_of(row) != version:
                calls.append(None)
                continue
            record = successor(data, row, now)
            ends = tomb if len(data) == EMPTY_BYTES else life if has_no_facts(data) else b""
            condition = new if row is None else b"".join((equal, size_line(row), row))
            head = _SET[4 + (2 if ends else 0) + (row is not None)]
            calls.append(b"".join((head, size_line(name), name, size_line(record), record, ends, condition, b"\r\n")))
        return calls

    def _function(self, item: Item) -> bytes:
        """Likewise, for a server that does not know IF_EQUAL."""
        name, flag, data = self.argument_of(item)
        return command(("FCALL", SWAP, 1, name, self.keep_s, flag, data))

    def argument_of(self, item: Item) -> Argument:
        """A record as an argument of a swap together with sheets (multipart_exchange.py)."""
        flags, (data,) = swap_arguments((item,))
        return Argument(self._keys.name(item[0]), flags.decode(), data)

    async def _answers(self, calls: Sequence[bytes | None], parts: Sequence[int]) -> tuple[list[Any], dict[int, Exception]]:
        """The answer to each call (None to one that is None), from the server of its part, or from another that has its key; and failures
        by the places of their calls."""
        asked: dict[Connection | None, tuple[list[int], list[bytes]]] = {}
        at = self._servers.at
        place: cython.Py_ssize_t
        for place, call in enumerate(calls):
            if call is not None:
                server = at[parts[place]]
                group = asked.get(server)
                if group is None:
                    group = asked[server] = ([], [])
                group[0].append(place)
                group[1].append(call)
        answers = Answers(len(calls), len(asked))
        for server, (places, some) in asked.items():
            portion = Portion(answers, places)
            if server is not None:
                server.pipeline(some, portion)
            else:
                portion.set_exception(StoreDown(0, self._servers.why))
        if asked:
            await answers.complete
        if answers.failures:
            await self._follow(calls, answers.rows, answers.failures)
        return answers.rows, answers.failures

    async def _follow(self, calls: Sequence[bytes | None], rows: list[Any], failures: dict[int, Exception]) -> None:
        """Asks the servers that redirections name; what then has an answer goes from ``failures`` to ``rows``."""
        some = [call for place in failures if (call := calls[place]) is not None]
        again = await self._servers.follow(some, list(failures.values()))
        for place, row in zip(tuple(failures), again, strict=True):
            if isinstance(row, Exception):
                failures[place] = row
            else:
                rows[place] = row
                del failures[place]

    def _doubt(self, parts: Sequence[int], failures: Mapping[int, Exception]) -> None:
        """Calls failed: their parts are asked again once the server of each is known anew."""
        for place, why in failures.items():
            self._servers.doubt(parts[place], str(why))


def _without(rows: Sequence[Row], places: Container[int]) -> list[Row]:
    return [row for place, row in enumerate(rows) if place not in places]
