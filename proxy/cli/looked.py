"""looked: who looks for somebody or sees a whole number is written down, and synced, before: by the running gate, or beside the archive
where none runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli import fail
from proxy.cli.sealed import ring_of

if TYPE_CHECKING:
    from proxy.config import Sealing

UNMASKED = " --unmasked"


def write_down(
    control: Path, archive: Path, sealing: Sealing, command: str, *, why: str | None, details: str, unmasked: bool
) -> None:
    """Returns once it is safe; exit 2 where it cannot be."""
    import getpass
    import time

    from proxy.archive import looked
    from proxy.desk.journal import JournalError
    from proxy.ops import client

    try:
        client.ask(control, "look", what=command, why=why, details=details, unmasked=unmasked)
        return
    except client.NobodyAnswers:
        pass
    except client.CannotAsk as error:
        fail(error)
    try:
        who = f"{getpass.getuser()} (uid {os.getuid()}, pid {os.getpid()})"
        looked.note(archive, ring_of(sealing), time.time(), who, command + (UNMASKED if unmasked else ""), why or "", details)
    except (looked.CannotNote, JournalError, OSError, KeyError) as error:
        fail(f"it cannot be written down who looks, so nothing is shown: {error}")
