"""Backup: a copy of what a gate must not forget, made while it runs, proved, and put back.

In: where a gate keeps its things, a folder for the copy. Out: the copy with a manifest; where it ends. Never: a byte of the original
changed; half a copy that looks like a whole one (the manifest is written last).

    COPY/state.db         the store as of a checkpoint        first the state, then the journal: a journal may be newer than the
    COPY/journal/         segments, the last one torn          state (a start replays the difference), never older
    COPY/revisions/       kept sets of rules                   a set is kept before the journal speaks of it: so these come last
    COPY/manifest.json    what there is, with SHA-256

``update`` brings journal and sets of a copy up to now, by what is new: done every minute to a disk of another machine it is a warm
standby that loses at most that minute.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from proxy.config import Places
from proxy.desk.disk import SUFFIX, OsDisk
from proxy.desk.scan import Report, verify
from proxy.kept import Kept

MANIFEST, STATE, JOURNAL, REVISIONS, IDENTITY = "manifest.json", "state.db", "journal", "revisions", "identity"
FORM = 1
PIECE = 4 << 20
TRIES = 3
"""The gate removes its oldest segment amid a copy hardly twice in a row: it looks once an hour."""


class BackupError(Exception):
    """It cannot be done; the text says why and what to do."""


class Copied(NamedTuple):
    """What a copy holds."""

    time: float  # when the journal was read
    segments: int
    bytes: int  # of all files
    first: int  # sequences of the journal
    last: int
    counted: int  # the state's place in it


# --- making


def make(places: Places, copy: Path) -> Copied:
    """Copies all there is into a folder that is new or empty. BackupError, OSError."""
    there = copy.exists()
    if there and any(copy.iterdir()):
        raise BackupError(f"{copy}: is not empty; name a new folder, or --update to bring that copy up to now")
    try:
        (copy / JOURNAL).mkdir(parents=True, mode=0o700, exist_ok=True)
        copy.chmod(0o700)
        _state(places.store, copy / STATE)
        _segments(places.journal, copy / JOURNAL)
        _sets(places.revisions, copy / REVISIONS)
        return _proved(copy)
    except BaseException:
        for path in copy.iterdir() if there else (copy,):  # a folder that was there stays, empty
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def update(places: Places, copy: Path) -> Copied:
    """Brings the journal and the sets of a copy up to now, by what is new. BackupError, OSError."""
    journal = places.journal
    begun = copy / f"{MANIFEST}.old"
    if not begun.exists():  # an update that was not finished goes on
        _manifest(copy)
    mine, theirs = (_identity(folder) for folder in (journal, copy / JOURNAL))
    if mine != theirs:
        raise BackupError(f"{copy}: is of another journal than {journal}; make a new copy")
    if (copy / MANIFEST).exists():
        (copy / MANIFEST).rename(begun)  # until it is proved again it is no copy
    _segments(journal, copy / JOURNAL)
    _sets(places.revisions, copy / REVISIONS)
    made = _proved(copy)
    begun.unlink()
    return made


def _identity(journal: Path) -> str:
    try:
        return (journal / IDENTITY).read_text().strip()
    except OSError as error:
        raise BackupError(f"{journal / IDENTITY}: {error.strerror or error}; is this a gate's journal?") from error


def _state(store: Path, target: Path) -> None:
    if not store.is_file():
        raise BackupError(f"{store}: no such file; is this the gate's store?")
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as db:
            db.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise BackupError(f"{store}: {error}") from error
    target.chmod(0o600)
    _sync(target)


def _segments(journal: Path, target: Path) -> None:
    """What is not there yet, or has grown."""
    left = TRIES
    while True:
        left -= 1
        try:
            names = sorted(path.name for path in journal.iterdir() if path.name.endswith(SUFFIX))
            for name in names:  # named before the first is copied: what begins meanwhile is of the next copy
                _grown(journal / name, target / name)
            break
        except FileNotFoundError as error:
            if not left or not journal.is_dir():
                raise BackupError(f"{error.filename}: no such file; is this the gate's journal?") from error
    shutil.copyfile(journal / IDENTITY, target / IDENTITY)
    _sync(target / IDENTITY)
    _sync(target)


def _sets(revisions: Path, target: Path) -> None:
    """The sets that are kept now: one is never changed, but the oldest go."""
    kept, copied = Kept(revisions, 0), Kept(target, 0)
    wanted = kept.all()
    for revision in wanted:
        with suppress(FileNotFoundError):  # it went meanwhile
            copied.save(revision, kept.files(revision))
    for revision in set(copied.all()) - set(wanted):
        copied.remove(revision)


def _grown(source: Path, target: Path) -> None:
    """Segments are only ever appended to: the copy's own octets are right as far as they go, but for a tail that was cut."""
    with source.open("rb") as old, target.open("r+b" if target.exists() else "w+b") as new:
        whole = os.fstat(old.fileno()).st_size
        at = min(whole, os.fstat(new.fileno()).st_size)
        while at and not _alike(old, new, at):
            at = max(0, at - PIECE)
        old.seek(at)
        new.seek(at)
        left = whole - at
        while left > 0 and (piece := old.read(min(PIECE, left))):
            new.write(piece)
            left -= len(piece)
        new.truncate()
        new.flush()
        os.fsync(new.fileno())
    target.chmod(0o600)


def _alike(old: Any, new: Any, end: int) -> bool:
    """Whether the last piece before an offset is the same in both."""
    start = max(0, end - PIECE)
    old.seek(start)
    new.seek(start)
    return bool(old.read(end - start) == new.read(end - start))


def _proved(copy: Path) -> Copied:
    """Reads the copy as a start would, and writes the manifest. BackupError where it is no gate's."""
    report = _whole(copy)
    counted = _counted(copy / STATE)
    if report.last < counted:
        raise BackupError(f"{copy}: the journal ends at {report.last}, before the state's {counted}: make the copy again")
    files = {str(path.relative_to(copy)): _described(path) for path in _files(copy)}
    made = Copied(
        time.time(), report.segments, sum(one["bytes"] for one in files.values()), report.first, report.last, counted
    )  # fmt: skip
    said = {"form": FORM, **made._asdict(), "chain": report.chain, "files": files}
    partly = copy / f"{MANIFEST}.new"
    partly.write_text(json.dumps(said, indent=1) + "\n")
    partly.chmod(0o600)
    _sync(partly)
    partly.rename(copy / MANIFEST)
    _sync(copy)
    return made


def _whole(copy: Path) -> Report:
    report = verify(OsDisk(copy / JOURNAL))
    if report.damage is not None:
        raise BackupError(f"{copy}: {report.damage}")
    return report


def _counted(state: Path) -> int:
    try:
        with closing(sqlite3.connect(f"{state.resolve().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE name = 'counted'").fetchone()
            return int(row[0]) if row else 0
    except (sqlite3.Error, ValueError) as error:
        raise BackupError(f"{state}: {error}; this is no store of a gate") from error


def _files(copy: Path) -> Iterator[Path]:
    yield copy / STATE
    yield from sorted((copy / JOURNAL).iterdir())
    yield from sorted(path for path in (copy / REVISIONS).rglob("*") if path.is_file())


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


# --- proving and putting back


def check(copy: Path) -> Copied:
    """Proves that a copy is as it was made. BackupError names the first file that is not."""
    said = _manifest(copy)
    present = {str(path.relative_to(copy)) for path in _files(copy) if path.exists()}
    for name, described in said["files"].items():
        if name not in present:
            raise BackupError(f"{copy / name}: is missing; this copy is not whole")
        if _described(copy / name) != described:
            raise BackupError(f"{copy / name}: is not what was copied; use another copy")
    if extra := present - set(said["files"]):
        raise BackupError(f"{copy / min(extra)}: is not of this copy")
    _whole(copy)
    return Copied(*(said[name] for name in Copied._fields))


def restore(copy: Path, places: Places) -> Copied:
    """Puts a copy where a gate is to start from; nothing may be there. BackupError, OSError."""
    found, (store, journal, revisions) = check(copy), places
    for path in (store, Path(f"{store}-wal")):
        if path.exists():
            raise BackupError(f"{path}: is there already; move it away first (keep it: it is evidence)")
    for folder in (journal, revisions):
        if folder.is_dir() and any(folder.iterdir()):
            raise BackupError(f"{folder}: is not empty; move it away first (keep it: it is evidence)")
    journal.mkdir(parents=True, mode=0o700, exist_ok=True)
    store.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    for path in sorted((copy / JOURNAL).iterdir()):
        _copied(path, journal / path.name)
    _sync(journal)
    _sets(copy / REVISIONS, revisions)
    _copied(copy / STATE, store)  # last: without it no start believes that it has all
    _sync(store.parent)
    return found


def _copied(source: Path, target: Path) -> None:
    partly = target.with_name(f"{target.name}.partly")
    shutil.copyfile(source, partly)
    partly.chmod(0o600)
    _sync(partly)
    partly.rename(target)


def _manifest(copy: Path) -> dict[str, Any]:
    try:
        said: Any = json.loads((copy / MANIFEST).read_text())
    except FileNotFoundError:
        raise BackupError(f"{copy}: has no {MANIFEST}: it is no copy, or one that was not finished") from None
    except ValueError as error:
        raise BackupError(f"{copy / MANIFEST}: {error}") from error
    fields = {"form", "files", *Copied._fields}
    if (
        not isinstance(said, dict)
        or said.get("form") != FORM
        or not fields <= said.keys()
        or not isinstance(said["files"], dict)
    ):
        raise BackupError(f"{copy / MANIFEST}: is not what a gate of this version wrote")
    return said


def _sync(path: Path) -> None:
    with suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
