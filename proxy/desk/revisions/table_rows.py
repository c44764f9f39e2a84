"""Reads and edits rows of registries and lists of words.

In: a file's name and text. Out: an EditableTable; the text with a row added, changed or removed. Never: the meaning of a cell (the policy
checks it); another line touched: comments and the spelling of other rows stay.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from proxy.operations.files.row_files import not_headings
from proxy.policy.registries.rows import heading
from proxy.policy.registries.table_words import gate_words, headings_of, plain
from proxy.policy.registries.typed_rows import COLUMNS
from proxy.policy.text.lexicon import COLUMNS as LEXICON
from proxy.policy.text.otp_codes import COLUMNS as CODE_TEXTS
from proxy.policy.text.otp_codes import FILE as CODES

WORDS = ("word",)
SEGMENTS = "registries/segments.csv"
ENDS = "to"
"""The column of the last day on which a row counts."""


class TableRow(NamedTuple):
    at: int  # its first line, from 0
    lines: int
    cells: tuple[str, ...]  # as many as there are columns


class EditableTable(NamedTuple):
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    problem: str
    """Why it cannot be read to its end; empty: it can."""

    def row(self, at: int) -> TableRow | None:
        return next((one for one in self.rows if one.at == at), None)


def columns_of(file: str) -> tuple[str, ...]:
    folder, _, name = file.partition("/")
    if folder == "registries":
        return COLUMNS[name.removesuffix(".csv")]
    if folder == "lexicon":
        return CODE_TEXTS if name == CODES else LEXICON
    return WORDS


class UnknownColumns(ValueError):
    """Headings that no column of the table has."""

    def __init__(self, headings: Sequence[str]) -> None:
        super().__init__(", ".join(headings))


def canonical(file: str, text: str, ignore: Collection[str] | None = None) -> str:
    """A registry whose headings are in Chinese or in another order, with the table's own; any other text is unchanged. ``ignore``: headings to
    be dropped; without it an unknown one leaves the text as it is. UnknownColumns, ValueError: it has no column to be dropped."""
    folder, _, name = file.partition("/")
    if folder != "registries":
        return text
    table, columns = name.removesuffix(".csv"), columns_of(file)
    words, order, found = headings_of(table, columns), columns, list[str]()
    lines, begun = _plain_lines(text), 0
    reader = csv.reader(io.StringIO(text, newline=None))
    try:
        for record in reader:
            at, begun = begun, reader.line_num
            cells = [cell.strip() for cell in record]
            if not any(cells) or cells[0].startswith("#"):
                found += lines[at:begun]
            elif order is columns:
                order = heading(cells, columns, words) or ()
                dropped = {plain(one) for one in ignore or ()}
                if absent := not_headings(ignore or (), cells):
                    raise ValueError("; ".join(absent))
                unknown = [one for one in order if one and one not in columns and plain(one) not in dropped]
                if unknown and ignore is not None:
                    raise UnknownColumns(unknown)
                if unknown or order == columns[: len(order)]:
                    return text
                found.append(",".join(columns))
            else:
                row = dict(zip(order, cells, strict=False))
                row = gate_words(table, {column: row.get(column, "") for column in columns})
                found.append(line_of(file, tuple(row.values())))
    except csv.Error:
        return text
    return "".join(f"{line}\n" for line in found)


def read(file: str, text: str) -> EditableTable:
    text = canonical(file, text)
    columns, found = columns_of(file), list[TableRow]()
    if columns is WORDS:
        numbered_lines = [(at, line.strip()) for at, line in enumerate(_lines(file, text))]
        return EditableTable(
            columns, tuple(TableRow(at, 1, (word,)) for at, word in numbered_lines if word and not word.startswith("#")), ""
        )
    reader, begun, first = csv.reader(io.StringIO(text, newline=None)), 0, True
    try:
        for record in reader:
            at, begun = begun, reader.line_num
            cells = [cell.strip() for cell in record]
            if not any(cells) or cells[0].startswith("#"):
                continue
            heading = first and (cells[0] == columns[0] or len(set(cells) & set(columns)) > 1)
            first = False
            if not heading:
                full = [*cells, *[""] * (len(columns) - len(cells))]
                found.append(TableRow(at, begun - at, tuple(full[: len(columns)])))
    except csv.Error as error:
        return EditableTable(columns, tuple(found), str(error))
    return EditableTable(columns, tuple(found), "")


def changes(file: str, before: str, after: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """``-`` and ``+``, with the columns and cells that are not empty, of each row that only one of two texts has; by the first cell."""
    old, new = (Counter(one.cells for one in read(file, text).rows) for text in (before, after))
    found = [("-", cells) for cells in (old - new).elements()] + [("+", cells) for cells in (new - old).elements()]
    found.sort(key=lambda one: (one[1][0], one[0] == "+"))
    names = ["segments.source" if (file, name) == (SEGMENTS, "source") else name for name in columns_of(file)]
    return [(how, [(name, cell) for name, cell in zip(names, cells, strict=True) if cell]) for how, cells in found]


def line_of(file: str, cells: Sequence[str]) -> str:
    plain = [" ".join(cell.split()) for cell in cells]
    if columns_of(file) is WORDS:
        return plain[0]
    held = io.StringIO()
    csv.writer(held, lineterminator="").writerow(plain)
    return held.getvalue()


def changed(file: str, text: str, row: TableRow, cells: Sequence[str]) -> str:
    return _placed(_lines(file, text), row.at, row.lines, [line_of(file, cells)])


def without(file: str, text: str, row: TableRow) -> str:
    return _placed(_lines(file, text), row.at, row.lines, [])


def added(file: str, text: str, cells: Sequence[str]) -> str:
    lines = _lines(file, text)
    return _placed(lines, len(lines), 0, [line_of(file, cells)])


def entered(file: str, text: str, said: Mapping[str, str]) -> str:
    """A table with a row by name: changed where it stands, of this provider or of any; else added. Empty cells stay as they are."""
    cells = [" ".join(one.split()) for one in said.values()]
    named = [one for one in read(file, text).rows if one.cells[0] == cells[0]]
    whose = said.get("provider", "")
    at = list(said).index("provider") if "provider" in said else 0
    meant = next((one for own in (whose, "") for one in named if not at or one.cells[at] == own), None)
    if meant is None:
        return added(file, text, cells)
    new = [new or old for new, old in zip(cells, meant.cells, strict=True)]
    return text if tuple(new) == meant.cells else changed(file, text, meant, new)


def merged(file: str, text: str, rows: Sequence[Sequence[str]]) -> tuple[str, list[str]]:
    """A table with these rows in place of those with the same first cell, and the others at its end; of each row whether it is
    ``added``, ``changed`` or the ``same``. A row's empty cells leave the table's as they are."""
    columns, lines = columns_of(file), _lines(file, text)
    known = {one.cells[0]: one for one in reversed(read(file, text).rows)}
    changes, instead, behind = list[str](), dict[int, tuple[int, str]](), list[str]()
    for row in rows:
        plain = [" ".join(cell.split()) for cell in row]
        before = known.get(plain[0])
        if before is None:
            changes.append("added")
            behind.append(line_of(file, plain))
            continue
        cells = [new or old for new, old in zip(plain, before.cells, strict=True)]
        changes.append("same" if tuple(cells) == before.cells else "changed")
        if changes[-1] == "changed":
            instead[before.at] = (before.lines, line_of(file, cells))
    if not lines and behind:
        behind.insert(0, ",".join(columns))
    found, at = list[str](), 0
    while at < len(lines):
        count, line = instead.get(at, (1, lines[at]))
        found.append(line)
        at += count
    return "".join(f"{line}\n" for line in [*found, *behind]), changes


def _lines(file: str, text: str) -> list[str]:
    """As ``policy`` counts them: in a table other characters than line feeds end no line (a pasted cell may hold one)."""
    return text.splitlines() if columns_of(file) is WORDS else _plain_lines(canonical(file, text))


def _plain_lines(text: str) -> list[str]:
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def _placed(lines: list[str], at: int, count: int, instead: list[str]) -> str:
    return "".join(f"{line}\n" for line in [*lines[:at], *instead, *lines[at + count :]])
