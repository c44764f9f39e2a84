"""A gate whose disk refuses, for as long as a file says so: writes as on a file system that has turned read-only, or syncs as on a broken disk.

In: the file, in which an error's name stands. Out: the gate's usual life. Never: a refusal of anything but segments of the journal.

    python -m tests.crash.gate_whose_disk_refuses refuses gate106.yaml
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.journal.disk import OsDisk
from proxy.server import process

READ_ONLY, BROKEN = "EROFS", "EIO"


def refusing(call: Callable[..., Any], name: str, flag: Path) -> Callable[..., Any]:
    def method(*args: Any) -> Any:
        if flag.exists() and flag.read_text() == name:
            number = getattr(errno, name)
            raise OSError(number, os.strerror(number))
        return call(*args)

    return method


def unsyncable(opened: Callable[[OsDisk, str], int | None], flag: Path) -> Callable[[OsDisk, str], int | None]:
    """For the thread in C: while syncs fail, a file that the kernel syncs for nobody."""
    nothing, _ = os.pipe()

    def method(disk: OsDisk, name: str) -> int | None:
        found = opened(disk, name)
        broken = found is not None and flag.exists() and flag.read_text() == BROKEN
        return nothing if broken else found

    return method


def main() -> int:
    flag = Path(sys.argv[1])
    for method in ("append", "rewrite"):
        setattr(OsDisk, method, refusing(getattr(OsDisk, method), READ_ONLY, flag))
    OsDisk.sync = refusing(OsDisk.sync, BROKEN, flag)  # type: ignore[method-assign]
    OsDisk.opened = unsyncable(OsDisk.opened, flag)  # type: ignore[assignment,method-assign]
    return process.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
