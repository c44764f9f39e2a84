"""Writes whole files that survive a power loss.

In: paths, bytes. Out: files under their names. Never: a half-written file under its final name; what the bytes mean. The archive
changes the disk only through ``settle``, ``put`` and ``drop``, so a test that kills the process before each of them covers every
point of failure.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

HALF = ".half"
"""What ends so is being written, or was when the power went."""


def half_of(path: Path) -> Path:
    """Where to write what shall become ``path``; its folder is there afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + HALF)


def settle(path: Path) -> None:
    """What was written to ``half_of(path)`` gets its name."""
    half = half_of(path)
    sync(half)
    half.replace(path)
    _sync(path.parent)


def sync(path: Path) -> None:
    """What is in the file is on the medium when this returns."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def put(path: Path, data: bytes) -> None:
    """A small file, instead of whatever was there."""
    half_of(path).write_bytes(data)
    settle(path)


def drop(path: Path) -> None:
    """The file goes, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
