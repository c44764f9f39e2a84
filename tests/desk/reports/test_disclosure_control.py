"""Small counts are hidden, and do not follow from the others."""

from __future__ import annotations

import random
from collections import Counter

from proxy.desk.reports import disclosure_control
from proxy.desk.reports.daily_report import DayReport
from proxy.desk.reports.disclosure_control import OTHERS
from proxy.desk.reports.report_text import View, as_dict
from tests.harness import NOON

COLUMNS = ("sent", "refused", "deferred")


def rows_of(dice: random.Random) -> dict[str, Counter[str]]:
    sizes = [0, 0, 1, 2, 9, 10, 11, 40, 5_000]
    found = {f"row {n}": Counter({column: dice.choice(sizes) for column in COLUMNS}) for n in range(dice.randint(1, 9))}
    return dict(sorted(found.items(), key=lambda one: -one[1].total()))


def test_no_small_number_is_told_and_no_single_one_is_left_to_subtract() -> None:
    for seed in range(2_000):
        rows, least = rows_of(random.Random(seed)), 10
        cells = disclosure_control.cells(disclosure_control.merge_small(rows, least), COLUMNS, least)
        for column in COLUMNS:
            told = [row[column] for row in cells.values()]
            assert not [one for one in told if isinstance(one, int) and 0 < one < least], seed
            hidden = [name for name, row in cells.items() if isinstance(row[column], str)]
            alone = len(hidden) == 1 and any(isinstance(one, int) and one for one in told)
            assert not alone, f"seed {seed}: {hidden} is the total less the rest"


def test_what_is_told_whole_stays_what_it_is() -> None:
    rows = {"a": Counter(sent=5_000, refused=20), "b": Counter(sent=40)}
    assert disclosure_control.cells(disclosure_control.merge_small(rows, 10), COLUMNS, 10) == {
        "a": {"sent": 5_000, "refused": 20, "deferred": 0}, "b": {"sent": 40, "refused": 0, "deferred": 0},
    }  # fmt: skip


def test_small_rows_are_put_together_with_the_next_larger_where_they_are_small_even_then() -> None:
    rows = {"a": Counter(sent=500), "b": Counter(sent=40), "c": Counter(sent=3)}
    assert disclosure_control.merge_small(rows, 10) == {"a": Counter(sent=500), OTHERS: Counter(sent=43)}
    assert disclosure_control.merge_small({"a": Counter(sent=9), "b": Counter(sent=8)}, 10) == {OTHERS: Counter(sent=17)}


def test_a_rate_of_few_is_none() -> None:
    assert disclosure_control.rate(20, 10_000, 10) == 20.0
    assert disclosure_control.rate(0, 10_000, 10) == 0.0
    assert disclosure_control.rate(3, 10_000, 10) is None
    assert disclosure_control.rate(20, 99, 10) is None


def test_no_small_hour_and_no_provider_s_few_opt_outs_are_left_to_subtract_from_what_is_told_of_the_day() -> None:
    sheet = DayReport(NOON, NOON + 86_400)
    sheet.hours.update({(3, "sent"): 3, (10, "sent"): 500, (11, "sent"): 40})
    sheet.optouts.update({"jia": 40, "yi": 2, "bing": 90})
    sheet.refused.update({"甲店": 40, "乙店": 2, "丙店": 90})
    sheet.marketing_by.update({"jia": 100_000, "yi": 100_000, "bing": 100_000})
    told = as_dict(View(sheet))
    hours = {one["hour"]: one["sent"] for one in told["by_hour"]}
    assert (hours[3], hours[10], hours[11], hours[12]) == ("<10", 500, "…", 0)
    providers = {one["name"]: (one["optouts"], one["per_10k"]) for one in told["optouts"]["by_provider"]}
    assert providers == {"bing": (90, 9.0), "jia": ("…", None), "yi": ("<10", None)}
