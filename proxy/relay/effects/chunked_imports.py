"""Tracks imports that span several journal records, for safe replay.

In: the first and last journal sequence of each import. Out: a sequence from which the journal may be replayed. Never: the records' contents.

An import (a list of numbers, a file of consents) must be replayed whole or not at all. Replaying records whose effects are already in force
must change nothing. That holds for a single record. But suppose a record removes a recipient between an import's first record and its end:
replay would remove the recipient again, and the import, of which only the end is replayed, would not put them back.
"""

from __future__ import annotations

import asyncio
from collections import deque

KEPT = 64
"""Imports that are remembered, however old: replication may have to read the journal from before the last checkpoint on."""


class ChunkedImports:
    def __init__(self, read_from: int = 1, read_to: int = 0) -> None:
        """``read_from``, ``read_to``: the part of the journal that a restart has replayed. It began outside any import, and counts as one."""
        self._ended: deque[tuple[int, int]] = deque([(read_from, read_to)])
        self.one_at_a_time = asyncio.Lock()
        """Held while an import is put into force, from before its end is written: so imports come into force in the journal's order."""

    def ended(self, first: int, last: int) -> None:
        """An import ended, or was given up: its first and last record."""
        self._ended.append((first, last))

    def outside(self, place: int) -> int:
        """The newest sequence up to ``place`` that is inside no import: replay may begin there."""
        found, before = place, 0
        while found != before:
            before = found
            found = min((first for first, last in self._ended if first < before <= last), default=before)
        while len(self._ended) > KEPT and self._ended[0][1] < found:
            self._ended.popleft()
        return found
