"""Rest: what long work calls between pieces of some milliseconds, so that whoever shares the interpreter gets his turn.

In, Out: nothing. Never: a clock here (whoever loads rules beside running traffic brings a rest that sleeps).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Rest = Callable[[], None]
Item = TypeVar("Item")
PIECE = 25
"""Items between two rests, of up to some thirty microseconds each: a word that is folded takes as long. To ask takes less than one."""


def no_rest() -> None:
    """Nobody waits."""


def resting(items: Iterable[Item], rest: Rest, piece: int = PIECE) -> Iterator[Item]:
    """The items, with a rest now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % piece:
            rest()
