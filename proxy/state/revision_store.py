"""Keeps the files of earlier and candidate rule sets.

The gate can return to an earlier set.

In: files by name. Out: a folder for each revision that ``policy.load`` reads. Never: a half-written set under its name, a file
that others than the owner may read.

    revisions/0123456789abcdef/rules/daily.yaml

``save`` writes into a temporary folder and renames it when it is complete: threads and worker processes may save the same set at
the same time. A file that is unchanged since the youngest set is hard-linked instead of written again. Each sync of a new file is
a commit of the file system, which the journal's syncs wait for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from proxy.runtime import atomic_files

RULES = "rules"
"""The name of the folder inside, so that errors show the usual file names."""
RULES_FILE = re.compile(r"(?:lists/)?[A-Za-z0-9_][\w.-]{0,60}\.ya?ml", re.ASCII)
"""YAML files: rules, and lists of words with groups and look-alike characters."""
REGISTRIES = (
    "signatures", "filings", "advertisers", "licences", "ports", "templates", "contacts", "campaigns", "holidays", "reviewed",
    "segments",
)  # fmt: skip
"""Registries without data about recipients: consents, preferences and lists of numbers are entered or imported, never pushed."""
_ONE = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}"
TABLE_FILE = re.compile(rf"registries/(?:{'|'.join(REGISTRIES)})\.csv|lexicon/{_ONE}\.csv|lists/{_ONE}\.txt")


def may_be_pushed(name: str) -> bool:
    """Whether it names a file of rules, a registry or a list of words; no file of another folder, no hidden file, no file about people."""
    return bool(RULES_FILE.fullmatch(name) or TABLE_FILE.fullmatch(name))


PIECE_BYTES, REST_S = 64 * 1024, 0.002
"""Bytes synced at a time, and the pause after them: the journal of the running gate waits for the same disk."""
HALF_S = 3600.0
"""Saving takes seconds: an incomplete folder of this age was left by a killed process."""
_NAME, _HALF = re.compile("[0-9a-f]{16}"), ".half"


class RevisionStore:
    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most
        """Sets kept in addition to the needed ones."""

    def path(self, revision: str) -> Path:
        return self.folder / revision / RULES

    def has(self, revision: str) -> bool:
        return bool(revision) and self.path(revision).is_dir()

    def all(self) -> list[str]:
        """All revisions, the oldest first."""
        try:
            found = [one for one in self.folder.iterdir() if _NAME.fullmatch(one.name)]
        except FileNotFoundError:
            return []
        return [one.name for one in sorted(found, key=_age)]

    def files(self, revision: str) -> dict[str, bytes]:
        """The files of a revision, by name. Raises OSError."""
        root = self.path(revision)
        found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        if not found:
            raise FileNotFoundError(errno.ENOENT, "holds no files", str(root))
        return found

    def save(self, revision: str, files: Mapping[str, bytes]) -> None:
        """Saves a revision; it is durable when this returns. Raises OSError."""
        if self.has(revision):
            os.utime(self.folder / revision)  # now the youngest
        else:
            atomic_files.make_folder(self.folder)
            self._sweep()
            half = Path(tempfile.mkdtemp(_HALF, f".{revision}.", self.folder))
            try:
                self._fill(half, files)
                self._name(half, revision)
            finally:
                shutil.rmtree(half, ignore_errors=True)
        atomic_files.sync_folder(self.folder)

    def _fill(self, half: Path, files: Mapping[str, bytes]) -> None:
        root = half / RULES
        paths = {root / name: data for name, data in files.items()}
        inside = {root, *(above for path in paths for above in path.parents if above.is_relative_to(root))}
        for one in sorted(inside):
            one.mkdir(mode=0o700)
        youngest = self.path(self.all()[-1]) if self.all() else None
        for path, data in paths.items():
            if youngest is None or not _linked(youngest / path.relative_to(root), path, data):
                _write(path, data)
        for one in (*inside, half):
            atomic_files.sync_folder(one)

    def _name(self, half: Path, revision: str) -> None:
        try:
            half.rename(self.folder / revision)
        except OSError:
            if not self.has(revision):  # else another process saved the same files first: the name is their digest
                raise

    def _sweep(self) -> None:
        """Removes incomplete folders of killed processes."""
        for half in self.folder.glob(f".*{_HALF}"):
            with contextlib.suppress(FileNotFoundError):  # who wrote it is done
                if half.stat().st_mtime < time.time() - HALF_S:
                    shutil.rmtree(half, ignore_errors=True)

    def forget(self, needed: Collection[str]) -> None:
        """Removes the oldest revisions beyond ``most``, except the needed ones."""
        with contextlib.suppress(OSError):
            found = [one for one in self.all() if one not in needed]
            for one in found[: max(0, len(found) - self.most)]:
                self.remove(one)

    def remove(self, revision: str) -> None:
        shutil.rmtree(self.folder / revision, ignore_errors=True)


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _linked(temporary: Path, path: Path, data: bytes) -> bool:
    """Hard-links ``temporary`` to ``path`` if it has the same contents; returns whether it did."""
    try:
        if temporary.stat().st_size != len(data) or temporary.read_bytes() != data:
            return False
        path.hardlink_to(temporary)
    except OSError:  # the file is missing, or the file system has no hard links: then it is written
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        for start in range(0, max(len(data), 1), PIECE_BYTES):
            out.write(data[start : start + PIECE_BYTES])
            out.flush()
            os.fsync(out.fileno())
            time.sleep(REST_S)
