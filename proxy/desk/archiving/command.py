"""Implements the commands of ``gate106 journal``.

verify (verify_command.py), roll, person, heads, show, erase (erase_command.py), key, expire.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.desk.archiving.erase_command import erase
from proxy.desk.archiving.verify_command import places_of, verify
from proxy.operations.files.sealed_journal import disk_of
from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    as_json,
    ask,
    fail,
    format_time,
    print_answer,
    print_line,
    table,
)
from proxy.runtime import hardening

if TYPE_CHECKING:
    from proxy.archive.signed_heads import Head

DAYS_MAX = 366
RECORDS_MAX = 10_000

app = typer.Typer(help="The journal: what was decided, chained.", no_args_is_help=True, rich_markup_mode=None)
app.command("verify", epilog="Example: gate106 journal verify --config /etc/gate106/gate106.yaml")(verify)


@app.command("roll", epilog="Example: gate106 journal roll --config /etc/gate106/gate106.yaml")
def roll(
    idle: Annotated[bool, typer.Option("--gently", help="With the lowest priority.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Make tables of closed segments, one table of each day that is over, and sign its head. The gate does it once an hour. Exit 2 if the
    journal does not continue its tables, or a head is damaged: all else is done."""
    import time

    import duckdb

    from proxy.archive import rolling
    from proxy.archive.manifest import ManifestError
    from proxy.archive.secret_keys import ArchiveKeys, KeysError
    from proxy.journal.write_ahead_log import JournalDamaged, JournalError

    hardening.restrict_umask()
    if idle:
        _lower_priority()
    places = places_of(config)
    if not places.journal.is_dir():
        fail(f"{places.journal}: no such folder (a gate that has run leaves its journal there)")
    heads: list[Head] = []
    try:
        keys = ArchiveKeys(places.archive.keys, make=True)
        done = rolling.roll(
            disk_of(places.journal, places.sealing),
            places.archive.folder,
            keys,
            time.time(),
            node=places.node,
            publish=heads.append,
        )
    except JournalDamaged as damage:
        if json:
            as_json({"damaged": str(damage)})
        fail(damage)
    except (KeysError, rolling.RollError, ManifestError, JournalError, OSError, duckdb.Error) as error:
        fail(error)
    if json:
        newest = done.head._asdict() if done.head is not None else None
        as_json(done._asdict() | {"head": newest, "heads": [head._asdict() for head in heads]})
        if done.faults:
            fail("; ".join(done.faults))
        return
    print_line(f"{done.segments} segments, {done.records} records, {done.rows} rows; tables reach to record {done.last}")
    print_line(f"the next segment waits: {done.waits_for}")
    if done.days or done.gone:
        print_line(f"{done.days} days became one table each; {done.gone} tables have gone by retention")
    for head in heads:
        print_line(f"head of {head.day}, node {head.node}, records up to {head.last}: {head.digest}")
    if done.faults:
        fail("; ".join(done.faults))


@app.command("person", epilog="Example: gate106 journal person 13800210500 --why 'case 4711'")
def person(
    number: Annotated[str, typer.Argument(help="The person's number, in any spelling.")],
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show a person's keyed hash in the tables, for other engines. The journal records who asked."""
    from proxy.archive.secret_keys import ArchiveKeys, KeysError
    from proxy.model.number import NotARecipient, recipient_of
    from proxy.operations.access_report import record_access

    hardening.restrict_umask()
    if not why.strip():
        fail("journal person: --why is empty: the journal keeps who looks for somebody, and why")
    places = places_of(config, every=True)
    try:
        recipient = recipient_of(number)
        keys = ArchiveKeys(places.archive.keys)
    except NotARecipient as fault:
        fail(f"{number}: {fault}")
    except KeysError as error:
        fail(error)
    record_access(
        control or places.control,
        places.archive.folder,
        places.sealing,
        "journal person",
        why=why,
        details=f"to={recipient}",
        unmasked=False,
    )
    if json:
        as_json({"person": keys.person(recipient)})
    else:
        print_line(str(keys.person(recipient)))


def _lower_priority() -> None:
    """Gives this process the lowest priority, one thread for Arrow, and makes it the first to be killed when memory runs out."""
    import contextlib
    import os

    import pyarrow as pa

    pa.set_cpu_count(1)  # a service may have few threads, and the machine many cores
    pa.set_io_thread_count(1)
    with contextlib.suppress(OSError):  # a sandbox may forbid any of these
        os.nice(19)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


@app.command("heads", epilog="Example: gate106 journal heads --days 7")
def heads(
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="How many of each node.")] = 31,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List the signed heads of days, the newest first: with a kept head all records before it can be proved."""
    from proxy.archive.signed_heads import latest
    from proxy.config import SettingsError, archive_locations

    try:
        found = latest(archive_locations(config, every=True).archive.folder, days)
    except SettingsError as error:
        fail(error)
    except (OSError, ValueError) as error:
        fail(f"a head cannot be read ({error}): gate106 journal verify tells which")
    if json:
        print_answer(
            {"heads": [{"day": one.day, "node": one.node, "last": one.last, "digest": one.digest} for one in found]}, True, ()
        )
        return
    table(
        ("day", "node", "records up to", "digest"),
        ((one.day, one.node, one.last, one.digest) for one in found),
        "no day has a signed head yet (the day after, once it is rolled)",
    )


@app.command("show", epilog="Example: gate106 journal show 4711 --count 20")
def show(
    record: Annotated[int, typer.Argument(min=1, help="The number of the first record.")],
    count: Annotated[int, typer.Option("--count", min=1, max=RECORDS_MAX, help="How many.")] = 1,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Show records of the journal as text, with masked numbers and without texts of messages."""
    from itertools import islice

    from proxy.journal.record_text import record_text
    from proxy.journal.scan import JournalError, read

    places = places_of(config)
    try:
        lines = [record_text(one) for one in islice(read(disk_of(places.journal, places.sealing), record), count)]
    except (JournalError, OSError) as error:
        fail(error)
    if not lines:
        fail(f"record {record}: the journal ends before it")
    print_answer({"records": lines}, json, lines)


app.command("erase", epilog="Example: gate106 journal erase --to 13800210500 --why 'asked for in letter 4711'")(erase)


@app.command("key", epilog="Example: gate106 journal key /etc/gate106/secrets/journal")
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
        fail(f"{path}: is there already; a key is never written over (what was sealed with it could not be read any more)")
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    if json:
        as_json({"key": made, "file": str(path)})
        return
    print_line(f"{path}: the key {made}")


@app.command("expire", epilog="Example: gate106 journal expire --dry-run")
def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing: tell what would go now.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why: the journal keeps it. Required but for a dry run.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Remove segments older than the setting retention.days now, not within the hour. The gate removes them hourly; segments on hold stay."""
    if not dry_run and why is None:
        fail("journal expire: say --why (or --dry-run; see --help)")
    answer = ask(config, control, "journal.expire", dry_run=dry_run, why=why)
    if json:
        as_json(answer)
        return
    gone, kept = answer["removed"], answer["kept"]
    if gone["segments"]:
        said = "would be removed" if dry_run else "removed"
        span = f"records {gone['first']} to {gone['last']}, {format_time(gone['since'])} to {format_time(gone['until'])}"
        print_line(f"{said}: {gone['segments']} segments, {_size(gone['bytes'])}: {span}")
    else:
        print_line("nothing is to be removed")
    print_line(f"in the folder: {kept['segments']} segments, {_size(kept['bytes'])}, since {format_time(kept['since'])}")
    print_line(f"the oldest that stays does because {answer['stays_for']}")


def _size(octets: int) -> str:
    return f"{octets / 1e6:.1f} MB"
