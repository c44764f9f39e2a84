"""A reader who solves the equations of a month's tables finds no hidden small count.

The attacker has the JSON of one report, knows how its tables hang together, which reasons of a provider stand with others, and that a count
is a whole number from 0 on.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any

from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, UNREAD, DayReport, ReportedOutcome
from proxy.desk.reports.month_counts import HIDDEN, MonthCounts
from proxy.desk.reports.month_report import DeskFacts, MonthReport
from proxy.desk.reports.month_text import as_dict
from proxy.policy.time_windows import month_span

SINCE, UNTIL = month_span("2026-11")
LEAST = 10
TOGETHER, OTHERS, FEW = "sum of the cells shown as …", "other reasons", "providers with few"
PROVIDERS, PROVINCES, CATEGORIES = (
    ("jia", "yi", "bing", "ding"),
    ("北京", "上海", "西藏", "unknown"),
    ("otp", "notice", "marketing"),
)
REASONS = {SENT: ("",), REFUSED: ("region-ban", "suppressed", "keyword"), DEFERRED: ("quiet-hours", "no-route", "keyword")}
COUNTS = (1, 1, 2, 3, 9, 10, 11, 12, 47, 5_003)
TURNS_MAX = 30

Name = Hashable
Sum = dict[Name, Fraction]


class Solver:
    """Linear equations of whole numbers from 0 on: Gauss-Jordan elimination, then intervals until none shrinks."""

    def __init__(self) -> None:
        self._equations: list[tuple[Sum, Fraction]] = []
        self._at_most: list[tuple[Sum, Fraction]] = []

    def equal(self, terms: Iterable[tuple[int, Any]], result: Any) -> None:
        """Terms: factor, and a number or the name of an unknown; the same for the result."""
        sums, known = self._sum([*terms, (-1, result)])
        self._equations.append((sums, -known))

    def at_most(self, terms: Iterable[tuple[int, Any]], result: Any) -> None:
        sums, known = self._sum([*terms, (-1, result)])
        self._at_most.append((sums, -known))

    @staticmethod
    def _sum(terms: Iterable[tuple[int, Any]]) -> tuple[Sum, Fraction]:
        sums, known = defaultdict[Name, Fraction](Fraction), Fraction(0)
        for factor, term in terms:
            if isinstance(term, int):
                known += factor * term
            else:
                sums[term] += factor
        return {name: factor for name, factor in sums.items() if factor}, known

    def intervals(self) -> dict[Name, tuple[float, float]]:
        rows = self._eliminated()
        every = [*self._equations, *rows]
        low: dict[Name, float] = {name: 0 for sums, _ in (*every, *self._at_most) for name in sums}
        high: dict[Name, float] = dict.fromkeys(low, inf)
        upper = [*every, *(({name: -f for name, f in sums.items()}, -known) for sums, known in every), *self._at_most]
        for _ in range(TURNS_MAX):
            before = (dict(low), dict(high))
            for sums, known in upper:  # sum ≤ known
                least = [
                    f * Fraction(low[name]) if f > 0 else f * Fraction(high[name]) if high[name] < inf else -inf
                    for name, f in sums.items()
                ]
                for place, (name, factor) in enumerate(sums.items()):
                    others = sum(least[:place]) + sum(least[place + 1 :])
                    if others == -inf:
                        continue
                    bound = (known - others) / factor
                    if factor > 0:
                        high[name] = min(high[name], floor(bound))
                    else:
                        low[name] = max(low[name], ceil(bound))
            if before == (low, high):
                break
        return {name: (low[name], high[name]) for name in low}

    def _eliminated(self) -> list[tuple[Sum, Fraction]]:
        rows: dict[Name, tuple[Sum, Fraction]] = {}  # by pivot
        for sums, known in self._equations:
            left, rest = dict(sums), known
            for pivot in [name for name in left if name in rows]:
                left, rest = _minus(left, rest, pivot, rows[pivot])
            if not left:
                assert rest == 0, "the tables contradict themselves"
                continue
            pivot = next(iter(left))
            row = {name: f / left[pivot] for name, f in left.items()}, rest / left[pivot]
            for other, (others, value) in rows.items():
                if pivot in others:
                    rows[other] = _minus(others, value, pivot, row)
            rows[pivot] = row
        return list(rows.values())


def _minus(sums: Sum, known: Fraction, pivot: Name, row: tuple[Sum, Fraction]) -> tuple[Sum, Fraction]:
    factor = sums[pivot]
    left = dict(sums)
    for name, f in row[0].items():
        if value := left.get(name, Fraction(0)) - factor * f:
            left[name] = value
        else:
            left.pop(name, None)
    return left, known - factor * row[1]


class Attack:
    """What the tables of a report say, as equations."""

    def __init__(self, told: dict[str, Any], counts: MonthCounts, *, region_known: bool) -> None:
        """``counts``: say which cells stand with others. ``region_known``: he knows that the gate refuses all numbers of unknown region for
        that reason."""
        self._counts = counts
        self._region_known = region_known
        self.solver, self.tables = Solver(), told["tables"]
        for name, fates in ((f"by_{what}", FATES) for what in ("provider", "category", "province", "day")):
            self._margin(name, fates)
        self._margin("by_reason", (REFUSED, DEFERRED))
        for name, columns in (("unknown_region", ("all",)), ("optouts", ("optouts", "ads", "was"))):
            for place, column in enumerate(columns, 1):
                self._column(name, place + (column == "was"), column)
        for row in self.tables["optouts"]["rows"]:
            assert row[3] is None or HIDDEN not in row[1:3], "a rate beside a hidden number"
        self._links()
        self._by_provider_and_reason()

    def rows(self, name: str) -> list[list[Any]]:
        return [row for row in self.tables[name]["rows"] if row[0] != TOGETHER]

    def cell(self, name: str, row_name: str, place: int, column: str) -> Any:
        """A number, or the name of an unknown; 0 without a row."""
        for row in self.rows(name):
            if row[0] == row_name:
                return (name, row_name, column) if row[place] == HIDDEN else row[place]
        return 0

    def _column(self, name: str, place: int, column: str) -> None:
        rows, total = self.rows(name), self.tables[name]["total"]
        if not total or not isinstance(total[place], int):
            return
        self.solver.equal([(1, self.cell(name, row[0], place, column)) for row in rows], total[place])
        shown = [row[place] for row in rows if isinstance(row[place], int)]
        if any(shown):  # else zeros may be hidden, too
            for row in rows:
                if row[place] == HIDDEN:
                    self.solver.at_most([(-1, (name, row[0], column))], -1)

    def _margin(self, name: str, fates: tuple[str, ...]) -> None:
        columns = (*fates, "all")
        for place, column in enumerate(columns, 1):
            self._column(name, place, column)
        for row in self.rows(name):
            cells = [self.cell(name, row[0], place, column) for place, column in enumerate(columns, 1)]
            self.solver.equal([(1, cell) for cell in cells[:-1]], cells[-1])
        if name != "by_day":
            self._column(name, len(columns) + 1, "was")
        for row in self.rows(name):
            if name != "by_day" and isinstance(row[-1], float):
                assert HIDDEN not in (row[len(columns)], row[-2]), "a change beside a hidden number"

    def _links(self) -> None:
        solver = self.solver
        summary = {row[0]: row[1] for row in self.rows("summary")}
        if isinstance(summary["advertisements sent"], int):
            solver.equal([(1, self.cell("by_category", "marketing", 1, SENT))], summary["advertisements sent"])
        for place, fate in enumerate(FATES, 1):  # what was refused before it was read has neither
            solver.equal([(1, self.cell("by_category", UNREAD, place, fate))], self.cell("by_province", UNREAD, place, fate))
        unknown = self.cell("by_province", "unknown", 4, "all")
        if self.tables["unknown_region"]["total"]:
            solver.equal([(1, self.cell("unknown_region", row[0], 1, "all")) for row in self.rows("unknown_region")], unknown)
        for row in self.rows("unknown_region"):
            solver.at_most([(1, self.cell("unknown_region", row[0], 1, "all"))], self.cell("by_provider", row[0], 4, "all"))
        for row in self.rows("optouts"):
            solver.at_most([(1, self.cell("optouts", row[0], 2, "ads"))], self.cell("by_provider", row[0], 1, SENT))
        if self._region_known:
            of_reason = self.cell("by_reason", "region-unknown", 1, REFUSED)
            solver.equal([(1, of_reason)], self.cell("by_province", "unknown", 2, REFUSED))
            for row in self.rows("unknown_region"):
                count = self.cell("unknown_region", row[0], 1, "all")
                solver.equal([(1, (REFUSED, row[0], "region-unknown"))], count)
        for row in self.rows("complaints"):
            if isinstance(row[8], float) and row[3]:
                solver.equal([(1, self.cell("by_provider", row[0], 1, SENT))], round(row[3] / row[8] * 1_000_000))

    def _by_provider_and_reason(self) -> None:
        shown = {(row[0], row[1]): row[2:4] for row in self.rows("by_provider_and_reason")}
        reasons, providers = [row[0] for row in self.rows("by_reason")], [row[0] for row in self.rows("by_provider")]
        for place, fate in enumerate((REFUSED, DEFERRED)):
            few = {name for name in providers if not isinstance(self.cell("by_provider", name, 2 + place, fate), int)}
            for name in providers:
                of = [(1, (fate, name, reason)) for reason in reasons]
                self.solver.equal(of, self.cell("by_provider", name, 2 + place, fate))
            for reason in reasons:
                of = [(1, (fate, name, reason)) for name in providers]
                self.solver.equal(of, self.cell("by_reason", reason, 1 + place, fate))
            for name in (*(name for name in providers if name not in few), FEW):
                whose = few if name == FEW else [name]
                apart = {
                    reason: cells[place]
                    for (row, reason), cells in shown.items()
                    if row == name and reason != OTHERS and isinstance(cells[place], int)
                }
                together, rare = self._counts.reasons[fate][1], self._counts.tables["reason"].hidden[fate]
                for reason in reasons:
                    if reason not in apart and (name, OTHERS if reason in rare else reason) not in together:
                        apart[reason] = 0
                for reason, cell in apart.items():
                    self.solver.equal([(1, (fate, one, reason)) for one in whose], cell)
                if isinstance(cell := shown.get((name, OTHERS), [0, 0])[place], int):
                    of = [(1, (fate, one, reason)) for one in whose for reason in reasons if reason not in apart]
                    self.solver.equal(of, cell)


def truth(month: MonthReport) -> dict[Name, int]:
    """What each unknown of an attack is."""
    found = Counter[Name]()
    for key, count in month.sheet.submits.items():
        for what in ("provider", "category", "province", "reason"):
            if what != "reason" or key.fate != SENT:
                found[f"by_{what}", getattr(key, what), key.fate] += count
                found[f"by_{what}", getattr(key, what), "all"] += count
        found[key.fate, key.provider, key.reason] += count
        if key.province == "unknown":
            found["unknown_region", key.provider, "all"] += count
    for key, count in month.before.submits.items():
        for what in ("provider", "category", "province", "reason"):
            if what != "reason" or key.fate != SENT:
                found[f"by_{what}", getattr(key, what), "was"] += count
    for day, counts in month.days.items():
        for fate, count in counts.items():
            found["by_day", day, fate] += count
            found["by_day", day, "all"] += count
    for column, counted in (("optouts", month.sheet.optouts), ("ads", month.sheet.marketing_by), ("was", month.before.optouts)):
        for provider, count in counted.items():
            found["optouts", provider, column] += count
    return found


def counted(dice: random.Random, *, region_known: bool) -> tuple[DayReport, dict[str, Counter[str]]]:
    sheet, days = DayReport(SINCE, UNTIL, records=1, first=SINCE, last=UNTIL - 1), defaultdict[str, Counter[str]](Counter)
    for _ in range(dice.choice((3, 8, 20, 60, 150))):
        fate = dice.choice(FATES)
        province = dice.choice(PROVINCES)
        if region_known and province == "unknown":
            fate = REFUSED
        reason, category = dice.choice(REASONS[fate]), dice.choice(CATEGORIES)
        if fate == REFUSED and dice.random() < 0.2:
            reason, province, category = "malformed", UNREAD, UNREAD
        elif region_known and province == "unknown":
            reason = "region-unknown"
        key = ReportedOutcome(fate, reason, dice.choice(PROVIDERS), province, category)
        count = dice.choice(COUNTS)
        sheet.submits[key] += count
        days[f"2026-11-{dice.randint(1, 9):02}"][fate] += count
        if fate == SENT and category == "marketing":
            sheet.marketing_by[key.provider] += count
    for provider in PROVIDERS:
        sheet.optouts[provider] = dice.choice((0, 1, 9, 40))
    return sheet, days


def month_of(seed: int) -> MonthReport:
    dice = random.Random(seed)
    (sheet, days), (before, _) = (counted(dice, region_known=seed % 2 == 0) for _ in range(2))
    complaints = [
        {"provider": name, "came": 3, "states": {"valid": 3}, "forward": {"in-time": 3}, "answer": {"in-time": 3}}
        for name in PROVIDERS
    ]
    return MonthReport("2026-11", SINCE, UNTIL, sheet, dict(days), before, DeskFacts(UNTIL, complaints, complaints, [], []))


def found_out(month: MonthReport, *, region_known: bool = False) -> list[tuple[Name, int]]:
    """Hidden small counts of which only one value is left; but for those that are a total of their own."""
    told, counts = as_dict(month, "en"), MonthCounts(month.sheet, LEAST)
    attack, known = Attack(told, counts, region_known=region_known), truth(month)
    totals = {cell for table in attack.tables.values() for cell in table["total"] if isinstance(cell, int)}
    intervals = attack.solver.intervals()
    for name, (low, high) in intervals.items():
        assert low <= known[name] <= high, ("the attack is wrong", name, known[name], low, high)
    return [
        (name, known[name])
        for name, (low, high) in intervals.items()
        if low == high and 0 < known[name] < LEAST and known[name] not in totals
    ]


def test_the_solver_finds_what_follows() -> None:
    solver = Solver()
    solver.equal([(1, "a"), (1, "b")], 12)
    solver.equal([(1, "b"), (1, "c")], 9)
    solver.equal([(1, "a"), (1, "c")], 7)
    solver.at_most([(1, "d")], "c")
    assert solver.intervals() == {"a": (5, 5), "b": (7, 7), "c": (2, 2), "d": (0, 2)}


def test_no_hidden_small_count_follows_from_all_tables_of_a_month() -> None:
    seeds = (*range(40), 45, 59, 399)
    found = {seed: told for seed in seeds if (told := found_out(month_of(seed), region_known=seed % 2 == 0))}
    assert not found


def test_small_reasons_of_some_providers_hide_few_cells_of_a_large_table() -> None:
    reasons = ("region-ban", "suppressed", "keyword", "recipient-cap", "quiet-hours", "no-consent")
    for seed in range(20):
        dice, sheet = random.Random(seed), DayReport(SINCE, UNTIL, records=1, first=SINCE, last=UNTIL - 1)
        for provider, rare in zip(PROVIDERS[:3], dice.sample(reasons, 3), strict=True):
            for reason in reasons:
                count = dice.randint(1, 9) if reason == rare else dice.randint(40, 5_000)
                sheet.submits[ReportedOutcome(REFUSED, reason, provider, "北京", "notice")] = count
        month = MonthReport("2026-11", SINCE, UNTIL, sheet, {}, DayReport(0, 0), DeskFacts(UNTIL, [], [], [], []))
        rows = as_dict(month, "en")["tables"]["by_provider_and_reason"]["rows"]
        assert sum(row[1] in reasons and isinstance(row[2], int) for row in rows) >= 11, (seed, rows)
        assert not found_out(month), seed
