"""Reads and writes tables as CSV or XLSX, with bounds.

Never: a formula's code, a picture, a macro; a device or a pipe read; more than fits into memory, however small the file was;
a file overwritten.
"""

from __future__ import annotations

import codecs
import csv
import errno
import io
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from proxy.config.yaml_file import unknown
from proxy.model.redact import printable, read_csv_cell
from proxy.operations.client import Conversation
from proxy.operations.files.xlsx import COLUMNS_MAX, ROWS_MAX, NotASheet, rows_in_child
from proxy.policy.registries.table_words import plain
from proxy.runtime import hardening

BLOCK_BYTES = 1 << 20


def is_regular(path: Path) -> None:
    """OSError unless it is a file whose end is known: a device or a pipe may never end, and is read twice here."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = next((word for is_one, word in _NO_FILES if is_one(mode)), "no file")
        raise OSError(errno.EINVAL, f"{what}, not a file: save what it gives into a file, and name that", str(path))


_NO_FILES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def encoding_of(path: Path) -> str:
    """UTF-8 if it is that, UTF-16 where a mark says so, else GBK (GB 18030), as Windows saves. OSError where a line has no end."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        start = file.read(2)
        encoding = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            if len(block) == BLOCK_BYTES and b"\n" not in block and b"\r" not in block:
                raise OSError(errno.EINVAL, f"a line of more than {BLOCK_BYTES:,} bytes: this is no list", str(path))
            if encoding == "utf-8-sig":
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    encoding = "gb18030"
        if encoding == "utf-8-sig":
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                encoding = "gb18030"
    return encoding


BAD_SHOWN = 20
FILE_BYTES_MAX = 64 << 20
CELL_CHARS_MAX = 4_000
SEPARATORS, TITLES_MAX = ",;\t", 10
"""Of the cells of a CSV; lines without one that may stand at its top."""


class NotATable(Exception):
    """The file cannot be read as a table: the text says why."""


@dataclass
class FileFaults:
    """A file that is read as a whole, or not at all."""

    name: str
    bad: int = 0
    problems: list[str] = field(default_factory=list)
    """The first bad rows, as ``file:line: what is wrong``."""
    read: int = 0
    """Rows below the headings, bad ones included."""
    ignored: list[str] = field(default_factory=list)
    """Headings that are not read."""
    unknown: list[str] = field(default_factory=list)
    """Headings that nobody knows and nobody has named to be dropped."""
    heading: int = 0
    """The line of the headings."""

    def note(self, line: int, what: str) -> None:
        self.bad += 1
        if len(self.problems) < BAD_SHOWN:
            self.problems.append(f"{self.name}:{line}: {what}")


_NOTE, _TOTAL = re.compile("注|说明|备注|填写说明|制表"), re.compile("合计|总计|小计|共计|共 *[0-9,]+ *[个条行户]")


def is_note(cells: Sequence[str]) -> bool:
    """Whether a row is a remark or a total below the rows of a sheet."""
    written = [cell for cell in cells if cell]
    if not written:
        return False
    return _TOTAL.match(written[0]) is not None or (len(written) == 1 and _NOTE.match(written[0]) is not None)


def not_headings(ignore: Iterable[str], cells: Sequence[str]) -> list[str]:
    """What is wrong with columns that are to be dropped: the file has none of that name."""
    headings = [cell.strip() for cell in cells if cell.strip()]
    known = set(map(plain, headings))
    return [unknown("column", one, headings) for one in ignore if plain(one) not in known]


Row = tuple[int, list[str]]
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def rows_of(path: Path, rows_max: int = 0, *, strict: bool = False) -> Iterator[Row]:
    """(line, cells) of each row that is not empty; at most ``rows_max``, or ROWS_MAX. ``strict``: a quote that is not closed ends the table.
    NotATable, OSError."""
    is_regular(path)
    if path.stat().st_size > FILE_BYTES_MAX:
        raise NotATable(f"{path.name}: larger than {FILE_BYTES_MAX >> 20} MB: split it")
    with path.open("rb") as file:
        begins = file.read(len(_OLD))
    if begins == _OLD:
        raise NotATable(f"{path.name}: an .xls as spreadsheets wrote it before 2007: save it as .xlsx or CSV")
    rows_max = rows_max or ROWS_MAX
    packed = begins.startswith(b"PK\x03\x04")
    count = 0
    for line, cells in _sheet(path) if packed else _csv(path, strict):
        if len(cells) > COLUMNS_MAX or any(len(cell) > CELL_CHARS_MAX for cell in cells):
            raise NotATable(f"{path.name}:{line}: more than {COLUMNS_MAX} columns, or {CELL_CHARS_MAX} characters in one cell")
        if any(cells):
            count += 1
            if count > rows_max:
                raise NotATable(f"{path.name}: more than {rows_max:,} rows: split it")
            yield line, cells


def separator_of(begin: Iterable[str]) -> str:
    """What stands between the cells of a CSV whose first lines these are."""
    first = next((line for line in begin if any(one in line for one in SEPARATORS)), "")
    return max(SEPARATORS, key=first.count)


def _csv(path: Path, strict: bool) -> Iterator[Row]:
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding_of(path), "replace", newline="") as text:
        separator = separator_of(islice(text, TITLES_MAX))
        text.seek(0)
        reader = csv.reader((line.replace("\0", "?") for line in text), delimiter=separator, strict=strict)
        try:
            for cells in reader:
                yield reader.line_num, [read_csv_cell(cell.strip()) for cell in cells]
        except csv.Error as error:
            raise NotATable(f"{path.name}:{reader.line_num + (not strict)}: no CSV: {error}") from None


def _sheet(path: Path) -> Iterator[Row]:
    try:
        yield from rows_in_child(path)
    except NotASheet as fault:
        separator = ":" if re.match(r"\d+: ", str(fault)) else ": "
        raise NotATable(f"{path.name}{separator}{fault}") from None


def write_sheet(out: BinaryIO, heads: Iterable[str], rows: Iterable[Iterable[object]], title: str = "") -> None:
    """An XLSX of one sheet, named ``title``; every text stays a text, whatever it begins with. OSError."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title or None)

    def cell(value: object) -> Any:
        made = WriteOnlyCell(sheet, value=printable(str(value)))
        made.data_type = "s"
        return made

    sheet.append([cell(head) for head in heads])
    for row in rows:
        sheet.append([cell(value) for value in row])
    book.save(out)


def write_table(file: Path, heads: tuple[str, ...], rows: Iterable[Iterable[object]], title: str = "") -> None:
    """CSV with a mark, so that spreadsheets read the Chinese in it; or XLSX of a sheet of that title. A new file that only its owner may read.
    OSError."""
    from proxy.runtime import hardening

    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise OSError(errno.EINVAL, "name it .csv or .xlsx: no other kind is written", str(file))

    hardening.restrict_umask()  # a spreadsheet's parts lie in files for a moment, too
    with hardening.create_private_file(file) as out:
        if file.suffix.lower() == ".xlsx":
            write_sheet(out, heads, rows, title)
            return
        with io.TextIOWrapper(out, "utf-8-sig", newline="") as text:
            written = csv.writer(text)
            written.writerow(heads)
            written.writerows(rows)


Rows = Iterable[Sequence[object]]


def export_rows(
    out: Path | None, socket: Path, command: str, args: Mapping[str, Any], heads: Sequence[str], rows_of: Callable[[Mapping[str, Any]], Rows]
) -> int:  # fmt: skip
    """Returns the number of rows. ``rows_of``: the rows of one line."""
    count = 0
    with (
        Conversation(socket, command, args) as conversation,
        nullcontext(sys.stdout)
        if out is None
        else io.TextIOWrapper(hardening.create_private_file(out), "utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        for line in conversation.lines():
            rows = list(rows_of(line))
            writer.writerows(rows)
            count += len(rows)
    return count
