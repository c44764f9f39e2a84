"""Counter rows agree with the metrics and do not block the loop."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from proxy.desk.today.counters_operations import ROWS_MAX, SLICE, counter_rows, merged_counters
from proxy.model.counters import GateCounters
from proxy.operations.json_lines import LINE_BYTES_MAX


def gate(tally: GateCounters, **more: Any) -> Any:
    def bind(name: str) -> Any:
        return SimpleNamespace(access=SimpleNamespace(provider=SimpleNamespace(name=name)))

    link = SimpleNamespace(session=SimpleNamespace(bound=True), in_flight=3)
    down = SimpleNamespace(session=SimpleNamespace(bound=False), in_flight=0)
    return SimpleNamespace(
        relay=SimpleNamespace(
            tally=tally,
            rules=SimpleNamespace(rules=[SimpleNamespace(id="beijing", say="北京不得接收")]),
            directory=SimpleNamespace(providers={"jia": None, "yi": None}),
        ),
        binds=lambda: [bind("jia"), bind("jia"), bind("yi")],
        carrier_accounts=[SimpleNamespace(name="bj", slots=2, links=[link, down])],
        book=SimpleNamespace(of_kind=lambda *kinds: [kinds]),
        now=lambda: 7.0,
        **more,
    )


async def test_sums_are_by_verdict_by_provider_by_rule() -> None:
    tally = GateCounters()
    tally.submits["jia", "marketing", "allow", ""] = 5
    tally.submits["jia", "marketing", "reject", "region-ban"] = 2
    tally.submits["yi", "otp", "allow", ""] = 1
    tally.submits["yi", "marketing", "reject", "region-ban"] = 1
    tally.rule_hits["beijing", "北京"] = 3
    tally.rule_hits["beijing", "unknown"] = 1
    tally.shadow["new", "reject"] = 4
    tally.optouts["reply", "provider", "jia"] = 2
    told = await counter_rows(gate(tally))
    assert told["verdicts"] == [["marketing", "allow", 5], ["marketing", "reject", 3], ["otp", "allow", 1]]
    assert told["lives"] == [["", {"allow": 6, "reject": 3}]]
    assert told["providers"] == [["jia", {"allow": 5, "reject": 2}, 2], ["yi", {"allow": 1, "reject": 1}, 1]]
    assert told["reasons"] == [("region-ban", 3)]
    assert (told["rules"], told["shadow"], told["optouts"]) == ([("beijing", 4)], [("new", 4)], 2)
    assert told["titles"] == {"beijing": "北京不得接收"}
    assert (told["binds"], told["links"], told["at"]) == (3, [["bj", 1, 2, 3]], 7.0)


async def test_what_several_have_counted_is_one_answer() -> None:
    one, other = GateCounters(), GateCounters()
    one.submits["jia", "marketing", "allow", ""] = other.submits["jia", "marketing", "allow", ""] = 5
    one.submits["jia", "marketing", "reject", "region-ban"] = other.submits["bing", "otp", "reject", "quiet-hours"] = 2
    one.rule_hits["beijing", "北京"] = other.rule_hits["beijing", "unknown"] = 3
    other.shadow["new", "reject"] = 4
    told = [await counter_rows(gate(tally), life) for tally, life in ((one, "a"), (other, "b"))]
    both = merged_counters(told)
    assert both["verdicts"] == [["marketing", "allow", 10], ["marketing", "reject", 2], ["otp", "reject", 2]]
    assert both["lives"] == [["a", {"allow": 5, "reject": 2}], ["b", {"allow": 5, "reject": 2}]]
    assert both["providers"][0] == ["jia", {"allow": 10, "reject": 2}, 4]
    assert (both["reasons"], both["rules"]) == ([("region-ban", 2), ("quiet-hours", 2)], [("beijing", 6)])
    assert (both["shadow"], both["binds"], both["links"]) == ([("new", 4)], 6, [["bj", 2, 2, 6]])
    assert both.keys() == told[0].keys()
    assert merged_counters(told[:1]) == told[0]


async def test_ten_thousand_providers_fit_into_a_line_and_the_loop_goes_on_between_slices() -> None:
    tally = GateCounters()
    for number in range(10_000):
        tally.submits[f"provider{number}", "marketing", "allow", ""] = number
    turns, done = 0, asyncio.Event()

    async def others() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    told = await counter_rows(gate(tally))
    done.set()
    await beside
    assert turns >= 10_000 // SLICE
    assert len(told["providers"]) == ROWS_MAX
    assert told["providers"][0][0] == "provider9999"
    assert len(json.dumps(told)) < LINE_BYTES_MAX
