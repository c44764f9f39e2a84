"""Lays a month out as tables whose totals are exact.

In: the days of a month and of the month before, counted; what the desk says of complaints, penalties and ports. Out: tables of cells, which
page, PDF, sheet and JSON show. Never: a number of a person, a text; a count of messages or opt-outs that is small, or follows from others.

Counts of messages and opt-outs are about persons: small ones are hidden, and stand together in one row (disclosure_control.py). Complaints,
penalties and ports are the desk's own papers and counted as they are. tests/desk/reports/test_month_attack.py solves the equations of all
tables together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, SPEEDS, UNREAD, DayReport
from proxy.desk.reports.disclosure_control import ALL, LEAST, hidden_cells, hidden_in_table, is_safe
from proxy.desk.reports.report_text import UNKNOWN
from proxy.i18n.labels import CASES, PENALTIES, REASONS, SCOPES, STEPS
from proxy.i18n.phrases import NOTHING, WORDS, Bilingual, in_language, joined
from proxy.journal.records.complaints import STATES
from proxy.model.message import Category
from proxy.policy.time_windows import local

HIDDEN = "…"
MARKETING, REGION_UNKNOWN = Category.MARKETING.word, "region-unknown"
ALIKE: Sequence[Mapping[str, str]] = ({"category": UNREAD, "province": UNREAD}, {"province": UNKNOWN, "reason": REGION_UNKNOWN})
"""Rows of two tables that count the same messages, the second as a rule: hidden in one, they are hidden in the other."""
LAST = (UNREAD, UNKNOWN, REGION_UNKNOWN, MARKETING)
"""Rows that another table tells: the last to be hidden beside small ones."""
PATHS = ("silent", "dead")
TERMS: Mapping[str, str] = {
    "in-time": "按期", "late": "逾期办结", "overdue": "逾期未办", "waiting": "未到期", "not-needed": "无需",
}  # fmt: skip
_WORDS: Mapping[str, str] = {
    **WORDS, **REASONS, **CASES, **STEPS, **PENALTIES, **TERMS, "": "（无）", UNREAD: "未读出", UNKNOWN: "未知",
    "silent": "沉默", "dead": "不通",
    "under 1 s": "不到1秒", "1 to 10 s": "1至10秒", "10 s to 1 min": "10秒至1分钟", "1 min to 1 h": "1分钟至1小时", "over 1 h": "1小时以上",
}  # fmt: skip


NOTHING_HERE = Bilingual("nothing", "无")


class Share(float):
    """A share of 1."""


Cell = str | int | float | None


class Table(NamedTuple):
    name: str
    """The key of its rows in JSON."""
    title: Bilingual
    heads: Sequence[Bilingual]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    note: str = ""


class DeskFacts(NamedTuple):
    """What the running gate says of its desk."""

    at: float
    complaints: Sequence[Mapping[str, Any]]
    complaints_before: Sequence[Mapping[str, Any]]
    penalties: Sequence[Mapping[str, Any]]
    paths: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MonthReport:
    month: str
    since: float
    until: float
    """Excluded."""
    sheet: DayReport
    days: Mapping[str, Counter[str]]
    """Fates by day."""
    before: DayReport
    """The month before; without records where the journal has nothing of it."""
    desk: DeskFacts | None = None
    after_optout: int | None = None
    """Marketing that was sent after a reply had asked to stop it; None: not looked for."""
    least: int = LEAST

    def tables(self) -> list[Table]:
        now = MonthCounts(self.sheet, self.least)
        before = MonthCounts(self.before, self.least) if self.before.records else None
        found = [self._summary(now, before)]
        for name, title in (
            ("provider", Bilingual("By provider", "按通道商")), ("category", Bilingual("By category", "按类别")),
            ("province", Bilingual("By province", "按归属省")), ("reason", Bilingual("By reason", "按原因")),
        ):  # fmt: skip
            found.append(_by(name, title, now, before))
        found.append(_by_provider_and_reason(now))
        days = CountTable(self.days, FATES, self.least)
        rows = [(day, *(days.cell(day, column) for column in (*FATES, ALL))) for day in sorted(self.days)]
        found.append(_table("by_day", Bilingual("By day", "按日"), (Bilingual("day", "日期"), *_FATES), rows, [days], [FATES]))
        found += [_unknown(now), *self._optouts(now, before)]
        return [*found, *(_desk_tables(self, now, self.desk) if self.desk is not None else ())]

    def _summary(self, now: MonthCounts, before: MonthCounts | None) -> Table:
        rows: list[tuple[Cell, ...]] = [
            _compared(name, count, past if before is not None else None)
            for (name, count), (_, past) in zip(now.summary(), (before or now).summary(), strict=True)
        ]
        if (desk := self.desk) is not None:
            past = desk.complaints_before
            begun = [
                sum(one.since <= penalty["since"] < one.until for penalty in desk.penalties) for one in (self, self.before)
            ]
            of_desk = [
                (Bilingual("complaints", "投诉"), _cases(desk.complaints), _cases(past)),
                (Bilingual("valid complaints", "有效投诉"), _cases(desk.complaints, "valid"), _cases(past, "valid")),
                *(
                    (name, *(sum(one[term].get("in-time", 0) for one in counts) for counts in (desk.complaints, past)))
                    for term, name in (
                        ("forward", Bilingual("complaints forwarded in time", "按期转办的投诉")),
                        ("answer", Bilingual("complaints answered in time", "按期答复的投诉")),
                    )
                ),
                (Bilingual("penalties that came into force", "生效的处罚"), *begun),
            ]
            rows += [_compared(name, count, was if before is not None else None) for name, count, was in of_desk]
        return Table("summary", Bilingual("Summary", "概况"), (Bilingual("", "项目"), *_COMPARED), rows)

    def _optouts(self, now: MonthCounts, before: MonthCounts | None) -> list[Table]:
        counts, ads, ads_total = now.optouts, now.ads, now.ads_total
        past = before.optouts if before is not None else None
        rows: list[tuple[Cell, ...]] = []
        for name in _names(counts, past, ads):
            count, sent, was = counts.cell(name), now.ads_of(name), past.cell(name) if past is not None else None
            rows.append((_named("provider", name), count, sent, _rate(count, sent, 10_000), *_change(count, was)))
        heads = (
            Bilingual("provider", "通道商"),
            Bilingual("opt-outs by reply", "回复退订"),
            Bilingual("advertisements", "营销短信"),
        )
        total, speeds, entered = counts.total(), self.sheet.speeds, self.sheet.entered.total()
        took_s = self.sheet.slowest_s
        note = (
            Bilingual(f"The slowest took less than {took_s + 1:,} s.", f"最慢的用时不到 {took_s + 1:,} 秒。")
            if total
            else NOTHING
        )
        if self.after_optout is not None:
            sent = Bilingual(
                f"Marketing that was still sent after a reply had asked to stop it, by a second reading of the journal: {self.after_optout:,}",
                f"退订之后仍然放行的营销短信（由日志独立复核）：{self.after_optout:,} 条",
            )
            note = joined(Bilingual(" ", ""), (note, sent))
        of_ads = HIDDEN if ads_total == HIDDEN else ads.hidden_sum()
        together = [(counts.hidden_sum(), of_ads, None, past.hidden_sum() if past is not None else None, None)]
        if not any(one.hidden[ALL] for one in (counts, ads, past) if one is not None):
            together = []
        return [
            Table(
                "optouts", Bilingual("Opt-outs", "退订"), (*heads, Bilingual("per 10,000", "每万条"), *_COMPARED[1:]),
                [*rows, *((_TOGETHER, *cells) for cells in together)],
                (
                    _TOTAL, total, ads_total, _rate(total, ads_total, 10_000),
                    *_change(total, past.total() if past is not None else None),
                ),
                Bilingual(
                    f"Entered otherwise, with lists: {entered:,}; all together: {total + entered:,}.",
                    f"其他途径登记（含导入名单）{entered:,} 个，合计 {total + entered:,} 个。",
                ) if entered else NOTHING,
            ),
            Table(
                "optout_speed", Bilingual("How soon opt-outs by reply were in force", "回复退订生效用时"),
                (Bilingual("after the reply", "收到回复后"), Bilingual("opt-outs", "退订"), Bilingual("share", "占比")),
                [(_word(name), speeds[name], Share(speeds[name] / total) if total else None) for name, _ in SPEEDS if name in speeds],
                (_TOTAL, total, Share(1) if total else None), note,
            ),
        ]  # fmt: skip


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
        self.tables = {name: self._by(name) for name in _HEADS}
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
        columns, rows = _columns(name), dict[str, Counter[str]]()
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
        for fate in _columns("reason"):
            few, rare = self.tables["provider"].hidden[fate], self.tables["reason"].hidden[fate]
            counts = dict[str, Counter[str]]()
            for key, count in self.sheet.submits.items():
                if key.fate == fate:
                    row = counts.setdefault(_FEW if key.provider in few else key.provider, Counter())
                    row[_OTHERS if key.reason in rare else key.reason] += count
            found[fate] = counts, hidden_cells(counts, (_OTHERS,), self.least, LAST)
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
            *((head, sheet.total(fate)) for fate, head in zip(FATES, _FATES, strict=False)),
            (Bilingual("advertisements sent", "放行的营销短信"), self.ads_total),
            (Bilingual("to numbers of unknown region", "归属地未知"), self.unknown_total),
            (Bilingual("opt-outs by reply", "回复退订"), self.optouts.total()),
            (Bilingual("opt-outs entered otherwise", "其他途径登记的退订（含导入名单）"), sheet.entered.total()),
            (Bilingual("replies that asked to go on", "回复恢复接收"), sheet.restored),
        ]


def _columns(name: str) -> tuple[str, ...]:
    """What was sent has no reason."""
    return (REFUSED, DEFERRED) if name == "reason" else FATES


_TOTAL, _TOGETHER = Bilingual("total", "合计"), Bilingual("sum of the cells shown as …", "以“…”合并的数之和")
_OTHERS, _FEW = Bilingual("other reasons", "其他原因"), Bilingual("providers with few", "其余通道商")
_FATES = (Bilingual("sent", "放行"), Bilingual("refused", "拒绝"), Bilingual("deferred", "暂缓"), Bilingual("all", "合计"))
_COMPARED = (Bilingual("this month", "本月"), Bilingual("month before", "上月"), Bilingual("change", "环比"))
_HEADS: Mapping[str, Bilingual] = {
    "provider": Bilingual("provider", "通道商"), "category": Bilingual("category", "类别"), "province": Bilingual("province", "归属省"),
    "reason": Bilingual("reason", "原因"),
}  # fmt: skip


def _word(name: str) -> Bilingual:
    """A word of a closed list; the name of a provider or a place stays as it is."""
    return Bilingual(name.replace("-", " ") if name in TERMS else name or "(none)", _WORDS.get(name, name))


def _named(field_name: str, one: str) -> Bilingual:
    """A provider is never a word of a list, whatever it is called."""
    return _word(one) if not one or field_name != "provider" else Bilingual(one, one)


def _names(*tables: CountTable | None) -> list[str]:
    """The rows of tables that stand beside each other: the largest shown ones of the first first, the hidden last."""
    found = {name for one in tables if one is not None for name in one.rows}
    first = tables[0]
    assert first is not None
    return sorted(
        found, key=lambda name: (name in first.hidden[ALL], 0 if name in first.hidden[ALL] else -first.count(name), name)
    )


def _change(count: Cell, past: Cell) -> tuple[Cell, Cell]:
    """What it was, and by which share it changed; nothing where one of them is hidden."""
    known = isinstance(count, int) and isinstance(past, int) and past
    return past, Share((count - past) / past) if known else None  # type: ignore[operator]


def _compared(name: Bilingual, count: Cell, past: Cell) -> tuple[Cell, ...]:
    return name, count, *_change(count, past)


def _rate(part: Cell, whole: Cell, of: int) -> float | None:
    """None where one is hidden, and of nothing."""
    return part / whole * of if isinstance(part, int) and isinstance(whole, int) and whole else None


def _table(
    name: str, title: Bilingual, heads: Sequence[Bilingual], rows: Sequence[Sequence[Cell]], tables: Sequence[CountTable | None],
    columns: Sequence[Sequence[str]],
) -> Table:  # fmt: skip
    """With the sums of hidden cells, and the total. ``tables``: of this month and the one before; ``columns``: of each."""
    together, total, is_hidden = list[Cell](), list[Cell](), False
    for table, those in zip(tables, columns, strict=True):
        for column in (*those, ALL):
            together.append(table.hidden_sum(column) if table is not None else None)
            total.append(table.total(column) if table is not None else None)
            is_hidden |= table is not None and bool(table.hidden[column])
    if len(tables) > 1:
        together.append(None)
        total[-1:] = _change(*total[-2:])
    last = [(_TOGETHER, *together)] if is_hidden else []
    return Table(name, title, heads, [*rows, *last], (_TOTAL, *total))


def _by(name: str, title: Bilingual, now: MonthCounts, before: MonthCounts | None) -> Table:
    columns, table = _columns(name), now.tables[name]
    past = before.tables[name] if before is not None else None
    rows: list[tuple[Cell, ...]] = []
    for one in _names(table, past):
        counts = [table.cell(one, column) for column in (*columns, ALL)]
        rows.append((_named(name, one), *counts, *_change(counts[-1], past.cell(one) if past is not None else None)))
    heads = (_HEADS[name], *(head for fate, head in zip((*FATES, ALL), _FATES, strict=True) if fate in (*columns, ALL)))
    return _table(f"by_{name}", title, (*heads, *_COMPARED[1:]), rows, [table, past], [columns, ()])


def _by_provider_and_reason(now: MonthCounts) -> Table:
    """No small count of it follows from the tables by provider and by reason."""
    fates, hidden = _columns("reason"), [cells for _, cells in now.reasons.values()]
    few, rare = ([now.tables[name].hidden[fate] for fate in fates] for name in ("provider", "reason"))
    found: dict[tuple[str, str], list[int]] = {}
    for place, (counts, _) in enumerate(now.reasons.values()):
        for provider, reasons in counts.items():
            for reason, count in reasons.items():
                key = provider, _OTHERS if (provider, reason) in hidden[place] else reason
                found.setdefault(key, [0, 0])[place] += count
    rows: list[tuple[Cell, ...]] = []
    for (provider, reason), sums in sorted(
        found.items(), key=lambda one: (one[0][0] is _FEW, one[0][0], one[0][1] is _OTHERS, -sum(one[1]), one[0][1])
    ):
        elsewhere = [
            provider in few[place] or (reason is not _OTHERS and (reason in rare[place] or (provider, reason) in hidden[place]))
            for place in range(len(fates))
        ]
        cells = [HIDDEN if gone else count for gone, count in zip(elsewhere, sums, strict=True)]
        rows.append((
            provider if provider is _FEW else _named("provider", provider), reason if reason is _OTHERS else _word(reason),
            *cells, HIDDEN if any(elsewhere) else sum(sums),
        ))  # fmt: skip
    total = [sum(sums[place] for sums in found.values()) for place in range(len(fates))]
    note = Bilingual(
        f"Reasons of which a provider had fewer than {now.least} messages, and more from which these would follow, stand together as others.",
        f"某通道商不足 {now.least} 条的原因，连同可据以推算的原因，合并为“其他原因”。",
    )
    return Table(
        "by_provider_and_reason", Bilingual("By provider and reason", "按通道商和原因"),
        (_HEADS["provider"], _HEADS["reason"], *_FATES[1:]), rows, (_TOTAL, "", *total, sum(total)), note if any(hidden) else NOTHING,
    )  # fmt: skip


def _unknown(now: MonthCounts) -> Table:
    """By provider; nothing where the table by province hides how many there are."""
    heads = (_HEADS["provider"], Bilingual("to numbers of unknown region", "归属地未知"), Bilingual("share", "占比"))
    title, of = Bilingual("Numbers of unknown region", "归属地未知的号码"), now.tables["provider"]
    if not isinstance(now.unknown_total, int) or now.unknown_tells:
        few = Bilingual(
            f"Fewer than {now.least}, or hidden so that such a count is.", f"少于 {now.least} 条，或为隐去小数而不单列。"
        )
        return Table("unknown_region", title, heads, [], (), few)
    rows: list[tuple[Cell, ...]] = []
    for name in _names(now.unknown):
        count = now.unknown.cell(name)
        rows.append((_named("provider", name), count, _share(_rate(count, of.cell(name), 1))))
    if now.unknown.hidden[ALL]:
        rows.append((_TOGETHER, now.unknown.hidden_sum(), None))
    return Table(
        "unknown_region",
        title,
        heads,
        rows,
        (_TOTAL, now.unknown_total, _share(_rate(now.unknown_total, of.total(), 1))),
    )


def _share(rate: float | None) -> Share | None:
    return None if rate is None else Share(rate)


# -- the desk


def _cases(counts: Iterable[Mapping[str, Any]], state: str = "") -> int:
    return sum(one["states"].get(state, 0) if state else one["came"] for one in counts)


def _desk_tables(month: MonthReport, now: MonthCounts, desk: DeskFacts) -> list[Table]:
    sent = now.tables["provider"]
    compared = bool(month.before.records)
    past = {one["provider"]: one["came"] for one in desk.complaints_before} if compared else {}
    known = {one["provider"]: one for one in desk.complaints}
    rows: list[tuple[Cell, ...]] = []
    for name in (*known, *(name for name in past if name not in known)):
        states, came = (known[name]["states"], known[name]["came"]) if name in known else ({}, 0)
        valid = _rate(states.get("valid", 0), sent.cell(name, SENT), 1_000_000)
        rows.append((
            _named("provider", name), came, *(states.get(state, 0) for state in STATES), valid,
            *_change(came, past.get(name, 0) if compared else None),
        ))  # fmt: skip
    total = (_cases(desk.complaints), *(_cases(desk.complaints, state) for state in STATES))
    in_a_million = _rate(_cases(desk.complaints, "valid"), sent.total(SENT), 1_000_000)
    heads = (
        _HEADS["provider"], Bilingual("came", "收到"), *map(_word, STATES), Bilingual("valid in a million sent", "有效投诉（每百万条）"),
        *_COMPARED[1:],
    )  # fmt: skip
    at = local(desk.at)[:16]
    found = [
        Table(
            "complaints", Bilingual("Complaints that came in the month", "本月收到的投诉"), heads, rows,
            (_TOTAL, *total, in_a_million, *_change(total[0], sum(past.values()) if compared else None)),
            Bilingual(f"Decisions as of {at}.", f"认定截至 {at}。"),
        )
    ]  # fmt: skip
    for term, title in (
        ("forward", Bilingual("Due dates of these complaints: forwarded to the provider", "投诉期限：转办通道商")),
        ("answer", Bilingual("Due dates of these complaints: answered to the source", "投诉期限：答复来源方（12321）")),
    ):
        kept: list[tuple[Cell, ...]] = [
            (_named("provider", one["provider"]), *(one[term].get(word, 0) for word in TERMS), one["came"])
            for one in desk.complaints
        ]
        sums_of = [sum(one[term].get(word, 0) for one in desk.complaints) for word in TERMS]
        found.append(
            Table(f"due_{term}", title, (_HEADS["provider"], *map(_word, TERMS), _TOTAL), kept, (_TOTAL, *sums_of, total[0]))
        )
    return [*found, _penalties(month, desk), _dead_ports(desk, at)]


def _penalties(month: MonthReport, desk: DeskFacts) -> Table:
    """Those that were in force at some time of the month."""
    rows: list[tuple[Cell, ...]] = []
    for one in sorted(desk.penalties, key=lambda one: (one["since"], one["id"])):
        ended = min(one["until"], one["ended"] or one["until"])
        if one["since"] and one["since"] < month.until and ended > month.since:
            rows.append((
                str(one["id"]), _bearer(one), _word(one["step"]), local(one["since"])[:10], local(ended)[:10], _word(one["state"]),
                one["basis"],
            ))  # fmt: skip
    heads = (
        Bilingual("penalty", "编号"), Bilingual("of", "对象"), Bilingual("step", "处罚"), Bilingual("from", "起"), Bilingual("to", "止"),
        Bilingual("state", "状态"), Bilingual("basis", "依据"),
    )  # fmt: skip
    total = (Bilingual(f"total: {len(rows)}", f"合计 {len(rows)} 件"), *[""] * (len(heads) - 1))
    return Table("penalties", Bilingual("Penalties in force in the month", "本月在效的处罚"), heads, rows, total)


def _bearer(one: Mapping[str, Any]) -> Cell:
    """Whom a penalty is against: a provider, one of its signatures, …"""
    if not one.get("by"):
        return str(one["of"])
    whose = f" · {one['provider']}" if one["provider"] else ""
    return Bilingual(one["of"], f"{SCOPES[one['by']]} {one['value']}{whose}")


def _dead_ports(desk: DeskFacts, at: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one["prefix"], one["provider"], _word(one["state"]), one["advertisements_since_proof"],
            local(one["proven_at"])[:10] if one["proven_at"] else None,
        )
        for one in desk.paths if one["state"] in PATHS
    ]  # fmt: skip
    heads = (
        Bilingual("port", "端口"), _HEADS["provider"], Bilingual("state", "状态"),
        Bilingual("advertisements since the last reply", "上次回复以来的营销短信"), Bilingual("last reply", "上次回复"),
    )  # fmt: skip
    total = (Bilingual(f"total: {len(rows)}", f"合计 {len(rows)} 个"), "", "", sum(int(row[3] or 0) for row in rows), "")
    title = Bilingual("Ports whose replies do not arrive", "退订通路不通的端口")
    return Table("dead_ports", title, heads, rows, total, Bilingual(f"As of {at}.", f"截至 {at}。"))


# -- shown


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
    if table.rows and all(row[0] is _FEW for row in table.rows):
        return table._replace(rows=(), total=(), note=joined(Bilingual(" ", ""), filter(None, (table.note, FEW_ONLY))))
    rows = [row for row in table.rows if row[0] is not _TOGETHER]
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
