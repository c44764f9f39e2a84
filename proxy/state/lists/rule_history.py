"""Stores recent changes of rule sets for checkpoints.

The changes are packed as in the journal and keyed by their position there. They are few, so a checkpoint writes all of them.

In: positions and bodies. Out: the same after a restart, the newest last. Never: the meaning of a change.
"""

from __future__ import annotations

from collections.abc import Iterable

EVENTS_MAX = 500
"""Some years of changes; the journal has all changes of its retention time."""


class RuleHistory:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.changed = False
        """Since the last checkpoint."""

    def put(self, place: int, body: bytes) -> None:
        """Adds a change; adding it again (after a checkpoint newer than the journal's position) has no effect."""
        self.held[place] = body
        while len(self.held) > EVENTS_MAX:
            del self.held[min(self.held)]
        self.changed = True

    def rows(self) -> list[tuple[int, bytes]]:
        """All rows of the checkpoint's table, in order."""
        return sorted(self.held.items())

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self.held.update(rows)
