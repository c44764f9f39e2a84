"""Reads a file of rows, and sends numbers: all rows or none.

Never: a row's meaning (number_list.py, desk/*/*_file.py, desk/consents/command.py), half a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from proxy.i18n.text import Bilingual
from proxy.operations.client import CannotAsk
from proxy.operations.parameters import Flag, List, Text
from proxy.operations.terminal import fail, note, warn

if TYPE_CHECKING:
    from rich.progress import Progress

    from proxy.operations.files.number_list import NumberFile
    from proxy.operations.files.row_files import FileFaults, Row

IGNORE = List("A column that is not to be read, by its heading.", Text("", 60))
SKIP_BAD = Flag("Leave bad rows out, instead of taking nothing; each is named.")
CHECKED = {"would?": [object], "unknown?": [str], "ignored?": [str], "left_out?": [str], "remarks?": [int]}
"""What an import answers beside the rest that was only checked: what it would store, columns that it does not know, or drops, bad rows that
are left out, lines of totals and remarks."""
Sheet = TypeVar("Sheet", bound="FileFaults")
Read = Callable[[Callable[[int], None]], "NumberFile"]
"""(callback for the octets read) → the numbers of the file."""


def read_sheet(file: Path, read: Callable[[Iterator[Row]], Sheet], done: str) -> Sheet:
    """What ``read`` makes of the rows; warns of columns that are not read. A file that cannot be read, or has bad rows, ends the command;
    ``done``: the verb for what was not done."""
    from proxy.operations.files.row_files import rows_of

    sheet = read(rows_of(file))
    if sheet.bad and not sheet.read:
        fail(sheet.problems[0])
    for heading in (one for one in sheet.ignored if one not in sheet.unknown):
        warn(f"{file.name}: the column {heading!r:.60} is not read")
    if sheet.bad:
        for problem in sheet.problems:
            warn(problem)
        fail(f"{file.name}: {sheet.bad} bad rows of {sheet.read}: nothing was {done}")
    return sheet


def upload_numbers(
    file: Path, path: Path, command: str, keys: str, args: Mapping[str, Any], read: Read, unfit: Callable[[NumberFile], str] = lambda _: "",
    *, check: bool = False, counts_new: bool = False, skip_bad: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """``path``: where the gate listens; ``keys``: what its command calls what the numbers are in for. ``unfit``: what else is wrong with a
    file whose rows are good. ``check``: the gate says what it would store, and stores nothing; ``counts_new``: how much of it is new, too.
    ``skip_bad``: bad rows are named and left out."""
    with upload_progress(file) as progress:
        people = read_all(file, progress, read, "imported", settled=False)
        fault = unfit(people) if people.rows else ""
        held = check or bool(fault or people.unknown)
        answer: dict[str, Any] = {}
        sending = progress.add_task("sending", total=people.numbers)
        while people.rows and not fault and not answer:
            said = {keys: said_of(people), **args}
            try:
                if held or (people.bad and not skip_bad):
                    answer = _checked(file, path, command, people, said, counts_new)
                else:
                    answer = _send(path, command, people, said, lambda n: progress.advance(sending, n))
            except CannotAsk as refused:
                if not _rejected(people, dict(refused.rows)):
                    if people.bad and not skip_bad:
                        break
                    raise
        progress.stop()
    if people.bad:
        _tell_bad(file, people, "imported", skip_bad=skip_bad, more=bool(fault))
    if not check or fault:
        refuse_unknown(people, also=fault)
    if fault:
        fail(f"{file}: {fault}: nothing was imported")
    return answer if check else {"file": file.name, "rows": people.rows, **answer}


def _rejected(people: NumberFile, faults: Mapping[int, str]) -> bool:
    """Takes out the rows in which the gate has found these faults, by their first line; False where there are none."""
    found = {key: lines[0] for key, lines in people.lines.items() if key in people.by and lines[0] in faults}
    for key, line in found.items():
        people.reject(key, faults[line])
    return bool(found)


def refuse_unknown(file: FileFaults, also: str = "") -> None:
    """Ends the command where the file has columns that nobody knows, and nobody has named to be dropped. ``also``: what ends it instead."""
    for heading in file.unknown:
        warn(f"{file.name}:{file.heading}: the column '{heading:.60}' is not known (--ignore drops it)")
    if file.unknown and not also:
        fail(f"{file.name}: {len(file.unknown)} columns are not known: nothing was imported")


def said_of(people: NumberFile) -> list[dict[str, Any]]:
    """What the numbers are in for, with the line that says so."""
    return [one.as_args() | ({"line": people.lines[one][0]} if one in people.lines else {}) for one in people.by]


def _checked(
    file: Path, path: Path, command: str, people: NumberFile, args: Mapping[str, Any], counts_new: bool
) -> dict[str, Any]:  # fmt: skip
    from proxy.operations.client import ask

    args = {**args, "check": True}
    told = _send(path, command, people, args, lambda _: None) if counts_new else ask(path, command, **args)
    would = [dict(terms) | {"numbers": people.count(one)} for one, terms in zip(people.by, told["would"], strict=True)]
    asked = {
        "file": file.name,
        "rows": people.rows,
        "numbers": people.numbers,
        "unknown": people.unknown,
        "ignored": people.ignored,
        "left_out": people.problems,
        "remarks": people.notes,
    }
    return {**told, **asked, "would": would}


def check_lines(answer: Mapping[str, Any], terms: Callable[[Mapping[str, Any]], Bilingual]) -> Iterator[str]:
    """What would be stored, for people."""
    yield f"{answer['file']}: {answer['rows']} rows, {answer['numbers']} numbers; nothing was stored"
    for one in answer["would"]:
        said, new = terms(one), one.get("new")
        of_them, of_them_zh = ("", "") if new is None else (f", {new} of them new", f"（其中 {new} 个不在名单中）")
        yield Bilingual(f"{one['numbers']} numbers{of_them}: {said}", f"{one['numbers']} 个号码{of_them_zh}：{said.zh}")
    for heading in answer["unknown"]:
        yield f"the column '{heading:.60}' is not known (--ignore drops it)"


def read_all(
    file: Path, progress: Progress, read: Read, done: str, *, settled: bool = True, skip_bad: bool = False
) -> NumberFile:
    """Reads all rows, or ends the command with each bad one; ``done``: the verb for what was not done. ``settled``: it is decided here."""
    reading = progress.add_task(f"reading {file.name}", total=max(1, file.stat().st_size))
    people = read(lambda octets: progress.update(reading, completed=octets))
    for line in people.notes:
        note(f"{file.name}:{line}: a total or a remark, no row: left out")
    if not people.bad and not people.rows:
        fail(f"{file}: holds no numbers: nothing was {done}")
    if people.bad and settled:
        progress.stop()
        _tell_bad(file, people, done, skip_bad=skip_bad)
    return people


def _tell_bad(file: Path, people: NumberFile, done: str, *, skip_bad: bool, more: bool = False) -> None:
    """Names the bad rows; ends the command unless they are to be left out and others are there, or something ``more`` is wrong."""
    for problem in people.problems:
        warn(problem)
    if more:
        return
    if not (skip_bad and people.rows):
        refuse_unknown(people, also=done)
        if people.headless:
            fail(f"{file}: its first row is at fault: nothing was {done}")
        fail(f"{file}: {people.bad} bad rows of {people.bad + people.rows}: nothing was {done}")
    note(f"{file.name}: {people.bad:,} bad rows were left out")


@contextmanager
def upload_progress(file: Path) -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _send(path: Path, command: str, people: NumberFile, args: dict[str, Any], tell: Callable[[int], None]) -> dict[str, Any]:
    from proxy.operations.client import Conversation
    from proxy.operations.number_chunks import lines_of

    with Conversation(path, command, args) as conversation:
        conversation.hear()  # go
        for place, key in enumerate(people.by):
            for chunk, lows in people.chunks(key):
                for line in lines_of(place, chunk, lows):
                    conversation.say(line)
                tell(len(lows))
        conversation.say({"end": True, "numbers": people.numbers})
        return dict(conversation.answer())
