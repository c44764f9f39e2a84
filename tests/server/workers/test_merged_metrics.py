"""Merged metrics of several workers, checked against a model.

Prometheus' own parser reads them back.
"""

from __future__ import annotations

from array import array
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from proxy.model.counters import GateCounters
from proxy.operations.metrics import GAUGES, SCALARS, Gauges, exposition
from proxy.server.workers.merged_metrics import OVER_WORKERS, PREFIX, counted, merged, read, text_of
from tests.examples import examples


def said(submits: dict[str, int], *, binds: int = 0, journal_up: bool = True, skew_s: float = 0.0, revision: str = "r1") -> str:
    tally = GateCounters()
    for provider, count in submits.items():
        tally.submits[provider, "notice", "allow", ""] += count
        tally.submit_seconds["bj"].observe_all(array("d", [0.002] * count))
    gauges = Gauges(
        binds={("jia", "transceiver"): binds}, journal_up=journal_up, clock_skew_s=skew_s, rules_revision=revision,
        provider_tps_limit={("jia",): 50.0}, certificate_expiry={("smpp",): 1000.0 + binds},
    )  # fmt: skip
    return exposition(tally, gauges).decode()


def samples(data: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    found = {}
    for family in text_string_to_metric_families(data.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sample.labels.values())
            assert key not in found, "a sample stands there twice"
            found[key] = sample.value
    return found


def test_one_worker_merged_says_what_it_said():
    text = said({"jia": 3}, binds=2)
    assert samples(text_of(merged([read(text)]))) == samples(text.encode())


workers = st.lists(st.dictionaries(st.sampled_from(["jia", "yi", "bing"]), st.integers(1, 20)), min_size=1, max_size=4)


@settings(max_examples=examples(15), deadline=None)  # each reads some hundred kilobytes of text
@given(workers, workers)
def test_counters_and_histograms_are_sums_over_all_there_are_and_were(now, gone):
    before = counted(merged(read(said(one, binds=9)) for one in gone))
    found = samples(text_of(merged([*(read(said(one, binds=1)) for one in now), before])))
    model: Counter[str] = Counter()
    for one in (*now, *gone):
        model.update(one)
    for provider, count in model.items():
        assert found["gate106_submits_total", ("notice", provider, "", "allow")] == count
    total = sum(model.values())
    if any(any(one.values()) for one in (*now, *gone)):
        assert found["gate106_submit_seconds_count", ("bj",)] == total
        assert found["gate106_submit_seconds_bucket", ("bj", "0.0025")] == total
        assert found["gate106_submit_seconds_bucket", ("bj", "0.001")] == 0
    assert found["gate106_binds", ("jia", "transceiver")] == len(now), "binds of those that are gone are gone"


def test_gauges_are_the_sum_or_the_worst_as_each_asks():
    one, other = said({}, binds=2, skew_s=-3.0), said({}, binds=5, journal_up=False, skew_s=1.5, revision="r2")
    found = samples(text_of(merged([read(one), read(other)])))
    assert found["gate106_binds", ("jia", "transceiver")] == 7
    assert found["gate106_provider_tps_limit", ("jia",)] == 50
    assert found["gate106_journal_up", ()] == 0
    assert found["gate106_clock_skew_seconds", ()] == -3
    assert found["gate106_certificate_expiry_timestamp_seconds", ("smpp",)] == 1002
    assert {key for key in found if key[0] == "gate106_rules_info"} == {
        ("gate106_rules_info", ("r1",)),
        ("gate106_rules_info", ("r2",)),
    }


def test_of_every_gauge_somebody_has_said_how_it_is_merged():
    ours = {name for _, name, _, _ in GAUGES} | {name for _, name, _ in SCALARS}
    assert ours <= set(OVER_WORKERS)
    told = {
        family.name.removeprefix(PREFIX) for family in read(said({})).values() if family.kind not in ("counter", "histogram")
    }
    assert told <= set(OVER_WORKERS) | {"rules"}
