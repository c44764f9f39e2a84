"""Restricts file modes, core dumps and debuggers of the process.

It also finds files of secrets that other users can read. Never: a change of the mode of a file that this process did not create.
"""

import errno
import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

UMASK = 0o077  # only the gate's own user may read what it writes: messages, numbers, the journal. A stricter umask stays
OTHERS = 0o007
_PR_SET_DUMPABLE = 4  # prctl(2)


def restrict_umask() -> None:
    """Sets the umask so that only this user may open new files, whatever the shell or the unit set."""
    os.umask(os.umask(UMASK) | UMASK)


def create_private_file(path: Path) -> BinaryIO:
    """Creates a file for its owner alone. An existing file or link is not written to, because others may read it: then OSError says what to
    do."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "is there already: name another, or remove it", str(path)) from None


def forbid_core_dumps() -> str:
    """Forbids core dumps, and debuggers other than root's. Returns an empty string, or why that failed. Call it before a password is read.

    RLIMIT_CORE alone is not enough: a core that is piped to a program (core(5): systemd-coredump, apport) is written whatever the limit is.
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


def readable_by_others(paths: Iterable[Path]) -> list[Path]:
    """Those of the files that every user of the machine may read or write; missing files are left out."""
    found = []
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mode & OTHERS:
                found.append(path)
    return found
