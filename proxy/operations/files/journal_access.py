"""Opens a journal for a command; records who looks up a person.

Never: a byte changed; an unrecorded look at a whole number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.operations.terminal import fail, refuse_settings

if TYPE_CHECKING:
    from proxy.archive.coverage import LocalJournal
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.config import ArchiveLocations, Sealing, Settings
    from proxy.journal.disk import OsDisk

UNMASKED = " --unmasked"


def places_of(config: Path, *, every: bool = False, hint: str = "") -> ArchiveLocations:
    """The places of a gate's files; ``every``: of all workers, if it has several. ``hint``: what else to do where the settings have a fault."""
    from proxy.config import SettingsError, archive_locations

    try:
        return archive_locations(config, every=every)
    except SettingsError as error:
        refuse_settings(error, advice=hint)


def gates_of(settings: Settings, journal: Path | None) -> list[Settings]:
    """The settings of each worker whose journal is read, or of the one gate with this folder; exit 2 where a folder is not there."""
    from proxy.config import every_worker

    gates = [replace(settings, journal=journal)] if journal is not None else every_worker(settings)
    for gate in gates:
        if not gate.journal.is_dir():
            fail(f"{gate.journal}: no such folder (a gate that has run leaves its journal there)")
    return gates


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Wraps the reading of a journal: exit 2 for any fault of it."""
    import struct

    from proxy.journal.scan import JournalDamaged
    from proxy.journal.segment import SegmentFault

    try:
        yield
    except JournalDamaged as error:
        fail(f"{error} (while a gate writes it, run it again)")
    except FileNotFoundError as error:
        fail(f"{error.filename}: is gone while the journal is read (run it again)")
    except SegmentFault as error:
        fail(f"{folder}: {error}: see gate106 journal verify")
    except (OSError, ValueError, struct.error) as error:
        fail(f"{folder}: the journal cannot be read: {error}")


def disk_of(folder: Path, sealing: Sealing) -> OsDisk:
    """The journal's disk with its keys. SealingError."""
    from proxy.journal.disk import OsDisk
    from proxy.journal.sealing import KeyRing

    return OsDisk(folder, KeyRing.of_files(sealing.keys))


def keys_of(places: ArchiveLocations) -> ArchiveKeys:
    """Of the journal at rest. KeysError."""
    from proxy.archive.secret_keys import ArchiveKeys, may_make_keys

    return ArchiveKeys(places.archive.keys, make=may_make_keys(places.archive.folder, places.journal))


def journals_of(places: ArchiveLocations) -> list[LocalJournal]:
    """With what this process has read of them before. SealingError."""
    from proxy.archive.coverage import LocalJournal
    from proxy.archive.segment_index import shared_index

    disks = ((disk_of(folder, places.sealing), node) for folder, node in places.journals)
    return [LocalJournal(disk, node, shared_index(disk)) for disk, node in disks]


def record_access(
    places: ArchiveLocations | Settings, control: Path | None, command: str, details: str, *, why: str | None, unmasked: bool
) -> None:
    """Returns once it is safe; exit 2 where it cannot be. ``control``: the socket, instead of the settings'."""
    import getpass
    import time

    from proxy.archive import access_records
    from proxy.journal.sealing import KeyRing
    from proxy.journal.write_ahead_log import JournalError
    from proxy.operations import client

    try:
        client.ask(control or places.control, "look", what=command, why=why, details=details, unmasked=unmasked)
        return
    except client.NobodyAnswers:
        pass
    try:
        who = f"{getpass.getuser()} (uid {os.getuid()}, pid {os.getpid()})"
        whole, ring = command + (UNMASKED if unmasked else ""), KeyRing.of_files(places.sealing.keys)
        access_records.record_access(places.archive.folder, ring, time.time(), who, whole, why or "", details)
    except (access_records.CannotRecord, JournalError, OSError, KeyError) as error:
        fail(f"it cannot be written down who looks, so nothing is shown: {error}")
