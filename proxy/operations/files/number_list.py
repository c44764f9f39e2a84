"""Reads files of phone numbers into bitmaps; writes rows of exports.

In: a file of any size, in UTF-8, GBK (GB 18030) or, with its byte order mark, UTF-16; what its numbers refuse unless a row says otherwise.
Out: numbers as bitmaps by what they refuse, or every bad row with its line. Never: a socket, half a file.

One number a line, in any spelling: such a file is read in blocks. Or CSV: the first column is the number; where the first row is a header,
its columns apply to each row, named in Chinese or English (policy/registries/table_words.py). A column that is not known is a fault unless
it is named to be dropped. Empty rows and rows that begin with # are skipped. Or the same as the first sheet of an XLSX (up to 200,000 rows).
"""

from __future__ import annotations

import csv
import io
import itertools
import unicodedata
from array import array
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pyroaring import BitMap

from proxy.model.number import FIRST, LAST, NotARecipient, recipient_of
from proxy.model.redact import csv_cell as cell
from proxy.model.redact import printable, read_csv_cell
from proxy.operations.files import row_files
from proxy.policy import time_windows
from proxy.policy.registries import table_words
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK

BATCH = 500_000
"""Rows after which numbers go into their bitmaps, and progress is reported."""
COLUMNS = ("number", "scope", "value", "source", "since", "until")
"""Of an export. A list counts from its import on: ``since`` is not taken in, and of any other file it is a column that is not known."""
_HALF = 1 << 32
K = TypeVar("K", bound=Hashable)
Columns = Mapping[str, Sequence[str]]
NUMBER_DIGITS = 11
"""Digits of a number: a longer line may have leading zeros, which must not get lost."""
FIRST_MACHINE, LAST_MACHINE = 14_400_000_000, 14_400_999_999
"""Numbers that model/number.py refuses among those between its first and last."""


class ListedRefusal(NamedTuple):
    """The refusal of a number on a list."""

    scope: str
    value: str
    source: str
    until: float  # 0 = never over; UNSAID

    def as_args(self) -> dict[str, Any]:
        said: dict[str, Any] = {"scope": self.scope, "source": self.source}
        return said | ({"value": self.value} if self.value else {}) | ({"until": self.until} if self.until else {})


@dataclass
class NumberFile(row_files.FileFaults):
    rows: int = 0
    by: dict[Any, dict[int, BitMap]] = field(default_factory=dict)
    """Numbers by what they refuse (or agree to: desk/consents/command.py): their lower 32 bits, by the bits above."""

    notes: list[int] = field(default_factory=list)
    """Lines of totals and remarks, which are no rows."""
    headless: bool = False
    """The headings are at fault: no row was read."""
    lines: dict[Any, list[int]] = field(default_factory=dict)
    """Key → the first lines that say so."""

    @property
    def numbers(self) -> int:
        """Number of different phone numbers."""
        return sum(len(half) for halves in self.by.values() for half in halves.values())

    def count(self, key: Hashable) -> int:
        """How many different numbers are in for this."""
        return sum(map(len, self.by[key].values()))

    def reject(self, key: Hashable, what: str) -> None:
        """Takes out the numbers that are in for this: their rows are bad."""
        lines, count = self.lines[key], self.count(key)
        for line in lines:
            self.note(line, what)
        self.bad += max(0, count - len(lines))
        self.rows -= max(count, len(lines))
        del self.by[key]

    def add(self, key: Hashable, numbers: Sequence[int]) -> None:
        halves = self.by.setdefault(key, {})
        for upper in {min(numbers) >> 32, max(numbers) >> 32}:  # people's numbers lie on both sides of 2**34
            first = upper * _HALF
            found = BitMap(array("I", sorted([number - first for number in numbers if first <= number < first + _HALF])))
            half = halves.setdefault(upper, BitMap())
            half |= found

    def chunks(self, key: Hashable) -> Iterator[tuple[int, BitMap]]:
        """(chunk, lower bits) of all numbers that are in for this."""
        for upper, half in sorted(self.by[key].items()):
            at = 0
            while at < len(half):
                base = half[at] & ~LOW_MASK
                found = half & BitMap(range(base, base + LOW_MASK + 1))
                yield (upper * _HALF + base) >> CHUNK_BITS, found.shift(-base)
                at += len(found)


def read_number_file(
    path: Path, default: K, tell: Callable[[int], None] = lambda _: None, columns: Columns = table_words.LISTS,
    key_of: Callable[[Mapping[str, str], K], K] | None = None, ignore: Collection[str] | None = (),
) -> NumberFile:  # fmt: skip
    """Reads a whole file. ``tell`` is called with the bytes read so far. ``columns``: columns with a meaning where the first row is a
    header; ``key_of``: reads their cells, or raises ValueError. ``ignore``: headings to be dropped; None: all that are not known. OSError."""
    row_files.is_regular(path)
    people = NumberFile(path.name)
    table = _Table(columns, key_of or _refusal, ignore)
    if _is_sheet(path):
        _read_rows(people, _sheet_rows(people, path), default, table, lambda: None)
        tell(path.stat().st_size)
        return people
    encoding = row_files.encoding_of(path)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, "replace", newline="") as text:
        begin = [*itertools.islice(text, row_files.TITLES_MAX)]
        lines = itertools.chain(begin, text)
        if _plain(begin):
            _read_lines(people, lines, default, lambda: tell(raw.tell()))
        else:
            _read_rows(
                people, _csv_rows(people, lines, row_files.separator_of(begin)), default, table, lambda: tell(raw.tell())
            )
    tell(path.stat().st_size)
    return people


def _plain(begin: Sequence[str]) -> bool:
    """Whether a file that begins so has one number a line."""
    first = next((line for line in begin if line.strip() and not line.startswith("#")), "")
    spelt = unicodedata.normalize("NFKC", first).strip()
    return bool(spelt) and not set(spelt) - set("+-() ") - set("0123456789")


def _read_lines(people: NumberFile, lines: Iterator[str], default: Hashable, tell: Callable[[], None]) -> None:
    """Nearly all lines are 11 digits: a block of them is read at once, one in which anything is odd line by line."""
    before = 0
    while block := list(itertools.islice(lines, BATCH)):
        numbers = _at_once(block)
        if numbers is None:
            numbers = []
            for line, spelling in enumerate(block, before + 1):
                cell = spelling.strip()
                if not cell or cell[0] == "#":
                    continue
                try:
                    numbers.append(recipient_of(cell))
                except NotARecipient as fault:
                    if row_files.is_note([cell]):
                        people.notes.append(line)
                    else:
                        people.note(line, f"no recipient: {fault.why}{_named(cell)}")
        if numbers:
            people.rows += len(numbers)
            people.add(default, numbers)
        before += len(block)
        tell()


def _at_once(block: list[str]) -> list[int] | None:
    """The numbers of a block of plain lines; None where any might be read otherwise, or refused, one by one."""
    joined = "".join(block).replace("\n", "").replace("\r", "")
    if len(joined) != NUMBER_DIGITS * len(block) or not (joined.isascii() and joined.isdigit()):
        return None
    try:
        numbers = list(map(int, block))
    except ValueError:  # an empty line
        return None
    if min(numbers) < FIRST or max(numbers) > LAST or any(FIRST_MACHINE <= number <= LAST_MACHINE for number in numbers):
        return None
    return numbers


def _is_sheet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _sheet_rows(people: NumberFile, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of an XLSX."""
    from proxy.operations.files.row_files import NotATable, rows_of

    try:
        yield from rows_of(path)
    except NotATable as fault:
        people.bad += 1
        people.problems.append(str(fault))


def _csv_rows(people: NumberFile, text: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells)."""
    reader, line = csv.reader((one.replace("\0", "?") for one in text), delimiter=separator), 0
    try:
        for row in reader:
            line = reader.line_num
            yield line, row
    except csv.Error as error:
        people.note(line + 1, f"no CSV: {error}")


class _Table(NamedTuple):
    """How the rows below a header are read."""

    columns: Columns
    key_of: Callable[[Mapping[str, str], Any], Any]
    ignore: Collection[str] | None

    def heads(self, people: NumberFile, line: int, row: Sequence[str]) -> Mapping[str, int]:
        """Column → place; the number is in the first column where none is called so."""
        own = ["since"] if list(map(table_words.plain, row)) == list(COLUMNS) else []
        dropped = {*own, *map(table_words.plain, self.ignore or ())}
        found, unknown = table_words.places(["" if table_words.plain(cell) in dropped else cell for cell in row], self.columns)
        number = table_words.places(row, self.columns)[0].get("number", 0)
        for fault in row_files.not_headings(self.ignore or (), row):
            people.note(line, f"--ignore: {fault}")
        if table_words.plain(row[number]) in dropped:
            people.note(line, f"--ignore: '{row[number].strip():.40}' is the column of the numbers, which every row needs")
        elif "number" not in found:
            if 0 in found.values():
                people.note(line, f"the first row names the columns, and none of them is the number ({table_words.NUMBERS[0]})")
            unknown = unknown[1:] if row[0].strip() and 0 not in found.values() else unknown
        people.heading, people.headless = line, people.bad > 0
        people.ignored = [cell.strip() for cell in row if cell.strip() and table_words.plain(cell) in dropped]
        people.unknown = unknown if self.ignore is not None else []
        return {"number": 0} | found


def _read_rows(
    people: NumberFile, rows: Iterator[tuple[int, list[str]]], default: K, table: _Table, tell: Callable[[], None]
) -> None:
    heads: Mapping[str, int] = {}
    waiting: dict[K, list[int]] = {}
    read: dict[tuple[str, ...], K] = {}
    count = at = 0
    numbers = waiting.setdefault(default, [])
    append = numbers.append
    names: list[str] = []
    heading, headings = "", dict[str, str]()
    for line, row in _below_titles(
        (one for one in rows if any(map(str.strip, one[1])) and not one[1][0].startswith("#")), table
    ):
        cell = row[0].strip()
        if row_files.is_note(row):
            people.notes.append(line)
            continue
        if not count and not people.bad and not any(character.isdigit() for character in cell):
            heads = table.heads(people, line, row)
            if people.headless:
                return
            heading = row[heads["number"]]
            headings = {name: row[place].strip().replace(": ", " ") for name, place in heads.items()}
            names, at = [name for name in heads if name != "number"], heads["number"]
            count += 1
            continue
        count += 1
        try:
            if heads:
                number = recipient_of(row[at] if len(row) > at else "")
                said = tuple([row[heads[name]].strip() if heads[name] < len(row) else "" for name in names])
                key = read.get(said)
                if key is None:
                    key = read[said] = table.key_of(dict(zip(names, said, strict=True)), default)
                if key not in waiting:
                    waiting[key], people.lines[key] = [], []
                waiting[key].append(number)
                if (lines := people.lines.get(key)) is not None and len(lines) < row_files.BAD_SHOWN:
                    lines.append(line)
            else:
                append(recipient_of(cell))
            people.rows += 1
        except NotARecipient as fault:
            people.note(line, f"no recipient: {fault.why}{_named(row[at] if len(row) > at else '') or _named(heading)}")
        except ValueError as fault:
            column, colon, rest = str(fault).partition(": ")
            people.note(line, f"{headings.get(column, column)}{colon}{rest}")
        if count % BATCH == 0:
            _empty(people, waiting)
            read.clear()
            tell()
    _empty(people, waiting)


def _named(cell: str) -> str:
    return f" ({printable(cell.strip()):.30})" if cell.strip() else ""


def _below_titles(rows: Iterator[tuple[int, list[str]]], table: _Table) -> Iterator[tuple[int, list[str]]]:
    """The rows from the headings on, where one of the first names the column of numbers and no number stands above it."""
    begin = [*itertools.islice(rows, row_files.TITLES_MAX)]
    for place, (_, row) in enumerate(begin):
        if "number" in table_words.places(row, table.columns)[0]:
            begin = begin[place:]
            break
        if _plain(row[:1]):
            break
    return itertools.chain(begin, rows)


def _refusal(said: Mapping[str, str], default: ListedRefusal) -> ListedRefusal:
    scope, value = said.get("scope", ""), read_csv_cell(said.get("value", ""))
    if scope:
        scope = table_words.word_of("scope", scope, table_words.SCOPES)
    else:
        scope, value = default.scope, value or default.value
    if scope == "category" and value:
        value = table_words.word_of("value", value, table_words.CATEGORIES)
    elif scope == "port":
        value = unicodedata.normalize("NFKC", value).replace(" ", "")
    if "source" in said and not said["source"] and not default.source:
        raise ValueError("source: is empty, and the command does not say it either")
    if "until" in said and not said["until"] and default.until == table_words.UNSAID:
        raise ValueError("until: is empty: write the last day, or 'for good'")
    source = table_words.word_of("source", said["source"], table_words.SOURCES) if said.get("source") else default.source
    if source == "reply":
        source = "import"  # the person's own refusal, passed on by another system
    until = table_words.end_of("until", said["until"]) if said.get("until") else default.until
    return ListedRefusal(scope, value, source, until)


def _empty(people: NumberFile, waiting: Mapping[K, list[int]]) -> None:
    for key, numbers in waiting.items():
        if numbers:
            people.add(key, numbers)
            numbers.clear()


def export_row(number: int, refusal: Mapping[str, Any]) -> list[object]:
    """One row of an export, in the order of COLUMNS. An end at midnight is written as the last day."""
    until = refusal["until"]
    day = until and (until + time_windows.OFFSET_S) % time_windows.DAY_S == 0
    end = (time_windows.local(until - 1)[:10] if day else time_windows.local(until)) if until else "for good"
    return [number, refusal["scope"], cell(str(refusal["value"])), refusal["source"], time_windows.local(refusal["since"]), end]
