"""Stores journal segments in a directory.

In: names, offsets, bytes; the sealing keys of what is stored. Out: bytes; OSError as the system raises it. Never: what the bytes mean; the
keys are only handed on to readers and writers.

``OsDisk`` is a directory.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import Protocol

from proxy.journal.sealing import KeyRing
from proxy.runtime import atomic_files

SUFFIX = ".journal"
PREALLOCATED_BYTES = 256 << 10
"""Zeros written beyond the end of an append: the next appends then neither allocate blocks nor change the file's length, and a sync writes
data only. On ext4, appends of 26 KB take 110 µs instead of 190, and 60 µs of processor instead of 90; one of twelve, which preallocates,
takes 0.4 ms. The rest is cut off when the file is released; readers may meet zeros before that (segment.py)."""
PAGE_CACHE_BYTES_MAX = 64 << 20
"""How much of the newest segments may stay in the page cache for readers (the size of a segment); older pieces are dropped, one for each
preallocation. Otherwise the journal fills all memory at 40 MB a second under full load, and each new page is a cold one: writing took up to
7 % of a gate's time then, 0.5 % where pages are reused. Dropping a piece takes 30 µs."""
_IDENTITY = "identity"


class Disk(Protocol):
    """Segments by name; names sort in the order in which they were made."""

    ring: KeyRing
    """What sealed segments are opened with, and new ones sealed."""

    def list(self) -> list[str]: ...

    def read(self, name: str, size: int = -1, at: int = 0) -> bytes:
        """``size`` bytes from an offset on, fewer where the segment ends; -1: all of them."""

    def size(self, name: str) -> int:
        """Bytes of the segment, room that is kept free behind it included."""

    def room(self) -> int:
        """Bytes that may still be written."""

    def append(self, name: str, offset: int, data: bytes) -> None:
        """Writes all of ``data`` at ``offset`` (where the last append ended; 0 makes the file), or raises and leaves the file as it was,
        without what room there was behind it."""

    def rewrite(self, name: str, offset: int, data: bytes) -> None:
        """Writes the same bytes again (after a failed sync the kernel may have dropped them)."""

    def truncate(self, name: str, size: int) -> None: ...

    def remove(self, name: str) -> None: ...

    def sync(self, name: str) -> None:
        """Returns when the file's bytes, and its name, survive a power loss. May be called in another thread."""

    def opened(self, name: str) -> int | None:
        """The open file whose fdatasync does all that ``sync`` does; None where there is none, or more to do."""

    def release(self, name: str) -> None:
        """This segment will not be written again."""

    def identity(self) -> str:
        """The journal's own name, 32 hex digits; empty if it has none yet."""

    def identify(self, identity: str) -> None:
        """Gives the journal its name, durably."""

    def close(self) -> None: ...


_ZEROS = bytes(PREALLOCATED_BYTES)


class _PageCacheTrimmer:
    """Drops the oldest written pieces from the page cache, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended: deque[tuple[str, int]] = deque()
        """Segments that are not written any more, the eldest first, with what they hold."""
        self._bytes = 0  # bytes of ended segments that were not dropped yet
        self._at = 0  # offset in the oldest segment up to which it was dropped

    def ended(self, name: str, size: int) -> None:
        if size and hasattr(os, "posix_fadvise"):
            self._ended.append((name, size))
            self._bytes += size

    def trim(self, size: int) -> None:
        """``size``: of the segment that is being written. Two pieces at most, so that whatever has gathered goes at last."""
        for _ in range(2):
            if not self._ended or self._bytes + size <= PAGE_CACHE_BYTES_MAX:
                return
            self._drop()

    def _drop(self) -> None:
        name, size = self._ended[0]
        piece = min(PREALLOCATED_BYTES, size - self._at)
        with contextlib.suppress(OSError):  # a roller has removed it; or a file system that keeps nothing so
            # closed again at once: a removed or erased segment must not stay open
            file = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(file, self._at, piece, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)
        self._at += piece
        self._bytes -= piece
        if self._at >= size:
            self._ended.popleft()
            self._at = 0


class OsDisk:
    """Segments as files of one directory, which is made when missing."""

    def __init__(self, path: Path | str, ring: KeyRing | None = None) -> None:
        self.path = Path(path)
        self.ring = ring or KeyRing()
        atomic_files.make_folder(self.path)
        self._files: dict[str, int] = {}
        self._ends: dict[str, tuple[int, int]] = {}  # of files that were appended to: where octets end, and where room does
        self._new: set[str] = set()  # names the directory has not been synced for
        self._cache_trimmer = _PageCacheTrimmer(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def list(self) -> list[str]:
        return sorted(file.name for file in self.path.iterdir() if file.name.endswith(SUFFIX))

    def read(self, name: str, size: int = -1, at: int = 0) -> bytes:
        if size >= 0 and (opened := self._files.get(name)) is not None:
            return os.pread(opened, size, at)
        with (self.path / name).open("rb") as file:
            if at:
                file.seek(at)
            return file.read(size)

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def room(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def _file(self, name: str) -> int:
        file = self._files.get(name)
        if file is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._new.add(name)  # there it may be from a life that ended before the folder was synced
            file = self._files[name] = os.open(self.path / name, flags, 0o600)
        return file

    def append(self, name: str, offset: int, data: bytes) -> None:
        file, end = self._file(name), offset + len(data)
        try:
            self._write(file, data, offset)
        except OSError:
            self._ends.pop(name, None)
            with contextlib.suppress(OSError):  # where even this fails the next write lands on the same offset
                os.ftruncate(file, offset)
            raise
        room = self._ends[name][1] if name in self._ends else os.fstat(file).st_size
        if end >= room:
            room = end
            with contextlib.suppress(OSError):  # the append itself has succeeded
                room += os.pwrite(file, _ZEROS, end)
            self._cache_trimmer.trim(end)
        self._ends[name] = end, room

    def rewrite(self, name: str, offset: int, data: bytes) -> None:
        self._write(self._file(name), data, offset)

    @staticmethod
    def _write(file: int, data: bytes, offset: int) -> None:
        done = os.pwrite(file, data, offset)
        while done < len(data):  # a nearly full disk takes a part first and refuses the rest
            done += os.pwrite(file, data[done:], offset + done)

    def truncate(self, name: str, size: int) -> None:
        file = self._file(name)
        os.ftruncate(file, size)
        os.fsync(file)
        self._ends.pop(name, None)

    def remove(self, name: str) -> None:
        self.release(name)
        (self.path / name).unlink()
        atomic_files.sync_folder(self.path)

    def sync(self, name: str) -> None:
        os.fdatasync(self._file(name))
        if name in self._new:
            atomic_files.sync_folder(self.path)
            self._new.discard(name)

    def opened(self, name: str) -> int | None:
        return None if name in self._new else self._files.get(name)

    def release(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            end, room = self._ends.pop(name, (0, 0))
            self._cache_trimmer.ended(name, end or os.fstat(file).st_size)
            if room > end:
                with contextlib.suppress(OSError):  # zeros that stay do no harm
                    os.ftruncate(file, end)
            os.close(file)

    def identity(self) -> str:
        try:
            return (self.path / _IDENTITY).read_text().strip()
        except FileNotFoundError:
            return ""

    def identify(self, identity: str) -> None:
        half = self.path / f"{_IDENTITY}.new"
        with half.open("w") as file:
            file.write(identity + "\n")
            file.flush()
            os.fsync(file.fileno())
        half.replace(self.path / _IDENTITY)
        atomic_files.sync_folder(self.path)

    def close(self) -> None:
        for name in list(self._files):
            self.release(name)
