"""Runs the gate with a disk whose syncs take 5 ms, and notes which thread waits for each."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

SYNC_S = 0.005
NOTES = "syncs"


class Sync(NamedTuple):
    at_s: float
    """By the monotonic clock, which all processes share."""
    by_main_thread: bool


def noted(folder: Path) -> list[Sync]:
    lines = (folder / NOTES).read_text(encoding="ascii").splitlines()
    return [Sync(float(at_s), thread == "main") for at_s, thread in map(str.split, lines)]


def begin() -> None:
    notes = Path(sys.argv[-1]).with_name(NOTES).open("a", buffering=1, encoding="ascii")

    def sync(file: int) -> None:
        notes.write(f"{time.monotonic()} {'main' if threading.current_thread() is threading.main_thread() else 'other'}\n")
        threading.Event().wait(SYNC_S)

    os.fdatasync = sync  # type: ignore[assignment]
    from proxy.__main__ import main

    main()


if __name__ == "__main__":
    begin()
