"""Tasks of filings have a due date and a person, and a renewal ends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.desk.filings.operations import DAYS, PIECE, Task, in_order, task_steps
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.registry import Registry
from proxy.policy.time_windows import DAY_S, moment

NOW = moment("2026-12-01 10:00")[0]
SIGNATURES = """\
甲苑,甲置业,,,,approved,,2026-12-20,company,,陈一,林二,,own
乙医,乙医院,,,,approved,,2027-12-31,company,,陈三,,,own
丙店,丙公司,,,,approved,,,shop,shop.example,,,,other
丁旧,丁公司,,,,revoked,,2026-12-05
"""
Read = Callable[..., Registry]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(**files: str) -> Registry:
        (tmp_path / "registries").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "registries" / f"{name}.csv").write_text(text)
        (tmp_path / "x.yaml").write_text("rules: []\n")
        return load(tmp_path).registry

    return read


def tasks_of(registry: Registry, now: float, days: int = DAYS) -> list[Task]:
    return in_order(one for one in task_steps(registry, now, days) if one is not None)


def brief(task: Task) -> tuple[str, str, str, str]:
    day = task.due and f"{int((task.due - moment('2026-12-01')[0]) // DAY_S) - 1:+}"
    return task.kind, day or "at once", task.signature or task.advertiser, task.who


def test_what_is_due_is_listed_with_its_day_and_who_answers_the_most_urgent_first(read: Read) -> None:
    registry = read(
        signatures=SIGNATURES,
        filings="乙医,移动,江苏,refused,2026-11-01,,,授权书不清\n乙医,移动,,filed,,2026-12-11\n乙医,联通,,filed,,2027-12-31,2026-11-21\n丁旧,,,refused\n",
        licences="乙医院,医疗广告审查证明,1,,2026-12-06\n甲置业,许可证,2,,2027-06-30\n",
    )
    tasks = tasks_of(registry, NOW)
    assert [brief(one) for one in tasks] == [
        ("letter-missing", "at once", "丙店", ""),
        ("refused", "at once", "乙医", "陈三"),
        ("review", "-10", "乙医", "陈三"),
        ("licence-expires", "+5", "乙医院", "陈三"),
        ("filing-expires", "+10", "乙医", "陈三"),
        ("signature-expires", "+19", "甲苑", "林二"),
    ]
    assert (tasks[1].carrier, tasks[1].province, tasks[1].why, tasks[1].file, tasks[1].line) == (
        "移动", "江苏", "授权书不清", "filings", 1,
    )  # fmt: skip
    assert {brief(one)[:2] for one in tasks_of(registry, NOW, 366)} > {("licence-expires", "+211")}
    assert [one.kind for one in tasks_of(registry, NOW, 0)] == ["letter-missing", "refused", "review"]


def test_a_renewal_with_a_row_of_its_own_ends_a_task_and_a_pending_one_does_not(read: Read) -> None:
    ends = "乙医,移动,,filed,2026-01-01,2026-12-11\n"
    assert [one.kind for one in tasks_of(read(signatures=SIGNATURES, filings=ends), NOW)].count("filing-expires") == 1
    pending = read(signatures=SIGNATURES, filings=ends + "乙医,移动,,pending,2026-12-01\n")
    assert [one.kind for one in tasks_of(pending, NOW)].count("filing-expires") == 1
    renewed = read(
        signatures="乙医,乙医院\n",
        filings=ends + "乙医,移动,,filed,2026-12-01,2027-12-31\n",
        licences="乙医院,证,1,,2026-12-06\n乙医院,证,2,2026-12-01,2028-01-01\n",
    )
    assert tasks_of(renewed, NOW) == []


def test_many_rows_are_looked_at_some_at_a_time(read: Read) -> None:
    rows = "".join(f"签{number:04d},甲公司,,,,approved,,2026-12-20\n" for number in range(2 * PIECE))
    steps = list(task_steps(read(signatures=rows), NOW, 30))
    assert steps.count(None) == 4
    assert len(steps) == 2 * PIECE + 4
