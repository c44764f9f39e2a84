"""Counts a month, and hides what would tell of a person.

In: the days of a month, counted. Out: counts by row and column, of which small ones, and those from which these would follow, are hidden
(disclosure_control.py). Never: a table as it is shown (month_report.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, UNREAD, DayReport
from proxy.desk.reports.disclosure_control import ALL, hidden_cells, hidden_in_table, is_safe
from proxy.desk.reports.report_text import UNKNOWN
from proxy.i18n.phrases import Bilingual
from proxy.model.message import Category

HIDDEN = "…"
MARKETING, REGION_UNKNOWN = Category.MARKETING.word, "region-unknown"
ALIKE: Sequence[Mapping[str, str]] = ({"category": UNREAD, "province": UNREAD}, {"province": UNKNOWN, "reason": REGION_UNKNOWN})
"""Rows of two tables that count the same messages, the second as a rule: hidden in one, they are hidden in the other."""
LAST = (UNREAD, UNKNOWN, REGION_UNKNOWN, MARKETING)
"""Rows that another table tells: the last to be hidden beside small ones."""
OTHERS, FEW = Bilingual("other reasons", "其他原因"), Bilingual("providers with few", "其余通道商")
FATE_HEADS = (Bilingual("sent", "放行"), Bilingual("refused", "拒绝"), Bilingual("deferred", "暂缓"), Bilingual("all", "合计"))
FIELDS = ("provider", "category", "province", "reason")
"""What a table has its rows by."""

Cell = str | int | float | None


class CountTable:
    """Counts by row and column, of which small ones are hidden."""

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, int]],
        columns: Sequence[str],
        least: int,
        also: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """``also``: rows by column that are hidden in any case."""
        self.rows, self.columns = rows, columns
        self.hidden = hidden_in_table(rows, columns, least, LAST, also)

    def count(self, name: str, column: str = ALL) -> int:
        row = self.rows.get(name, {})
        return sum(row.get(one, 0) for one in self.columns) if column == ALL else row.get(column, 0)

    def cell(self, name: str, column: str = ALL) -> Cell:
        """A zero beside a table of which all is hidden is hidden, too: shown, it would say what the others are."""
        hidden = self.hidden[column]
        beside = name not in self.rows and 0 < len(hidden) == len(self.rows)
        return HIDDEN if beside or name in hidden else self.count(name, column)

    def total(self, column: str = ALL) -> int:
        return sum(self.count(name, column) for name in self.rows)

    def hidden_sum(self, column: str = ALL) -> int:
        return sum(self.count(name, column) for name in self.hidden[column])


class MonthCounts:
    """What is counted of messages and opt-outs in a month."""

    def __init__(self, sheet: DayReport, least: int) -> None:
        self.sheet, self.least = sheet, least
        self.tables = {name: self._by(name) for name in FIELDS}
        for one in ALIKE:
            self._hide_alike(one)
        gone = self.tables["provider"].hidden  # a part of a provider's messages would tell something of a count that is hidden
        unknown = Counter(dict.fromkeys(gone[ALL], 0))
        for key, count in sheet.submits.items():
            if key.province == UNKNOWN:
                unknown[key.provider] += count
        self.unknown = CountTable({name: {ALL: count} for name, count in unknown.items()}, (ALL,), least, gone)
        self.optouts = CountTable({name: {ALL: count} for name, count in sheet.optouts.items()}, (ALL,), least)
        ads = {name: {ALL: sheet.marketing_by[name]} for name in (*sheet.marketing_by, *gone[SENT])}
        self.ads = CountTable(ads, (ALL,), least, {ALL: gone[SENT]})

    def _by(self, name: str) -> CountTable:
        columns, rows = columns_of(name), dict[str, Counter[str]]()
        for key, count in self.sheet.submits.items():
            if key.fate in columns:
                rows.setdefault(getattr(key, name), Counter())[key.fate] += count
        return CountTable(rows, columns, self.least)

    def _hide_alike(self, cells: Mapping[str, str]) -> None:
        """Hides a row of one table where another has the same counts hidden."""
        tables = {name: self.tables[name] for name in cells}
        columns = [one for one in FATES if all(one in table.columns for table in tables.values())]
        gone = [one for one in columns if any(cells[name] in table.hidden[one] for name, table in tables.items())]
        for name, table in tables.items():
            if any(cells[name] not in table.hidden[one] and table.count(cells[name], one) for one in gone):
                also = {one: {*table.hidden[one], cells[name]} if one in gone else table.hidden[one] for one in table.columns}
                self.tables[name] = CountTable(table.rows, table.columns, self.least, also)

    @property
    def unknown_total(self) -> Cell:
        """As the table by province shows it."""
        return self.tables["province"].cell(UNKNOWN)

    @cached_property
    def reasons(self) -> Mapping[str, tuple[Mapping[str, Counter[str]], frozenset[tuple[str, str]]]]:
        """By fate: reasons by provider, of those that the table by provider hides together, and of reasons that the table by reason hides,
        too; and the cells that stand with others."""
        found = dict[str, tuple[Mapping[str, Counter[str]], frozenset[tuple[str, str]]]]()
        for fate in columns_of("reason"):
            few, rare = self.tables["provider"].hidden[fate], self.tables["reason"].hidden[fate]
            counts = dict[str, Counter[str]]()
            for key, count in self.sheet.submits.items():
                if key.fate == fate:
                    row = counts.setdefault(FEW if key.provider in few else key.provider, Counter())
                    row[OTHERS if key.reason in rare else key.reason] += count
            found[fate] = counts, hidden_cells(counts, (OTHERS,), self.least, LAST)
        return found

    @property
    def unknown_tells(self) -> bool:
        """Whether the numbers of unknown region of each provider tell a reason that stands with others."""
        rare = any(REGION_UNKNOWN in hidden for hidden in self.tables["reason"].hidden.values())
        return rare or any(reason == REGION_UNKNOWN for _, hidden in self.reasons.values() for _, reason in hidden)

    @property
    def ads_total(self) -> Cell:
        """Nothing where another category's small count would follow from it."""
        table = self.tables["category"]
        beside = [table.count(one, SENT) for one in table.hidden[SENT] if one != MARKETING]
        tells = (
            MARKETING in table.hidden[SENT] and any(0 < one < self.least for one in beside) and not is_safe(beside, self.least)
        )
        return HIDDEN if tells else self.ads.total()

    def ads_of(self, provider: str) -> Cell:
        return HIDDEN if self.ads_total == HIDDEN else self.ads.cell(provider)

    def summary(self) -> list[tuple[Bilingual, Cell]]:
        sheet = self.sheet
        return [
            (Bilingual("submitted", "提交"), sum(sheet.total(fate) for fate in FATES)),
            *((head, sheet.total(fate)) for fate, head in zip(FATES, FATE_HEADS, strict=False)),
            (Bilingual("advertisements sent", "放行的营销短信"), self.ads_total),
            (Bilingual("to numbers of unknown region", "归属地未知"), self.unknown_total),
            (Bilingual("opt-outs by reply", "回复退订"), self.optouts.total()),
            (Bilingual("opt-outs entered otherwise", "其他途径登记的退订（含导入名单）"), sheet.entered.total()),
            (Bilingual("replies that asked to go on", "回复恢复接收"), sheet.restored),
        ]


def columns_of(name: str) -> tuple[str, ...]:
    """What was sent has no reason."""
    return (REFUSED, DEFERRED) if name == "reason" else FATES
