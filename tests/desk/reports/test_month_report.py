"""A month's totals add up in every table, and hide small counts."""

from __future__ import annotations

import random
from collections import Counter
from io import BytesIO
from typing import Any

import openpyxl
import pytest

from proxy.desk.reports import month_files, month_pdf
from proxy.desk.reports.controlled_rounding import rounded, rounded_table
from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT, SPEEDS, UNREAD, DayReport, ReportedOutcome
from proxy.desk.reports.month_report import DeskFacts, MonthReport, Table, as_dict, notes_of, texts
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


def month_of(seed: int, base: int = 10, **more: Any) -> MonthReport:
    dice = random.Random(seed)
    (sheet, days), (before, _) = counted(dice), counted(dice)
    return MonthReport("2026-11", SINCE, UNTIL, sheet, days, before, base=base, **more)


def of_name(tables: list[Table], name: str) -> Table:
    return next(one for one in tables if one.name == name)


def column(table: Table, place: int) -> list[int]:
    return [cell for row in table.rows if isinstance(cell := row[place], int)]


def whole(cells: Any) -> int:
    return sum(cells)


@pytest.mark.parametrize("base", [1, 10, 50])
def test_every_table_adds_up_to_its_total_and_all_to_the_same(base: int) -> None:
    for seed in range(40):
        month = month_of(seed, base)
        tables = month.tables()
        summary: dict[str, Any] = {str(row[0]): row[1] for row in of_name(tables, "summary").rows}
        totals = [summary[fate] for fate in FATES]
        assert whole(totals) == summary["submitted"]
        for name, places in (("by_provider", 4), ("by_category", 4), ("by_province", 4), ("by_day", 4), ("by_reason", 3)):
            table = of_name(tables, name)
            for place in range(1, places + 1):
                assert sum(column(table, place)) == table.total[place], (seed, name, place)
            for row in (*table.rows, table.total):
                assert whole(row[1:places]) == row[places], (seed, name, row)
            wanted = totals if places == 4 else totals[1:]
            assert list(table.total[1:places]) == wanted, (seed, name)
        for name, place, total in (
            ("unknown_region", 1, "to numbers of unknown region"), ("optouts", 1, "opt-outs by reply"),
            ("optouts", 2, "advertisements sent"), ("optout_speed", 1, "opt-outs by reply"),
        ):  # fmt: skip
            table = of_name(tables, name)
            assert sum(column(table, place)) == table.total[place] == summary[total], (seed, name)
        province = {str(row[0]): row[4] for row in of_name(tables, "by_province").rows}
        assert province.get("unknown", 0) == summary["to numbers of unknown region"], seed


def test_no_count_of_messages_is_shown_that_is_no_multiple_and_each_is_next_to_its_own() -> None:
    for seed in range(40):
        month = month_of(seed)
        for table in month.tables():
            for row in (*table.rows, table.total):
                assert not [cell for cell in row if isinstance(cell, int) and cell % 10], (seed, table.name, row)
        truth = month.sheet.by("province")
        for row in of_name(month.tables(), "by_province").rows:
            counts = truth.get(str(row[0]), Counter())
            assert all(abs(cell - counts[fate]) < 10 for cell, fate in zip(row[1:4], FATES, strict=True)), (seed, row)  # type: ignore[operator]


def test_a_row_of_few_is_rounded_up_or_left_out_and_says_nothing_of_whether_there_was_anybody() -> None:
    rows = {"北京": Counter(sent=96), "西藏": Counter(sent=1), "上海": Counter(sent=9_003)}
    assert rounded_table(rows, ("sent",), {"sent": rounded(9_100, 10)}, 10) == {
        "上海": Counter(sent=9_000), "北京": Counter(sent=100),
    }  # fmt: skip
    assert rounded_table({"西藏": Counter(sent=4)}, ("sent",), {"sent": 0}, 10) == {}


def test_the_month_before_stands_beside_it_as_its_own_report_has_it() -> None:
    month = month_of(7)
    was = MonthReport("2026-10", SINCE, UNTIL, month.before, {}, DayReport(SINCE, UNTIL))
    before = {str(row[0]): row[4] for row in of_name(was.tables(), "by_provider").rows}
    beside = {str(row[0]): row[5] for row in of_name(month.tables(), "by_provider").rows if row[5]}
    assert beside == before
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
        "id": 3, "of": "jia", "step": "throttle", "since": SINCE - 86_400, "until": SINCE + 86_400, "state": "over", "basis": "合同第 12 条",
        "events": [{"time": SINCE + 86_400, "what": "over"}],
    }  # fmt: skip
    later = penalty | {"id": 4, "since": UNTIL, "until": UNTIL + 9, "state": "in-force"}
    lifted = penalty | {
        "id": 5,
        "state": "lifted",
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
    assert [row[0] for row in of_name(tables, "penalties").rows] == ["3"]
    assert [row[:4] for row in of_name(tables, "dead_ports").rows] == [("1069001", "jia", "dead", 90)]


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
        assert month_pdf.paper(month, language).startswith(b"%PDF-")
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
    assert {row[0] for row in table["rows"]} <= {"region-ban", "suppressed", "keyword", "(none)", "quiet-hours", "no-route"}
    assert table["shown"]["title"] == "按原因"
