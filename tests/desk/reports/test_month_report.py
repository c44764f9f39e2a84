"""A month's totals are exact in every table, and small counts are hidden."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from io import BytesIO
from typing import Any

import openpyxl

from proxy.desk.reports import month_files, report_pdf
from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, SPEEDS, UNREAD, DayReport, ReportedOutcome
from proxy.desk.reports.disclosure_control import hidden_cells, hidden_in_column
from proxy.desk.reports.month_counts import HIDDEN
from proxy.desk.reports.month_report import DeskFacts, MonthReport, Table
from proxy.desk.reports.month_text import as_dict, notes_of, shown, texts
from proxy.i18n.phrases import in_language
from proxy.policy.time_windows import month_span

SINCE, UNTIL = month_span("2026-11")
PROVIDERS, PROVINCES = ("jia", "yi", "bing", "ding", "wu"), ("北京", "上海", "西藏", "unknown", UNREAD)
REASONS = {SENT: ("",), REFUSED: ("region-ban", "suppressed", "keyword", ""), DEFERRED: ("quiet-hours", "no-route")}
DAYS = [f"2026-11-{day:02}" for day in range(1, 31)]
STATES = {"open": 1, "valid": 3, "invalid": 2, "duplicate": 0, "withdrawn": 1, "not-ours": 0}


def counted(dice: random.Random) -> tuple[DayReport, dict[str, Counter[str]]]:
    sheet, days = DayReport(SINCE, UNTIL), {day: Counter[str]() for day in DAYS}
    for _ in range(dice.randint(1, 80)):
        fate = dice.choice(FATES)
        key = ReportedOutcome(
            fate, dice.choice(REASONS[fate]), dice.choice(PROVIDERS), dice.choice(PROVINCES),
            dice.choice(("otp", "notice", "marketing", UNREAD)),
        )  # fmt: skip
        count = dice.choice((1, 2, 9, 10, 11, 47, 5_003))
        sheet.submits[key] += count
        days[dice.choice(DAYS)][fate] += count
    for provider in PROVIDERS:
        sheet.marketing_by[provider] = dice.choice((0, 3, 90, 40_000))
        sheet.optouts[provider] = dice.choice((0, 1, 9, 40))
    for _ in range(sheet.optouts.total()):
        sheet.speeds[dice.choice(SPEEDS)[0]] += 1
    sheet.records, sheet.first, sheet.last = 1, SINCE, UNTIL - 1
    return sheet, days


def month_of(seed: int, **more: Any) -> MonthReport:
    dice = random.Random(seed)
    (sheet, days), (before, _) = counted(dice), counted(dice)
    return MonthReport("2026-11", SINCE, UNTIL, sheet, days, before, **more)


def of_name(tables: list[Table], name: str) -> Table:
    return next(one for one in tables if one.name == name)


def column(table: Table, place: int) -> list[int]:
    return [cell for row in table.rows if isinstance(cell := row[place], int)]


def whole(cells: Any) -> int:
    return sum(cells)


BY = {"by_provider": FATES, "by_category": FATES, "by_province": FATES, "by_day": FATES, "by_reason": (REFUSED, DEFERRED)}
TOGETHER = "sum of the cells shown as …"


def test_every_column_adds_up_to_its_exact_total_which_is_the_same_in_all_tables() -> None:
    for seed in range(40):
        month = month_of(seed)
        tables = month.tables()
        summary: dict[str, Any] = {str(row[0]): row[1] for row in of_name(tables, "summary").rows}
        assert [summary[fate] for fate in FATES] == [month.sheet.total(fate) for fate in FATES]
        assert summary["submitted"] == month.sheet.submits.total()
        for name, fates in BY.items():
            table = of_name(tables, name)
            assert list(table.total[1 : len(fates) + 2]) == [
                *(summary[fate] for fate in fates),
                sum(summary[fate] for fate in fates),
            ]
            for place in range(1, len(table.heads) - 1 if name != "by_day" else len(table.heads)):
                assert sum(column(table, place)) == table.total[place], (seed, name, place)
        for name, place, total in (
            ("unknown_region", 1, "to numbers of unknown region"), ("optouts", 1, "opt-outs by reply"),
            ("optouts", 2, "advertisements sent"), ("optout_speed", 1, "opt-outs by reply"),
        ):  # fmt: skip
            table = of_name(tables, name)
            if table.rows and table.total[place] != HIDDEN:  # which would tell a small count of another table
                assert sum(column(table, place)) == table.total[place] == summary[total], (seed, name)


def test_no_small_count_is_shown_nor_alone_in_its_column_nor_told_by_a_rate_or_a_change() -> None:
    for seed in range(40):
        for table in month_of(seed).tables()[1:-1]:  # not the summary, not how soon
            if table.name == "by_provider_and_reason":  # has a test of its own
                continue
            for place, head in enumerate(table.heads):
                cells = {str(row[0]): row[place] for row in table.rows}
                hidden = [name for name, cell in cells.items() if cell == HIDDEN]
                shown = [cell for name, cell in cells.items() if isinstance(cell, int) and name != TOGETHER]
                assert not [cell for cell in shown if 0 < cell < 10], (seed, table.name, head)
                if hidden and table.total[place] != HIDDEN:
                    whole_column = not [
                        name for name, cell in cells.items() if isinstance(cell, int) and cell and name != TOGETHER
                    ]
                    together = cells[TOGETHER]
                    assert isinstance(together, int)
                    assert whole_column or (len(hidden) > 1 and together >= 10), (seed, table.name, head)
            for row in table.rows:
                if HIDDEN in row[1:-2] and table.name in BY and table.name != "by_day":
                    assert row[-1] is None, (seed, row)
                if HIDDEN in row[1:] and table.name in ("optouts", "unknown_region"):
                    assert not [cell for cell in row[1:] if isinstance(cell, float)] or row[1] != HIDDEN, (seed, row)


def test_whoever_knows_the_total_and_what_is_small_cannot_say_what_a_hidden_cell_is() -> None:
    """All values that hidden cells may have are laid out: each small one has several."""
    least = 3
    for seed in range(60):
        dice = random.Random(seed)
        counts = {f"row {n}": dice.choice([0, 1, 2, 3, 4, 7]) for n in range(4)}
        hidden = hidden_in_column(counts, least)
        if not hidden or hidden == frozenset(counts):
            continue
        total, names = sum(counts[name] for name in hidden), sorted(hidden)
        alike = [
            values
            for values in itertools.product(range(1, total + 1), repeat=len(names))
            if sum(values) == total and any(value < least for value in values)
        ]
        for place, name in enumerate(names):
            assert counts[name] >= least or len({values[place] for values in alike}) > 1, (seed, counts, alike)


def test_a_lone_small_cell_takes_the_next_larger_with_it_and_ones_alone_are_not_told_by_their_sum() -> None:
    assert hidden_in_column({"北京": 203, "西藏": 3, "辽宁": 10, "上海": 0}, 10) == {"西藏", "辽宁"}
    assert hidden_in_column({"a": 9, "b": 9, "c": 40}, 10) == {"a", "b", "c"}, "18 of two small ones is 9 and 9"
    assert hidden_in_column({**{f"{n}": 1 for n in range(10)}, "c": 40}, 10) == {*map(str, range(10)), "c"}
    assert hidden_in_column({"a": 4, "b": 0, "c": 0}, 10) == {"a", "b", "c"}, "nobody knows whose they are"
    assert hidden_in_column({"a": 4, "unread": 12, "b": 40}, 10, ("unread",)) == {"a", "b"}
    assert hidden_in_column({"a": 0, "b": 10}, 10) == frozenset()


def test_reasons_of_each_provider_add_up_and_no_small_one_follows_from_the_other_tables() -> None:
    for seed in range(60):
        month = month_of(seed)
        tables = month.tables()
        table, by_provider = of_name(tables, "by_provider_and_reason"), of_name(tables, "by_provider")
        known = {str(row[0]): row for row in by_provider.rows}
        for place, fate in ((2, REFUSED), (3, DEFERRED)):
            assert sum(column(table, place)) == table.total[place] == month.sheet.total(fate), seed
            rows = [(str(row[0]), str(row[1]), row[place]) for row in table.rows]
            assert not [row for row in rows if isinstance(row[2], int) and 0 < row[2] < 10 and row[0] in known], (seed, rows)
            for provider in {row[0] for row in rows} & set(known):
                shown = [cell for name, _, cell in rows if name == provider]
                if (of_all := known[provider][place]) != HIDDEN:
                    assert whole(cell for cell in shown if isinstance(cell, int)) == of_all, (seed, provider)
                else:
                    assert set(shown) == {HIDDEN}, (seed, provider)
            others = {name for name, reason, _ in rows if reason == "other reasons"}
            apart = {reason for name, reason, cell in rows if isinstance(cell, int) and cell}
            of_reason = {str(row[0]): row[place - 1] for row in of_name(tables, "by_reason").rows}
            assert not others or not [name for name in apart if of_reason.get(name) == HIDDEN], (seed, apart)


def test_a_small_reason_of_a_provider_takes_the_cheapest_rectangle_with_it() -> None:
    rows = {"jia": {"a": 3, "b": 20, "c": 900}, "yi": {"a": 30, "b": 50, "c": 800}, "bing": {"a": 700, "b": 600, "c": 0}}
    assert hidden_cells(rows, (), 10) == {("jia", "a"), ("jia", "b"), ("yi", "a"), ("yi", "b")}
    assert hidden_cells(rows, (), 10, ("b",)) == {("jia", "a"), ("jia", "c"), ("yi", "a"), ("yi", "c")}
    assert hidden_cells(rows, (), 1) == frozenset()
    two = {"jia": {"a": 3, "b": 4, "c": 50}, "yi": {"a": 40, "b": 40, "c": 40}}
    assert ("jia", "c") in hidden_cells(two, (), 10), "7 of a provider is small, too"


def test_without_a_month_before_nothing_is_compared_and_known_rates_are_shown() -> None:
    month = month_of(1, desk=desk())
    alone = MonthReport("2026-11", SINCE, UNTIL, month.sheet, month.days, DayReport(0, 0), desk())
    tables = alone.tables()
    assert {row[2:] for row in of_name(tables, "summary").rows} == {(None, None)}
    complaints = of_name(tables, "complaints")
    assert {tuple(row[-2:]) for row in (*complaints.rows, complaints.total)} == {(None, None)}
    few = DayReport(SINCE, UNTIL, records=1)
    few.submits[ReportedOutcome(SENT, "", "jia", "北京", "otp")] = 20
    table = of_name(MonthReport("2026-11", SINCE, UNTIL, few, {}, DayReport(0, 0), desk()).tables(), "complaints")
    assert table.rows[0][8] == table.total[8] == 3 / 20 * 1_000_000


def test_opt_outs_that_came_otherwise_count_with_those_by_reply() -> None:
    month = month_of(1)
    replies = month.sheet.optouts.total()
    month.sheet.entered.update({"hotline": 3, "import": 8})
    table = of_name(month.tables(), "optouts")
    assert texts([table.note], "zh") == [f"其他途径登记（含导入名单）11 个，合计 {replies + 11} 个。"]
    assert table.total[1] == replies


def test_a_provider_without_opt_outs_does_not_tell_that_two_others_had_one_each() -> None:
    sheet, days = counted(random.Random(1))
    sheet.optouts = Counter({"jia": 1, "bing": 1})
    table = of_name(MonthReport("2026-11", SINCE, UNTIL, sheet, days, DayReport(SINCE, UNTIL)).tables(), "optouts")
    assert [row[1] for row in table.rows][:-1] == [HIDDEN] * len(PROVIDERS)


def test_the_month_before_stands_beside_it_as_its_own_report_has_it() -> None:
    month = month_of(7)
    was = MonthReport("2026-10", SINCE, UNTIL, month.before, {}, DayReport(SINCE, UNTIL))
    before = {str(row[0]): row[4] for row in of_name(was.tables(), "by_provider").rows}
    beside = {str(row[0]): row[5] for row in of_name(month.tables(), "by_provider").rows if row[5]}
    assert {name: cell for name, cell in beside.items() if name != TOGETHER} == {
        name: cell for name, cell in before.items() if name != TOGETHER
    }
    alone = of_name(was.tables(), "by_provider").rows[0]
    assert alone[5:] == (None, None)
    assert "缺少退订后仍然放行的条数" in "".join(texts(notes_of(was), "zh"))
    assert "日志中没有上月的记录，不作环比。" in texts(notes_of(was), "zh")


# -- the desk


def desk(**more: Any) -> DeskFacts:
    counts = {
        "provider": "jia", "came": 7, "states": STATES, "forward": {"in-time": 4, "not-needed": 2, "overdue": 1},
        "answer": {"in-time": 5, "waiting": 2},
    }  # fmt: skip
    other = {"provider": "", "came": 1, "states": {"open": 1}, "forward": {"waiting": 1}, "answer": {"waiting": 1}}
    penalty = {
        "id": 3, "of": "jia", "step": "throttle", "since": SINCE - 86_400, "until": SINCE + 86_400, "state": "over", "ended": SINCE + 86_400, "basis": "合同第 12 条",
        "events": [{"time": SINCE + 86_400, "what": "over"}],
    }  # fmt: skip
    later = penalty | {"id": 4, "since": UNTIL, "until": UNTIL + 9, "state": "in-force", "ended": 0.0}
    lifted = penalty | {
        "id": 5,
        "state": "lifted",
        "ended": SINCE - 60,
        "events": [{"time": SINCE - 60, "what": "lifted"}, {"time": SINCE + 9, "what": "appealed"}],
    }
    path = {"prefix": "1069001", "provider": "jia", "state": "dead", "advertisements_since_proof": 90, "proven_at": 0.0}
    given: dict[str, Any] = {
        "at": UNTIL, "complaints": [counts, other], "complaints_before": [counts], "penalties": [penalty, later, lifted],
        "paths": [path, path | {"state": "proven"}],
    }  # fmt: skip
    return DeskFacts(**given | more)


def test_complaints_due_dates_penalties_and_ports_are_exact_and_add_up() -> None:
    tables = month_of(1, desk=desk()).tables()
    complaints = of_name(tables, "complaints")
    assert complaints.total[1:8] == (8, 2, 3, 2, 0, 1, 0)
    for place in range(1, 8):
        assert sum(column(complaints, place)) == complaints.total[place]
    for name in ("due_forward", "due_answer"):
        table = of_name(tables, name)
        assert all(whole(row[1:6]) == row[6] for row in (*table.rows, table.total)), name
        assert table.total[6] == 8
    assert [row[:2] for row in of_name(tables, "penalties").rows] == [("3", "jia")]
    assert [row[:4] for row in of_name(tables, "dead_ports").rows] == [("1069001", "jia", "dead", 90)]


def test_a_penalty_of_one_signature_names_it_in_chinese() -> None:
    (penalty, *_), whose = (
        desk().penalties,
        {"of": "jia and signature 青禾", "provider": "jia", "by": "signature", "value": "青禾"},
    )
    tables = month_of(1, desk=desk(penalties=[{**penalty, **whose}])).tables()
    assert [texts(row, "zh")[1] for row in of_name(tables, "penalties").rows] == ["签名 青禾 · jia"]


def test_it_is_written_in_chinese_and_english_and_a_name_stays_a_text() -> None:
    month = month_of(3, desk=desk(), after_optout=0)
    month.sheet.submits[ReportedOutcome(SENT, "", "=1+1<b>", "北京", "otp")] = 400
    for language, title, word in (
        ("zh", "合规月报 2026年11月", "归属地未知的号码"),
        ("en", "Report of the month 2026-11", "By province"),
    ):
        page = month_files.html(month, language).decode()
        assert title in page
        assert word in page
        assert "=1+1&lt;b&gt;" in page
        assert report_pdf.month_paper(month, language).startswith(b"%PDF-")
        book = openpyxl.load_workbook(BytesIO(month_files.xlsx(month, language)))
        cells = {cell.value: cell for sheet in book for row in sheet.iter_rows() for cell in row}
        assert cells["=1+1<b>"].data_type == "s"
        assert word in book.sheetnames
        assert len(book.sheetnames) == len(month.tables()) + 1
        for sheet, table in zip(book.worksheets[1:], month.tables(), strict=True):
            assert [sheet.cell(2 + at, 1).value for at in range(len(table.rows))] == [
                in_language(row[0], language) if isinstance(row[0], str) else row[0] for row in table.rows
            ]
    assert not [
        word
        for word in ("sent", "refused", "provider", "in-time", "not-needed")
        if f">{word}<" in month_files.html(month, "zh").decode()
    ]


def test_programs_get_numbers_and_readers_words() -> None:
    told = as_dict(month_of(2, desk=desk()), "zh")
    table = told["tables"]["by_reason"]
    assert table["heads"] == ["reason", "refused", "deferred", "all", "month before", "change"]
    assert {row[0] for row in table["rows"]} <= {
        TOGETHER,
        "region-ban",
        "suppressed",
        "keyword",
        "(none)",
        "quiet-hours",
        "no-route",
    }
    assert table["shown"]["title"] == "按原因"


def test_a_single_row_whose_total_would_tell_its_small_count_is_left_to_the_summary() -> None:
    few = DayReport(SINCE, UNTIL, records=1)
    few.submits[ReportedOutcome(REFUSED, "keyword", "jia", "北京", "otp")] = 3
    few.submits[ReportedOutcome(SENT, "", "jia", "北京", "otp")] = 20
    tables = MonthReport("2026-11", SINCE, UNTIL, few, {}, DayReport(0, 0)).tables()
    for name in ("by_provider", "by_category", "by_province", "by_reason"):
        table = shown(of_name(tables, name), "zh")
        assert (table.rows, table.total, table.note) == ([], [], "只有一行，其数见概况。"), name


def test_reasons_of_providers_that_all_stand_together_are_left_to_the_table_by_reason() -> None:
    sheet = DayReport(SINCE, UNTIL, records=1)
    for provider, count in (("jia", 15), ("yi", 4), ("bing", 4)):
        sheet.submits[ReportedOutcome(REFUSED, "region-ban", provider, "北京", "marketing")] = count
        sheet.submits[ReportedOutcome(REFUSED, "keyword", provider, "北京", "marketing")] = 5
    tables = MonthReport("2026-11", SINCE, UNTIL, sheet, {}, DayReport(0, 0)).tables()
    table = of_name(tables, "by_provider_and_reason")
    assert {str(row[0]) for row in table.rows} == {"providers with few"}
    assert (shown(table, "zh").rows, shown(table, "zh").total) == ([], [])
    assert shown(table, "zh").note.endswith("各家通道商的条数都不单列；各原因的条数见“按原因”。")
