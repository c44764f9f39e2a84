"""Replaces the module ``cython`` where Cython is not installed.

The Python texts run with it.

In: decorators and types of Cython's pure-Python mode. Out: the decorated functions and classes as they are. Never: a difference in results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Marked = TypeVar("Marked")
compiled = False


def cclass(marked: Marked) -> Marked:
    return marked


cfunc = ccall = final = inline = no_gc = no_gc_clear = cclass


def freelist(*_: Any, **__: Any) -> Callable[[Marked], Marked]:
    return cclass


boundscheck = wraparound = nonecheck = cdivision = exceptval = annotation_typing = freelist


def cast(kind: Any, value: Any) -> Any:
    return value


def declare(kind: Any, value: Any = None) -> Any:
    return kind() if value is None else value


class Octets(bytearray):
    """A C array of octets: a slice of it is bytes."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return bytes(found) if isinstance(found, bytearray) else found


class char(int):  # noqa: N801 # the name of Cython
    def __class_getitem__(cls, size: int) -> Callable[[], Octets]:
        return lambda: Octets(size)


uchar = ushort = uint = ulong = longlong = ulonglong = long = Py_ssize_t = size_t = int
bint, double, Py_UCS4 = bool, float, str
void: Any = None
p_uchar = p_char = bytes
