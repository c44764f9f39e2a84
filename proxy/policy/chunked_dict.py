"""A dict split into 64 chunks that grows without long pauses.

In: keys and values, in order. Out: the same. Never: removes a single key; yields to the loop (callers yield between pieces of work).

A full dict moves all its entries at once: with 100,000 words that holds the interpreter's lock for 5 ms. 64 small dicts each move a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from proxy.policy.generational_cache import DROPPED_PIECE
from proxy.runtime.yield_point import Rest, with_yield_points

PIECES = 64
"""Dicts, of some 1,500 entries each where there are 100,000: one moves in less than 0.1 ms."""
_HIGH = 40
"""Which bits of a hash choose the dict: not the lowest, by which each dict places its entries. Texts and octets have hashes of 64 bits."""

Key = TypeVar("Key", str, bytes)
Value = TypeVar("Value")


class ChunkedDict(Mapping[Key, Value]):
    __slots__ = ("_order", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[dict[Key, Value]] = [{} for _ in range(PIECES)]
        self._order: list[Key] = []

    def _piece(self, key: object) -> dict[Key, Value]:
        return self._pieces[(hash(key) >> _HIGH) % PIECES]

    def __getitem__(self, key: Key) -> Value:
        return self._piece(key)[key]

    def get(self, key: Key, default: None = None) -> Value | None:  # type: ignore[override] # nobody asks for another default
        return self._piece(key).get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._piece(key)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __setitem__(self, key: Key, value: Value) -> None:
        piece = self._piece(key)
        if key not in piece:
            self._order.append(key)
        piece[key] = value

    def setdefault(self, key: Key, value: Value) -> Value:
        """The stored value; if none exists, stores ``value``."""
        piece = self._piece(key)
        if key not in piece:
            self._order.append(key)
            piece[key] = value
        return piece[key]

    def forget(self, rest: Rest) -> None:
        """Drops everything, piece by piece."""
        while self._order:
            for key in self._order[-DROPPED_PIECE:]:
                del self._piece(key)[key]
            del self._order[-DROPPED_PIECE:]
            rest()


def distinct(items: Iterable[Key], rest: Rest) -> Iterator[Key]:
    """Each item once, in order, with a rest now and then."""
    seen: ChunkedDict[Key, bool] = ChunkedDict()
    for item in with_yield_points(items, rest):
        before = len(seen)
        seen.setdefault(item, True)
        if len(seen) > before:
            yield item
