"""Draws the report of a month as a PDF.

In: a MonthReport, a language. Out: bytes, equal for equal input. Never: markup read from a name, a picture, a file or an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Table, TableStyle

from proxy.console.pdf_text import FONT, markup, register
from proxy.desk.reports.month_report import NOTHING_HERE, MonthReport, TableInLanguage, notes_of, shown, title_of
from proxy.desk.reports.report_pdf import LINE, SOFT, WIDTH
from proxy.i18n.phrases import in_language
from proxy.model.redact import printable

SIZE, SMALL_SIZE, WIDE = 9.0, 7.5, 9
"""Points of the letters; smaller in tables of WIDE columns and more."""
TOGETHER_MAX = 20
"""Rows of a table that is not broken between pages."""
_BIG = ParagraphStyle("big", fontName=FONT, fontSize=17, leading=22, spaceAfter=4)
_HEAD = ParagraphStyle("head", fontName=FONT, fontSize=11, leading=15, spaceBefore=12, spaceAfter=4, keepWithNext=1)
_SMALL = ParagraphStyle("small", fontName=FONT, fontSize=8.5, leading=12, textColor=SOFT, wordWrap="CJK")


def paper(month: MonthReport, language: str) -> bytes:
    """The whole document; ``language``: zh or en."""
    register()
    title, out = in_language(title_of(month), language), BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm, title=title,
        author="gate106", invariant=1, initialFontName=FONT,
    )  # fmt: skip
    notes = [_paragraph(in_language(note, language), _SMALL) for note in notes_of(month)]
    tables = [part for one in month.tables() for part in _parts(shown(one, language), in_language(NOTHING_HERE, language))]
    document.build([_paragraph(title, _BIG), *notes, *tables])
    return out.getvalue()


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(markup(printable(text)), style)


def _parts(table: TableInLanguage, nothing: str) -> Iterator[Any]:
    parts = [_paragraph(table.title, _HEAD)]
    if table.rows:
        parts.append(_grid(table))
    elif table.total or not table.note:
        parts.append(_paragraph(nothing, _SMALL))
    if table.note:
        parts.append(_paragraph(table.note, _SMALL))
    yield from parts if len(table.rows) > TOGETHER_MAX else [KeepTogether(parts)]


def _grid(table: TableInLanguage) -> Table:
    """Cells wrap; a column is as wide as its longest cell asks for."""
    size = SMALL_SIZE if len(table.heads) >= WIDE else SIZE
    lines: list[Sequence[str]] = [table.heads, *table.rows, *([table.total] if table.total else [])]
    asked = [min(max(stringWidth(cell, FONT, size) for cell in column) + 10, WIDTH / 3) for column in zip(*lines, strict=True)]
    text = ParagraphStyle("cell", fontName=FONT, fontSize=size, leading=size * 1.35, wordWrap="CJK")
    number = ParagraphStyle("number", parent=text, alignment=TA_RIGHT)
    cells = [
        [_paragraph(cell, number if is_number else text) for cell, is_number in zip(line, table.numbers, strict=True)]
        for line in lines
    ]
    made = Table(cells, colWidths=[one * WIDTH / sum(asked) for one in asked], repeatRows=1)
    made.setStyle(TableStyle([
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, LINE), ("LINEBELOW", (0, 0), (-1, 0), 0.8, SOFT), ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3), ("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        *([("LINEABOVE", (0, -1), (-1, -1), 0.8, SOFT)] if table.total else []),
    ]))  # fmt: skip
    return made
