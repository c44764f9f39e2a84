"""Creates folders that survive a power loss.

In: a path. Out: the folder; its own name and those of all its parents are synced to the disk. Never: a file.
"""

from __future__ import annotations

import os
from pathlib import Path


def make(path: Path) -> None:
    """Makes the folder if it is missing, for its owner alone, and what is missing above it; OSError as the system gives it.

    What is there may have been made a moment ago, by hand or by a process that was killed: it is synced, too, where that is allowed.
    """
    above = (path, *path.parents)
    missing = [one for one in above if not one.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in above:
        try:
            sync(one.parent)
        except OSError:
            if one in missing:
                raise


def sync(folder: Path) -> None:
    """The names in it are safe when this returns."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
