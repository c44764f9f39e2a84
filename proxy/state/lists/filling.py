"""Filling: who is taken out while others are put in, chunk by chunk.

In: what takes somebody out. Out: the same once more, when all are in. Never: who is put in.

What puts many in is in force from its end in the journal on, and takes a while. Who is taken out in that while is taken out *later*, though
the chunk they are in may still be to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Filling:
    def __init__(self) -> None:
        self._again: list[Callable[[], object]] | None = None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """One at a time."""
        assert self._again is None
        again: list[Callable[[], object]] = []
        self._again = again
        try:
            yield
        finally:
            self._again = None
            for take_out in again:
                take_out()

    def note(self, take_out: Callable[[], object]) -> None:
        """Somebody is taken out by this; it can be done twice."""
        if self._again is not None:
            self._again.append(take_out)
