"""Rest: what long work calls between pieces of some milliseconds, so that whoever shares the interpreter gets his turn.

In, Out: nothing. Never: a clock here (whoever loads rules beside running traffic brings a rest that sleeps).
"""

from __future__ import annotations

from collections.abc import Callable

Rest = Callable[[], None]


def no_rest() -> None:
    """Nobody waits."""
