"""Copies a running gate's data, verifies the copy, and restores it.

In: the paths of the gate's data, a folder for the copy. Out: the copy with a manifest; where it ends. Never: a byte of the original
changed; half a copy that looks complete (the manifest is written last).

    COPY/state.db         the store as of a checkpoint        first the state, then the journal: a journal may be newer than the
    COPY/journal/         segments, the last one torn          state (a start replays the difference), never older
    COPY/revisions/       kept rule sets                       a rule set is kept before the journal mentions it: so they come last
    COPY/manifest.json    every file, with SHA-256

The folder of a follower (cluster/follower.py) is such a copy with ``archive/``, and without a manifest; or it has one for each node on a
shared store. ``restore`` verifies it, and begins a new epoch in it, so that the follower refuses the node that is replaced.

``update`` brings the journal and rule sets of a copy up to date with what is new. Done every minute to a disk of another machine, it is a
warm standby that loses at most that minute. If the gate removed records before they were copied, and has REMOVED records that say so, the
copy continues after the gap with a newer state (cluster/truncated_copy.py). The manifest names the gap, and ``restore`` puts back what
follows it.
"""

import filecmp
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from proxy.cluster.follower import LOCK, FollowerFolder
from proxy.cluster.follower_protocol import FollowerFault, begin_epoch, epoch_of, folder_of
from proxy.cluster.truncated_copy import NO_KEY, TruncatedCopy, overtaken, proved, segments, told, unexplained
from proxy.config import StoragePaths
from proxy.journal.encoding import unpack
from proxy.journal.erasure import Erasure, unfinished
from proxy.journal.records import messages
from proxy.journal.retention import Removed
from proxy.journal.scan import ScanReport, segment_name
from proxy.journal.sealing import KeyRing, SealingError
from proxy.journal.segment import HEADER_BYTES, JournalRecord, SegmentFault, unpack_header
from proxy.runtime.atomic_files import sync_file
from proxy.state.revision_store import RevisionStore

MANIFEST, STATE, IDENTITY = "manifest.json", "state.db", "identity"
JOURNAL, REVISIONS, ARCHIVE = "journal", "revisions", "archive"
FORM = 1
PIECE = 4 << 20
TRIES = 3  # the gate removes its oldest segment during a copy hardly twice in a row: retention runs once an hour


class BackupError(Exception):
    """The copy cannot be made, verified or restored; the text says why and what to do."""


class Copied(NamedTuple):
    """What a copy holds."""

    time: float  # when the journal was read
    segments: int
    bytes: int  # of all files
    first: int  # sequences of the journal
    last: int
    counted: int  # the state's place in it
    holes: list[dict[str, Any]]  # records that the gate removed before they were copied: first, last, who and why


_NEEDED = Copied._fields[:-1]  # fields of every manifest; ``holes`` is optional


# --- making


def make(places: StoragePaths, copy: Path) -> Copied:
    """Copies everything into a folder that is new or empty. BackupError, OSError."""
    existed = copy.exists()
    if existed and any(copy.iterdir()):
        raise BackupError(f"{copy}: is not empty; name a new folder, or --update to bring that copy up to now")
    try:
        (copy / JOURNAL).mkdir(parents=True, mode=0o700, exist_ok=True)
        copy.chmod(0o700)
        copy_state(places.store, copy / STATE)
        _segments(places.journal, copy / JOURNAL)
        _sets(places.revisions, copy / REVISIONS)
        return _noted(copy, *_whole(copy, _ring(places)))
    except BaseException:
        for path in copy.iterdir() if existed else (copy,):  # a folder that was there stays, empty
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def update(places: StoragePaths, copy: Path) -> Copied:
    """Brings the journal and the rule sets of a copy up to date. On BackupError or OSError the copy is as it was, or the next update continues
    it."""
    journal = places.journal
    begun = copy / f"{MANIFEST}.old"
    if not begun.exists():  # an unfinished update is continued
        _manifest(copy)
    if _identity(journal) != _identity(copy / JOURNAL):
        raise BackupError(f"{copy}: is of another journal than {journal}; make a new copy")
    gone = _gone(journal, copy, _ring(places))
    if (copy / MANIFEST).exists():
        (copy / MANIFEST).rename(begun)  # until it is verified again it does not count as a copy
    if gone is not None:
        gone.cut()
    made = _brought(places, copy)
    begun.unlink()
    return made


def _gone(journal: Path, copy: Path, ring: KeyRing) -> TruncatedCopy | None:
    """The records that were removed before they were copied; BackupError where no REMOVED record says so."""
    try:
        found = overtaken(journal, copy / JOURNAL)
        why = unexplained([found.hole], proved(journal, ring)[1]) if found is not None else ""
    except FileNotFoundError as error:
        raise BackupError(f"{error.filename}: is gone while the journal is read (run it again)") from None
    if why:
        raise BackupError(
            f"{copy}: cannot be brought up to now: of the journal in {journal}, {why}. Find out who took them away, and make a new "
            "copy; this one is as it was, and may be the only place where the records before them are"
        )
    return found


def _brought(places: StoragePaths, copy: Path) -> Copied:
    """Copies what is new. A state older than the remaining journal is copied again, then the records written since."""
    left = TRIES
    while True:
        left -= 1
        _segments(places.journal, copy / JOURNAL)
        _sets(places.revisions, copy / REVISIONS)
        report, removed = _whole(copy, _ring(places))
        begins = report.holes[-1].last + 1 if report.holes else report.first
        if begins <= 1 or position_of(copy / STATE).open_from > begins:
            return _noted(copy, report, removed)
        if not left:
            raise BackupError(
                f"{places.store}: no gate starts from it, for records before {begins} are not in the journal any more"
            )
        anew = copy / f"{STATE}.new"
        anew.unlink(missing_ok=True)
        copy_state(places.store, anew)
        anew.rename(copy / STATE)
        _sync(copy)


def _identity(journal: Path) -> str:
    try:
        return (journal / IDENTITY).read_text().strip()
    except OSError as error:
        raise BackupError(f"{journal / IDENTITY}: {error.strerror or error}; is this a gate's journal?") from error


def copy_state(store: Path, target: Path) -> None:
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
    """Copies segments that are new or have grown."""
    for left in reversed(range(TRIES)):
        try:
            for name in segments(journal):  # listed before the first is copied: later segments belong to the next copy
                _grown(journal / name, target / name)
            break
        except FileNotFoundError as error:
            if not left or not journal.is_dir():
                raise BackupError(f"{error.filename}: no such file; is this the gate's journal?") from error
    shutil.copyfile(journal / IDENTITY, target / IDENTITY)
    _sync(target / IDENTITY)
    _sync(target)


def _sets(revisions: Path, target: Path) -> None:
    """Copies the kept rule sets: a set never changes, and the oldest are removed."""
    kept, copied = RevisionStore(revisions, 0), RevisionStore(target, 0)
    wanted = kept.all()
    for revision in wanted:
        with suppress(FileNotFoundError):  # it was removed meanwhile
            copied.save(revision, kept.files(revision))
    for revision in set(copied.all()) - set(wanted):
        copied.remove(revision)


def _grown(source: Path, target: Path) -> None:
    """Copies the part of a segment that is new. Segments are only appended to, within preallocated space (far less than a PIECE), so the copy's
    octets are right as far as they go, except for that space and a tail that was cut. A segment with an erasure is copied whole."""
    if target.exists() and _is_redacted(source) and not filecmp.cmp(source, target, shallow=False):
        target.unlink()
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


def _is_redacted(segment: Path) -> bool:
    with segment.open("rb") as file, suppress(SegmentFault):
        return unpack_header(file.read(HEADER_BYTES)).redacted
    return False


def _alike(old: Any, new: Any, end: int) -> bool:
    """Whether the last piece before an offset is equal in both files."""
    start = max(0, end - PIECE)
    old.seek(start)
    new.seek(start)
    return bool(old.read(end - start) == new.read(end - start))


def _noted(copy: Path, report: ScanReport, removed: list[Removed]) -> Copied:
    """Writes the manifest. BackupError where state and journal do not fit together."""
    counted = position_of(copy / STATE).counted
    if report.last < counted:
        raise BackupError(f"{copy}: the journal ends at {report.last}, before the state's {counted}: make the copy again")
    files = {str(path.relative_to(copy)): _described(path) for path in _files(copy)}
    made = Copied(
        time.time(), report.segments, sum(one["bytes"] for one in files.values()), report.first, report.last, counted,
        [told(hole, removed) for hole in report.holes],
    )  # fmt: skip
    fields = {"form": FORM, **made._asdict(), "chain": report.chain, "files": files}
    partly = copy / f"{MANIFEST}.new"
    partly.write_text(json.dumps(fields, indent=1) + "\n")
    _put_in_place(partly, copy / MANIFEST)
    _sync(copy)
    return made


def _ring(places: StoragePaths) -> KeyRing:
    """The keys, if available: a copy needs no key, but only with them can gaps be explained."""
    try:
        return KeyRing.of_files(places.sealing.keys)
    except SealingError:
        return KeyRing()


def _whole(
    copy: Path, ring: KeyRing, seen: Callable[[JournalRecord], None] = lambda record: None
) -> tuple[ScanReport, list[Removed]]:
    """Verifies the copy's journal as a start would; returns its report and REMOVED records. Without the keys the chain is verified, too."""
    report, removed = proved(copy / JOURNAL, ring, seen)
    if wrong := report.damage or unexplained(report.holes, removed):
        raise BackupError(f"{copy}: {wrong}{NO_KEY if report.closed and report.sealed and not report.damage else ''}")
    return report, removed


class _Position(NamedTuple):
    """The state's position in the journal."""

    counted: int
    open_from: int


def position_of(state: Path) -> _Position:
    try:
        with closing(sqlite3.connect(f"{state.resolve().as_uri()}?mode=ro", uri=True)) as db:
            meta = dict(db.execute("SELECT name, value FROM meta WHERE name IN ('counted', 'open_from')"))
            return _Position(int(meta.get("counted", 0)), int(meta.get("open_from", 0)))
    except (sqlite3.Error, ValueError) as error:
        raise BackupError(f"{state}: {error}; this is no store of a gate") from error


def _files(copy: Path) -> Iterator[Path]:
    yield copy / STATE
    yield from sorted((copy / JOURNAL).iterdir())
    yield from sorted(path for area in (REVISIONS, ARCHIVE) for path in (copy / area).rglob("*") if path.is_file())


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


# --- verifying and restoring


def check(copy: Path) -> Copied:
    """Verifies that a copy is as it was made. BackupError names the first file that is not."""
    fields = _manifest(copy)
    present = {str(path.relative_to(copy)) for path in _files(copy) if path.exists()}
    for name, described in fields["files"].items():
        if name not in present:
            raise BackupError(f"{copy / name}: is missing; this copy is not whole")
        if _described(copy / name) != described:
            raise BackupError(f"{copy / name}: is not what was copied; use another copy")
    if extra := present - set(fields["files"]):
        raise BackupError(f"{copy / min(extra)}: is not of this copy")
    report, removed = proved(copy / JOURNAL, KeyRing())
    gaps = "" if report.sealed else unexplained(report.holes, removed)  # of a sealed journal the manifest names them
    if wrong := report.damage or gaps:
        raise BackupError(f"{copy}: {wrong}")
    return Copied(**{name: fields[name] for name in _NEEDED}, holes=fields.get("holes", []))


def restore(copy: Path, *nodes: StoragePaths, tell: Callable[[Erasure], object] = bool) -> list[tuple[Path, Copied]]:
    """Copies a backup, or what a follower has of these nodes, to where the gate starts from; nothing may be there. ``tell`` gets each erasure
    that a follower's copy lacks, and that must be done again. BackupError, OSError."""
    copies = [(copy / folder_of(places.node), places) for places in nodes]
    for one, places in copies:
        followed = (one / LOCK).exists()
        if places.node is not None and not followed:
            raise BackupError(
                f"{copy}: has no {one.name}: of a gate on a Valkey a follower's folder can be restored, and no other copy"
            )
        _refuse_data(places, followed=followed)
        if followed and not (one / STATE).exists():
            raise BackupError(
                f"{one}: has no {STATE}: the gate had not copied its files yet; all that was answered is in {one / JOURNAL}"
            )
    for one, places in copies:
        if (one / LOCK).exists():
            _replace_node(one, _ring(places), tell)
    checked = [check(one) for one, _ in copies]
    for (one, places), found in zip(copies, checked, strict=True):
        _put_back(one, places, found)
    return [(one, found) for (one, _), found in zip(copies, checked, strict=True)]


def _refuse_data(places: StoragePaths, *, followed: bool) -> None:
    """BackupError where something is that a restore would write over, or mix with."""
    for path in (places.store, Path(f"{places.store}-wal")):
        if path.exists():
            raise BackupError(f"{path}: is there already; move it away first (keep it: it is evidence)")
    folders = [places.journal, places.revisions]
    if followed and places.archive is not None:
        shared = places.archive.is_dir() and places.node is not None
        folders += (
            [one for one in places.archive.glob("node-*") if places.has_in_archive(one.name)] if shared else [places.archive]
        )
    for folder in folders:
        if folder.is_dir() and any(folder.iterdir()):
            raise BackupError(f"{folder}: is not empty; move it away first (keep it: it is evidence)")


def _put_back(copy: Path, places: StoragePaths, found: Copied) -> None:
    store, journal = places.store, places.journal
    journal.mkdir(parents=True, mode=0o700, exist_ok=True)
    store.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    behind = segment_name(found.holes[-1]["last"] + 1) if found.holes else ""
    for path in sorted((copy / JOURNAL).iterdir()):
        if path.name == IDENTITY or path.name >= behind:  # the gate, too, had no more what is before a hole
            _copied(path, journal / path.name)
    _sync(journal)
    _sets(copy / REVISIONS, places.revisions)
    if places.archive is not None:
        for path in sorted(path for path in (copy / ARCHIVE).rglob("*") if path.is_file()):
            target = places.archive / path.relative_to(copy / ARCHIVE)
            if not target.exists():  # what is no node's may be there still
                target.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                _copied(path, target)
    _copied(copy / STATE, store)  # last: without it no start takes the copy for complete
    _sync(store.parent)


def _replace_node(copy: Path, ring: KeyRing, tell: Callable[[Erasure], object]) -> None:
    """Makes a follower's folder a copy: from now on it refuses the node that it followed. BackupError."""
    try:
        folder = FollowerFolder(copy)
    except FollowerFault as fault:
        raise BackupError(str(fault)) from None
    try:
        folder.end()  # cuts what a loss of power has left of a group
        (copy / MANIFEST).unlink(missing_ok=True)  # of an earlier restore
        records: list[JournalRecord] = []
        report, removed = _whole(copy, ring, lambda one: records.append(one) if one.kind == messages.ERASURE else None)
        for erasure in unfinished(report.redactions, [unpack(Erasure, one.body) for one in records], report.first):
            tell(erasure)
        begin_epoch(folder.journal, epoch_of(folder.journal) + 1)
        _noted(copy, report, removed)
    finally:
        folder.close()


def _copied(source: Path, target: Path) -> None:
    partly = target.with_name(f"{target.name}.partly")
    shutil.copyfile(source, partly)
    _put_in_place(partly, target)


def _put_in_place(partly: Path, target: Path) -> None:
    partly.chmod(0o600)
    _sync(partly)
    partly.rename(target)


def _manifest(copy: Path) -> dict[str, Any]:
    try:
        manifest: Any = json.loads((copy / MANIFEST).read_text())
    except FileNotFoundError:
        raise BackupError(f"{copy}: has no {MANIFEST}: it is no copy, or one that was not finished") from None
    except ValueError as error:
        raise BackupError(f"{copy / MANIFEST}: {error}") from error
    whole = isinstance(manifest, dict) and manifest.get("form") == FORM and {"files", *_NEEDED} <= manifest.keys()
    if not whole or not isinstance(manifest["files"], dict):
        raise BackupError(f"{copy / MANIFEST}: is not what a gate of this version wrote")
    return dict(manifest)


def _sync(path: Path) -> None:
    with suppress(PermissionError):
        sync_file(path)
