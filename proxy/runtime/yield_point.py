"""Defines the yield points that long work calls every few milliseconds.

In, Out: nothing. Never: a clock. The caller passes the yield function; one that loads rules beside live traffic passes a function
that sleeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Rest = Callable[[], None]
Item = TypeVar("Item")
PIECE = 25
"""Items between two rests, of up to some thirty microseconds each: a word that is folded takes as long. To ask takes less than one."""
PIECE_BYTES = 65_536
"""Octets between two rests, for whoever makes a digest of them."""


def no_rest() -> None:
    """Nobody waits."""


def resting(items: Iterable[Item], rest: Rest, piece: int = PIECE) -> Iterator[Item]:
    """The items, with a rest now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % piece:
            rest()


def in_pieces(data: bytes, rest: Rest) -> Iterator[bytes]:
    """The octets, with a rest behind each piece."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
        rest()
