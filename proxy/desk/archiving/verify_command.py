"""Implements ``gate106 journal verify``: records, the chain and the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.model.roles import Permission
from proxy.operations.declaration import Program, command
from proxy.operations.files.journal_access import places_of
from proxy.operations.terminal import CONFIG, Config, Json, fail, format_time, note, print_answer

if TYPE_CHECKING:
    from proxy.archive.verification import VerifiedNode
    from proxy.journal.disk import Disk, OsDisk
    from proxy.journal.retention import Removed
    from proxy.journal.scan import ScanReport
    from proxy.journal.sealing import KeyRing

OR_FOLDER = " (or name the journal's folder)"
TRIES = 3
"""How often a journal is read again if a segment is removed meanwhile; the gate removes segments once an hour."""


@command(
    "journal verify", Program(permission=Permission.LOOK), example="gate106 journal verify --config /etc/gate106/gate106.yaml"
)
def verify(
    folder: Annotated[Path | None, typer.Argument(help="The journal's folder, instead of what the settings say.")] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="The folder of its tables, where a journal's folder is named.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="A file that a sealed journal is opened with, where a folder is named; also several."),
    ] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Check every record, the chain over all commit groups, and the tables made of them; of a gate of several workers all their journals.
    Exit 1 if anything was altered, or is missing with no record of its removal: the first such record is named. A sealed journal needs no
    key for its chain; with it, each group is opened."""
    from proxy.archive.access_records import FOLDER
    from proxy.journal.disk import SUFFIX, OsDisk

    keys_folder, sealing = None, tuple(key or ())
    folders: list[tuple[Path, int | None]] = [] if folder is None else [(folder, None)]
    if folder is None:
        places = places_of(config, every=True, hint=OR_FOLDER)
        folders = [*places.journals] or [(places.journal, places.node)]
        archive, keys_folder = places.archive.folder if places.archive.folder.is_dir() else None, places.archive.keys
        sealing = sealing or places.sealing.keys
    for one in (*(one for one, _ in folders), archive):
        if one is not None and not one.is_dir():
            fail(f"{one}: no such folder")
    if folder is not None and not any(folder.glob(f"*{SUFFIX}")):
        beside = f" (its journal is {folder / 'journal'})" if (folder / "journal").is_dir() else ""
        fail(f"{folder}: no journal: there are no segments in it{beside}")
    ring = _ring(sealing)
    chains = [_check_chain(one, ring, keys_folder) for one, _ in folders]
    disks = [(OsDisk(one, ring), node) for one, node in folders]
    proved = _verify_tables(disks, archive, keys_folder) if archive is not None else []
    faults = [fault for one in proved for fault in one.faults]
    looks = archive / FOLDER if archive is not None else None  # the small journal that searches write themselves
    accesses = _scan(looks, ring)[0] if looks is not None and looks.is_dir() else None
    unreadable = accesses and (str(accesses.damage or "") or _removed_records(accesses))
    if unreadable:
        faults.append(f"who looked while no gate ran: {unreadable}")
    tables = {"tables": [one._asdict() for one in proved], "faults": faults}
    (first, *more) = [chain.as_dict() for chain in chains]
    lines = [line for chain in chains for line in _chain_lines(chain)] + [*_table_lines(proved)]
    if accesses is not None:
        holds = f"{accesses.records} records; the chain holds: {accesses.chain}"
        lines.append(f"who looked while no gate ran: {unreadable or holds}")
    print_answer({"journals": [first, *more]} | tables if more else first | tables, json, lines)
    raise typer.Exit(1 if faults or any(chain.damage for chain in chains) else 0)


class ChainCheck(NamedTuple):
    """The result of scanning one journal."""

    folder: Path
    report: ScanReport
    removed: list[Removed]
    damage: str | None

    def as_dict(self) -> dict[str, Any]:
        report, removed = self.report, [{**one._asdict(), "digest": one.digest.hex()} for one in self.removed]
        return report._asdict() | {
            "folder": str(self.folder), "holes": [one._asdict() for one in report.holes], "damage": self.damage, "removed": removed,
            "cut": report.cut._asdict() if report.cut else None,
            "redactions": [[last, before.hex(), now.hex()] for last, before, now in report.redactions],
        }  # fmt: skip


def _check_chain(folder: Path, ring: KeyRing, keys_folder: Path | None) -> ChainCheck:
    from proxy.cluster.truncated_copy import NO_KEY, unexplained
    from proxy.journal import retention

    report, removed = _scan(folder, ring)
    missing = retention.unexplained_start(report.first, bytes.fromhex(report.previous), removed)
    missing = missing or unexplained(report.holes, removed)
    if missing and report.closed and report.sealed:
        missing += NO_KEY
    damage = str(report.damage) if report.damage else missing or _unsigned_erasure(folder, ring, report, keys_folder) or None
    return ChainCheck(folder, report, removed, damage)


def _chain_lines(chain: ChainCheck) -> Iterator[str]:
    folder, report, removed, damage = chain
    if damage:
        yield damage
        return
    span = f"{report.records} records ({report.first} to {report.last}) in {report.groups} groups, {report.segments} segments"
    yield f"{folder}: {span}; the chain holds: {report.chain}"
    for hole in report.holes:
        yield f"records {hole.first} to {hole.last} are not here: they were removed before this copy was brought up to now"
    if report.sealed:
        opened = (
            "their key is not at hand: none was opened" if report.closed else "each was opened, and written by who had the key"
        )
        yield f"{report.sealed} groups are sealed; {opened}"
    if report.redactions:
        yield f"{len(report.redactions)} groups were redacted: a person was erased; records of that, signed, name each"
    for one in removed:
        yield f"{format_time(one.time)}: records {one.first} to {one.last} removed by {one.who} ({one.why})"


def _unsigned_erasure(folder: Path, ring: KeyRing, report: ScanReport, keys_folder: Path | None) -> str:
    """The first group marked as redacted that no signed record of an erasure names; empty if none."""
    if not report.redactions:
        return ""
    from proxy.archive.secret_keys import KeysError, public_of, signed_by
    from proxy.cluster.truncated_copy import erasures
    from proxy.journal.disk import OsDisk
    from proxy.journal.erasure import signed_bytes, unexplained_redaction

    many = f"{len(report.redactions)} groups say that something was erased"
    if report.closed and report.sealed:
        return f"{many}; the records of that are sealed, and their key is not at hand"
    try:
        public = public_of(keys_folder) if keys_folder is not None else None
    except KeysError as error:
        return f"{many}; whether that is signed cannot be told: {error}"
    if public is None:
        note(f"{many}; without the settings it is not proved who signed that")
    identity = bytes.fromhex(OsDisk(folder).identity())
    return unexplained_redaction(
        report.redactions,
        erasures(folder, ring),
        lambda one: public is None or signed_by(public, one.signature, signed_bytes(identity, one.first, one.changes)),
    )


def _table_lines(proved: list[VerifiedNode]) -> Iterator[str]:
    for one in proved:
        if not one.faults:
            yield f"tables of node {one.node}: records {one.first} to {one.last} in {one.files} files, {one.rows} rows, as they were written"
        yield from one.faults
        for stranger in one.strangers:
            yield f"{stranger}: no manifest names it, so it counts for nothing"


def _ring(files: Sequence[Path]) -> KeyRing:
    """Without a key the chain is proved all the same."""
    from proxy.journal.sealing import KeyRing, SealingError

    try:
        return KeyRing.of_files(files)
    except SealingError as error:
        note(error)
        return KeyRing()


def _verify_tables(disks: Sequence[tuple[OsDisk, int | None]], archive: Path, keys_folder: Path | None) -> list[VerifiedNode]:
    """Checks the tables against the journals at hand."""
    from proxy.archive import verification
    from proxy.archive.continuity import identity_of
    from proxy.archive.manifest import ManifestError
    from proxy.archive.secret_keys import ArchiveKeys, KeysError

    keys = None
    if keys_folder is not None:
        try:
            keys = ArchiveKeys(keys_folder)
        except KeysError as error:
            note(f"{error}: what is wrong with a row that only tells a person cannot be named")
    journals: dict[str, Disk] = {}
    for disk, node in disks:
        with suppress(ManifestError):  # which is told as what it is
            journals[identity_of(disk, archive, node)] = disk
    return verification.verify_tables(archive, journals, keys)


def _removed_records(accesses: ScanReport) -> str:
    """Which records of it are missing; empty if none: nothing removes them in normal operation."""
    holes = [(hole.first, hole.last) for hole in accesses.holes]
    if accesses.first > 1:
        holes.insert(0, (1, accesses.first - 1))
    return f"records {holes[0][0]} to {holes[0][1]} were removed" if holes else ""


def _scan(folder: Path, ring: KeyRing) -> tuple[ScanReport, list[Removed]]:
    """The scan of a journal, and its records of removals."""
    from proxy.cluster.truncated_copy import proved

    left = TRIES
    while True:
        left -= 1
        try:
            return proved(folder, ring)
        except FileNotFoundError as error:  # a running gate has just removed it
            if not left:
                fail(f"{error.filename}: is gone while the journal is read (run it again)")
