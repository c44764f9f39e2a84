"""Connects to the Valkey servers and maps each part to one.

Records lie in *parts*, each with a hash tag (``{17}``) of its own, so that a call with many keys can be about one slot of a cluster.
A single server has all parts, and one call takes keys of any; in a cluster each part is where its slot is. Where a connection is
lost the map is read again, and until then its parts are out of reach.

**While a slot moves** its old server answers ASK for a key that has gone, and MOVED when all have. The call, of which nothing was done,
is then sent to the server that the answer names (``follow``). After MOVED the part is that server's; what the part may have lost is written
back and its mark checked, because a replica that was promoted answers like the end of a move.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from binascii import crc_hqx
from bisect import bisect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from proxy.state import StateError
from proxy.state.shared.connection import (
    Connection,
    Redirected,
    ServerAddress,
    ServerLogin,
    SplitKeys,
    StoreDown,
    StoreRefused,
    Word,
    Words,
    command,
    connect,
    set_failure,
)

log = structlog.get_logger()

SLOTS = 16_384
AGAIN_S = (0.05, 1.0)
"""Pause between two attempts to connect: the first, and the longest."""
DEFAULT_PORT = 6379
FOLLOWED = 2
"""Redirections of one call, one after the other."""


@cache
def tags_of(parts: int) -> tuple[bytes, ...]:
    """The hash tag of each part: the first number that falls into its share of the slots, so that parts spread evenly over a cluster."""
    ends, found = [(part + 1) * SLOTS // parts for part in range(parts)], dict[int, bytes]()
    for number in count():
        tag = b"%d" % number
        found.setdefault(bisect(ends, slot_of(tag)), tag)
        if len(found) == parts:
            break
    return tuple(found[part] for part in range(parts))


def slot_of(tag: bytes) -> int:
    """Redis Cluster Specification, *Keys distribution model*: CRC16 (XMODEM) of the tag."""
    return crc_hqx(tag, 0) % SLOTS


class Servers:
    """The servers of the store. ``reached`` is awaited with the parts of a server before they are used; if it raises, they stay unreachable."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        login: ServerLogin,
        *,
        cluster: bool,
        parts: int,
        deadline_s: float,
        reached: Callable[[Connection, list[int]], Awaitable[None]],
        lost: Callable[[list[int]], None],
        moved: Callable[[list[int]], None] | None = None,
    ) -> None:
        """``moved`` is called with parts that have another server now and were never out of reach; default ``lost``."""
        self._seeds, self._login, self.cluster = list(addresses), login, cluster
        self._deadline_s = deadline_s
        self._reached, self._lost, self._moved = reached, lost, moved or lost
        self._made: dict[ServerAddress, Connection] = {}
        self._named: dict[ServerAddress, None] = {}
        """Servers that redirections have named since the map was last read: they know the newest map."""
        self._unchecked: set[int] = set()
        """Parts whose new server was not checked yet."""
        self.at: list[Connection | None] = []
        """The connection of each part; None while it is unreachable."""
        self.divide(parts)
        self._mapping_task: asyncio.Task[None] | None = None
        self._why = ""
        self.closed = False

    def divide(self, parts: int) -> None:
        """Sets the number of parts; only before ``open``."""
        self.tags = tags_of(parts)
        self.at = [None] * parts
        self._part_of_slot = {slot_of(tag): part for part, tag in enumerate(self.tags)}

    @property
    def up(self) -> bool:
        return None not in self.at

    @property
    def why(self) -> str:
        """Why some part is unreachable; empty if none is."""
        return "" if self.up else self._why

    async def open(self) -> None:
        """Connects to all parts once. Raises StoreDown, StoreRefused, or the exception of ``reached``."""
        try:
            try:
                await self._map_parts()
            except Redirected:  # to a server that is connected now
                await self._map_parts()
        except BaseException:
            self._start_mapping()
            raise

    def calls(self, parts: Sequence[int], most: int) -> Iterator[tuple[Connection | None, Sequence[int]]]:
        """Splits keys, by the part of each, into calls of at most ``most``: (server, None if it is out of reach; their places among all)."""
        at, groups = self.at, dict[Connection | int | None, list[int]]()
        if self.cluster:
            for place, part in enumerate(parts):
                server = at[part]
                together = server is None or server.crosses_slots
                groups.setdefault(server if together else part, []).append(place)
        for places in groups.values() if self.cluster else (range(len(parts)),):
            for begin in range(0, len(places), most):
                yield at[parts[places[begin]]], places[begin : begin + most]

    def call(self, part: int, *words: Word) -> asyncio.Future[Any]:
        connection = self.at[part]
        if connection is None:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            set_failure(answer, StoreDown(0, self._why or "out of reach"))
            return answer
        if not self.cluster:
            return connection.call(*words)
        following = asyncio.ensure_future(self._call_one(connection, words))
        following.add_done_callback(lambda done: done.cancelled() or done.exception())  # its caller may have stopped
        return following

    async def _call_one(self, server: Connection, words: Words) -> Any:
        (answer,) = await self.each(server, [words])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def each(self, server: Connection, calls: Sequence[Words]) -> list[Any]:
        """The answer, or exception, of each call; where its key is on another server, that server's."""
        packed = [command(words) for words in calls]
        return await self.follow(packed, await gather_results([server.send(one) for one in packed]))

    async def follow(self, calls: Sequence[bytes], answers: Sequence[Any]) -> list[Any]:
        """``answers``, with those of the named servers in place of redirections. It waits for no new connection, and follows twice: a slot may
        move on, or back, before this gate has heard of its first move."""
        found = list(answers)
        for _ in range(FOLLOWED):
            again = list[tuple[int, asyncio.Future[Any]]]()
            for place, answer in enumerate(found):
                if isinstance(answer, Redirected) and (server := self._named_server(answer)) is not None:
                    if answer.asking:
                        server.call("ASKING")  # for the next call alone
                    again.append((place, server.send(calls[place])))
            if not again:
                break
            for (place, _), answer in zip(again, await gather_results([call for _, call in again]), strict=True):
                found[place] = answer
        return found

    def _named_server(self, where: Redirected) -> Connection | None:
        """The server that a redirection names; None if it cannot be asked yet."""
        server, part = self._made.get(where.address), self._part_of_slot.get(where.slot)
        if server is None or not server.prepared:
            self._named[where.address] = None
            return None
        if not where.asking and part is not None and self.at[part] not in (None, server):
            self._named[where.address] = None
            self.at[part] = server
            self._unchecked.add(part)
            self._moved([part])
            self._start_mapping()
        return server

    def read_answers(self, wait_ms: int) -> bool:
        """Waits until a server answers, and reads that, before the loop does. False: no call is pending that could be read so, or none was
        answered in that time."""
        asked = {server.fileno: server for server in self._made.values() if server.awaits and server.fileno >= 0}
        if not asked:
            return False
        poll = select.poll()
        for fileno in asked:
            poll.register(fileno, select.POLLIN)
        ready = poll.poll(wait_ms)
        for fileno, _ in ready:
            asked[fileno].read_now()
        return bool(ready)

    def doubt(self, part: int, why: str) -> None:
        """A call about this part failed: it counts as unreachable until its server has answered again."""
        self._why = why
        connection = self.at[part]
        if connection is not None and not self.cluster:
            connection.end(why)
        else:
            self._lose_parts([part], at_once=True)

    def failed(self, part: int, why: Exception) -> None:
        """A call that may be tried again later failed: ``doubt``, unless only the keys of that call are split."""
        if not isinstance(why, SplitKeys):
            self.doubt(part, str(why))

    def close(self) -> None:
        self.closed = True
        if self._mapping_task is not None:
            self._mapping_task.cancel()
        for connection in list(self._made.values()):
            connection.end("closed")

    # -- the map

    def _lose_parts(self, parts: list[int], *, at_once: bool = False) -> None:
        """``at_once``: the servers are there, and the map is read again without a pause."""
        gone = [part for part in parts if self.at[part] is not None]
        for part in gone:
            self.at[part] = None
        if gone:
            self._lost(gone)
        self._start_mapping(0.0 if at_once else AGAIN_S[0])

    def _connection_ended(self, connection: Connection) -> None:
        if self._made.get(connection.address) is connection:
            del self._made[connection.address]
        self._why = connection.why
        self._lose_parts([part for part, at in enumerate(self.at) if at is connection])

    def _start_mapping(self, pause_s: float = AGAIN_S[0]) -> None:
        if self._mapping_task is None and not self.closed:
            self._mapping_task = asyncio.get_running_loop().create_task(self._map_until_up(pause_s))

    async def _map_until_up(self, pause_s: float) -> None:
        """Tries again until every part is reachable and checked."""
        least_s, most_s = AGAIN_S
        while not self.up or self._unchecked:
            await asyncio.sleep(pause_s)
            pause_s = min(max(least_s, 2 * pause_s), most_s)
            try:
                await self._map_parts()
            except (OSError, StoreRefused) as error:
                if str(error) != self._why:
                    log.warning("store unreachable", why=str(error))
                self._why = str(error)
            except Exception as error:  # any error: the next attempt must follow
                log.error("store not connected: a fault of gate106, please report it", exc_info=error)
        self._mapping_task = None

    async def _map_parts(self) -> None:
        """Finds the server of each part, connects to it, and has ``reached`` check new parts."""
        named, self._named = self._named, {}
        for address in named:
            with contextlib.suppress(OSError, StoreRefused):  # it is tried again when it is named again
                await self._prepare(await self._connected(address), [])
        owners = await self._owners(named) if self.cluster else [self._seeds[0]] * len(self.at)
        failure: Exception | None = None
        for address in dict.fromkeys(owners):
            parts = [part for part, owner in enumerate(owners) if owner == address]
            try:
                connection = await self._connected(address)
                moved = [part for part in parts if self.at[part] is not connection]
                if left := [part for part in moved if self.at[part] is not None]:  # redirected until the new server is checked
                    self._moved(left)
                self._unchecked.update(moved)
                if unchecked := sorted(self._unchecked.intersection(parts)):
                    await self._prepare(connection, unchecked)
                    if connection.up:
                        for part in moved:
                            self.at[part] = connection
                    self._unchecked.difference_update(unchecked)
            except (OSError, StoreRefused) as error:
                failure = error
        if failure is not None:
            raise failure
        if not self.up:
            raise StoreDown(0, self._why or "the cluster does not serve all slots")

    async def _prepare(self, connection: Connection, parts: list[int]) -> None:
        if parts or not connection.prepared:
            await self._reached(connection, parts)
            connection.prepared = True

    async def _connected(self, address: ServerAddress) -> Connection:
        held = self._made.get(address)
        if held is not None and held.up:
            return held
        made = await connect(address, self._login, self._deadline_s, self._connection_ended)
        self._made[address] = made
        return made

    async def _owners(self, named: Iterable[ServerAddress]) -> list[ServerAddress]:
        """The server of each part, from the first server of the cluster that answers."""
        known = dict.fromkeys([*named, *self._made, *self._seeds])
        failure: Exception = StoreDown(0, "no server is named")
        for address in known:
            try:
                connection = await self._connected(address)
                rows = await connection.call("CLUSTER", "SLOTS")
            except (OSError, StoreRefused) as error:
                failure = error
                continue
            found = [self._owner(rows, slot_of(tag), address) for tag in self.tags]
            if None not in found:
                self._seeds = list(dict.fromkeys([*self._seeds, *_all(rows, address)]))[:64]
                return [one for one in found if one is not None]
            failure = StoreDown(0, f"{address}: the cluster does not serve all slots")
        raise failure

    @staticmethod
    def _owner(rows: list[Any], slot: int, address: ServerAddress) -> ServerAddress | None:
        for row in rows:
            if row[0] <= slot <= row[1]:
                return _address(row[2], address)
        return None


def _all(rows: list[Any], address: ServerAddress) -> list[ServerAddress]:
    return [_address(one, address) for row in rows for one in row[2:]]


def _address(row: list[Any], address: ServerAddress) -> ServerAddress:
    """The address in a row of CLUSTER SLOTS; without a host it is that of the asked server."""
    return ServerAddress(row[0].decode() if row[0] else address.host, row[1])


async def gather_results(answers: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """The answers, or exceptions, of pending calls; cancelling the caller does not cancel the calls."""
    found: list[Any] = []
    for answer in answers:
        with contextlib.suppress(OSError, StoreRefused):
            await asyncio.shield(answer)
        found.append(answer.exception() or answer.result())
    return found


class Located(NamedTuple):
    addresses: list[ServerAddress]
    """One server, or some of a cluster that are asked for the others."""
    database: int
    cluster: bool


def locate(url: str, *, encrypted: bool) -> Located:
    """Parses ``valkey[s][+cluster]://host[:port][,host[:port]…][/database]``. ``encrypted``: whether the settings have certificates.
    Raises StateError if the URL is invalid or does not fit."""
    parsed = urlsplit(url)
    scheme, _, kind = parsed.scheme.partition("+")
    if kind not in ("", "cluster"):
        raise StateError(f"store {url!r}: {kind!r} is not known (valkey://, valkeys://, valkey+cluster://, valkeys+cluster://)")
    if "@" in parsed.netloc:
        raise StateError("store: no user or password in the URL, where others read it: say shared.user and shared.password")
    database = parsed.path.strip("/") or "0"
    addresses = [_parse(one, url) for one in parsed.netloc.split(",")]
    if not database.isdecimal() or (kind and database != "0") or (not kind and len(addresses) > 1):
        raise StateError(f"store {url!r}: one host and a database's number, or with +cluster several hosts and none")
    if (scheme == "valkeys") != encrypted:
        raise StateError("store: certificates (shared.tls_…) go with valkeys://")
    return Located(addresses, int(database), bool(kind))


def _parse(text: str, url: str) -> ServerAddress:
    host, found, port = text.rpartition(":")
    if not found or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise StateError(f"store {url!r}: {text!r} is no host:port")
    return ServerAddress(host, int(port))
