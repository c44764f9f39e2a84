"""Medium: what of a gate's folders a power loss would leave, as POSIX promises it and no more.

In: the process's own calls of fsync, fdatasync, rename and unlink. Out: which names each folder has on the medium, and how much of each
file. Never: a guess in the gate's favour: a name that was made, changed or removed counts only once its folder has been synced.

The process dies in one thread, and the others go on until it has: so what reaches the medium is written down as it does, and is read
when all is over. The store's file is SQLite's, which does its own syncing in C: of it the last committed checkpoint is kept, or what is
there. A copy of it is made at each commit, beside the one before: it may be cut off, too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from proxy.state.embedded.checkpoint import CheckpointFile

SHADOW = ".shadow"
REACHED = "reached"
"""In the shadow: what reached the medium, a line each."""


@dataclass
class Kept:
    """What a power loss leaves."""

    sizes: dict[int, int] = field(default_factory=dict)
    """Octets of each file, by inode."""
    names: dict[str, dict[str, int]] = field(default_factory=dict)
    """Names and their inodes, by folder."""
    store: int = 0
    """Which of the two copies of the store is whole."""

    @classmethod
    def of(cls, shadow: Path) -> Kept:
        kept = cls()
        for line in (shadow / REACHED).read_text().splitlines():
            kind, *said = json.loads(line)
            if kind == "names":
                kept.names[said[0]] = said[1]
            elif kind == "store":
                kept.store = said[0]
            else:
                inode, size = said
                before = kept.sizes.get(inode, 0)  # of two syncs at a time the later may end first
                kept.sizes[inode] = min(before, size) if kind == "cut" else max(before, size)
        return kept


class Medium:
    """Watches the process it lives in; ``shadow`` keeps what is removed before its folder is synced."""

    def __init__(self, root: Path, shadow: Path) -> None:
        self.root, self.shadow = root, shadow
        shutil.rmtree(shadow, ignore_errors=True)
        shadow.mkdir()
        self._reached = os.open(shadow / REACHED, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir() and shadow not in (path, *path.parents))):
            self._note("names", str(folder), _listing(folder))
            for path in folder.iterdir():
                if path.is_file():
                    self._note("synced", path.stat().st_ino, path.stat().st_size)
        self._store = 1
        self._committed()

    def watch(self) -> None:
        """From now on."""
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._synced(getattr(os, name)))
        for name, victim in (("unlink", 0), ("remove", 0), ("rename", 1), ("replace", 1)):
            setattr(os, name, self._shadowed(getattr(os, name), victim))
        os.ftruncate = self._cut(os.ftruncate)
        commit = CheckpointFile.commit

        def committed(file: CheckpointFile, values: dict[str, str]) -> None:
            commit(file, values)
            self._committed()

        CheckpointFile.commit = committed  # type: ignore[assignment,method-assign]

    def _note(self, *reached: object) -> None:
        os.write(self._reached, json.dumps(reached).encode() + b"\n")

    def _synced(self, sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def method(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            before = os.fstat(number)  # what is written while it runs is not promised
            path = Path(f"/proc/self/fd/{number}").readlink()
            listing = _listing(path) if path.is_dir() else None
            sync(number)
            if listing is not None:
                self._note("names", str(path), listing)
            else:
                self._note("synced", before.st_ino, before.st_size)

        return method

    def _cut(self, truncate: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def method(file: int, size: int) -> None:
            self._note("cut", os.fstat(file).st_ino, size)
            truncate(file, size)

        return method

    def _shadowed(self, change: Callable[..., None], victim: int = 0) -> Callable[..., None]:
        """``victim``: which argument names what is gone afterwards."""

        def method(*paths: Any, **more: Any) -> None:
            path = Path(paths[victim])
            if not more and path.is_file() and self.root in path.parents:
                copy = self.shadow / str(path.stat().st_ino)
                if not copy.exists():
                    os.link(path, copy)
            change(*paths, **more)

        return method

    def _committed(self) -> None:
        """What the store's files hold is on the medium."""
        other = 1 - self._store
        copy = _copy_of_store(self.shadow, other)
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in self.root.glob("state.db*"):
            if not file.name.endswith(("-shm", ".lock")):  # which are made anew
                shutil.copy(file, copy / file.name)
        self._store = other
        self._note("store", other)


def lose_power(root: Path, shadow: Path, rng: Random) -> None:
    """Leaves of ``root`` what is on the medium; of what is not, some folders' names and some octets, as the seed has it.

    A system may keep more than it promised: whether names survive is drawn for each folder, how many octets for each file.
    """
    lose_names_and_octets(root, shadow, rng)
    lose_store(root, shadow, rng)


def lose_names_and_octets(root: Path, shadow: Path, rng: Random) -> None:
    """Of all but the store."""
    kept = Kept.of(shadow)
    for folder in sorted(path for path in (root, *root.rglob("*")) if path.is_dir() and shadow not in (path, *path.parents)):
        if not folder.exists():
            continue  # it was in one that is gone
        promised: dict[str, int] | None = kept.names.get(str(folder))
        strict = rng.random() < 0.5
        for path in sorted(folder.iterdir()):
            if path == shadow or path.name.startswith("state.db"):
                continue
            inode = path.stat().st_ino
            if strict and (promised is None or promised.get(path.name) != inode):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif path.is_file() and path.parent != root:
                size = path.stat().st_size
                safe = min(size, kept.sizes.get(inode, 0))
                os.truncate(path, rng.choice((safe, rng.randint(safe, size))))
        for name, inode in (promised or {}).items() if strict else ():
            copy = shadow / str(inode)
            if copy.exists() and not (folder / name).exists():
                os.link(copy, folder / name)
                os.truncate(folder / name, min(copy.stat().st_size, kept.sizes.get(inode, 0)))


def lose_store(root: Path, shadow: Path, rng: Random) -> None:
    if rng.random() < 0.5:
        for file in root.glob("state.db*"):
            file.unlink()
        for file in _copy_of_store(shadow, Kept.of(shadow).store).iterdir():
            shutil.copy(file, root / file.name)


def _copy_of_store(shadow: Path, which: int) -> Path:
    return shadow / f"store-{which}"


def _listing(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}
