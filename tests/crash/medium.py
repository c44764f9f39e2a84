"""Medium: what of a gate's folders a power loss would leave, as POSIX promises it and no more.

In: the process's own calls of fsync, fdatasync, rename and unlink. Out: which names each folder has on the medium, and how much of each
file. Never: a guess in the gate's favour: a name that was made, changed or removed counts only once its folder has been synced.

The store's file is SQLite's, which does its own syncing in C: of it the last committed checkpoint is kept, or what is there. A copy of it
is made at each commit, beside the one before: the process may die while it is made, in another thread than the one that dies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from proxy.state.checkpoint import CheckpointFile

SHADOW = ".shadow"
Kept = dict[str, Any]
"""As death.json has it: ``sizes`` by inode, ``names`` with their inodes by folder, ``store``: which of the two copies is whole."""


class Medium:
    """Watches the process it lives in; ``shadow`` keeps what is removed before its folder is synced."""

    def __init__(self, root: Path, shadow: Path) -> None:
        self.root, self.shadow = root, shadow
        shutil.rmtree(shadow, ignore_errors=True)
        shadow.mkdir()
        self.sizes: dict[int, int] = {}
        self.names: dict[str, dict[str, int]] = {}
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir() and shadow not in (path, *path.parents))):
            self.names[str(folder)] = _listing(folder)
            self.sizes |= {path.stat().st_ino: path.stat().st_size for path in folder.iterdir() if path.is_file()}
        self.store = 1
        self._committed()

    def watch(self) -> None:
        """From now on."""
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._synced(getattr(os, name)))
        for name, victim in (("unlink", 0), ("remove", 0), ("rename", 1), ("replace", 1)):
            setattr(os, name, self._shadowed(getattr(os, name), victim))
        commit = CheckpointFile.commit

        def committed(file: CheckpointFile, values: dict[str, str]) -> None:
            commit(file, values)
            self._committed()

        CheckpointFile.commit = committed  # type: ignore[assignment,method-assign]

    def kept(self) -> Kept:
        return {"sizes": self.sizes, "names": self.names, "store": self.store}

    def _synced(self, sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def method(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            before = os.fstat(number)  # what is written while it runs is not promised
            path = Path(f"/proc/self/fd/{number}").readlink()
            listing = _listing(path) if path.is_dir() else None
            sync(number)
            if listing is not None:
                self.names[str(path)] = listing
            else:
                self.sizes[before.st_ino] = before.st_size

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
        other = 1 - self.store
        copy = _copy_of_store(self.shadow, other)
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in self.root.glob("state.db*"):
            if not file.name.endswith(("-shm", ".lock")):  # which are made anew
                shutil.copy(file, copy / file.name)
        self.store = other


def lose_power(root: Path, shadow: Path, kept: Kept, rng: Random) -> None:
    """Leaves of ``root`` what is on the medium; of what is not, some folders' names and some octets, as the seed has it.

    A system may keep more than it promised: whether names survive is drawn for each folder, how many octets for each file.
    """
    lose_names_and_octets(root, shadow, kept, rng)
    lose_store(root, shadow, kept, rng)


def lose_names_and_octets(root: Path, shadow: Path, kept: Kept, rng: Random) -> None:
    """Of all but the store."""
    sizes = {int(inode): size for inode, size in kept["sizes"].items()}
    for folder in sorted(path for path in (root, *root.rglob("*")) if path.is_dir() and shadow not in (path, *path.parents)):
        if not folder.exists():
            continue  # it was in one that is gone
        promised: dict[str, int] | None = kept["names"].get(str(folder))
        strict = rng.random() < 0.5
        for path in sorted(folder.iterdir()):
            if path == shadow or path.name.startswith("state.db"):
                continue
            inode = path.stat().st_ino
            if strict and (promised is None or promised.get(path.name) != inode):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif path.is_file() and path.parent != root:
                size = path.stat().st_size
                safe = min(size, sizes.get(inode, 0))
                os.truncate(path, rng.choice((safe, rng.randint(safe, size))))
        for name, inode in (promised or {}).items() if strict else ():
            copy = shadow / str(inode)
            if copy.exists() and not (folder / name).exists():
                os.link(copy, folder / name)
                os.truncate(folder / name, min(copy.stat().st_size, sizes.get(inode, 0)))


def lose_store(root: Path, shadow: Path, kept: Kept, rng: Random) -> None:
    if rng.random() < 0.5:
        for file in root.glob("state.db*"):
            file.unlink()
        for file in _copy_of_store(shadow, kept["store"]).iterdir():
            shutil.copy(file, root / file.name)


def _copy_of_store(shadow: Path, which: int) -> Path:
    return shadow / f"store-{which}"


def _listing(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}
