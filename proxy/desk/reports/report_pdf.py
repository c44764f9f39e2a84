"""Draws the reports of a day and of a month as PDFs.

In: a View or a MonthReport, a language. Out: bytes, equal for equal input. Never: markup read from a name, a picture, a file or an address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reportlab.graphics.shapes import STATE_DEFAULTS, Drawing, Line, Rect, String
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import KeepTogether, Paragraph, Spacer, Table, TableStyle

from proxy.console.offline_charts import words_of
from proxy.console.pdf_text import FONT, LINE, SOFT, WIDTH, document, paragraph, plain, register
from proxy.desk.reports import month_text
from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT
from proxy.desk.reports.disclosure_control import bar_length, shown
from proxy.desk.reports.month_report import MonthReport
from proxy.desk.reports.month_text import NOTHING_HERE, TableInLanguage, notes_of, title_of
from proxy.desk.reports.offline_html import WORDS
from proxy.desk.reports.report_text import View
from proxy.i18n.phrases import in_language
from proxy.model.redact import printable

COLOURS = {SENT: colors.HexColor("#1b7f4b"), REFUSED: colors.HexColor("#b3261e"), DEFERRED: colors.HexColor("#a06a00")}
NAME_CHARS = 40
SIZE, SMALL_SIZE, WIDE = 9.0, 7.5, 9
"""Points of the letters; smaller in tables of WIDE columns and more."""
TOGETHER_MAX = 20
"""Rows of a table that is not broken between pages."""
_BIG = ParagraphStyle("big", fontName=FONT, fontSize=17, leading=22, spaceAfter=4)
_HEAD = ParagraphStyle("head", fontName=FONT, fontSize=11, leading=15, spaceBefore=12, spaceAfter=4, keepWithNext=1)
_SMALL = ParagraphStyle("small", fontName=FONT, fontSize=8.5, leading=12, textColor=SOFT, wordWrap="CJK")
BARS_MAX = 15


def paper(view: View, language: str = "zh") -> bytes:
    """The whole document; ``language``: zh or en."""
    register()
    STATE_DEFAULTS["fontName"] = FONT  # else drawings name Helvetica, which nobody embeds
    page = _Paper(view, words_of(WORDS, language))
    title = f"{page.translated('Sheet of the day')} {view.day}"
    return document(title, list(page.parts(title)))


class _Paper:
    def __init__(self, view: View, say: Callable[[str], str]) -> None:
        self._view, self._say = view, say

    def translated(self, english: str) -> str:
        return plain(printable(self._say(english))[:NAME_CHARS])

    def parts(self, title: str) -> Iterator[Any]:
        view, sheet, translated = self._view, self._view.sheet, self.translated
        yield Paragraph(title, _BIG)
        rules = " ".join(one for one in sheet.revisions if one)  # hexadecimal digits
        yield Paragraph(
            f"{translated('submits, a long message counts each part')} · {translated('numbers below')} {view.least} "
            f"{translated('are not told')} · {translated('rules in force')} {rules}",
            _SMALL,
        )
        yield Spacer(0, 4 * mm)
        totals = [*(f"{sheet.total(fate):,}" for fate in FATES), shown(sheet.optouts.total(), view.least)]
        yield self._table((*FATES, "opt-outs"), [totals])
        yield self._headed("Hour by hour")
        yield self._hours()
        for name, rows in (
            ("by reason", view.reason_rows()),
            ("What shadow rules would have stopped", view.shadow()),
            ("Rules that objected", view.hits()),
        ):
            yield self._headed(name)
            yield self._bars(rows)
        optouts = [(one.name, *cells) for _, one, cells in view.optout_rows()]
        tables: list[tuple[str, tuple[str, ...], Sequence[Sequence[str]]]] = [
            ("Region unknown", ("provider", "share"), view.unknown_rows()),
            *((f"by {name}", (name, *FATES), fates) for name, fates in view.fate_rows()),
            ("Opt-outs in 10,000 advertisements", ("", "opt-outs", "per 10,000"), optouts),
            ("What carriers answered", ("answer", "count"), view.answer_rows()),
        ]
        for heading, heads, cells in tables:
            yield self._headed(heading)
            yield self._table(heads, cells)
        yield self._headed("Head of the journal")
        if not view.heads:
            yield Paragraph(f"{translated('not signed yet')} ({translated('signed once the day is rolled')})", _SMALL)
        for head in view.heads:
            digest = head.digest if head.digest.isalnum() else ""  # hexadecimal digits
            yield Paragraph(f"{translated('node')} {head.node}, {translated('up to record')} {head.last}: {digest}", _SMALL)

    def _headed(self, english: str) -> Paragraph:
        return Paragraph(self.translated(english), _HEAD)

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
        """Of rows of a name and its numbers."""
        lines = [
            [self._say(one)[:NAME_CHARS] for one in row] for row in (heads, *(rows or [["nothing", *[""] * (len(heads) - 1)]]))
        ]
        return _grid(TableInLanguage("", lines[0], lines[1:], [], "", [place > 0 for place in range(len(heads))]))

    def _bars(self, rows: Sequence[tuple[str, int]]) -> Drawing:
        least, row, label = self._view.least, 15, 170
        rows = rows[:BARS_MAX]
        drawing = Drawing(WIDTH, max(1, len(rows)) * row)
        most = max((count for _, count in rows), default=1)
        for place, (name, count) in enumerate(rows):
            y = drawing.height - (place + 1) * row
            wide = count / most * (WIDTH - label - 70) if count >= least else 0
            drawing.add(_word(label - 6, y + 4, self.translated(name), "end"))
            if wide:
                drawing.add(Rect(label, y + 2, wide, row - 5, fillColor=COLOURS[REFUSED], strokeColor=None))
            drawing.add(_word(label + wide + 5, y + 4, shown(count, least), "start"))
        if not rows:
            drawing.add(_word(0, 4, self.translated("nothing"), "start"))
        return drawing

    def _hours(self) -> Drawing:
        high, step = 110, WIDTH / 24
        hours = [(hour, {fate: bar_length(one[fate]) for fate in FATES}) for hour, one in self._view.hours()]
        most = max(one[fate] for _, one in hours for fate in FATES)
        drawing = Drawing(WIDTH, high + 26)
        drawing.add(Line(0, 14, WIDTH, 14, strokeColor=LINE))
        for hour, one in hours:
            for place, fate in enumerate(FATES):
                if one[fate]:
                    wide, tall = (step - 3) / 3, one[fate] / most * high
                    x = hour * step + 1 + place * wide
                    drawing.add(Rect(x, 14, wide, tall, fillColor=COLOURS[fate], strokeColor=None))
            drawing.add(_word(hour * step + step / 2, 3, f"{hour:02}", "middle"))
        drawing.add(_word(0, high + 17, f"{most:,}" if most else "", "start"))
        return drawing


def _word(x: float, y: float, text: str, anchor: str) -> String:
    return String(x, y, text, fontName=FONT, fontSize=8, fillColor=SOFT, textAnchor=anchor)


def month_paper(month: MonthReport, language: str) -> bytes:
    """The whole document; ``language``: zh or en."""
    register()  # for the widths of columns
    title = in_language(title_of(month), language)
    notes = [paragraph(in_language(note, language), _SMALL) for note in notes_of(month)]
    tables = [
        part for one in month.tables() for part in _parts(month_text.shown(one, language), in_language(NOTHING_HERE, language))
    ]
    return document(title, [paragraph(title, _BIG), *notes, *tables])


def _parts(table: TableInLanguage, nothing: str) -> Iterator[Any]:
    parts = [paragraph(table.title, _HEAD)]
    if table.rows:
        parts.append(_grid(table))
    elif table.total or not table.note:
        parts.append(paragraph(nothing, _SMALL))
    if table.note:
        parts.append(paragraph(table.note, _SMALL))
    yield from parts if len(table.rows) > TOGETHER_MAX else [KeepTogether(parts)]


def _grid(table: TableInLanguage) -> Table:
    """Cells wrap; a column is as wide as its longest cell asks for."""
    size = SMALL_SIZE if len(table.heads) >= WIDE else SIZE
    lines: list[Sequence[str]] = [table.heads, *table.rows, *([table.total] if table.total else [])]
    asked = [min(max(stringWidth(cell, FONT, size) for cell in column) + 10, WIDTH / 3) for column in zip(*lines, strict=True)]
    text = ParagraphStyle("cell", fontName=FONT, fontSize=size, leading=size * 1.35, wordWrap="CJK")
    number = ParagraphStyle("number", parent=text, alignment=TA_RIGHT)
    cells = [
        [paragraph(cell, number if is_number else text) for cell, is_number in zip(line, table.numbers, strict=True)]
        for line in lines
    ]
    made = Table(cells, colWidths=[one * WIDTH / sum(asked) for one in asked], repeatRows=1)
    made.setStyle(TableStyle([
        ("FONT", (0, 0), (-1, -1), FONT, size),
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, LINE), ("LINEBELOW", (0, 0), (-1, 0), 0.8, SOFT), ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3), ("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        *([("LINEABOVE", (0, -1), (-1, -1), 0.8, SOFT)] if table.total else []),
    ]))  # fmt: skip
    return made
