"""Tables: a file that somebody sends, as rows by line: CSV in UTF-8, GBK (GB 18030) or UTF-16 with its mark, or XLSX. Bounded both ways.

In: a file. Out: rows of texts with their line; NotATable where it is none. Never: a formula's code, a picture, a macro; more than fits
into memory, however small the file was.
"""

from __future__ import annotations

import csv
import errno
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

from proxy.cli.people import encoding_of
from proxy.shown import cell_of, plain

FILE_BYTES_MAX = 64 << 20
ROWS_MAX = 200_000
COLUMNS_MAX = 64
CELL_CHARS_MAX = 4_000
UNPACKED_BYTES_MAX = 256 << 20
"""Of an XLSX, which is a ZIP: what its parts say they unpack to, all together. ``zipfile`` holds each to what it says."""


class NotATable(Exception):
    """The file cannot be read as a table: the text says why."""


Row = tuple[int, list[str]]
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_PIECE = 1 << 20


def rows_of(path: Path) -> Iterator[Row]:
    """(line, cells) of each row that is not empty. NotATable, OSError."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise NotATable(f"{path.name}: larger than {FILE_BYTES_MAX >> 20} MB: split it")
    with path.open("rb") as file:
        begins = file.read(len(_OLD))
    if begins == _OLD:
        raise NotATable(f"{path.name}: an .xls as spreadsheets wrote it before 2007: save it as .xlsx or CSV")
    packed = begins.startswith(b"PK\x03\x04")
    count = 0
    for line, cells in _sheet(path) if packed else _csv(path):
        if len(cells) > COLUMNS_MAX or any(len(cell) > CELL_CHARS_MAX for cell in cells):
            raise NotATable(f"{path.name}:{line}: more than {COLUMNS_MAX} columns, or {CELL_CHARS_MAX} characters in one cell")
        if any(cells):
            count += 1
            if count > ROWS_MAX:
                raise NotATable(f"{path.name}: more than {ROWS_MAX:,} rows: split it")
            yield line, cells


def _csv(path: Path) -> Iterator[Row]:
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding_of(path), "replace", newline="") as text:
        first = text.readline()
        text.seek(0)
        separator = max(",;\t", key=first.count)
        reader = csv.reader((line.replace("\0", "?") for line in text), delimiter=separator)
        try:
            for cells in reader:
                yield reader.line_num, [cell_of(cell.strip()) for cell in cells]
        except csv.Error as error:
            raise NotATable(f"{path.name}:{reader.line_num + 1}: no CSV: {error}") from None


def _sheet(path: Path) -> Iterator[Row]:
    """The first sheet; dates as they stand, whole numbers without a point."""
    import openpyxl

    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > UNPACKED_BYTES_MAX:
                raise NotATable(f"{path.name}: unpacks to more than {UNPACKED_BYTES_MAX >> 20} MB")
            if _has_formulas(packed):
                _calculated(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            for line, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
                if line > 2 * ROWS_MAX:  # rows that are there and empty cost time, too
                    raise NotATable(f"{path.name}: more than {2 * ROWS_MAX:,} lines: split it")
                yield line, [_text(cell) for cell in cells]
        finally:
            book.close()
    except NotATable:
        raise
    except Exception as error:  # noqa: BLE001 # whatever somebody's XLSX does to the reader: it is no table
        raise NotATable(f"{path.name}: cannot be read as XLSX: {str(error) or type(error).__name__:.200}") from None


def _has_formulas(packed: zipfile.ZipFile) -> bool:
    """Whether any sheet has one; most have none."""
    for part in packed.infolist():
        if not part.filename.startswith("xl/worksheets/"):
            continue
        with packed.open(part) as sheet:
            before = b""
            while piece := sheet.read(_PIECE):
                if _FORMULA.search(before + piece):
                    return True
                before = piece[-16:]
    return False


def _calculated(path: Path) -> None:
    """A formula that nobody has calculated has no value, and would be read as an empty cell. NotATable."""
    import openpyxl

    formulas, values = (
        openpyxl.load_workbook(path, read_only=True, data_only=only, keep_links=False) for only in (False, True)
    )
    try:
        both = (book.worksheets[0].iter_rows(max_row=2 * ROWS_MAX, max_col=COLUMNS_MAX) for book in (formulas, values))
        for written, found in zip(*both, strict=True):
            for formula, cell in zip(written, found, strict=True):
                if formula.data_type == "f" and cell.value is None:
                    where = f"{path.name}:{formula.row}: {formula.coordinate}"
                    raise NotATable(
                        f"{where} is a formula without a value: calculate and save the file, or put the values in their place"
                    )
    finally:
        formulas.close()
        values.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return cell.strftime("%H:%M:%S")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell_of(str(cell).strip())


def write_sheet(out: BinaryIO, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """An XLSX of one sheet; every text stays a text, whatever it begins with. OSError."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("gate106")

    def cell(value: object) -> Any:
        made = WriteOnlyCell(sheet, value=plain(str(value)))
        made.data_type = "s"
        return made

    sheet.append([cell(head) for head in heads])
    for row in rows:
        sheet.append([cell(value) for value in row])
    book.save(out)


def write_table(file: Path, heads: tuple[str, ...], rows: Iterable[Iterable[object]]) -> None:
    """CSV with a mark, so that spreadsheets read the Chinese in it; or XLSX. A new file that only its owner may read. OSError."""
    from proxy import private

    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise OSError(errno.EINVAL, "name it .csv or .xlsx: no other kind is written")

    private.close_files()  # a spreadsheet's parts lie in files for a moment, too
    with private.new_file(file) as out:
        if file.suffix.lower() == ".xlsx":
            write_sheet(out, heads, rows)
            return
        with io.TextIOWrapper(out, "utf-8-sig", newline="") as text:
            written = csv.writer(text)
            written.writerow(heads)
            written.writerows(rows)
