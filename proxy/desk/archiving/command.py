"""Implements the commands of ``gate106 journal``.

``erase`` rewrites closed segments and tables beside a running gate; the gate records each step.
"""

from __future__ import annotations

import contextlib
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.i18n.text import Bilingual
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import Program, command
from proxy.operations.files.journal_access import disk_of, places_of, record_access
from proxy.operations.parameters import Integer
from proxy.operations.terminal import CONFIG, Config, Control, Json, format_time, in_words_of_reader
from proxy.runtime import hardening

if TYPE_CHECKING:
    from proxy.archive.person_erasure import ErasurePlan, ErasureResult
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.archive.signed_heads import Head
    from proxy.archive.verification import VerifiedNode
    from proxy.config import ArchiveLocations
    from proxy.journal.disk import Disk, OsDisk
    from proxy.journal.erasure import RedactedGroup
    from proxy.journal.retention import Removed
    from proxy.journal.scan import ScanReport
    from proxy.journal.sealing import KeyRing

OR_FOLDER = " (or name the journal's folder)"
DAYS_MAX = 1000
RECORDS_MAX = 10_000
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
            terminal.fail(f"{one}: no such folder")
    if folder is not None and not any(folder.glob(f"*{SUFFIX}")):
        beside = f" (its journal is {folder / 'journal'})" if (folder / "journal").is_dir() else ""
        terminal.fail(f"{folder}: no journal: there are no segments in it{beside}")
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
    terminal.print_answer({"journals": [first, *more]} | tables if more else first | tables, json, lines)
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
        terminal.note(f"{many}; without the settings it is not proved who signed that")
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
        terminal.note(error)
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
            terminal.note(f"{error}: what is wrong with a row that only tells a person cannot be named")
    journals: dict[str, Disk] = {}
    for disk, node in disks:
        with contextlib.suppress(ManifestError):  # which is told as what it is
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
                terminal.fail(f"{error.filename}: is gone while the journal is read (run it again)")


@command("journal roll", example="gate106 journal roll --config /etc/gate106/gate106.yaml")
def roll(
    idle: Annotated[bool, typer.Option("--gently", help="With the lowest priority.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Make tables of closed segments, one table of each day that is over, and sign its head. The gate does it once an hour. Exit 2 if the
    journal does not continue its tables, or a head is damaged: all else is done."""
    from proxy.archive import rolling
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.journal.write_ahead_log import JournalDamaged

    hardening.restrict_umask()
    if idle:
        _lower_priority()
    places = places_of(config, hint=OR_FOLDER)
    if not places.journal.is_dir():
        terminal.fail(f"{places.journal}: no such folder (a gate that has run leaves its journal there)")
    heads: list[Head] = []
    try:
        keys = ArchiveKeys(places.archive.keys, make=True)
        done = rolling.roll(
            disk_of(places.journal, places.sealing), places.archive.folder, keys, time.time(), node=places.node,
            publish=heads.append,
        )  # fmt: skip
    except JournalDamaged as damage:
        if json:
            terminal.as_json({"damaged": str(damage)})
        terminal.fail(damage)
    newest = done.head._asdict() if done.head is not None else None
    lines = [f"{done.segments} segments, {done.records} records, {done.rows} rows; tables reach to record {done.last}"]
    lines.append(f"the next segment waits: {done.waits_for}")
    if done.days or done.gone:
        lines.append(f"{done.days} days became one table each; {done.gone} tables have gone by retention")
    lines += [f"head of {head.day}, node {head.node}, records up to {head.last}: {head.digest}" for head in heads]
    terminal.print_answer(done._asdict() | {"head": newest, "heads": [head._asdict() for head in heads]}, json, lines)
    if done.faults:
        terminal.fail("; ".join(done.faults))


@command("journal hash-number", example="gate106 journal hash-number 13800210500 --why 'case 4711'")
def person(
    number: Annotated[str, typer.Argument(help="The person's number, in any spelling.")],
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show a person's keyed hash in the tables, for other engines. The journal records who asked."""
    from proxy.archive.secret_keys import ArchiveKeys

    hardening.restrict_umask()
    if not why.strip():
        terminal.fail("journal person: --why is empty: the journal keeps who looks for somebody, and why")
    places = places_of(config, every=True, hint=OR_FOLDER)
    try:
        recipient = recipient_of(number)
        keys = ArchiveKeys(places.archive.keys)
    except NotARecipient as fault:
        terminal.fail(f"{number}: {fault}")
    record_access(places, control, "journal person", f"to={recipient}", why=why, unmasked=False)
    terminal.print_answer({"person": keys.person(recipient)}, json, [str(keys.person(recipient))])


def _lower_priority() -> None:
    """Gives this process the lowest priority, one thread for Arrow, and makes it the first to be killed when memory runs out."""
    import pyarrow as pa

    pa.set_cpu_count(1)  # a service may have few threads, and the machine many cores
    pa.set_io_thread_count(1)
    with contextlib.suppress(OSError):  # a sandbox may forbid any of these
        os.nice(19)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


@command(
    "journal list-heads",
    Program(
        at="journal/heads",
        permission=Permission.LOOK,
        answer={"heads": [{"day": str, "node": int, "last": int, "digest": str}]},
    ),
    example="gate106 journal list-heads --days 7",
)
def heads(
    days: Annotated[int, Integer("How many of each node.", 1, DAYS_MAX)] = 31,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List the signed heads of days, the newest first: with a kept head all records before it can be proved."""
    from proxy.archive.signed_heads import latest

    places = places_of(config, every=True)
    try:
        found = latest(places.archive.folder, days)
    except (OSError, ValueError) as error:
        terminal.fail(f"a head cannot be read ({error}): gate106 journal verify tells which")
    told = [{"day": one.day, "node": one.node, "last": one.last, "digest": one.digest} for one in found]
    nothing = "no day has a signed head yet (the day after, once it is rolled)"
    lines = terminal.table_lines(("day", "node", "records up to", "digest"), [tuple(one.values()) for one in told], nothing)
    terminal.print_answer({"heads": told}, json, lines)


@command("journal make-key", example="gate106 journal make-key /etc/gate106/secrets/journal")
def key(
    path: Annotated[Path, typer.Argument(help="The new file. Only its owner may read it: give it to the gate's own user.")],
    json: Json = False,
) -> None:
    """Make a key to seal the journal with, in a new file. Name it in the settings: sealing: {keys: [FILE]}. Without it sealed records cannot be
    read: keep a copy, apart from the journal and its backups."""
    from proxy.journal import sealing

    try:
        made = sealing.make_key_file(path)
    except FileExistsError:
        terminal.fail(
            f"{path}: is there already; a key is never written over (what was sealed with it could not be read any more)"
        )
    terminal.print_answer({"key": made, "file": str(path)}, json, [f"{path}: the key {made}"])


@command(
    "journal show",
    Program(permission=Permission.LOOK, answer={"records": [str]}),
    example="gate106 journal show 4711 --count 20",
)
def show(
    record: Annotated[int, Integer("The number of the first record.", 1, 2**63 - 1, flag="-")],
    count: Annotated[int, Integer("How many.", 1, RECORDS_MAX, shown="1")] = 1,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show records of the journal as text, with masked numbers and without texts of messages. The journal records the look."""
    from proxy.desk.archiving.record_words import in_chinese
    from proxy.journal.record_text import record_text
    from proxy.journal.scan import read

    places = places_of(config, every=True, hint=OR_FOLDER)
    record_access(places, control, "journal show", f"records {record} to {record + count - 1}", why=None, unmasked=False)
    lines = [record_text(one) for one in islice(read(disk_of(places.journal, places.sealing), record), count)]
    if not lines:
        terminal.fail(f"record {record}: the journal ends before it")
    terminal.print_answer({"records": lines}, json, [Bilingual(one, in_chinese(one)) for one in lines])


@command("journal push", example="gate106 journal push --config /etc/gate106/gate106.yaml < /dev/tty")
def push(config: Config = CONFIG) -> None:
    """Send the journal's records to the event stream (the setting stream) until the standard input ends, a line of JSON a second about how
    far it is. The gate runs this; one process at a time sends a journal."""
    from proxy.archive.stream import sender
    from proxy.model import redact
    from proxy.runtime.child_process import parent_lives

    hardening.restrict_umask()
    for status in sender.follow(config, lambda: parent_lives(0)):
        typer.echo(redact.as_json(status, None))


@command("journal erase", example="gate106 journal erase --to 13800210500 --why 'asked for in letter 4711'")
def erase(
    to: Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")],
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")],
    early: Annotated[
        bool,
        typer.Option("--early", help="Also what the law asks to be kept for six months: where it must not be kept at all."),
    ] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Remove a person's messages and replies from closed segments and from the tables. Opt-outs and consents stay; so do records on legal hold,
    records that a restart reads, and, without --early, records younger than six months. Needs a running gate, whose journal records who did it,
    and the person only by a keyed hash. Copies keep what they have."""
    from proxy.archive.secret_keys import ArchiveKeys

    hardening.restrict_umask()
    try:
        person = recipient_of(to)
    except NotARecipient as fault:
        terminal.fail(f"--to: {fault}")
    places = places_of(config)
    keys = ArchiveKeys(places.archive.keys)
    gate_client = _ErasureClient(config, control, keys.person(person), why)
    plan, done = _erase(places, keys, person, gate_client, early=early)
    lines = [
        Bilingual(
            f"{len(plan.removed)} segments were looked through, {done.segments} changed: {done.records} records in {done.groups} groups; "
            f"{done.rows} rows of tables",
            f"查看了 {len(plan.removed)} 段，改动 {done.segments} 段：{done.groups} 组中的 {done.records} 条记录；数据表 {done.rows} 行",
        ),
        *(
            Bilingual(f"{count} segments were not: {reason}", f"{count} 段没有查看：{in_words_of_reader(reason)}")
            for reason, count in plan.stays.items()
        ),
    ]
    terminal.print_answer({"erased": done._asdict(), "looked_through": len(plan.removed), "stays": plan.stays}, json, lines)


class _ErasureClient:
    """Asks the running gate to record the steps of one person's erasure."""

    def __init__(self, config: Path, control: Path | None, person: int, why: str) -> None:
        self._ask, self._person, self._why = partial(terminal.ask, config, control), f"{person:016x}", why

    def begin(self, *, early: bool) -> Any:
        return self._ask("journal.erase", person=self._person, why=self._why, details="early" if early else None)

    def note(self, first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        rows = [{"last": last, "before": _base64(before), "now": _base64(now)} for last, before, now in changes]
        self._ask("journal.erased", why=self._why, person=self._person, first=first, changes=rows, signature=_base64(signature))

    def put(self, first: int) -> bool:
        return bool(self._ask("journal.put", first=first)["put"])


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def _erase(
    places: ArchiveLocations, keys: ArchiveKeys, person: int, gate_client: _ErasureClient, *, early: bool
) -> tuple[ErasurePlan, ErasureResult]:
    from proxy.archive import person_erasure
    from proxy.archive.manifest import ManifestError
    from proxy.archive.rolling import RollError
    from proxy.config import Hold
    from proxy.journal.segment import SegmentFault
    from proxy.journal.write_ahead_log import JournalError

    disk, answer = disk_of(places.journal, places.sealing), gate_client.begin(early=early)
    holds = [Hold(begin, end, why) for begin, end, why in answer["holds"]]
    try:
        before = time.time() - (0.0 if early else person_erasure.KEPT_S)
        plan = person_erasure.plan(disk, holds, before, answer["open_from"])
        return plan, person_erasure.run(disk, places.archive.folder, keys, person, plan.removed, gate_client)
    except (JournalError, RollError, ManifestError, SegmentFault, OSError) as error:
        terminal.fail(f"{error} (what was erased until then is; run it again)")
