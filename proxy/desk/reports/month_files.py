"""Writes the report of a month as HTML and XLSX.

In: a MonthReport, a language. Out: bytes. Never: a figure that is not in its tables; markup or a formula read from a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from proxy.console.offline_charts import Column, columns, rendered
from proxy.desk.reports.daily_report import FATES
from proxy.desk.reports.disclosure_control import bar_length
from proxy.desk.reports.month_counts import Cell
from proxy.desk.reports.month_report import MonthReport, Share
from proxy.desk.reports.month_text import NOTHING_HERE, notes_of, reduced, shown, texts, title_of
from proxy.desk.reports.offline_html import CLASSES
from proxy.i18n.phrases import in_language
from proxy.model.redact import printable

TEMPLATE = Path(__file__).with_name("month_offline.html")
SHEET_TITLE_MAX, COLUMN_MAX = 31, 40


def html(month: MonthReport, language: str) -> bytes:
    tables = month.tables()
    by_name = {one.name: one for one in tables}
    heads = texts(by_name["by_day"].heads[1:4], language)
    days = [
        Column(str(row[0])[5:], tuple((CLASSES[fate], bar_length(row[1 + place])) for place, fate in enumerate(FATES)))
        for row in by_name["by_day"].rows
    ]
    tiles = [
        (*texts(row[:2], language), kind)
        for row, kind in zip(by_name["summary"].rows, ("", *CLASSES.values(), "", "", ""), strict=False)
    ]
    title = in_language(title_of(month), language)
    page = rendered(
        TEMPLATE, title, language, str, title=title, notes=texts(notes_of(month), language), tiles=tiles,
        chart=columns(days, in_language(by_name["by_day"].title, language)), key=list(zip(CLASSES.values(), heads, strict=True)),
        tables=[shown(one, language) for one in tables], nothing=in_language(NOTHING_HERE, language),
    )  # fmt: skip
    return page.encode()


def xlsx(month: MonthReport, language: str) -> bytes:
    """A sheet for each table; numbers are numbers, and every text stays a text."""
    book = openpyxl.Workbook()
    first = book.active
    first.title = "说明" if language == "zh" else "Notes"
    lines = [[in_language(title_of(month), language)], *([in_language(note, language)] for note in notes_of(month))]
    _fill(first, lines, Font(bold=True))
    first.column_dimensions["A"].width = 100
    for table in map(reduced, month.tables()):
        sheet = book.create_sheet(in_language(table.title, language).replace("/", " ").replace(":", "")[:SHEET_TITLE_MAX])
        rows: list[Sequence[Cell]] = [texts(table.heads, language), *table.rows]
        rows += [table.total] if table.total else []
        _fill(sheet, [[_said(cell, language) for cell in row] for row in rows], Font(bold=True), total=bool(table.total))
        if table.note:
            sheet.append([])
            _fill(sheet, [[in_language(table.note, language)]], None)
        for place, head in enumerate(table.heads, 1):
            cells = [in_language(head, language), *(_said(row[place - 1], language) for row in table.rows)]
            widest = max(len(str(cell).encode("gb18030", "replace")) for cell in cells)
            sheet.column_dimensions[get_column_letter(place)].width = min(COLUMN_MAX, widest + 2)
        sheet.freeze_panes = "B2"
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _said(cell: Cell, language: str) -> Cell:
    return in_language(cell, language) if isinstance(cell, str) else cell


def _fill(sheet: Any, rows: Sequence[Sequence[Cell]], bold: Any, *, total: bool = False) -> None:
    """Appends rows; the first one is in ``bold``, and the last if it is the ``total``."""
    for number, row in enumerate(rows, 1):
        at = sheet.max_row + (sheet.max_row > 1 or sheet.cell(1, 1).value is not None)
        for place, cell in enumerate(row, 1):
            made = sheet.cell(at, place)
            if isinstance(cell, str):
                made.value, made.data_type = printable(cell), "s"
            elif cell is not None:
                made.value = float(cell) if isinstance(cell, float) else cell
                made.number_format = "0.0%" if isinstance(cell, Share) else "#,##0" if isinstance(cell, int) else "#,##0.00"
            if bold is not None and (number == 1 or (total and number == len(rows))):
                made.font = bold
