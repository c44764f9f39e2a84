"""A short run of ``make reload``. The bound of a pause is for an idle machine: here a stall is distinguished from a busy machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.reload import lists, reload_under_load

STALL_MS = 5000.0  # test_gently has the narrow bound, in processor time


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("copies")
def test_rules_and_a_long_list_change_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    report = reload_under_load(tmp_path, rate=400, times=2, words=20_000, rules=500, look_s=0.01, still_s=0.5)
    assert report.rules == 500
    assert report.answered == report.sent > 400
    assert report.worst_ms < STALL_MS, report.windows


def test_each_list_of_the_run_differs_from_the_one_before() -> None:
    held = lists(1000, 4)
    assert len({tuple(one) for one in held}) == 4
    assert len(set(held[2]) & set(held[1])) == 950
