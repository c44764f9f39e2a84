"""journal: ``gate106 journal verify | expire``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli import CONFIG, Config, Control, Json, as_json, ask, fail, say, when

if TYPE_CHECKING:
    from proxy.desk.retention import Removed
    from proxy.desk.scan import Report

TRIES = 3
"""A segment may go while it is about to be read: hardly twice, for a gate looks at its journal's age once an hour."""
app = typer.Typer(help="The journal: what was decided, chained.", no_args_is_help=True, rich_markup_mode=None)


@app.command("verify", epilog="Example: gate106 journal verify /var/lib/gate106/journal")
def verify(folder: Annotated[Path, typer.Argument(help="The journal's folder.")], json: Json = False) -> None:
    """Check every record and the chain over all commit groups. Exit 1 if anything was altered, or is missing with no record of its removal."""
    from proxy.desk import retention

    if not folder.is_dir():
        fail(f"{folder}: no such folder")
    report, removed = _verified(folder)
    missing = retention.unaccounted(report.first, bytes.fromhex(report.previous), removed)
    damage = str(report.damage) if report.damage else missing or None
    if json:
        cut = report.cut._asdict() if report.cut else None
        as_json(report._asdict() | {"damage": damage, "cut": cut, "removed": [_as_told(one) for one in removed]})
    elif damage:
        say(damage)
    else:
        span = (
            f"{report.records} records ({report.first} to {report.last}) in {report.groups} groups, {report.segments} segments"
        )
        say(f"{folder}: {span}; the chain holds: {report.chain}")
        for one in removed:
            say(f"{when(one.time)}: records {one.first} to {one.last} removed by {one.who} ({one.why})")
    raise typer.Exit(1 if damage else 0)


def _verified(folder: Path) -> tuple[Report, list[Removed]]:
    """What the journal's bytes say, and what they say of removals."""
    from proxy.desk import entries, retention
    from proxy.desk import journal as desk

    removed: list[Removed] = []

    def look(record: desk.Record) -> None:
        if record.kind == entries.REMOVED:
            removed.append(retention.unpack_removed(record.body))

    left = TRIES
    while True:
        left -= 1
        removed.clear()
        try:
            return desk.verify(desk.OsDisk(folder), look), removed
        except FileNotFoundError as error:  # a running gate has just removed it
            if not left:
                fail(f"{error.filename}: is gone while the journal is read (run it again)")
        except OSError as error:
            fail(f"{error.filename or folder}: {error.strerror or error}")


def _as_told(one: Any) -> dict[str, Any]:
    return {**one._asdict(), "digest": one.digest.hex()}


@app.command("expire", epilog="Example: gate106 journal expire --dry-run")
def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing: tell what would go now.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why: the journal keeps it. Required but for a dry run.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Remove segments older than the setting retention.days now, not within the hour. The gate does it by itself; held ones stay."""
    if not dry_run and why is None:
        fail("journal expire: say --why (or --dry-run; see --help)")
    told = ask(config, control, "journal.expire", dry_run=dry_run, why=why)
    if json:
        as_json(told)
        return
    gone, kept = told["removed"], told["kept"]
    if gone["segments"]:
        said = "would be removed" if dry_run else "removed"
        span = f"records {gone['first']} to {gone['last']}, {when(gone['since'])} to {when(gone['until'])}"
        say(f"{said}: {gone['segments']} segments, {_size(gone['bytes'])}: {span}")
    else:
        say("nothing is to be removed")
    say(f"in the folder: {kept['segments']} segments, {_size(kept['bytes'])}, since {when(kept['since'])}")
    say(f"the oldest that stays does because {told['stays_for']}")


def _size(octets: int) -> str:
    return f"{octets / 1e6:.1f} MB"
