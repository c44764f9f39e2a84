"""What a power loss leaves of files in memory: octets and names that were synced, and perhaps more.

In: the system's own calls while ``simulated`` runs. Out: folders as a power loss has left them. Never: a real sync.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from proxy.cluster import follower
from proxy.journal import disk as journal_disk


class Medium:
    """What was synced: octets of files by inode, names of folders. It stands for the system's calls while a world runs."""

    def __init__(self) -> None:
        self.octets: dict[int, int] = {}
        self.names: dict[str, set[str]] = {}
        self.fails: set[Path] = set()
        """Folders in which no sync succeeds: what it should have kept is then taken for clean, and is not kept."""
        self._clean: dict[int, int] = {}  # octets that the system holds as clean and never wrote

    def sync(self, file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        path, found = Path(f"/proc/self/fd/{number}").readlink(), os.fstat(number)
        if path.is_dir():
            self.names[str(path)] = {one.name for one in path.iterdir()}
            return
        if path.parent in self.fails:
            self._clean[found.st_ino] = self.octets.get(found.st_ino, 0)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if found.st_ino not in self._clean:  # else only what is written again is kept
            self.octets[found.st_ino] = found.st_size

    def written(self, file: int, offset: int) -> None:
        """Octets from an offset on are written, perhaps again."""
        inode = os.fstat(file).st_ino
        if offset <= self._clean.get(inode, -1):
            del self._clean[inode]

    def lose(self, folder: Path, dice: random.Random) -> None:
        """A power loss: what was not synced may be gone, or a part of it, or a name."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("state.db"):
                size, inode = path.stat().st_size, path.stat().st_ino
                kept = min(size, self.octets.get(inode, 0))
                if path.name not in self.names.get(str(path.parent), ()) and dice.random() < 0.5:
                    path.unlink()
                else:
                    os.truncate(path, dice.choice((kept, dice.randint(kept, size))))
        self._clean.clear()


@contextlib.contextmanager
def simulated(medium: Medium) -> Iterator[None]:
    """Syncs are noted, and done by nobody; no more room is kept free than a world needs."""
    before = os.fsync, os.fdatasync, os.pwrite, journal_disk._ZEROS, follower.STATE_S
    pwrite = os.pwrite

    def wrote(file: int, data: Any, offset: int, /) -> int:
        done = pwrite(file, data, offset)
        medium.written(file, offset)
        return done

    os.fsync = os.fdatasync = medium.sync  # type: ignore[assignment] # as it is called here
    os.pwrite = wrote
    journal_disk._ZEROS, follower.STATE_S = bytes(512), 0.0
    with structlog.testing.capture_logs():
        try:
            yield
        finally:
            os.fsync, os.fdatasync, os.pwrite, journal_disk._ZEROS, follower.STATE_S = before
