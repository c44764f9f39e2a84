"""Detects a file's text encoding; refuses devices and pipes.

In: a path. Out: the name of an encoding. Never: a device or a pipe read.
"""

from __future__ import annotations

import codecs
import errno
import stat
from pathlib import Path

BLOCK_BYTES = 1 << 20


def is_regular(path: Path) -> None:
    """OSError unless it is a file whose end is known: a device or a pipe may never end, and is read twice here."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = next((word for is_one, word in _NO_FILES if is_one(mode)), "no file")
        raise OSError(errno.EINVAL, f"{what}, not a file: save what it gives into a file, and name that", str(path))


_NO_FILES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def encoding_of(path: Path) -> str:
    """UTF-8 if it is that, UTF-16 where a mark says so, else GBK (GB 18030), as Windows saves. OSError where a line has no end."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        start = file.read(2)
        encoding = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            if len(block) == BLOCK_BYTES and b"\n" not in block and b"\r" not in block:
                raise OSError(errno.EINVAL, f"a line of more than {BLOCK_BYTES:,} bytes: this is no list", str(path))
            if encoding == "utf-8-sig":
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    encoding = "gb18030"
        if encoding == "utf-8-sig":
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                encoding = "gb18030"
    return encoding
