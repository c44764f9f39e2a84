"""Opens a journal for a command; records who looks up a person.

Never: a byte changed; an unrecorded look at a whole number.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.operations.terminal import fail

if TYPE_CHECKING:
    from proxy.config import Sealing


from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.config import Sealing
    from proxy.journal.disk import OsDisk
    from proxy.journal.sealing import KeyRing


def ring_of(sealing: Sealing) -> KeyRing:
    """Exit 2 where a key's file cannot be used."""
    from proxy.journal.sealing import KeyRing, SealingError

    try:
        return KeyRing.of_files(sealing.keys)
    except SealingError as error:
        fail(error)


def disk_of(folder: Path, sealing: Sealing) -> OsDisk:
    """The journal's disk with its keys; exit 2 where a key's file cannot be used."""
    from proxy.journal.disk import OsDisk

    return OsDisk(folder, ring_of(sealing))


UNMASKED = " --unmasked"


def record_access(
    control: Path, archive: Path, sealing: Sealing, command: str, *, why: str | None, details: str, unmasked: bool
) -> None:
    """Returns once it is safe; exit 2 where it cannot be."""
    import getpass
    import time

    from proxy.archive import access_records
    from proxy.journal.write_ahead_log import JournalError
    from proxy.operations import client

    try:
        client.ask(control, "look", what=command, why=why, details=details, unmasked=unmasked)
        return
    except client.NobodyAnswers:
        pass
    try:
        who = f"{getpass.getuser()} (uid {os.getuid()}, pid {os.getpid()})"
        access_records.record_access(
            archive, ring_of(sealing), time.time(), who, command + (UNMASKED if unmasked else ""), why or "", details
        )
    except (access_records.CannotRecord, JournalError, OSError, KeyError) as error:
        fail(f"it cannot be written down who looks, so nothing is shown: {error}")
