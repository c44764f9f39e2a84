"""Reads a file of rows, and sends numbers: all rows or none.

Never: a row's meaning (number_list.py, desk/*/*_file.py, desk/consents/command.py), half a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from proxy.operations.terminal import fail, note, warn

if TYPE_CHECKING:
    from rich.progress import Progress

    from proxy.operations.files.number_list import NumberFile
    from proxy.operations.files.row_files import FileFaults, Row

Sheet = TypeVar("Sheet", bound="FileFaults")
Read = Callable[[Callable[[int], None]], "NumberFile"]
"""(callback for the octets read) → the numbers of the file."""


def read_sheet(file: Path, read: Callable[[Iterator[Row]], Sheet], done: str) -> Sheet:
    """What ``read`` makes of the rows; warns of columns that are not read. A file that cannot be read, or has bad rows, ends the command;
    ``done``: the verb for what was not done."""
    from proxy.operations.files.row_files import NotATable, rows_of

    try:
        sheet = read(rows_of(file))
    except NotATable as error:
        fail(error)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    if sheet.bad and not sheet.read:
        fail(sheet.problems[0])
    for heading in sheet.ignored:
        warn(f"{file.name}: the column {heading!r:.60} is not read")
    if sheet.bad:
        for problem in sheet.problems:
            warn(problem)
        fail(f"{file.name}: {sheet.bad} bad rows of {sheet.read}: nothing was {done}")
    return sheet


def upload_numbers(
    file: Path, path: Path, command: str, keys: str, args: Mapping[str, Any], read: Read, unfit: Callable[[NumberFile], str] = lambda _: ""
) -> dict[str, Any]:  # fmt: skip
    """``path``: where the gate listens; ``keys``: what its command calls what the numbers are in for. ``unfit``: what else is wrong with a
    file whose rows are good."""
    with upload_progress(file) as progress:
        people = read_all(file, progress, read, "imported")
        if fault := unfit(people):
            fail(f"{file}: {fault}: nothing was imported")
        sending = progress.add_task("sending", total=people.numbers)
        said = [one.as_args() | ({"line": people.first[one]} if one in people.first else {}) for one in people.by]
        told = _send(path, command, people, {keys: said, **args}, lambda n: progress.advance(sending, n))
    return {"file": file.name, "rows": people.rows, **told}


def read_all(file: Path, progress: Progress, read: Read, done: str, *, skip_bad: bool = False) -> NumberFile:
    """Reads all rows, or ends the command with each bad one; ``done``: the verb for what was not done. ``skip_bad``: the bad ones are named
    and left out."""
    reading = progress.add_task(f"reading {file.name}", total=max(1, file.stat().st_size))
    people = read(lambda octets: progress.update(reading, completed=octets))
    if not people.bad and not people.rows:
        fail(f"{file}: holds no numbers: nothing was {done}")
    if people.bad:
        progress.stop()
        for problem in people.problems:
            warn(problem)
        if skip_bad and people.rows:
            note(f"{file.name}: {people.bad:,} bad rows were left out")
            return people
        fail(f"{file}: {people.bad} bad rows of {people.bad + people.rows}: nothing was {done}")
    return people


@contextmanager
def upload_progress(file: Path) -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal; a file that is not there ends the command."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            yield progress
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")


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
