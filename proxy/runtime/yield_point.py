"""Defines the yield points that long work calls every few milliseconds.

The caller passes the yield function; one that loads rules beside live traffic passes a function that sleeps.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Rest = Callable[[], None]
Item = TypeVar("Item")
PIECE = 25  # items between two yield points, each up to about 30 µs (a folded word). A yield point costs less than 1 µs
PIECE_BYTES = 65_536  # octets between two yield points when a digest is computed


def no_yield() -> None:
    """A yield point for work that nothing waits for."""


def with_yield_points(items: Iterable[Item], rest: Rest, piece: int = PIECE) -> Iterator[Item]:
    """Yields the items and calls ``rest`` after each ``piece`` of them."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % piece:
            rest()


def in_chunks(data: bytes, rest: Rest) -> Iterator[bytes]:
    """Yields the octets in pieces and calls ``rest`` after each."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
        rest()
