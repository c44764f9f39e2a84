"""Reads an XLSX's first sheet in a memory-bounded child process.

In: a file. Out: its rows, one line of JSON each; then ``{"end": true}``, or ``{"fault": why}``. Never: a formula's code, a picture, a macro;
more memory or time than the limits, however small the file was.

    python -m proxy.operations.files.xlsx FILE

An XLSX is a ZIP of XML: 100 kB may unpack to a gigabyte of cells. What can be counted (bytes, columns, cells, texts) is counted in
pieces before a row is built; whatever else a file does to the reader ends with the child.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path

from proxy.model.redact import read_csv_cell

ROWS_MAX = 200_000
COLUMNS_MAX = 64
COLUMN_LAST = b"BL"
"""The name of the 64th."""
CELLS_MAX = 2_000_000
"""Of all sheets, and as many texts: ten columns in each row. They are read in some ten seconds."""
UNPACKED_BYTES_MAX = 256 << 20
"""What the parts of the ZIP say they unpack to, all together. ``zipfile`` holds each to what it says."""
PART_BYTES_MAX = 8 << 20
"""Of a part that is neither a sheet nor the texts: styles, names. They are read whole."""
TEXTS_BYTES_MAX = 64 << 20
MEMORY_BYTES_MAX = 512 << 20
"""Of the child: 200,000 rows of ten columns take some 300 MB."""
PROCESSOR_S_MAX = 60
PIECE_BYTES = 1 << 20

_CELL = re.compile(rb"""<(?:\w+:)?c(?=[\s/>])(?:[^>]*?\sr=["']([A-Za-z]{1,3})\d*["'])?""")
_TEXT = re.compile(rb"<(?:\w+:)?si[\s/>]")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")


class NotASheet(Exception):
    """The file cannot be read: the text says why."""


Row = tuple[int, list[str]]


def rows_in_child(path: Path) -> Iterator[Row]:
    """(line, cells) of the first sheet, each cell as it is shown. NotASheet."""
    command = [sys.executable, "-m", "proxy.operations.files.xlsx", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:  # noqa: S603 # this program
        try:
            assert child.stdout is not None
            for line in child.stdout:
                told = json.loads(line)
                if isinstance(told, list):
                    yield told[0], told[1]
                elif "fault" in told:
                    raise NotASheet(told["fault"])
                else:
                    return
        finally:
            child.kill()
    raise NotASheet(
        f"reading it takes more than {MEMORY_BYTES_MAX >> 20} MB of memory or {PROCESSOR_S_MAX} s: save it as CSV, or split it"
    )


def rows(path: Path) -> Iterator[Row]:
    """The same in this process. NotASheet, or whatever a file does to the reader."""
    import openpyxl

    with zipfile.ZipFile(path) as packed:
        has_formulas = _within_bounds(packed)
    if has_formulas:
        _calculated(path)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheet = book.worksheets[0]
        columns = (
            min(sheet.max_column, COLUMNS_MAX + 1) if sheet.max_column else None
        )  # rows are filled up to what the sheet says
        for line, cells in enumerate(sheet.iter_rows(values_only=True, max_col=columns), 1):
            if line > 2 * ROWS_MAX:  # rows that are there and empty cost time, too
                raise NotASheet(f"more than {2 * ROWS_MAX:,} lines: split it")
            if any(cell is not None for cell in cells[COLUMNS_MAX:]):
                raise NotASheet(f"more than {COLUMNS_MAX} columns in line {line}")
            yield line, [_shown(cell) for cell in cells[:COLUMNS_MAX]]
    finally:
        book.close()


def _within_bounds(packed: zipfile.ZipFile) -> bool:
    """Whether any sheet has a formula; most have none. NotASheet where the file is too large in any respect."""
    parts = packed.infolist()
    if sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX:
        raise NotASheet(f"unpacks to more than {UNPACKED_BYTES_MAX >> 20} MB")
    cells = texts = 0
    has_formulas = False
    for part in parts:
        name = part.filename.lower()
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            for piece in _pieces(packed, part):
                columns = _CELL.findall(piece)
                cells += len(columns)
                if any(
                    len(column) > 1 and (len(column) > len(COLUMN_LAST) or column.upper() > COLUMN_LAST) for column in columns
                ):
                    raise NotASheet(f"more than {COLUMNS_MAX} columns")
                has_formulas = has_formulas or _FORMULA.search(piece) is not None
        elif name.endswith("sharedstrings.xml"):
            if part.file_size > TEXTS_BYTES_MAX:
                raise NotASheet(f"its texts unpack to more than {TEXTS_BYTES_MAX >> 20} MB")
            texts += sum(len(_TEXT.findall(piece)) for piece in _pieces(packed, part))
        elif name.endswith((".xml", ".rels")) and part.file_size > PART_BYTES_MAX:
            raise NotASheet(f"{part.filename[:100]} unpacks to more than {PART_BYTES_MAX >> 20} MB")
        if max(cells, texts) > CELLS_MAX:
            raise NotASheet(f"more than {CELLS_MAX:,} cells: split it")
    return has_formulas


def _pieces(packed: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part's octets, each piece up to the end of a tag."""
    rest = b""
    with packed.open(part) as file:
        while read := file.read(PIECE_BYTES):
            piece, end, rest = (rest + read).rpartition(b">")
            if len(rest) > PIECE_BYTES:
                raise NotASheet(f"{part.filename[:100]} is no XML of a spreadsheet")
            yield piece + end


def _calculated(path: Path) -> None:
    """Refuses a formula without a calculated value, which would be read as an empty cell. NotASheet."""
    import openpyxl

    formulas, values = (
        openpyxl.load_workbook(path, read_only=True, data_only=only, keep_links=False) for only in (False, True)
    )
    try:
        both = (book.worksheets[0].iter_rows(max_row=2 * ROWS_MAX, max_col=COLUMNS_MAX) for book in (formulas, values))
        for written, found in zip(*both, strict=True):
            for formula, cell in zip(written, found, strict=True):
                if formula.data_type == "f" and cell.value is None:
                    raise NotASheet(
                        f"{formula.row}: {formula.coordinate} is a formula without a value: "
                        "calculate and save the file, or put the values in their place"
                    )
    finally:
        formulas.close()
        values.close()


def _shown(cell: object) -> str:
    """Dates as they stand, whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, datetime) and cell.time() != time():
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):  # a day, which spreadsheets keep as its midnight
        return cell.isoformat()[:10]
    if isinstance(cell, time):
        return cell.strftime("%H:%M:%S")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return read_csv_cell(str(cell).strip())


def main() -> None:
    """One file, and an end."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S_MAX, PROCESSOR_S_MAX))
    try:
        for row in rows(Path(sys.argv[1])):
            sys.stdout.write(f"{json.dumps(row)}\n")
        told: dict[str, object] = {"end": True}
    except NotASheet as fault:
        told = {"fault": str(fault)}
    except MemoryError:
        told = {"fault": f"reading it takes more than {MEMORY_BYTES_MAX >> 20} MB of memory: save it as CSV, or split it"}
    except Exception as error:  # noqa: BLE001 # whatever somebody's XLSX does to the reader: it is no table
        told = {"fault": f"cannot be read as XLSX: {str(error) or type(error).__name__:.200}"}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
