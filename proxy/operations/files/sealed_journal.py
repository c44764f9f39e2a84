"""Opens a journal's folder with the keys of the settings.

In: a folder, the sealing settings. Out: a disk with its keys; exit 2 where a key file cannot be used. Never: a byte changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy.operations.terminal import fail

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
