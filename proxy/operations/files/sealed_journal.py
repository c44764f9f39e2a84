"""sealed: a journal's folder with the keys that the settings name, for commands that read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy.operations.terminal import fail

if TYPE_CHECKING:
    from proxy.config import Sealing
    from proxy.journal.disk import OsDisk
    from proxy.journal.sealing import Ring


def ring_of(sealing: Sealing) -> Ring:
    """Exit 2 where a key's file cannot be used."""
    from proxy.journal.sealing import Ring, SealingError

    try:
        return Ring.of_files(sealing.keys)
    except SealingError as error:
        fail(error)


def disk_of(folder: Path, sealing: Sealing) -> OsDisk:
    """Likewise."""
    from proxy.journal.disk import OsDisk

    return OsDisk(folder, ring_of(sealing))
