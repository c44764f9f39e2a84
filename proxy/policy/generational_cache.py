"""A bounded cache of two generations; recently used entries survive.

In: keys and computed values. Out: the same values. Never: a guarantee that an entry is still there.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from proxy.runtime.yield_point import Rest

DROPPED_PIECE = 500
"""Of a millisecond's work at most."""

Key = TypeVar("Key")
Value = TypeVar("Value")


def dropped(held: list[Any], rest: Rest) -> None:
    """Empties a list in pieces, with ``rest`` in between."""
    while held:
        del held[-DROPPED_PIECE:]
        rest()


def drop_items(held: dict[Any, Any], rest: Rest) -> None:
    """Empties a dict in pieces, with ``rest`` in between."""
    while held:
        for _ in range(min(DROPPED_PIECE, len(held))):
            held.popitem()
        rest()


class Memo(Generic[Key, Value]):
    """A cache of two generations: look in ``young`` first, then call ``find``."""

    __slots__ = ("young", "old", "most")

    def __init__(self, most: int) -> None:
        self.young: dict[Key, Value] = {}
        self.old: dict[Key, Value] = {}
        self.most = most  # per generation

    def find(self, key: Key) -> Value | None:
        value = self.young.get(key)
        if value is None and (value := self.old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> Value:
        if len(self.young) >= self.most:
            self.age()
        self.young[key] = value
        return value

    def age(self) -> None:
        """Starts a new generation: entries not used from now on are dropped at the next call."""
        self.old = self.young
        self.young = {}

    def empty(self, rest: Rest) -> None:
        """Drops everything in pieces, with ``rest`` in between."""
        drop_items(self.young, rest)
        drop_items(self.old, rest)

    def clear(self) -> None:
        self.young = {}
        self.old = {}
