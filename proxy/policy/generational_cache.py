"""A bounded cache of two generations; recently used entries survive.

In: keys and computed values. Out: the same values. Never: a guarantee that an entry is still there.
"""

from __future__ import annotations

from typing import Any

import cython

from proxy.runtime.yield_point import Rest

DROPPED_PIECE = 500
"""Of a millisecond's work at most."""


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


@cython.final
@cython.cclass
class Memo:
    """A cache of two generations."""

    young: dict[Any, Any]
    old: dict[Any, Any]
    most: cython.Py_ssize_t
    """Entries of a generation."""

    def __init__(self, most: int) -> None:
        self.young = {}
        self.old = {}
        self.most = most

    @cython.ccall
    def find(self, key: Any) -> Any:
        """The value of a key; None if it is not there."""
        value: Any = self.young.get(key)
        if value is None and self.old:
            value = self.old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    @cython.ccall
    def put(self, key: Any, value: Any) -> Any:
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
