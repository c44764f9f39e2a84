"""looked: who sees a whole number is written down, and synced, before: by the running gate, or beside the archive where none runs."""

from __future__ import annotations

import os
from pathlib import Path

from proxy.cli import fail


def write_down(control: Path, archive: Path, command: str, why: str, details: str) -> None:
    """Returns once it is safe; exit 2 where it cannot be."""
    import getpass
    import time

    from proxy.archive import looked
    from proxy.desk.journal import JournalError
    from proxy.ops import client

    try:
        client.ask(control, "journal.looked", what=command, why=why, details=details)
        return
    except client.NobodyAnswers:
        pass
    except client.CannotAsk as error:
        fail(error)
    try:
        who = f"{getpass.getuser()} (uid {os.getuid()}, pid {os.getpid()})"
        looked.note(archive, time.time(), who, command, why, details)
    except (looked.CannotNote, JournalError, OSError, KeyError) as error:
        fail(f"it cannot be written down who looks, so nothing is shown: {error}")
