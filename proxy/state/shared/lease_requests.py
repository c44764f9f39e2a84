"""Requests a node's rates, binds and portions from the store.

In: requests, many at once. Out: the answer to each; None where the store is out of reach. Never: a retry, a wait for one message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from proxy.state.counters.limit_portions import PortionState
from proxy.state.shared.connection import Connection, Redirected, SplitKeys, StoreDown, StoreRefused
from proxy.state.shared.lease_functions import parse_place, parse_portion, parse_share
from proxy.state.shared.lease_rules import LeasedBinds, RateGrant, RateRequest
from proxy.state.shared.lua_library import ACROSS, PLACES, PORTIONS, SHARES
from proxy.state.shared.servers import Servers, slot_of

Answer = TypeVar("Answer")
KEYS_MAX = 128
"""Keys of one call."""


class LeaseRequest(NamedTuple):
    name: str
    most: int
    held: int
    more: bool = False


class Leases:
    def __init__(self, servers: Servers, heads: Sequence[bytes], node: int) -> None:
        self._servers, self._heads, self._node = servers, heads, node

    @property
    def up(self) -> bool:
        return self._servers.up

    async def shares(self, asks: Sequence[tuple[str, RateRequest]]) -> list[RateGrant | None]:
        """Requests shares of rates, by their names."""
        names = [b":rate:" + name.encode() for name, _ in asks]
        return await self._ask(SHARES, names, [tuple(map(repr, arguments)) for _, arguments in asks], parse_share)

    async def places(self, asks: Sequence[LeaseRequest]) -> list[LeasedBinds | None]:
        names = [b":place:" + ask.name.encode() for ask in asks]
        return await self._ask(PLACES, names, [(ask.most, ask.held, int(ask.more)) for ask in asks], parse_place)

    async def portions(self, keys: Sequence[int], words: Sequence[str]) -> list[PortionState | None]:
        names = [b":total:%016x" % key for key in keys]
        return await self._ask(PORTIONS, names, [(word,) for word in words], parse_portion)

    async def _ask(
        self, function: str, names: Sequence[bytes], args: Sequence[tuple[Any, ...]], read: Callable[[bytes], Answer]
    ) -> list[Answer | None]:
        parts = [slot_of(name) % len(self._heads) for name in names]
        keys = [self._heads[part] + name for part, name in zip(parts, names, strict=True)]
        found: list[Answer | None] = [None] * len(names)
        calls = []
        for server, places in self._servers.calls(parts, KEYS_MAX):
            if server is None:
                continue
            some = [keys[place] for place in places]
            words = [self._node, *chain.from_iterable(args[place] for place in places)]
            if server.crosses_slots:
                call = server.call("FCALL", ACROSS[function], 0, len(some), *some, *words)
            else:
                call = server.call("FCALL", function, len(some), *some, *words)
            calls.append((server, places, call))
        elsewhere = dict[Connection, list[int]]()  # not done, by the server that was asked
        for server, places, call in calls:
            try:
                answers = await asyncio.shield(call)
                if isinstance(answers, int):
                    raise SplitKeys
            except (Redirected, SplitKeys):
                elsewhere.setdefault(server, []).extend(places)
                continue
            except (StoreDown, StoreRefused) as error:
                for part in {parts[place] for place in places}:
                    self._servers.doubt(part, str(error))
                continue
            for place, answer in zip(places, answers, strict=True):
                found[place] = read(answer)
        for server, places in elsewhere.items():
            alone = [("FCALL", function, 1, keys[place], self._node, *args[place]) for place in places]
            for place, answer in zip(
                places, await self._ask_each(server, alone, [parts[place] for place in places]), strict=True
            ):
                found[place] = None if answer is None else read(answer)
        return found

    async def _ask_each(self, server: Connection, calls: Sequence[tuple[Any, ...]], parts: Sequence[int]) -> list[bytes | None]:
        """Asks about each key alone: then the server names the one that has the key."""
        answers = await self._servers.each(server, calls)
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                self._servers.doubt(part, str(answer))
        return [None if isinstance(answer, Exception) else answer[0] for answer in answers]
