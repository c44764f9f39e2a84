"""``gate106 report`` writes a day as text, JSON, HTML and PDF."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.desk.backtest.commit_groups import JournalGroup
from proxy.desk.reports.daily_report import DayCounter, DayReport
from proxy.policy import time_windows
from tests.commands import app
from tests.desk.backtest.test_command import folder  # noqa: F401 # a fixture: six messages of a day, of which two were refused

DAY = "2025-11-11"


def asked(folder: Path, *more: object) -> Result:  # noqa: F811
    return CliRunner().invoke(app, ["report", "--config", str(folder / "gate106.yaml"), *map(str, more)])


def test_a_day_is_told_in_words_and_for_programs(folder: Path) -> None:  # noqa: F811
    done = asked(folder, "--day", DAY, "--least", 1)
    assert done.exit_code == 0, done.stderr
    assert f"{DAY}: 4 sent, 2 refused, 0 deferred" in done.stdout
    assert "by reason: recipient-cap 1, region-ban 1" in done.stdout
    assert "by province: 上海 4/1/0, 北京 0/1/0" in done.stdout
    told = json.loads(asked(folder, "--day", DAY, "--json").stdout)
    assert (told["submits"], told["below"]) == ({"sent": 4, "refused": 2, "deferred": 0}, 10)
    assert told["by_province"] == {"(others)": {"sent": "<10", "refused": "<10", "deferred": 0}}
    assert told["rule_hits"] == {"ban": "<10", "cap": "<10"}


def test_it_is_written_as_a_page_and_as_a_pdf(folder: Path) -> None:  # noqa: F811
    html, pdf = folder / "sheet.html", folder / "sheet.pdf"
    done = asked(folder, "--day", DAY, "--html", html, "--pdf", pdf, "--lang", "zh")
    assert done.exit_code == 0, done.stderr
    assert "合规日报 2025-11-11" in html.read_text(encoding="utf-8")
    assert pdf.read_bytes().startswith(b"%PDF-")
    asked(folder, "--day", DAY, "--html", html, "--lang", "en")
    assert "Sheet of the day 2025-11-11" in html.read_text(encoding="utf-8")


def test_a_month_is_told_in_words_for_programs_and_as_files_beside_the_month_before(folder: Path) -> None:  # noqa: F811
    files = {"--html": folder / "m.html", "--pdf": folder / "m.pdf", "--xlsx": folder / "m.xlsx"}
    done = asked(folder, "--month", "2025-11", "--least", 1, "--lang", "en", *(word for one in files.items() for word in one))
    assert done.exit_code == 0, done.stderr
    assert "complaints, penalties and ports are missing in the report" in done.stderr
    assert re.search(r"^total +4 +2 +0 +6 +– +–$", done.stdout, re.MULTILINE)
    assert (
        "Marketing that was still sent after a reply had asked to stop it, by a second reading of the journal: 0" in done.stdout
    )
    assert "Report of the month 2025-11" in files["--html"].read_text(encoding="utf-8")
    assert files["--pdf"].read_bytes().startswith(b"%PDF-")
    assert files["--xlsx"].read_bytes().startswith(b"PK")
    told = json.loads(asked(folder, "--month", "2025-11", "--json", "--lang", "zh").stdout)
    assert (told["title"], told["least"], told["records_before"]["last"]) == ("合规月报 2025年11月", 10, 0)
    assert told["tables"]["by_province"]["total"][:5] == ["total", 4, 2, 0, 6]
    assert told["tables"]["by_province"]["rows"] == [
        ["上海", "…", "…", 0, "…", None, None], ["北京", "…", "…", 0, "…", None, None],
        ["sum of the cells shown as …", 4, 2, 0, 6, None, None],
    ]  # fmt: skip


def test_a_month_without_a_value_is_the_last_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(time, "time", lambda: time_windows.month_span("2025-12")[0] + 9)
    for more in (("--month",), ("--month", "--json"), ("--json", "--month")):
        done = asked(folder, *more, "--lang", "en")
        assert done.exit_code == 0, done.stderr
        assert "Report of the month 2025-11" in done.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--day", "soon"), "--day: 'soon' is no day (like 2026-11-11)"),
        (("--day", "2025-11-12"), "the journal has nothing of that day"),
        ((), "the journal has nothing of that day"),  # yesterday
        (("--month", "2025-12"), "the journal has nothing of that month (2025-12)"),
        (("--month", "2025-13"), "--month: '2025-13' is no month (like 2026-11; a day is --day 2026-11-11)"),
        (("--month", "2025-11", "--xlsx", "month.pdf"), "--xlsx: month.pdf: name it .xlsx"),
        (("--month", "2025-11", "--day", DAY), "report: --day or --month, not both"),
        (("--day", DAY, "--xlsx", "x.xlsx"), "report: --xlsx is of a --month"),
        (("--day", DAY, "--journal", "/nowhere"), "/nowhere: no such folder"),
        (("--day", DAY, "--pdf", "/nowhere/sheet.pdf"), "/nowhere/sheet.pdf: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder: Path, more: tuple[str, ...], said: str) -> None:  # noqa: F811
    done = asked(folder, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_finished_days_of_a_month_are_read_once_for_as_long_as_their_segments_are_the_same(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "archive").mkdir()
    read: list[str] = []
    counts = DayCounter.read

    def noted(self: DayCounter, groups: Iterable[JournalGroup]) -> DayReport:
        read.append(time_windows.local(self.sheet.since)[:10])
        return counts(self, groups)

    monkeypatch.setattr(DayCounter, "read", noted)
    first = asked(folder, "--month", "2025-11", "--json")
    assert {DAY, "2025-11-01", "2025-11-30", "2025-10-01"} <= set(read), first.stderr
    read.clear()
    assert asked(folder, "--month", "2025-11", "--json").stdout == first.stdout
    assert read == []
    (kept,) = (folder / "archive").glob("day-counts-*")
    assert kept.stat().st_mode & 0o077 == 0
    assert all(one.stat().st_mode & 0o077 == 0 for one in kept.iterdir())
    (kept / f"{DAY}.json").write_text('{"of": 1}')
    assert asked(folder, "--month", "2025-11", "--json").stdout == first.stdout
    assert read == [DAY]
    (last, *_) = sorted((folder / "journal").iterdir(), reverse=True)
    with last.open("ab") as segment:
        segment.write(bytes(8))
    assert asked(folder, "--month", "2025-11", "--json").stdout == first.stdout
    assert DAY in read[1:]
