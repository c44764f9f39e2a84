"""Repeats removals that happen during a bulk import.

A bulk import takes effect at its end in the journal but takes a while to apply, chunk by chunk. A number that is removed
meanwhile counts as removed *later*, though its chunk may still follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BulkImport:
    def __init__(self) -> None:
        self._again: list[Callable[[], object]] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs one import; at its end removals noted meanwhile are repeated."""
        assert self._again is None
        again: list[Callable[[], object]] = []
        self._again = again
        try:
            yield
        finally:
            self._again = None
            for take_out in again:
                take_out()

    def note_removal(self, take_out: Callable[[], object]) -> None:
        """Notes a removal; it must be repeatable."""
        if self._again is not None:
            self._again.append(take_out)
