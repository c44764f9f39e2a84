"""``gate106 today`` over tables of several days."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.desk.today.command import _compared, _lines
from proxy.operations import terminal
from tests.archive.journals import Shelf, nights
from tests.harness import Harness


@pytest.mark.parametrize(("language", "heads"), [("en", ["messages", "allow", "defer", "reject", "optouts"]), ("zh", ["短信", "放行", "暂缓", "拒绝", "回复退订"])])  # fmt: skip
def test_days_stand_beside_each_other_up_to_the_same_time(language: str, heads: list[str], tmp_path: Path) -> None:
    harness, shelf = Harness(tmp_path), Shelf(tmp_path)
    nights(harness, count=2)
    shelf.roll(harness.disk, harness.now)
    newest = max(shelf.rows("time_ms"))[0] / 1000
    terminal.use_language(language)
    try:
        first, *table = [terminal.in_words_of_reader(line) for line in _lines(_compared(shelf.folder, newest))]
        nothing = [terminal.in_words_of_reader(line) for line in _lines(_compared(shelf.folder, newest + 2 * 86_400))]
    finally:
        terminal.use_language(None)
    assert first == {"en": "up to 00:00 of each day", "zh": "各日截至 00:00"}[language]
    assert table[0].split()[1:] == ["2025-11-13", "2025-11-12", "2025-11-06"]
    assert [line.split()[0] for line in table] == heads
    assert all(line.split()[3] == "-" for line in table[1:]), "nothing is known of last week"
    assert int(table[1].split()[1]) > 0
    assert [{"en": "there are tables up to 2025-11-13", "zh": "已归档到 2025-11-13"}[language] in line for line in nothing] == [True]
