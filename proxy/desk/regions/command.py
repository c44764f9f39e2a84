"""Implements ``gate106 regions diff`` and ``import``, which read tables of number segments.

A table is a phone.dat (by its name, or by how it begins), a CSV or an XLSX. All rows of it are read before anything is done. A bad one is named
by its line; in a phone.dat, by the number of its entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from proxy.desk.backtest.command import push_base
from proxy.desk.regions.operations import counted_rows
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.command_line import TokenFile
from proxy.operations.declaration import Program, command
from proxy.operations.parameters import Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json
from proxy.policy.registries.regions import Regions, Source, dated_s, read_phone_dat

SEGMENTS_FILE = "registries/segments.csv"
DATE = r"\d{4}-\d{2}(-\d{2})?"
SHOWN_MAX, LISTED_MAX = 1_000, 100_000
"""Segments in lines for people, and in JSON; both count all."""
SHOWN_BAD_MAX = 20
TABLE_BYTES_MAX = 64 << 20
TABLE = typer.Argument(help="phone.dat, CSV or XLSX (segment, province, city; further columns may follow).")
DIFFERENCE = {
    "before": object, "after": object, "added": int, "moved": int, "cities": int, "gone": int, "added_by_province": object,
    "added_by_prefix": object, "gone_by_prefix": object, "segments": [{"segment": int, "before": str, "after": str}], "more": int,
}  # fmt: skip


@command(
    "regions diff", Program(permission=Permission.SEE, answer=DIFFERENCE, takes_file=True, only=("date", "skip_bad")),
    example="gate106 regions diff phone.dat",
)  # fmt: skip
def diff(
    table: Annotated[Path, TABLE],
    other: Annotated[
        Path | None, typer.Argument(help="A later table: then the first one is compared with it, not with the map of the rules.")
    ] = None,
    date: Annotated[str, Text("Up to which month a table without a date is complete: 2026-11.", 10, DATE)] = "",
    skip_bad: Annotated[bool, Flag("Bad rows do not make the exit 2; each is named.")] = False,
    rules: Annotated[Path | None, typer.Option("--rules", help="The folder of the rules; default: of the settings.")] = None,
    config: Config = CONFIG, json: Json = False,
) -> None:  # fmt: skip
    """Compare a table of number segments with the map of the rules, or two tables: which segments are new, lie in another province or city, or
    are gone. Exit 1 if any segment is new or lies in another province; of two tables, if they differ. Bad rows are named and not compared: exit
    2, unless --skip-bad."""
    from proxy.policy.registries.segment_tables import by_prefix, by_province, difference

    first = read_table(table, date, "", skip_bad=True)
    before, after = (
        (_TableFile(_map_of(rules, config)), first) if other is None else (first, read_table(other, date, "", skip_bad=True))
    )
    found = difference(before.regions, after.regions)
    changes = [*found.added, *found.moved]
    listed = [*changes, *found.cities, *(found.gone if other is not None else ())]  # a part of a map lacks nearly all segments
    answer = {
        "before": _described(before), "after": _described(after), "added": len(found.added), "moved": len(found.moved),
        "cities": len(found.cities), "gone": len(found.gone), "added_by_province": by_province(one.after[0] for one in found.added),
        "added_by_prefix": by_prefix(one.segment for one in found.added), "gone_by_prefix": by_prefix(one.segment for one in found.gone),
        "segments": [
            {"segment": one.segment, "before": " ".join(one.before), "after": " ".join(one.after)} for one in listed[:LISTED_MAX]
        ],
        "more": max(0, len(listed) - LISTED_MAX),
    }  # fmt: skip
    terminal.print_answer(answer, json, _difference_lines(answer))
    if (before.bad or after.bad) and not skip_bad:
        raise typer.Exit(2)
    raise typer.Exit(1 if changes or (other is not None and listed) else 0)


@command(
    "regions import",
    Program(
        permission=Permission.ENTER,
        takes_file=True,
        answer={"added": int, "moved": int, "kept": int, "date": str, "revised": object},
    ),
    example='gate106 regions import phone.dat --why "table of November"',
)
def import_(
    table: Annotated[Path, TABLE],
    why: Annotated[str, Reason()],
    date: Annotated[str, Text("Up to which month the table is complete, if it does not say so: 2026-11.", 10, DATE)] = "",
    source: Annotated[str, Text("What the table is called in answers; default: the file's name.", 60)] = "",
    check: Annotated[bool, Flag("Read it and say what would change; propose nothing.")] = False,
    skip_bad: Annotated[bool, Flag("Leave bad rows out, instead of taking nothing; each is named.")] = False,
    token_file: TokenFile = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Propose a newer table of number segments: what it knows better is put into registries/segments.csv. With two persons it waits for the
    second (gate106 rules approve), else it is in force when the command ends. All rows or, with any bad one, none."""
    from proxy.policy.loading.problem import RulesError
    from proxy.policy.registries.segment_tables import merge

    found = read_table(table, date, source, skip_bad=skip_bad)
    on, files, now = push_base(config, control)
    text = files.get(SEGMENTS_FILE, b"")
    try:
        merged = merge(Regions.load(), text, SEGMENTS_FILE, found.regions)
    except RulesError as error:
        terminal.fail(error.problems[0])
    answer: dict[str, Any] = {name: getattr(merged, name) for name in ("added", "moved", "kept")}
    answer |= {"date": found.regions.date, "revised": None}
    if (merged.added or merged.moved) and not check:
        answer["revised"] = dict(terminal.push_rules(config, control, on, {SEGMENTS_FILE: merged.text}, why))
    terminal.print_answer(answer, json, _import_lines(table.name, answer, check=check, waits=bool(now["proposed"])))


class _TableFile(NamedTuple):
    """The map of a file, and how many of its rows cannot be used."""

    regions: Regions
    bad: int = 0


def read_table(path: Path, date: str, source: str, *, skip_bad: bool = False) -> _TableFile:
    """A file that cannot be read ends the command; so do bad rows, unless they are left out."""
    from proxy.policy.loading.problem import Problem, RulesError

    name = source or path.name
    try:
        if date:
            dated_s(date)
        if _is_phone_dat(path):
            entries = list[Problem]()
            found = read_phone_dat(path.read_bytes(), name, entries)
            found, problems, bad = _renamed(found, Source(name, date)) if date else found, [*map(str, entries)], len(entries)
        else:
            found, problems, bad = _read_rows(path, Source(name, date))
    except RulesError as error:
        terminal.fail(error.problems[0])
    except ValueError as error:
        terminal.fail(error)
    for problem in problems[:SHOWN_BAD_MAX]:
        terminal.warn(problem)
    if bad and not (skip_bad and found.known):
        terminal.fail(f"{path.name}: {bad:,} bad rows: nothing was done")
    if bad:
        terminal.note(f"{path.name}: {bad:,} bad rows were left out")
    return _TableFile(found, bad)


def _read_rows(path: Path, source: Source) -> tuple[Regions, list[str], int]:
    """The map of a CSV or a sheet, the first bad rows, and how many there are."""
    from proxy.operations.files.row_files import NotATable, rows_of
    from proxy.policy.registries import segment_tables

    damage = list[str]()

    def rows() -> Iterator[segment_tables.Row]:
        """The rows up to where the file is damaged."""
        row = None
        try:
            for row in rows_of(path, segment_tables.ROWS_MAX, strict=True):
                yield row
        except NotATable as fault:
            if row is None:
                raise
            damage.append(str(fault))

    with path.open("rb") as file:
        is_sheet = file.read(2) == b"PK"
    table = segment_tables.read_table(rows(), path.name, source, ragged=is_sheet)
    if table.ignored:
        terminal.warn(f"{path.name}: columns that are not read: {', '.join(table.ignored):.200}")
    for doubt in table.doubts:
        terminal.warn(f"{doubt.file}:{doubt.line}: warning: {doubt.text}")
    return table.regions, [*map(str, table.bad), *damage], table.bad_count + len(damage)


def _is_phone_dat(path: Path) -> bool:
    """Whether a file is a phone.dat: its index begins where its header says, and its first octets are a version, or its name says so."""
    if path.stat().st_size > TABLE_BYTES_MAX:
        raise OSError(0, f"larger than {TABLE_BYTES_MAX >> 20} MB", str(path))
    with path.open("rb") as file:
        head = file.read(64)
    return path.suffix == ".dat" or (head[:4].isdigit() and b"\0" in head[4:8])


def _renamed(found: Regions, source: Source) -> Regions:
    return Regions(found.cells, found.places, (source,), found.origin)


def _map_of(rules: Path | None, config: Path) -> Regions:
    """The map of a folder of rules; without a folder and settings the packaged one."""
    from proxy.policy.loading.problem import RulesError

    if rules is None and config.is_file():
        rules = terminal.settings_of(config).rules
    overlay = rules / SEGMENTS_FILE if rules is not None else None
    try:
        return Regions.load(overlay if overlay is not None and overlay.is_file() else None)
    except RulesError as error:
        terminal.fail(error.problems[0])


def _described(table: _TableFile) -> dict[str, Any]:
    regions = table.regions
    prefixes = {prefix: sum(counts.values()) for prefix, counts in regions.count_by_prefix().items()}
    return {
        "date": regions.date, "segments": regions.known, "sources": counted_rows(regions.count_by_source()), "prefixes": prefixes,
        "bad": table.bad,
    }  # fmt: skip


def _difference_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    before, after = answer["before"], answer["after"]
    yield f"{before['segments']:,} segments of {before['date'] or 'no date'} → {after['segments']:,} of {after['date'] or 'no date'}"
    yield (
        f"{answer['added']:,} new, {answer['moved']:,} in another province, {answer['cities']:,} in another city, "
        f"{answer['gone']:,} not in the second"
    )
    for what, name in (
        ("new by prefix", "added_by_prefix"),
        ("new by province", "added_by_province"),
        ("gone by prefix", "gone_by_prefix"),
    ):
        if counted := answer[name]:
            yield f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in counted.items())
    for one in answer["segments"][:SHOWN_MAX]:
        yield f"{one['segment']}  {one['before']} → {one['after']}"
    if more := len(answer["segments"][SHOWN_MAX:]) + answer["more"]:
        yield f"… and {more:,} more"


def _import_lines(name: str, answer: Mapping[str, Any], *, check: bool, waits: bool) -> Iterator[str]:
    added, moved = f"{answer['added']:,}", f"{answer['moved']:,}"
    yield (
        f"{name}: {added} segments would be new, {moved} would be in another province"
        if check
        else f"{name}: {added} segments are new, {moved} are in another province"
    )
    if answer["kept"]:
        yield f"{answer['kept']:,} stay as they are: the map has them from a later table, or by the carrier's own rows"
    revised = answer["revised"]
    if revised is not None:
        waiting = f"{revised['proposed']} waits for a second person (gate106 rules approve)"
        yield waiting if revised["proposed"] else f"in force: {revised['in_force']}"
    elif waits:
        yield "compared with the set that waits for a second person (gate106 rules list), which has these segments already"
    elif not check:
        yield "nothing is to be proposed"
    if not answer["date"]:
        yield "the table says no date (--date): the age of the map stays"
