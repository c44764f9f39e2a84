"""Merges the metrics of several workers into one exposition.

In: each worker's /metrics text (Prometheus format), the counts of workers that have ended. Out: one such text. Never: a process, a clock, a
metric without a declared way to merge it. Pure.

Counters and histograms are summed, those of ended workers included, so that they never fall. The table below says for each gauge what it is
over several workers: a part of the whole (``sum``), or the same everywhere or the worst somewhere (``max``, ``min``, ``widest``).
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

PREFIX = "gate106_"

_GAUGES: Mapping[str, str] = {
    "sum": (
        "binds carrier_links window_in_use window_limit queue_messages queue_limit carrier_tps_limit mailbox_messages limit_counts "
        "store_owed store_restored_records store_heard_records store_untold_records stream_lag_records journal_bytes workers "
        "process_virtual_memory_bytes process_resident_memory_bytes process_open_fds process_max_fds"
    ),
    "max": (  # long messages: each worker has bounds of its own; a provider's limits are totals over all workers, which each knows
        "long_messages_in_use_ratio provider_tps_limit provider_binds_limit follower_lag_seconds mailbox_oldest_seconds "
        "store_silence_seconds journal_lag_seconds optout_audit_lag_seconds stream_lag_seconds time_seconds "
        # orders, cases, lists and rules are the same everywhere:
        "suspended stops shadowed complaint_ppm complaints_overdue penalties penalties_waiting doubtful_replies consent_tasks "
        "doubtful_oldest_seconds reply_paths suppressed_numbers build_info rules_info rules rules_waiting journal_head_info"
    ),
    "min": (  # the journals are on one disk, as a rule
        "certificate_expiry_timestamp_seconds store_up journal_up journal_chain_ok rules_folder_ok rules_agreed "
        "follower_promise_kept follower_files_timestamp_seconds journal_free_bytes journal_oldest_timestamp_seconds "
        "process_start_time_seconds regions_date_timestamp_seconds"
    ),
    "widest": "clock_skew_seconds",
}
OVER_WORKERS: Mapping[str, str] = {name: how for how, names in _GAUGES.items() for name in names.split()}
"""Gauge name without prefix → how it is merged."""

_HOW: Mapping[str, Callable[[float, float], float]] = {
    "sum": operator.add,
    "max": max,
    "min": min,
    "widest": lambda one, other: max(one, other, key=abs),
}
SUMMED = ("counter", "histogram")


class MetricKey(NamedTuple):
    sample: str
    labels: tuple[tuple[str, str], ...]  # in the order of the text: by name


class Family(NamedTuple):
    """One metric, of one worker or of several."""

    name: str
    about: str
    kind: str
    samples: dict[MetricKey, float]


Families = dict[str, Family]


def read(text: str) -> Families:
    """Parses one worker's text; an empty text has no metrics."""
    found: Families = {}
    for metric in text_string_to_metric_families(text):
        name = (
            metric.name.removesuffix("_total") if metric.type == "counter" else metric.name
        )  # a counter without samples keeps the suffix
        samples = {MetricKey(one.name, tuple(one.labels.items())): one.value for one in metric.samples}
        found[name] = Family(name, metric.documentation, metric.type, samples)
    return found


def merged(of_workers: Iterable[Families]) -> Families:
    found: Families = {}
    for families in of_workers:
        for name, family in families.items():
            into = found.setdefault(name, family._replace(samples={})).samples
            how = _HOW["sum" if family.kind in SUMMED else OVER_WORKERS.get(name.removeprefix(PREFIX), "max")]
            for key, value in family.samples.items():
                into[key] = how(into[key], value) if key in into else value
    return found


def counted(families: Families) -> Families:
    """Counters and histograms alone: they outlive a worker that has ended."""
    return {name: family for name, family in families.items() if family.kind in SUMMED}


def text_of(families: Families) -> bytes:
    return generate_latest(_Merged(families))


class _Merged(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families.values():
            metric = Metric(family.name, family.about, family.kind)
            metric.samples = [Sample(key.sample, dict(key.labels), value) for key, value in family.samples.items()]
            yield metric
