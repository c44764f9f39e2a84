"""``gate106 report`` writes a day as text, JSON, HTML and PDF."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

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


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--day", "soon"), "--day: 'soon' is no day (like 2026-11-11)"),
        (("--day", "2025-11-12"), "the journal has nothing of that day"),
        ((), "the journal has nothing of that day"),  # yesterday
        (("--day", DAY, "--journal", "/nowhere"), "/nowhere: no such folder"),
        (("--day", DAY, "--pdf", "/nowhere/sheet.pdf"), "/nowhere/sheet.pdf: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder: Path, more: tuple[str, ...], said: str) -> None:  # noqa: F811
    done = asked(folder, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
