"""Stores items by sequence number.

Such numbers follow each other almost without gaps: the last bits of a number are its place, so nothing is hashed or compared (measured against
a dictionary: 7 % of the instructions of a submit).

In: a number and its item. Out: the item; all items in the order of their numbers. Never: a number below 0.
"""

from __future__ import annotations

from array import array
from typing import Any

import cython

from proxy.native.octet_runs import i64_of, set_i64

_FREE = cython.declare(cython.longlong, -1)
_PLACES_FIRST = cython.declare(cython.Py_ssize_t, 64)
_PLACES_KEPT = cython.declare(cython.Py_ssize_t, 4096)  # if the window is empty


@cython.final
@cython.cclass
class SequenceWindow:
    """A map from sequence numbers to items; None is no item."""

    _numbers: array[int]
    """By place: the number that has it. In C, for an int object each would cost as much as the rest."""
    _items: list[Any]
    """By place."""
    _mask: cython.Py_ssize_t
    _used: cython.Py_ssize_t
    """Places that are not free."""
    _displaced: dict[int, Any]
    """Items whose place a later number needed."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._numbers, self._items = array("q", [_FREE]) * _PLACES_FIRST, [None] * _PLACES_FIRST
        self._mask, self._used, self._displaced = _PLACES_FIRST - 1, 0, {}

    def __len__(self) -> int:
        return self._used + len(self._displaced)

    def __contains__(self, number: int) -> bool:
        return self.get(number) is not None

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def get(self, number: cython.longlong) -> Any:
        """The item; None if there is none."""
        place: cython.Py_ssize_t = number & self._mask
        held: cython.longlong = i64_of(self._numbers, place)
        return self._items[place] if held == number else self._displaced.get(number)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def put(self, number: cython.longlong, item: Any) -> None:
        """Adds an item, or replaces that of its number."""
        if 2 * self._used > self._mask:
            self._grow()
        place: cython.Py_ssize_t = number & self._mask
        held: cython.longlong = i64_of(self._numbers, place)
        if held == _FREE:
            self._used += 1
        elif held != number:
            self._displaced[held] = self._items[place]
        if self._displaced:
            self._displaced.pop(number, None)
        set_i64(self._numbers, place, number)
        self._items[place] = item

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.ccall
    def take(self, number: cython.longlong) -> Any:
        """Removes and returns the item; None if there is none."""
        place: cython.Py_ssize_t = number & self._mask
        held: cython.longlong = i64_of(self._numbers, place)
        if held != number:
            return self._displaced.pop(number, None)
        item = self._items[place]
        set_i64(self._numbers, place, _FREE)
        self._items[place] = None
        self._used -= 1
        if self._used == 0 and self._mask >= _PLACES_KEPT and not self._displaced:
            self.clear()
        return item

    def items(self) -> list[tuple[int, Any]]:
        """(number, item), in the order of the numbers."""
        held = [(number, item) for number, item in zip(self._numbers, self._items, strict=True) if number != _FREE]
        return sorted([*held, *self._displaced.items()], key=lambda one: one[0])

    def values(self) -> list[Any]:
        return [item for _, item in self.items()]

    def _grow(self) -> None:
        """Doubles the places: no two numbers in places then share one."""
        before = list(zip(self._numbers, self._items, strict=True))
        self._numbers, self._items = array("q", [_FREE]) * (2 * len(before)), [None] * (2 * len(before))
        self._mask = 2 * len(before) - 1
        for number, item in before:
            if number != _FREE:
                self._numbers[number & self._mask], self._items[number & self._mask] = number, item
