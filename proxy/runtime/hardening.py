"""Restricts file modes, core dumps and debuggers of the process.

It also finds files of secrets that other users can read.

In: nothing, or paths. Out: limits of this process; those of the paths that others may read. Never: the mode of a file that this
process did not create.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

UMASK = 0o077
"""What the gate writes is its own user's only: messages, numbers, the journal. A umask that is stricter still stays."""
OTHERS = 0o007
_PR_SET_DUMPABLE = 4  # prctl(2)


def close_files() -> None:
    """Whatever this process makes from now on only its own user may open, whatever the shell or the unit said."""
    os.umask(os.umask(UMASK) | UMASK)


def new_file(path: Path) -> BinaryIO:
    """A file that was not there, for its owner alone: what others may read already, or have put a link to, is not written into. OSError, in
    words that say what to do."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "is there already: name another, or remove it", str(path)) from None


def hold_memory() -> str:
    """No core, and no debugger but root's; empty, or why that could not be had. Called before a password is read.

    A limit alone does not do: a core that is piped to a program (core(5): systemd-coredump, apport) is written whatever the limit says.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        import ctypes  # noqa: PLC0415 # a hardened system may refuse to load it, and the gate starts all the same

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            return os.strerror(ctypes.get_errno())
    except (ImportError, OSError, AttributeError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def open_to_others(paths: Iterable[Path]) -> list[Path]:
    """Those of these files that anybody on the machine may read or write; what is not there is none."""
    found = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & OTHERS:
            found.append(path)
    return found
