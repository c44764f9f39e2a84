"""A journal disk in memory that loses power or fails when a test says so."""

from __future__ import annotations

import errno
import os
from bisect import bisect_left

from proxy.journal.sealing import KeyRing


class MemoryDisk:
    """A disk for tests: ``kill()`` keeps what was written, ``power_loss()`` only what was synced, and it fails when told to."""

    def __init__(self, ring: KeyRing | None = None, room_bytes: int = 0) -> None:
        """``room_bytes``: so much is kept free behind what is appended, as a directory's files have it."""
        self.ring = ring or KeyRing()
        self.room_bytes = room_bytes
        self._files: dict[str, bytearray] = {}
        self._ends: dict[str, int] = {}  # where octets end, of files that have room behind them
        self._medium: dict[str, bytearray] = {}
        self._dirty: dict[str, list[tuple[int, bytes]]] = {}
        self._identity = ""
        self.free_bytes: int | None = None
        """Room left; None is endless. A write that does not fit fails with ENOSPC."""
        self.read_only = False
        self.sync_fails = False
        """Syncs fail, and as on a real system what they should have kept is then lost, unless it is written again."""

    def __str__(self) -> str:
        return "memory"

    def power_loss(self, torn_bytes: int = 0) -> None:
        """Unsynced bytes are gone, but for the first ``torn_bytes`` of what came after the synced ones in each segment."""
        left: dict[str, bytearray] = {}
        for name in self._files:
            kept, torn = bytearray(self._medium.get(name, b"")), torn_bytes
            for offset, data in self._dirty.get(name, []):
                if torn:
                    some = data[:torn]
                    kept.extend(bytes(max(0, offset - len(kept))))  # what was before it was lost with a sync that failed
                    kept[offset : offset + len(some)] = some
                    torn -= len(some)
            if kept or name in self._medium:
                left[name] = kept
        self._files = left
        self._ends.clear()
        self.kill()
        self._medium = {name: bytearray(data) for name, data in left.items()}
        self._dirty.clear()

    def kill(self) -> None:
        """The process is gone; the system still has all it was given. Faults that were set end."""
        self.free_bytes, self.read_only, self.sync_fails = None, False, False

    def safe_bytes(self, name: str) -> int:
        """How much of the segment would survive a power loss."""
        medium, file = self._medium.get(name, bytearray()), self._files[name]
        if file.startswith(medium):
            return len(medium)
        return bisect_left(range(len(medium)), True, key=lambda place: not file.startswith(medium[: place + 1]))

    def flip(self, name: str, offset: int, bits: int = 0xFF) -> None:
        """Damages one byte, on the medium too."""
        for files in (self._files, self._medium):
            if name in files and offset < len(files[name]):
                files[name][offset] ^= bits

    def list(self) -> list[str]:
        return sorted(self._files)

    def read(self, name: str, size: int = -1, at: int = 0) -> bytes:
        data = self._files[name]
        return bytes(data[at:] if size < 0 else data[at : at + size])

    def size(self, name: str) -> int:
        return len(self._files[name])

    def room(self) -> int:
        return 1 << 40 if self.free_bytes is None else self.free_bytes

    def append(self, name: str, offset: int, data: bytes) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if self.free_bytes is not None:
            if len(data) > self.free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.free_bytes -= len(data)
        file, end = self._files.setdefault(name, bytearray()), offset + len(data)
        if self.room_bytes and end >= len(file):
            data += bytes(self.room_bytes)
        file[offset : end if self.room_bytes else None] = data
        self._ends[name] = end
        self._dirty.setdefault(name, []).append((offset, data))

    def rewrite(self, name: str, offset: int, data: bytes) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self._files[name][offset : offset + len(data)] = data
        self._dirty.setdefault(name, []).append((offset, data))

    def truncate(self, name: str, size: int) -> None:
        self._dirty.pop(name, None)
        self._ends.pop(name, None)
        del self._files[name][size:]
        self._medium[name] = bytearray(self._files[name])

    def remove(self, name: str) -> None:
        self._files.pop(name, None)
        self._medium.pop(name, None)
        self._dirty.pop(name, None)
        self._ends.pop(name, None)

    def opened(self, name: str) -> int | None:
        return None

    def sync(self, name: str) -> None:
        dirty = self._dirty.pop(name, [])
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        medium = self._medium.setdefault(name, bytearray())
        for offset, data in dirty:
            medium.extend(bytes(max(0, offset - len(medium))))
            medium[offset : offset + len(data)] = data

    def release(self, name: str) -> None:
        end = self._ends.pop(name, None)
        if end is not None:
            del self._files[name][end:]

    def identity(self) -> str:
        return self._identity

    def identify(self, identity: str) -> None:
        self._identity = identity

    def close(self) -> None:
        return None
