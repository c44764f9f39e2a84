"""Stands for sync_thread.pyx where that was not compiled."""

from __future__ import annotations

from typing import Protocol


class SyncThread(Protocol):
    """Syncs one file at a time in a thread that needs no interpreter."""

    def fileno(self) -> int:
        """Readable once a sync has ended."""

    def sync(self, file: int) -> None:
        """Begins a sync; never while another one runs."""

    def ended(self) -> bool:
        """Whether a sync has ended that ``taken`` has not returned yet; costs nothing."""

    def taken(self) -> int:
        """errno of the sync that has ended, 0 for success; -1: none has ended."""

    def took_s(self) -> float:
        """How long the last sync took."""

    def end(self) -> int:
        """Waits for a running sync: its errno if ``taken`` has not returned it; otherwise 0."""


def sync_thread() -> SyncThread | None:
    """None: a Python thread does everything."""
    return None
