"""Records lookups of persons while no gate runs.

The records form a small chained journal of their own: who looked up a person or saw a whole number. Never: an answer shown before its record
is synced.
"""

import fcntl
import os
import time
from contextlib import closing
from pathlib import Path

from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, OsDisk

FOLDER = "looked"
WAIT_S = 10.0  # another search is writing its record: that takes milliseconds


class CannotRecord(Exception):
    """It cannot be written down; so nothing may be shown. The text says why."""


def record_access(archive: Path, ring: KeyRing, now: float, who: str, command: str, why: str, details: str) -> int:
    """Its sequence in that journal. Raises CannotRecord, JournalError, OSError."""
    folder = archive / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(lock, folder)
        with closing(Journal(OsDisk(folder, ring))) as journal:
            sequence = journal.append(messages.OPERATED, pack(operator_actions.Operated(now, who, command, why, details)))
            journal.write(now)
            journal.note_synced(journal.sync())
            journal.mark(now)
        return sequence
    finally:
        os.close(lock)


def _wait(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CannotRecord(f"{folder}: somebody else has been writing there for {WAIT_S:g} s") from None
            time.sleep(0.01)
