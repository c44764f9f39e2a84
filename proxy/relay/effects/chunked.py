"""InPieces: what the journal has in pieces, and a restart reads whole or not at all: a list of people, a file of consents.

In: where each began and ended. Out: from where the journal may be read. Never: what the records say.

What is read again is in force already, so reading it once more must change nothing. Of a single record that holds. But one that takes a
person out, between the first record of a file that put them in and its end, would take them out again, and the file, of which only the end
is read, would not put them back.
"""

from __future__ import annotations

import asyncio
from collections import deque

KEPT = 64
"""The last ones are kept however old: what was told and must be told again may need the journal from before the last checkpoint on."""


class ChunkedImports:
    def __init__(self, read_from: int = 1, read_to: int = 0) -> None:
        """What a restart has read began amid none, and counts as one: which there were in it need not be told."""
        self._ended: deque[tuple[int, int]] = deque([(read_from, read_to)])
        self.one_at_a_time = asyncio.Lock()
        """Whoever puts one in force, chunk by chunk, holds it from before its end is written: they come in force in the journal's order."""

    def ended(self, first: int, last: int) -> None:
        """One went from this record to that, or was given up there."""
        self._ended.append((first, last))

    def outside(self, place: int) -> int:
        """The newest place up to this one that is amid none, for a checkpoint to be read from."""
        found, before = place, 0
        while found != before:
            before = found
            found = min((first for first, last in self._ended if first < before <= last), default=before)
        while len(self._ended) > KEPT and self._ended[0][1] < found:
            self._ended.popleft()
        return found
