"""Lays a month out as tables whose totals are exact.

In: the days of a month and of the month before, counted; what the desk says of complaints, penalties and ports. Out: tables of cells, which
page, PDF, sheet and JSON show. Never: a number of a person, a text; a count of messages or opt-outs that is small, or follows from others.

Counts of messages and opt-outs are about persons: small ones are hidden, and stand together in one row (disclosure_control.py). Complaints,
penalties and ports are the desk's own papers and counted as they are. tests/desk/reports/test_month_attack.py solves the equations of all
tables together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from proxy.desk.reports.daily_report import FATES, SENT, SPEEDS, UNREAD, DayReport
from proxy.desk.reports.disclosure_control import ALL, LEAST
from proxy.desk.reports.month_counts import FATE_HEADS, FEW, HIDDEN, OTHERS, Cell, CountTable, MonthCounts, columns_of
from proxy.desk.reports.report_text import UNKNOWN
from proxy.i18n.labels import CASES, PENALTIES, REASONS, SCOPES, STEPS
from proxy.i18n.phrases import NOTHING, WORDS, Bilingual, joined
from proxy.journal.records.complaints import STATES
from proxy.policy.time_windows import local

PATHS = ("silent", "dead")
TERMS: Mapping[str, str] = {
    "in-time": "按期", "late": "逾期办结", "overdue": "逾期未办", "waiting": "未到期", "not-needed": "无需",
}  # fmt: skip
_WORDS: Mapping[str, str] = {
    **WORDS, **REASONS, **CASES, **STEPS, **PENALTIES, **TERMS, "": "（无）", UNREAD: "未读出", UNKNOWN: "未知",
    "silent": "沉默", "dead": "不通",
    "under 1 s": "不到1秒", "1 to 10 s": "1至10秒", "10 s to 1 min": "10秒至1分钟", "1 min to 1 h": "1分钟至1小时", "over 1 h": "1小时以上",
}  # fmt: skip


class Share(float):
    """A share of 1."""


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
        found.append(
            _table("by_day", Bilingual("By day", "按日"), (Bilingual("day", "日期"), *FATE_HEADS), rows, [days], [FATES])
        )
        found += [_unknown(now), *self._optouts(now, before)]
        return [*found, *(_desk_tables(self, now, self.desk) if self.desk is not None else ())]

    def _summary(self, now: MonthCounts, before: MonthCounts | None) -> Table:
        rows: list[tuple[Cell, ...]] = [
            _compared(name, count, past if before is not None else None)
            for (name, count), (_, past) in zip(now.summary(), (before or now).summary(), strict=True)
        ]
        if (desk := self.desk) is not None:
            months = desk.complaints, desk.complaints_before
            forwarded, answered = (
                [sum(one[term].get("in-time", 0) for one in counts) for counts in months] for term in ("forward", "answer")
            )
            begun = [
                sum(one.since <= penalty["since"] < one.until for penalty in desk.penalties) for one in (self, self.before)
            ]
            of_desk = [
                (Bilingual("complaints", "投诉"), *map(_cases, months)),
                (Bilingual("valid complaints", "有效投诉"), *(_cases(counts, "valid") for counts in months)),
                (Bilingual("complaints forwarded in time", "按期转办的投诉"), *forwarded),
                (Bilingual("complaints answered in time", "按期答复的投诉"), *answered),
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
        heads = (_HEADS["provider"], Bilingual("opt-outs by reply", "回复退订"), Bilingual("advertisements", "营销短信"))
        total, speeds, entered = counts.total(), self.sheet.speeds, self.sheet.entered.total()
        took_s = self.sheet.slowest_s
        slowest = Bilingual(f"The slowest took less than {took_s + 1:,} s.", f"最慢的用时不到 {took_s + 1:,} 秒。")
        note = slowest if total else NOTHING
        if self.after_optout is not None:
            sent = Bilingual(
                f"Marketing that was still sent after a reply had asked to stop it, by a second reading of the journal: {self.after_optout:,}",
                f"退订之后仍然放行的营销短信（由日志独立复核）：{self.after_optout:,} 条",
            )
            note = joined(Bilingual(" ", ""), (note, sent))
        if any(one.hidden[ALL] for one in (counts, ads, past) if one is not None):
            of_ads = HIDDEN if ads_total == HIDDEN else ads.hidden_sum()
            rows.append((TOGETHER, counts.hidden_sum(), of_ads, None, past.hidden_sum() if past is not None else None, None))
        return [
            Table(
                "optouts", Bilingual("Opt-outs", "退订"), (*heads, Bilingual("per 10,000", "每万条"), *_COMPARED[1:]),
                rows,
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


_TOTAL, TOGETHER = Bilingual("total", "合计"), Bilingual("sum of the cells shown as …", "以“…”合并的数之和")
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
    last = [(TOGETHER, *together)] if is_hidden else []
    return Table(name, title, heads, [*rows, *last], (_TOTAL, *total))


def _by(name: str, title: Bilingual, now: MonthCounts, before: MonthCounts | None) -> Table:
    columns, table = columns_of(name), now.tables[name]
    past = before.tables[name] if before is not None else None
    rows: list[tuple[Cell, ...]] = []
    for one in _names(table, past):
        counts = [table.cell(one, column) for column in (*columns, ALL)]
        rows.append((_named(name, one), *counts, *_change(counts[-1], past.cell(one) if past is not None else None)))
    heads = (_HEADS[name], *(head for fate, head in zip((*FATES, ALL), FATE_HEADS, strict=True) if fate in (*columns, ALL)))
    return _table(f"by_{name}", title, (*heads, *_COMPARED[1:]), rows, [table, past], [columns, ()])


def _by_provider_and_reason(now: MonthCounts) -> Table:
    """No small count of it follows from the tables by provider and by reason."""
    fates, hidden = columns_of("reason"), [cells for _, cells in now.reasons.values()]
    few, rare = ([now.tables[name].hidden[fate] for fate in fates] for name in ("provider", "reason"))
    found: dict[tuple[str, str], list[int]] = {}
    for place, (counts, _) in enumerate(now.reasons.values()):
        for provider, reasons in counts.items():
            for reason, count in reasons.items():
                key = provider, OTHERS if (provider, reason) in hidden[place] else reason
                found.setdefault(key, [0, 0])[place] += count
    rows: list[tuple[Cell, ...]] = []
    for (provider, reason), sums in sorted(
        found.items(), key=lambda one: (one[0][0] is FEW, one[0][0], one[0][1] is OTHERS, -sum(one[1]), one[0][1])
    ):
        elsewhere = [
            provider in few[place] or (reason is not OTHERS and (reason in rare[place] or (provider, reason) in hidden[place]))
            for place in range(len(fates))
        ]
        cells = [HIDDEN if gone else count for gone, count in zip(elsewhere, sums, strict=True)]
        rows.append((
            provider if provider is FEW else _named("provider", provider), reason if reason is OTHERS else _word(reason),
            *cells, HIDDEN if any(elsewhere) else sum(sums),
        ))  # fmt: skip
    total = [sum(sums[place] for sums in found.values()) for place in range(len(fates))]
    note = Bilingual(
        f"Reasons of which a provider had fewer than {now.least} messages, and more from which these would follow, stand together as others.",
        f"某通道商不足 {now.least} 条的原因，连同可据以推算的原因，合并为“其他原因”。",
    )
    return Table(
        "by_provider_and_reason", Bilingual("By provider and reason", "按通道商和原因"),
        (_HEADS["provider"], _HEADS["reason"], *FATE_HEADS[1:]), rows, (_TOTAL, "", *total, sum(total)), note if any(hidden) else NOTHING,
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
        rows.append((_named("provider", name), count, _share(count, of.cell(name))))
    if now.unknown.hidden[ALL]:
        rows.append((TOGETHER, now.unknown.hidden_sum(), None))
    total = (_TOTAL, now.unknown_total, _share(now.unknown_total, of.total()))
    return Table("unknown_region", title, heads, rows, total)


def _share(part: Cell, whole: Cell) -> Share | None:
    rate = _rate(part, whole, 1)
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
