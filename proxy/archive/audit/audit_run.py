"""Runs the opt-out audit over a gate's journals, once or continuously.

It serves ``gate106 optout audit``. The position to resume from is in a small file beside the journal. Never: a byte of the journal changed, a
whole number.
"""

import json
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive.audit.optout_audit import Audit, Finding
from proxy.archive.audit.optout_events import iso
from proxy.config import Sealing, SettingsError, archive_locations
from proxy.journal.disk import OsDisk
from proxy.journal.scan import JournalError
from proxy.journal.sealing import KeyRing, SealingError
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header
from proxy.model.number import Number
from proxy.runtime.os_errors import in_words

EVERY_S = 1.0  # between two readings of a journal that was read to its end
PIECE_S = 0.5
FOLDERS_EVERY_S = 10.0
SPOILT_S = 60.0  # if a journal cannot be read for so long, the process ends, and a new one begins with the present keys
STATE = "optout-audit.json"  # beside the segments of the first journal: by journal, up to which record all is settled


class CannotAudit(Exception):
    """The journals cannot be read; the text says why and what to do."""


class Journals(NamedTuple):
    folders: tuple[Path, ...]
    disks: tuple[OsDisk, ...]
    nodes: tuple[int, ...]


def journals_of(config: Path, folder: Path | None = None) -> Journals:
    """Of all workers. ``folder``: this one, instead of what the settings say. CannotAudit."""
    folders, sealing = [folder] if folder is not None else [], Sealing(())
    try:
        places = archive_locations(config, every=True)
        folders, sealing = folders or [one for one, _ in places.journals], places.sealing
    except SettingsError as error:
        if folder is None:
            raise CannotAudit(f"{'; '.join(error.problems)} (or name the journal's folder: --journal)") from None
    for one in folders:
        if not one.is_dir():
            raise CannotAudit(f"{one}: no such folder (a gate that has run leaves its journal there)")
    try:
        ring = KeyRing.of_files(sealing.keys)
    except SealingError as error:
        raise CannotAudit(error) from None
    disks = tuple(OsDisk(one, ring) for one in folders)
    return Journals(tuple(folders), disks, tuple(map(_node_of, disks)))


def _node_of(disk: OsDisk) -> int:
    names = disk.list()
    try:
        return unpack_header(disk.read(names[-1], HEADER_BYTES)).node if names else -1
    except (OSError, SegmentFault):
        return -1


def once(journals: Journals, now: float) -> list[dict[str, Any]]:
    """The findings of the last 30 days. CannotAudit."""
    audit = Audit(journals.disks, journals.nodes, now, 0.0, [0] * len(journals.disks))
    return [as_row(one) for one in _all_of(audit, journals)]


def sent_after_optouts(journals: Journals, since: float, until: float, within_s: float | None = None) -> int | None:
    """How many advertisements were sent in a period after a reply had asked to stop them; None: it took longer than ``within_s``.
    CannotAudit."""
    audit = Audit(journals.disks, journals.nodes, since, since, [0] * len(journals.disks))
    found = _all_of(audit, journals, within_s)
    return None if audit.behind else sum(one.against.sent.at < until for one in found)


def _all_of(audit: Audit, journals: Journals, within_s: float | None = None) -> list[Finding]:
    now_s = time.monotonic()
    try:
        found = audit.read_on(now_s, None if within_s is None else now_s + within_s)
        if audit.behind and (within_s is None or audit.unreadable):
            raise CannotAudit(_spoilt(journals))
    except (OSError, JournalError) as error:
        raise CannotAudit(in_words(error)) from None
    return found


def follow(config: Path, since: float, goes_on: Callable[[float], bool]) -> Generator[dict[str, Any], None, None]:
    """Yields new findings about once a second. ``since``: without saved state, earlier messages are no findings. ``goes_on`` waits this many
    seconds and returns whether to continue. Ends when the gate's journals have changed. CannotAudit."""
    journals = journals_of(config)
    state = journals.folders[0] / STATE
    known = _read(state)
    done = [known.get(disk.identity(), 0) for disk in journals.disks]
    audit = Audit(journals.disks, journals.nodes, time.time(), 0.0 if any(done) else since, done)
    looked_s, saved = time.monotonic(), list[int]()
    well_s = looked_s
    while True:
        now_s = time.monotonic()
        try:
            found = audit.read_on(now_s, now_s + PIECE_S)
        except (OSError, JournalError) as error:
            raise CannotAudit(in_words(error)) from None
        well_s = well_s if audit.unreadable else now_s
        if now_s - well_s > SPOILT_S:
            raise CannotAudit(_spoilt(journals))
        yield {"found": [as_row(one) for one in found], "behind": audit.behind}
        if not audit.behind and (reached := audit.reached) != saved:
            _write(state, {disk.identity(): at for disk, at in zip(journals.disks, reached, strict=True)})
            saved = reached
        if not goes_on(0.0 if audit.behind else EVERY_S):
            return
        if now_s - looked_s > FOLDERS_EVERY_S:
            looked_s = now_s
            if journals_of(config).folders != journals.folders:
                return


def _spoilt(journals: Journals) -> str:
    return f"{journals.folders[0]}: the journal is damaged, sealed with another key, or altered while it is read: gate106 journal verify"


def as_row(one: Finding) -> dict[str, Any]:
    sent, claim = one.against
    return {
        "person": str(Number(one.recipient)), "sent": iso(sent.at), "provider": sent.provider, "port": sent.port,
        "refused": iso(claim.at), "refused_at": claim.port,
    }  # fmt: skip


def _read(state: Path) -> dict[str, int]:
    try:
        held = json.loads(state.read_text())
        return {str(name): int(at) for name, at in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(state: Path, reached: dict[str, int]) -> None:
    half = state.with_suffix(".new")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(reached, file)
        half.replace(state)
    except OSError as error:
        raise CannotAudit(f"{state}: {in_words(error).removeprefix(f'{half}: ')}") from None
