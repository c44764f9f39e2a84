"""Changes rows in the texts of the registries of filings.

Never: a line touched that holds no changed row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from proxy.desk.filings.filing_columns import KEYS, Cells
from proxy.desk.revisions import table_rows
from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import province_of
from proxy.policy.registries.typed_rows import COLUMNS, read_filing_row
from proxy.policy.text.folding import normal_signature

Key = tuple[str, ...]


class Upsert(NamedTuple):
    """What one sheet says of one row of a registry."""

    line: int
    cells: Cells
    lines: dict[str, int]
    """The line that said it, by column."""

    def line_of(self, column: str) -> int:
        return self.lines.get(column, self.line)


def file_of(table: str) -> str:
    return f"registries/{table}.csv"


def key_of(table: str, cells: Mapping[str, str]) -> Key:
    return tuple(_key_part(column, cells.get(column, "")) for column in KEYS[table])


def _key_part(column: str, cell: str) -> str:
    if column == "signature":
        return normal_signature(cell)
    if column == "carrier":
        return CARRIERS.get(cell.lower(), cell)
    return ("" if cell == "national" else province_of(cell) or cell) if column == "province" and cell else cell


class RegistryRows:
    """The rows of a registry's text, and those that a sheet adds or changes."""

    def __init__(self, table: str, text: str) -> None:
        self.table, self._before = table, table_rows.canonical(file_of(table), text)
        columns = COLUMNS[table]
        self._rows = table_rows.read(file_of(table), text).rows
        self._cells = [dict(zip(columns, row.cells, strict=True)) for row in self._rows]
        self.by_key: dict[Key, list[Cells]] = {}
        for cells in self._cells:
            self.by_key.setdefault(key_of(table, cells), []).append(cells)
        self._by_name: dict[Key, list[Cells]] = {}
        wide = {"signatures": 1, "licences": 2}.get(table, 0)
        for key, rows in self.by_key.items() if wide else ():
            self._by_name.setdefault(key[:wide], []).extend(rows)
        self.names = {key[0] for key in self.by_key}
        self.added: list[Cells] = []
        self.changed: set[int] = set()
        """Identities of the rows' cells."""

    def put(self, key: Key, upsert: Upsert) -> None:
        """RowFault if the row would be wrong."""
        rows = self.meant(key)
        if not rows:
            cells = dict.fromkeys(COLUMNS[self.table], "") | upsert.cells
            read_filing_row(self.table, cells, upsert.line)
            self.added.append(cells)
            self.by_key[key] = [cells]
        for cells in rows:
            new = cells | {name: cell for name, cell in upsert.cells.items() if name not in KEYS[self.table] or not cells[name]}
            read_filing_row(self.table, new, upsert.line)
            if new != cells:
                cells.update(new)
                self.changed.add(id(cells))

    def meant(self, key: Key) -> list[Cells]:
        if rows := self.by_key.get(key):
            return rows[-1:] if self.table == "filings" else rows
        if self.table == "signatures" and not any(key[1:]):
            return self._by_name.get(key[:1], [])
        if self.table == "licences":
            rows = self._by_name.get(key[:2], [])
            return rows if not key[2] and len(rows) == 1 else [cells for cells in rows if not cells["number"]]
        return []

    def text(self) -> str:
        """The text with its changed lines, and the added rows at its end."""
        lines = self._before.split("\n")
        if lines[-1] == "":
            lines.pop()
        columns = COLUMNS[self.table]
        written = {
            row.at: (row.lines, cells) for row, cells in zip(self._rows, self._cells, strict=True) if id(cells) in self.changed
        }
        found: list[str] = []
        at, headed = 0, bool(self._rows)
        while at < len(lines):
            count, cells = written.get(at, (1, None))
            names = [one.strip() for one in lines[at].split(",")]
            if cells is not None:
                found.append(_line(cells, columns))
            elif len(names) > 1 and names == list(columns[: len(names)]):
                found.append(",".join(columns))
                headed = True
            else:
                found.append(lines[at])
            at += count
        if not headed:
            found.append(",".join(columns))
        return "\n".join((*found, *(_line(cells, columns) for cells in self.added))) + "\n"


def _line(cells: Mapping[str, str], columns: Sequence[str]) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="").writerow([cells[name] for name in columns])
    return held.getvalue()


def export_rows(table: str, text: str) -> list[tuple[str, ...]]:
    """The rows of a registry's text."""
    return [row.cells for row in table_rows.read(file_of(table), text).rows]


def attached(table: str, text: str, name: str, digest: str, licence: str = "") -> tuple[str, int]:
    """A registry's text with the SHA-256 of a file in all rows of a signature, or of an advertiser's licence; the number of those rows."""
    rows = RegistryRows(table, text)
    owner, column, alike = ("signature", "letter", normal_signature) if table == "signatures" else ("advertiser", "file", str)
    count = 0
    for cells in rows._cells:
        if alike(cells[owner]) == alike(name) and (not licence or cells["kind"] == licence):
            count += 1
            if cells[column] != digest:
                cells[column] = digest
                rows.changed.add(id(cells))
    return rows.text() if rows.changed else text, count
