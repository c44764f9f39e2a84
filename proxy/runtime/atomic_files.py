"""Writes whole files, and makes folders, that survive a power loss.

In: paths, bytes. Out: files under their names; folders whose own names and those of all their parents are synced. Never: a
half-written file under its final name; what the bytes mean. The archive changes the disk only through ``commit_file``,
``write_file`` and ``remove_file``, so a test that kills the process before each of them covers every point of failure.
"""

import contextlib
import os
from pathlib import Path

HALF = ".half"  # suffix of a file that is being written, or that a power loss left incomplete


def temporary_path(path: Path) -> Path:
    """The temporary path for ``path``; creates its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + HALF)


def commit_file(path: Path) -> None:
    """Syncs the file at ``temporary_path(path)`` and renames it to ``path``."""
    half = temporary_path(path)
    sync_file(half)
    half.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_file(path: Path, data: bytes) -> None:
    """Writes a small file atomically, replacing an existing one."""
    temporary_path(path).write_bytes(data)
    commit_file(path)


def remove_file(path: Path) -> None:
    """Removes the file if it exists, and syncs its folder."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes the folder if it is missing, for its owner alone, and what is missing above it; OSError as the system gives it.

    What is there may have been made a moment ago, by hand or by a process that was killed: it is synced, too, where that is allowed.
    """
    above = (path, *path.parents)
    missing = [one for one in above if not one.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in above:
        try:
            sync_folder(one.parent)
        except OSError:
            if one in missing:
                raise


def sync_folder(folder: Path) -> None:
    """The names in it are safe when this returns."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def give_to_owner(path: Path) -> None:
    """Gives a file or folder to the owner of the folder it is in: root may have made it for the gate."""
    owner = path.parent.stat()
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.chown(path, owner.st_uid, owner.st_gid)
