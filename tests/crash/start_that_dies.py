"""A start that dies: a store and a journal begin in an empty folder as a gate's do, up to the n-th thing that is asked of the medium.

In: the folder, n. Out: death by SIGKILL just before that, and the medium's shadow; exit 0 where the first record was synced before it came to
that. Never: anything else of a gate.

    python -m tests.crash.start_that_dies FOLDER 3
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from proxy.journal.disk import OsDisk
from proxy.journal.write_ahead_log import Journal
from proxy.state.embedded.checkpoint import CheckpointFile
from proxy.state.stores.sqlite import SqliteStore
from tests.crash.medium import SHADOW, Medium

ASKED = (*((os, name) for name in ("fsync", "fdatasync", "unlink", "remove", "rename", "replace")), (CheckpointFile, "commit"))


def start(folder: Path) -> tuple[SqliteStore, Journal]:
    """As app.Gate does."""
    store = SqliteStore(folder / "state.db")
    disk = OsDisk(folder / "journal")
    store.belongs_to(disk)
    store.pin("message_ids", "carrier")
    return store, Journal(disk)


def write(journal: Journal) -> None:
    """A record; it is synced when this returns."""
    journal.append(1, b"a record")
    journal.write(1.0)
    journal.note_synced(journal.sync())


def prepare(folder: Path, nth: int) -> None:
    Medium(folder, folder / SHADOW).watch()
    moments = count(1)

    def unless(change: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **more: Any) -> Any:
            if next(moments) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*args, **more)

        return method

    for owner, name in ASKED:
        setattr(owner, name, unless(getattr(owner, name)))


def main() -> int:
    folder = Path(sys.argv[1])
    prepare(folder, int(sys.argv[2]))
    _, journal = start(folder)
    write(journal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
