"""Lays a month out as tables whose totals add up.

In: the days of a month and of the month before, counted; what the desk says of complaints, penalties and ports. Out: tables of cells, which
page, PDF, sheet and JSON show. Never: a number of a person, a text; a count of messages or opt-outs that is not rounded.

Counts of messages and opt-outs are about persons and rounded (controlled_rounding.py). Complaints, penalties and ports are the desk's own
papers and counted exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.desk.reports.controlled_rounding import rounded, rounded_column, rounded_table, sums
from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, SPEEDS, UNREAD, DayReport
from proxy.desk.reports.report_text import UNKNOWN
from proxy.i18n.labels import CASES, PENALTIES, REASONS, STEPS
from proxy.i18n.phrases import WORDS, Bilingual, in_language
from proxy.journal.records.complaints import STATES
from proxy.journal.records.penalties import UNSETTLED
from proxy.policy.time_windows import local

BASE = 10
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
    base: int = BASE

    def tables(self) -> list[Table]:
        now, before = RoundedCounts(self.sheet, self.base), RoundedCounts(self.before, self.base)
        compared = self.before.records > 0
        found = [self._summary(now, before if compared else None)]
        for name, title in (
            ("provider", Bilingual("By provider", "按通道商")), ("category", Bilingual("By category", "按类别")),
            ("province", Bilingual("By province", "按归属省")), ("reason", Bilingual("By reason", "按原因")),
        ):  # fmt: skip
            found.append(_by(name, title, now, before if compared else None))
        rows = rounded_table(self.days, FATES, now.totals, self.base)
        found.append(
            Table(
                "by_day", Bilingual("By day", "按日"), (Bilingual("day", "日期"), *_FATES),
                [(day, *_fates(rows[day], FATES)) for day in sorted(rows)], (_TOTAL, *sums(rows.values(), FATES)),
            )
        )  # fmt: skip
        found += [_unknown(now), *self._optouts(now, before if compared else None)]
        return [*found, *(_desk_tables(self, now, self.desk) if self.desk is not None else ())]

    def _summary(self, now: RoundedCounts, before: RoundedCounts | None) -> Table:
        rows: list[tuple[Cell, ...]] = [
            _compared(name, count, past if before is not None else None)
            for (name, count), (_, past) in zip(now.summary(), (before or now).summary(), strict=True)
        ]
        if (desk := self.desk) is not None:
            past = desk.complaints_before
            begun = [
                sum(one.since <= penalty["since"] < one.until for penalty in desk.penalties) for one in (self, self.before)
            ]
            rows += [
                _compared(Bilingual("complaints", "投诉"), _cases(desk.complaints), _cases(past)),
                _compared(Bilingual("valid complaints", "有效投诉"), _cases(desk.complaints, "valid"), _cases(past, "valid")),
                *(
                    _compared(name, *(sum(one[term].get("in-time", 0) for one in counts) for counts in (desk.complaints, past)))
                    for term, name in (
                        ("forward", Bilingual("complaints forwarded in time", "按期转办的投诉")),
                        ("answer", Bilingual("complaints answered in time", "按期答复的投诉")),
                    )
                ),
                _compared(Bilingual("penalties that came into force", "生效的处罚"), *begun),
            ]
        return Table("summary", Bilingual("Summary", "概况"), (Bilingual("", "项目"), *_COMPARED), rows)

    def _optouts(self, now: RoundedCounts, before: RoundedCounts | None) -> list[Table]:
        past, past_total = (before.optouts(), before.optout_total) if before is not None else ({}, None)
        ads, optouts = now.ads(), now.optouts()
        rows: list[tuple[Cell, ...]] = []
        for name in sorted({*optouts, *past}, key=lambda name: (-optouts.get(name, 0), name)):
            count, was, sent = optouts.get(name, 0), past.get(name, 0), ads.get(name, 0)
            if count or was:
                rate = _rate(count, sent, 10_000, now.base)
                rows.append((_named("provider", name), count, sent, rate, *_change(count, was if before is not None else None)))
        total, sent = now.optout_total, now.ads_total
        others = sum(count for name, count in ads.items() if not optouts.get(name) and not past.get(name))
        if others:
            rows.append((Bilingual("providers without opt-outs", "没有退订的通道商"), 0, others, None, None, None))
        heads = (
            Bilingual("provider", "通道商"),
            Bilingual("opt-outs by reply", "回复退订"),
            Bilingual("advertisements", "营销短信"),
        )
        speeds = now.speeds()
        note = ""
        if self.after_optout is not None:
            note = Bilingual(
                f"Marketing that was still sent after a reply had asked to stop it, by a second reading of the journal: {self.after_optout:,}",
                f"退订之后仍然放行的营销短信（由日志独立复核）：{self.after_optout:,} 条",
            )
        return [
            Table(
                "optouts", Bilingual("Opt-outs", "退订"), (*heads, Bilingual("per 10,000", "每万条"), *_COMPARED[1:]), rows,
                (_TOTAL, total, sent, _rate(total, sent, 10_000, now.base), *_change(total, past_total)),
            ),
            Table(
                "optout_speed", Bilingual("How soon opt-outs by reply were in force", "回复退订生效用时"),
                (Bilingual("after the reply", "收到回复后"), Bilingual("opt-outs", "退订"), Bilingual("share", "占比")),
                [(_word(name), speeds[name], Share(speeds[name] / total) if total else None) for name, _ in SPEEDS if name in speeds],
                (_TOTAL, total, Share(1) if total else None), note,
            ),
        ]  # fmt: skip


@dataclass
class RoundedCounts:
    """The counts of a month, rounded; all tables of it share ``totals``."""

    sheet: DayReport
    base: int
    totals: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.totals = {fate: rounded(self.sheet.total(fate), self.base) for fate in FATES}
        self.optout_total = rounded(self.sheet.optouts.total(), self.base)
        self.ads_total = rounded(self.sheet.marketing_by.total(), self.base)

    def by(self, name: str) -> dict[str, Counter[str]]:
        columns, rows = _columns(name), dict[str, Counter[str]]()
        for key, count in self.sheet.submits.items():
            if key.fate in columns:
                rows.setdefault(getattr(key, name), Counter())[key.fate] += count
        return rounded_table(rows, columns, self.totals, self.base)

    def unknown(self) -> dict[str, Counter[str]]:
        """Submits to numbers of unknown region, by provider."""
        totals = self.by("province").get(UNKNOWN, Counter[str]())
        rows: dict[str, Counter[str]] = {}
        for key, count in self.sheet.submits.items():
            if key.province == UNKNOWN:
                rows.setdefault(key.provider, Counter())[key.fate] += count
        return rounded_table(rows, FATES, totals, self.base) if rows else {}

    def optouts(self) -> dict[str, int]:
        return rounded_column(self.sheet.optouts, self.optout_total, self.base)

    def speeds(self) -> dict[str, int]:
        return rounded_column(self.sheet.speeds, self.optout_total, self.base)

    def ads(self) -> dict[str, int]:
        return rounded_column(self.sheet.marketing_by, self.ads_total, self.base)

    def summary(self) -> list[tuple[Bilingual, int]]:
        sheet, base = self.sheet, self.base
        return [
            (Bilingual("submitted", "提交"), sum(self.totals.values())),
            *((head, self.totals[fate]) for fate, head in zip(FATES, _FATES, strict=False)),
            (Bilingual("advertisements sent", "放行的营销短信"), self.ads_total),
            (Bilingual("to numbers of unknown region", "归属地未知"), sum(row.total() for row in self.unknown().values())),
            (Bilingual("opt-outs by reply", "回复退订"), self.optout_total),
            (Bilingual("opt-outs entered otherwise", "其他途径登记的退订"), rounded(sheet.entered.total(), base)),
            (Bilingual("replies that asked to go on", "回复恢复接收"), rounded(sheet.restored, base)),
        ]


def _columns(name: str) -> tuple[str, ...]:
    """What was sent has no reason."""
    return (REFUSED, DEFERRED) if name == "reason" else FATES


_TOTAL = Bilingual("total", "合计")
_FATES = (Bilingual("sent", "放行"), Bilingual("refused", "拒绝"), Bilingual("deferred", "暂缓"), Bilingual("all", "合计"))
_COMPARED = (Bilingual("this month", "本月"), Bilingual("month before", "上月"), Bilingual("change", "环比"))


def _word(name: str) -> Bilingual:
    """A word of a closed list; the name of a provider or a place stays as it is."""
    return Bilingual(name.replace("-", " ") if name in TERMS else name or "(none)", _WORDS.get(name, name))


def _fates(row: Mapping[str, int], columns: Iterable[str]) -> list[int]:
    cells = [row.get(column, 0) for column in columns]
    return [*cells, sum(cells)]


def _change(count: int, past: int | None) -> tuple[Cell, Cell]:
    """What it was, and by which share it changed."""
    return past, Share((count - past) / past) if past else None


def _compared(name: Bilingual, count: int, past: int | None) -> tuple[Cell, ...]:
    return name, count, *_change(count, past)


def _rate(part: int, whole: int, of: int, base: int) -> float | None:
    """None where the whole is so small that its rounding would show."""
    return part / whole * of if whole >= 10 * base else None


def _by(name: str, title: Bilingual, now: RoundedCounts, before: RoundedCounts | None) -> Table:
    columns = _columns(name)
    rows, past = now.by(name), before.by(name) if before is not None else {}
    cells: list[tuple[Cell, ...]] = []
    for one in (*rows, *(one for one in past if one not in rows)):
        counts = _fates(rows.get(one, Counter()), columns)
        was = past.get(one, Counter[str]()).total() if before is not None else None
        cells.append((_named(name, one), *counts, *_change(counts[-1], was)))
    total = sums(rows.values(), columns)
    was = sum(row.total() for row in past.values()) if before is not None else None
    heads = (_HEADS[name], *(head for fate, head in zip((*FATES, "all"), _FATES, strict=True) if fate in (*columns, "all")))
    return Table(f"by_{name}", title, (*heads, *_COMPARED[1:]), cells, (_TOTAL, *total, *_change(total[-1], was)))


_HEADS: Mapping[str, Bilingual] = {
    "provider": Bilingual("provider", "通道商"), "category": Bilingual("category", "类别"), "province": Bilingual("province", "归属省"),
    "reason": Bilingual("reason", "原因"),
}  # fmt: skip


def _named(field_name: str, one: str) -> Bilingual:
    """A provider is never a word of a list, whatever it is called."""
    return _word(one) if not one or field_name != "provider" else Bilingual(one, one)


def _unknown(now: RoundedCounts) -> Table:
    rows, of = now.unknown(), now.by("provider")
    cells: list[tuple[Cell, ...]] = [
        (_named("provider", name), row.total(), _share(row.total(), of.get(name, Counter[str]()).total(), now.base))
        for name, row in rows.items()
    ]
    total, whole = sum(row.total() for row in rows.values()), sum(now.totals.values())
    heads = (_HEADS["provider"], Bilingual("to numbers of unknown region", "归属地未知"), Bilingual("share", "占比"))
    title = Bilingual("Numbers of unknown region", "归属地未知的号码")
    return Table("unknown_region", title, heads, cells, (_TOTAL, total, _share(total, whole, now.base)))


def _share(part: int, whole: int, base: int) -> Share | None:
    found = _rate(part, whole, 1, base)
    return None if found is None else Share(min(found, 1.0))


# -- the desk


def _cases(counts: Iterable[Mapping[str, Any]], state: str = "") -> int:
    return sum(one["states"].get(state, 0) if state else one["came"] for one in counts)


def _desk_tables(month: MonthReport, now: RoundedCounts, desk: DeskFacts) -> list[Table]:
    sent = {name: row[SENT] for name, row in now.by("provider").items()}
    past = {one["provider"]: one["came"] for one in desk.complaints_before}
    known = {one["provider"]: one for one in desk.complaints}
    rows: list[tuple[Cell, ...]] = []
    for name in (*known, *(name for name in past if name not in known)):
        states, came = (known[name]["states"], known[name]["came"]) if name in known else ({}, 0)
        valid = _rate(states.get("valid", 0), sent.get(name, 0), 1_000_000, now.base)
        rows.append((
            _named("provider", name), came, *(states.get(state, 0) for state in STATES), valid, *_change(came, past.get(name, 0)),
        ))  # fmt: skip
    total = (_cases(desk.complaints), *(_cases(desk.complaints, state) for state in STATES))
    in_a_million = _rate(_cases(desk.complaints, "valid"), now.totals[SENT], 1_000_000, now.base)
    heads = (
        _HEADS["provider"], Bilingual("came", "收到"), *map(_word, STATES), Bilingual("valid in a million sent", "有效投诉（每百万条）"),
        *_COMPARED[1:],
    )  # fmt: skip
    at = local(desk.at)[:16]
    found = [
        Table(
            "complaints", Bilingual("Complaints that came in the month", "本月收到的投诉"), heads, rows,
            (_TOTAL, *total, in_a_million, *_change(total[0], _cases(desk.complaints_before))),
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
        ended = next((event["time"] for event in reversed(one["events"]) if event["what"] == one["state"]), one["until"])
        ended = one["until"] if one["state"] in UNSETTLED else min(one["until"], ended)
        if one["since"] and one["since"] < month.until and ended > month.since:
            rows.append((
                str(one["id"]), one["of"], _word(one["step"]), local(one["since"])[:10], local(ended)[:10], _word(one["state"]), one["basis"],
            ))  # fmt: skip
    heads = (
        Bilingual("penalty", "编号"), Bilingual("of", "对象"), Bilingual("step", "处罚"), Bilingual("from", "起"), Bilingual("to", "止"),
        Bilingual("state", "状态"), Bilingual("basis", "依据"),
    )  # fmt: skip
    total = (Bilingual(f"total: {len(rows)}", f"合计 {len(rows)} 件"), *[""] * (len(heads) - 1))
    return Table("penalties", Bilingual("Penalties in force in the month", "本月在效的处罚"), heads, rows, total)


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
    sheet, base = month.sheet, month.base
    spans = [f"{local(one.first)[:16]} – {local(one.last)[:16]}" for one in (sheet, month.before) if one.records]
    found = [Bilingual(f"Records of the journal: {spans[0]}.", f"所据日志记录：{spans[0]}。")]
    if month.before.records:
        found.append(Bilingual(f"Of the month before: {spans[1]}.", f"上月日志记录：{spans[1]}。"))
    else:
        found.append(Bilingual("The journal has nothing of the month before.", "日志中没有上月的记录，不作环比。"))
    found.append(Bilingual("Submits are counted: a long message counts once for each part.", "按提交计数，长短信每段计一条。"))
    if base > 1:
        found.append(Bilingual(
            f"So that no figure points to a person, counts of messages and opt-outs are rounded to multiples of {base}, and all totals add up "
            "(controlled rounding: Handbook on Statistical Disclosure Control, §5.5). "
            f"A cell differs from its count by less than {base}; rows that become 0 are left out. Complaints, penalties and ports are exact.",
            f"为避免指向个人，短信与退订的条数按 {base} 取整，且各表合计一致（受控取整，《统计披露控制手册》第5.5节）。"
            f"每格与实际相差小于 {base}；取整后为零的行不列出。投诉、处罚与端口为实际数。",
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


def shown(table: Table, language: str) -> TableInLanguage:
    cells = [*table.rows, table.total] if table.total else table.rows
    numbers = [
        any(isinstance(row[place], (int, float)) for row in cells) and not any(row[place] and isinstance(row[place], str) for row in table.rows)
        for place in range(len(table.heads))
    ]  # fmt: skip
    return TableInLanguage(
        in_language(table.title, language), texts(table.heads, language), [texts(row, language) for row in table.rows],
        texts(table.total, language), in_language(table.note, language), numbers,
    )  # fmt: skip


def as_dict(month: MonthReport, language: str) -> dict[str, Any]:
    """What ``gate106 report --month … --json`` prints: of each table its cells by English heading, and as they are shown in a language."""
    return {
        "month": month.month,
        "base": month.base,
        "records": {"first": month.sheet.first, "last": month.sheet.last},
        "records_before": {"first": month.before.first, "last": month.before.last},
        "sent_after_optout": month.after_optout,
        "tables": {
            one.name: {
                "heads": [str(head) for head in one.heads],
                "rows": [[_plain(cell) for cell in row] for row in one.rows],
                "total": [_plain(cell) for cell in one.total],
                "shown": {
                    "title": in_language(one.title, language), "heads": texts(one.heads, language),
                    "rows": [texts(row, language) for row in one.rows], "total": texts(one.total, language),
                    "note": in_language(one.note, language),
                },
            }
            for one in month.tables()
        },
        "title": in_language(title_of(month), language),
        "notes": texts(notes_of(month), language),
    }  # fmt: skip


def _plain(cell: Cell) -> Cell:
    return round(float(cell), 5) if isinstance(cell, float) else cell
