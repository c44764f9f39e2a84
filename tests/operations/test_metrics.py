"""Prometheus' own parser reads back the exposition of the counters."""

from __future__ import annotations

import itertools
import math
import re
import time
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.model.counters import REFUSED_PROVIDERS_MAX, GateCounters
from proxy.model.histogram import SECONDS_BUCKETS, Histogram
from proxy.operations import metrics
from proxy.operations.metrics import COUNTERS, GAUGES, ROWS_MAX, SCALARS, Gauges, exposition, pieces

DESIGN = """
submits_total{provider,category,verdict,reason} shadow_total{rule,verdict} rule_hits_total{rule,province} segments_total{provider}
submit_seconds{carrier} gate_seconds carrier_responses_total{carrier,status} binds{provider,type} carrier_links{carrier,state}
window_in_use{carrier} window_limit{carrier} queue_messages{carrier,class} provider_tps_limit{provider}
delivers_total{provider,kind} delivers_returned_total{provider} mailbox_dropped_total{provider,reason}
mailbox_messages{provider} mailbox_oldest_seconds{provider} long_messages_in_use_ratio{provider,kind} optouts_total{source,scope,provider} optout_effect_seconds sent_after_optout_total
unknown_region_total{provider} entries_total{event} build_info{version,commit,compiled} rules_info{revision} rules_reload_total{result} judge_errors_total store_up store_owed
store_conflicts_total{result} journal_lag_seconds journal_chain_ok bad_pdus_total{side,kind,peer} bind_failures_total{cause,provider}
long_messages_total{outcome}
follower_promise_kept follower_lag_seconds follower_files_timestamp_seconds
clock_skew_seconds certificate_expiry_timestamp_seconds{name}
"""
BESIDE = """
refused_total{provider,province} restores_total{provider} confirmations_total{provider,result}
complaints_total{provider,validity} complaint_ppm{provider} complaints_overdue{clock} penalties{provider,step} penalties_waiting
consent_tasks{provider,state} reply_paths{state} store_restored_records store_untold_records store_heard_records store_silence_seconds
stops shadowed suspended{provider} suppressed_numbers{scope,kept} doubtful_replies{state} consent_replies_total{provider,state} doubtful_oldest_seconds
settings_reload_total{result} queue_limit{carrier,class} carrier_tps_limit{carrier} provider_binds_limit{provider}
journal_up journal_written_bytes_total journal_bytes journal_free_bytes journal_oldest_timestamp_seconds rules_folder_ok rules_agreed
rules{mode} rules_waiting{why} journal_head_info{day,head} limit_counts limit_counts_dropped_total time_seconds disturbances_total{side,cause,peer}
sent_against_record_total stream_sent_total stream_lost_total stream_lag_records stream_lag_seconds optout_audit_lag_seconds regions_date_timestamp_seconds paced_total{provider,result} paced_seconds
"""
"""What is counted beside the design's: by the way back, by operators' commands, and for boards and alerts."""


def full() -> tuple[GateCounters, Gauges]:
    """A tally in which everything has been counted once, with distinct labels."""
    tally = GateCounters()
    for name, labels, _ in COUNTERS:
        getattr(tally, name)[tuple(f"{name}-{label}" for label in labels)] += 1
    tally.submit_seconds["bj"].observe_all(array("d", [0.002] * 3))
    seven: Any = {attribute: {tuple(f"{name}-{label}" for label in labels): 7} for attribute, name, labels, _ in GAUGES}
    gauges = Gauges(
        **seven,
        rules_revision="0123456789abcdef",
        journal_lag_s=0.25,
        clock_skew_s=-1.5,
    )
    return tally, gauges


def read(tally: GateCounters, gauges: Gauges) -> dict[str, Metric]:
    families = list(text_string_to_metric_families(exposition(tally, gauges).decode()))
    assert len({family.name for family in families}) == len(families), "a family stands there twice"
    return {family.name: family for family in families}


def values(tally: GateCounters, gauges: Gauges | None = None) -> dict[tuple[str, tuple[str, ...]], float]:
    found = read(tally, gauges or Gauges())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in found.values() for sample in family.samples
    }


def test_every_metric_of_the_design_is_there_with_its_labels_and_no_other() -> None:
    wanted = {}
    for word in (*DESIGN.split(), *BESIDE.split()):
        name, _, labels = word.rstrip("}").partition("{")
        wanted[f"gate106_{name}"] = set(labels.split(",")) - {""}
    found: dict[str, set[str]] = {}
    for family in read(*full()).values():
        for sample in family.samples:
            if sample.name.startswith("gate106_"):
                name = re.sub("_(bucket|sum|count)$", "", sample.name)
                found[name] = set(sample.labels) - {"le"}
    assert found == wanted


def test_no_label_ever_names_a_recipient() -> None:
    labels = {label for *_, names, _ in (*COUNTERS, *GAUGES) for label in names}
    assert labels <= {
        "provider", "category", "verdict", "reason", "rule", "province", "carrier", "status", "kind", "source", "scope", "event",
        "result", "side", "cause", "type", "state", "class", "outcome", "peer", "kept", "name", "why", "day",
        "head", "validity", "clock", "step", "mode",
    }  # fmt: skip


def test_every_counter_of_the_tally_and_every_gauge_is_shown() -> None:
    shown = {attribute for attribute, *_ in COUNTERS} | {
        "sent_after_optout",
        "sent_against_record",
        "stream_sent",
        "stream_lost",
        "submit_seconds",
        "gate_seconds",
        "paced_seconds",
        "optout_effect_seconds",
        "apart",  # by signature, of which there may be thousands: nobody's label
        "advertised",  # by port prefix, likewise: reply_paths says how many are in which state
        "proposed",  # with shadow
    }
    assert shown == {name for name in vars(GateCounters()) if not name.startswith("_")}
    single = {"rules_revision", "journal_written_bytes", "limit_counts_dropped"}
    assert {attribute for attribute, *_ in (*GAUGES, *SCALARS)} | single == set(Gauges.__slots__)


@given(st.lists(st.one_of(st.floats(-1, 12), st.sampled_from(SECONDS_BUCKETS), st.just(math.inf))))
def test_many_observed_at_once_are_each_observed(seconds: list[float]) -> None:
    at_once, each = Histogram(), Histogram()
    at_once.observe_all(array("d", seconds))
    for one in seconds:
        each.observe(one)
    bounds = [-math.inf, *SECONDS_BUCKETS, math.inf]
    counts = [sum(low < one <= high for one in seconds) for low, high in itertools.pairwise(bounds)]
    assert at_once.buckets == each.buckets == counts
    assert at_once.sum == pytest.approx(each.sum)


def test_counts_come_out_as_they_went_in() -> None:
    tally = GateCounters()
    tally.submits["jia", "marketing", "reject", "region-ban"] += 41
    tally.judge_errors[()] += 2
    tally.sent_after_optout = 1
    found = values(tally)
    samples = [sample for sample in read(tally, Gauges())["gate106_submits"].samples if sample.name.endswith("_total")]
    assert samples[0].labels == {"provider": "jia", "category": "marketing", "verdict": "reject", "reason": "region-ban"}
    assert samples[0].value == 41
    assert found["gate106_judge_errors_total", ()] == 2
    assert found["gate106_sent_after_optout_total", ()] == 1


def test_refusals_by_province_have_bounded_labels() -> None:
    tally = GateCounters()
    for number in range(REFUSED_PROVIDERS_MAX + 50):
        tally.count_refused(f"p{number}", "北京", 1)
    tally.count_refused("p0", "上海", 2)
    tally.count_refused(f"p{REFUSED_PROVIDERS_MAX}", "上海", 3)
    assert len({provider for provider, _ in tally.refused}) == REFUSED_PROVIDERS_MAX + 1
    assert tally.refused["other", "北京"] == 50
    assert tally.refused["p0", "上海"] == 2
    assert tally.refused["other", "上海"] == 3
    assert values(tally)["gate106_refused_total", ("p0", "北京")] == 1


def test_what_must_stay_zero_is_zero_before_it_ever_happened() -> None:
    found = values(GateCounters())
    assert found["gate106_judge_errors_total", ()] == 0
    assert found["gate106_sent_after_optout_total", ()] == 0
    assert found["gate106_gate_seconds_count", ()] == 0
    assert found["gate106_rules_reload_total", ("failed",)] == 0
    assert found["gate106_store_conflicts_total", ("gave-up",)] == 0


def test_what_is_shown_before_it_is_counted_goes_on_with_its_count() -> None:
    tally = GateCounters()
    tally.rules_reload["failed",] += 1
    tally.entries["settled",] += 3
    found = values(tally)
    assert found["gate106_rules_reload_total", ("failed",)] == 1
    assert found["gate106_rules_reload_total", ("ok",)] == 0
    assert found["gate106_entries_total", ("settled",)] == 3
    assert set(tally.rules_reload) == {("failed",)}, "looking counts nothing"


def test_a_histogram_is_cumulative_and_ends_in_everything() -> None:
    tally = GateCounters()
    for seconds in (0.0001, 0.00011, 0.5, 99.0):
        tally.submit_seconds["bj"].observe(seconds)
    found = values(tally)
    assert found["gate106_submit_seconds_bucket", ("bj", "0.0001")] == 1
    assert found["gate106_submit_seconds_bucket", ("bj", "0.00025")] == 2
    assert found["gate106_submit_seconds_bucket", ("bj", "10.0")] == 3
    assert found["gate106_submit_seconds_bucket", ("bj", "+Inf")] == 4
    assert found["gate106_submit_seconds_count", ("bj",)] == 4
    assert found["gate106_submit_seconds_sum", ("bj",)] == pytest.approx(99.50021)


def test_a_provider_without_a_rate_has_no_limit_to_show() -> None:
    found = values(GateCounters(), Gauges(provider_tps_limit={("jia",): None, ("yi",): 200.0}))
    assert ("gate106_provider_tps_limit", ("jia",)) not in found
    assert found["gate106_provider_tps_limit", ("yi",)] == 200


def test_what_is_down_or_broken_is_zero() -> None:
    found = values(
        GateCounters(),
        Gauges(store_up=False, journal_up=False, journal_chain_ok=False, rules_folder_ok=False, rules_agreed=False),
    )
    for name in ("store_up", "journal_up", "journal_chain_ok", "rules_folder_ok", "rules_agreed"):
        assert found[f"gate106_{name}", ()] == 0


@pytest.mark.parametrize("label", ['"} 1\ngate106_sent_after_optout_total 9', "a\\", 'a"b', "a\nb", "北京\u202e", "{}", ""])
def test_a_hostile_label_stays_a_label(label: str) -> None:
    tally = GateCounters()
    tally.rule_hits[label, "北京"] += 1
    samples = list(read(tally, Gauges())["gate106_rule_hits"].samples)
    assert [(sample.labels["rule"], sample.value) for sample in samples] == [(label, 1)]
    assert values(tally)["gate106_sent_after_optout_total", ()] == 0


def test_long_metrics_come_in_pieces_that_say_the_same_as_the_whole() -> None:
    tally, gauges = full()
    for number in range(3 * ROWS_MAX):
        tally.rule_hits[f"rule-{number}", "北京"] += number
    parts = list(pieces(tally, gauges))
    assert max(part.count(b"\n") for part in parts) <= ROWS_MAX + 2
    assert b"".join(parts).count(b"# TYPE gate106_rule_hits_total") == 1
    assert len(read(tally, gauges)["gate106_rule_hits"].samples) == 3 * ROWS_MAX + 1


def test_counting_goes_on_while_pieces_are_taken_and_one_scrape_is_of_one_moment() -> None:
    tally, gauges = full()
    parts = pieces(tally, gauges)
    first = next(parts)
    tally.submits["new", "otp", "allow", ""] += 1
    tally.rule_hits["new", "北京"] += 1
    tally.submit_seconds["new"].observe(1)
    tally.gate_seconds.observe(1)
    rest = b"".join(parts)
    assert b"new" not in first + rest
    assert b"gate106_gate_seconds_count 0.0" in rest


def test_the_process_says_what_it_costs() -> None:
    assert 0 < values(GateCounters())["process_cpu_seconds_total", ()] <= time.process_time() + 0.05
    assert metrics.CONTENT_TYPE.startswith("text/plain; version=0.0.4")
