"""Objections of the last day by rule, and since when they are counted."""

from __future__ import annotations

from proxy.model.counters import GateCounters
from proxy.operations.rule_hits import HOUR_S, HOURS, Hits

BEGAN = 1_700_000_000.0


def test_the_last_day_is_counted_and_what_was_before_is_let_go() -> None:
    tally = GateCounters()
    hits = Hits(tally, BEGAN)
    tally.rule_hits["ban", "北京"] += 5
    tally.shadow["cap", "reject"] += 2
    assert (hits.since, hits.lately()) == (BEGAN, {"ban": {"北京": 5}})
    assert hits.shadow_lately() == {"cap": {"reject": 2}}
    for hour in range(1, HOURS + 3):
        hits.tick(BEGAN + hour * HOUR_S)
        tally.rule_hits["ban", "上海"] += 1
    assert hits.lately() == {"ban": {"上海": HOURS + 1}}
    assert hits.shadow_lately() == {}
    assert hits.since == BEGAN + 2 * HOUR_S


def test_it_looks_once_an_hour_and_keeps_a_day() -> None:
    hits = Hits(GateCounters(), BEGAN)
    for second in range(0, int(3 * HOURS * HOUR_S), 60):
        hits.tick(BEGAN + second)
    assert len(hits._seen) == HOURS + 1
