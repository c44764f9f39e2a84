"""Keeps the files with which sources of complaints were answered.

In: a file that was sent. Out: its SHA-256, by which it is found again. Never: a file that others may read; one that was altered.

The files lie beside the archive, each under its SHA-256, for as long as a decided case stays in the book (400 days).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy.desk.complaints.book import KEEP_S
from proxy.journal.records.complaints import ANSWERED, DeskEvent
from proxy.model.redact import mask_numbers
from proxy.runtime.atomic_files import give_to_owner

BYTES_MAX = 32 << 20
_NOTED = re.compile(r"(.+) \(sha256 ([0-9a-f:]{71})\): ")


class CannotKeep(Exception):
    """The file cannot be kept, or is not here; the text says why."""


def keep(archive: Path, file: Path, now: float) -> str:
    """Copies a file; returns its SHA-256. CannotKeep, OSError."""
    if file.stat().st_size > BYTES_MAX:
        raise CannotKeep(f"{file.name}: larger than {BYTES_MAX >> 20} MB")
    data, folder = file.read_bytes(), _folder(archive)
    digest = hashlib.sha256(data).hexdigest()
    for one in (archive, folder):
        if not one.is_dir():
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            give_to_owner(one)
    for old in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if old.stat().st_mtime < now - KEEP_S:
                old.unlink()
    half, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(half, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(half)
    give_to_owner(Path(name))
    Path(name).replace(folder / digest)
    return digest


def find(archive: Path, digest: str) -> bytes:
    """CannotKeep where it is not here."""
    try:
        data = (_folder(archive) / digest).read_bytes()
    except OSError:
        raise CannotKeep("it is not here: it was noted on another machine, or longer ago than files are kept") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise CannotKeep("it was altered since it was noted")
    return data


def answer_of(case: Mapping[str, Any]) -> tuple[str, str]:
    """The name and the SHA-256 of the last answer of a case; empty if there is none."""
    for event in reversed(case["events"]):
        if event["what"] == ANSWERED and (found := _NOTED.match(event["why"])):
            return found[1], found[2].replace(":", "")
    return "", ""


def answers_of(events: Iterable[DeskEvent]) -> Iterator[tuple[float, str]]:
    """When its source was answered with a file, and the file's name; digits of a number in it are masked."""
    return ((one.time, mask_numbers(found[1])) for one in events if one.what == ANSWERED and (found := _NOTED.match(one.why)))


def without_digest(why: str, language: str = "en") -> str:
    """What an event of an answer says, for people: the file's name and the reason."""
    return _NOTED.sub(r"\1：" if language == "zh" else r"\1: ", why, count=1)


def _folder(archive: Path) -> Path:
    return archive / "case-answers"
