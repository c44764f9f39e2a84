"""Shows a month in one language: as text and as JSON.

In: the tables of a month. Out: their cells as text, what a reader must know of them, all of it as JSON. Never: a figure that the tables hide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from proxy.desk.reports.month_counts import FEW, HIDDEN, Cell
from proxy.desk.reports.month_report import TOGETHER, MonthReport, Share, Table
from proxy.i18n.phrases import Bilingual, in_language, joined
from proxy.policy.time_windows import local

NOTHING_HERE = Bilingual("nothing", "无")


def title_of(month: MonthReport) -> Bilingual:
    year, number = month.month.split("-")
    return Bilingual(f"Report of the month {month.month}", f"合规月报 {year}年{int(number)}月")


def notes_of(month: MonthReport) -> list[Bilingual]:
    """What a reader must know of the figures."""
    sheet, least = month.sheet, month.least
    spans = [f"{local(one.first)[:16]} – {local(one.last)[:16]}" for one in (sheet, month.before) if one.records]
    found = [Bilingual(f"Records of the journal: {spans[0]}.", f"所据日志记录：{spans[0]}。")]
    if month.before.records:
        found.append(Bilingual(f"Of the month before: {spans[1]}.", f"上月日志记录：{spans[1]}。"))
    else:
        found.append(Bilingual("The journal has nothing of the month before.", "日志中没有上月的记录，不作环比。"))
    found.append(Bilingual("Submits are counted: a long message counts once for each part.", "按提交计数，长短信每段计一条。"))
    if least > 1:
        found.append(Bilingual(
            f"So that no figure points to a person, counts of messages and opt-outs below {least} are hidden (…), and with them others of "
            "their column from which they would follow, by themselves or beside the other tables of this report. "
            "One row has the sum of the hidden cells of each column; totals are exact, those of a table with a single row, too; "
            "one from which a hidden count would follow is hidden, too "
            "(cell suppression: Handbook on Statistical Disclosure Control). Complaints, penalties, ports and times are shown as they are.",
            f"为避免指向个人，小于 {least} 的短信与退订条数以“…”隐去，同列可据以推算（含与本报告其他各表对照推算）的数一并隐去；"
            "各列隐去的数合并为一行，合计为实际数（只有一行的表，其数即合计），可据以推算隐去数的合计也隐去"
            "（单元格隐去，见《统计披露控制手册》）。投诉、处罚、端口与用时为实际数。",
        ))  # fmt: skip
    if month.after_optout is None:
        found.append(Bilingual(
            "What was sent after an opt-out is missing: looking for it takes longer than a page may (gate106 report --month does it).",
            "缺少退订后仍然放行的条数：复核日志用时超过页面所限，请用命令行 gate106 report --month 生成。",
        ))  # fmt: skip
    if month.desk is None:
        found.append(Bilingual(
            "Complaints, penalties and ports are missing: no gate answered.", "缺少投诉、处罚与端口：网关没有应答。",
        ))  # fmt: skip
    return found


def cell_text(cell: Cell, language: str) -> str:
    if isinstance(cell, str):
        return in_language(cell, language)
    if cell is None:
        return "–"
    return f"{cell:.1%}" if isinstance(cell, Share) else f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}"


def texts(row: Iterable[Cell], language: str) -> list[str]:
    return [cell_text(cell, language) for cell in row]


class TableInLanguage(NamedTuple):
    """A table in one language."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    total: list[str]
    note: str
    numbers: list[bool]
    """Which columns hold numbers."""


SINGLE = Bilingual("A single row: its counts are the totals of the summary.", "只有一行，其数见概况。")


FEW_ONLY = Bilingual(
    "No provider's counts can be shown by themselves; by reason: see the table by reason.",
    "各家通道商的条数都不单列；各原因的条数见“按原因”。",
)


def reduced(table: Table) -> Table:
    """Without its row where that is the only one, and partly hidden: the total would say what is hidden. Without rows that name nobody."""
    if table.rows and all(row[0] is FEW for row in table.rows):
        return table._replace(rows=(), total=(), note=joined(Bilingual(" ", ""), filter(None, (table.note, FEW_ONLY))))
    rows = [row for row in table.rows if row[0] is not TOGETHER]
    if len(rows) != 1 or HIDDEN not in rows[0]:
        return table
    return table._replace(rows=(), total=(), note=joined(Bilingual(" ", ""), filter(None, (table.note, SINGLE))))


def shown(table: Table, language: str) -> TableInLanguage:
    table = reduced(table)
    numbers = [
        not any(isinstance(cell := row[place], str) and cell != HIDDEN for row in table.rows)
        for place in range(len(table.heads))
    ]
    return TableInLanguage(
        in_language(table.title, language), texts(table.heads, language), [texts(row, language) for row in table.rows],
        texts(table.total, language), in_language(table.note, language), numbers,
    )  # fmt: skip


def as_dict(month: MonthReport, language: str) -> dict[str, Any]:
    """What ``gate106 report --month … --json`` prints: of each table its cells by English heading, and as they are shown in a language."""
    return {
        "month": month.month,
        "least": month.least,
        "records": {"first": month.sheet.first, "last": month.sheet.last},
        "records_before": {"first": month.before.first, "last": month.before.last},
        "sent_after_optout": month.after_optout,
        "tables": {
            one.name: {
                "heads": [str(head) for head in one.heads],
                "rows": [[_plain(cell) for cell in row] for row in one.rows],
                "total": [_plain(cell) for cell in one.total],
                "shown": shown(one, language)._asdict(),
            }
            for one in month.tables()
        },
        "title": in_language(title_of(month), language),
        "notes": texts(notes_of(month), language),
    }  # fmt: skip


def _plain(cell: Cell) -> Cell:
    return round(float(cell), 5) if isinstance(cell, float) else cell
