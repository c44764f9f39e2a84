"""Requests a node's rates, binds and portions from the store.

In: requests, many at once. Out: the answer to each; None where the store is out of reach. Never: a retry, a wait for one message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from proxy.state.counters.limit_portions import PortionState
from proxy.state.shared.connection import StoreDown, StoreRefused
from proxy.state.shared.lease_functions import parse_place, parse_portion, parse_share
from proxy.state.shared.lease_rules import LeasedBinds, RateGrant, RateRequest
from proxy.state.shared.lua_library import PLACES, PORTIONS, SHARES
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
        by_part: dict[int, list[int]] = {}
        parts, cluster = len(self._heads), self._servers.cluster
        keys = []
        for place, name in enumerate(names):
            part = slot_of(name) % parts
            keys.append(self._heads[part] + name)
            by_part.setdefault(part if cluster else 0, []).append(place)  # one server takes a call about all of its parts
        found: list[Answer | None] = [None] * len(names)
        calls = []
        for part, places in by_part.items():
            for start in range(0, len(places), KEYS_MAX):
                chunk = places[start : start + KEYS_MAX]
                arguments = [word for place in chunk for word in args[place]]
                chunk_keys = [keys[place] for place in chunk]
                call = self._servers.call(part, "FCALL", function, len(chunk_keys), *chunk_keys, self._node, *arguments)
                calls.append((part, chunk, call))
        for part, chunk, call in calls:
            try:
                answers = await asyncio.shield(call)
            except (StoreDown, StoreRefused) as error:
                self._servers.doubt(part, str(error))
                continue
            for place, answer in zip(chunk, answers, strict=True):
                found[place] = read(answer)
        return found
