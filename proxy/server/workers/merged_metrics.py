"""Merges the metrics of several workers into one exposition.

In: each worker's /metrics text (Prometheus format), the counts of workers that have ended. Out: one such text. Never: a process, a clock, a
metric without a declared way to merge it. Pure.

Counters and histograms are summed, those of ended workers included, so that they never fall. The table below says for each gauge what it is
over several workers: a part of the whole (``sum``), or the same everywhere or the worst somewhere (``max``, ``min``, ``widest``).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

PREFIX = "gate106_"

OVER_WORKERS: Mapping[str, str] = {
    name: how
    for how, names in (
        (
            "sum",
            "binds carrier_links window_in_use window_limit queue_messages queue_limit carrier_tps_limit mailbox_messages limit_counts",
        ),
        (
            "sum",
            "store_owed store_restored_records store_heard_records store_untold_records stream_lag_records journal_bytes workers",
        ),
        ("sum", "process_virtual_memory_bytes process_resident_memory_bytes process_open_fds process_max_fds"),
        ("max", "long_messages_in_use_ratio"),  # each worker has bounds of its own
        ("max", "provider_tps_limit provider_binds_limit"),  # totals over all workers, which each knows
        # Orders, cases, lists and rules are the same everywhere:
        (
            "max",
            "suspended stops shadowed complaint_ppm complaints_overdue penalties penalties_waiting doubtful_replies consent_tasks",
        ),
        (
            "max",
            "doubtful_oldest_seconds reply_paths suppressed_numbers build_info rules_info rules rules_waiting journal_head_info",
        ),
        (
            "max",
            "mailbox_oldest_seconds store_silence_seconds journal_lag_seconds optout_audit_lag_seconds stream_lag_seconds time_seconds",
        ),
        ("max", "follower_lag_seconds"),
        ("min", "certificate_expiry_timestamp_seconds store_up journal_up journal_chain_ok rules_folder_ok rules_agreed"),
        ("min", "follower_promise_kept follower_files_timestamp_seconds"),
        ("min", "journal_free_bytes"),  # of one disk, as a rule
        ("min", "journal_oldest_timestamp_seconds process_start_time_seconds regions_date_timestamp_seconds"),
        ("widest", "clock_skew_seconds"),
    )
    for name in names.split()
}
"""Gauge name without prefix → how it is merged."""

_HOW: Mapping[str, Callable[[float, float], float]] = {
    "sum": lambda one, other: one + other,
    "max": max,
    "min": min,
    "widest": lambda one, other: max(one, other, key=abs),
}
SUMMED = ("counter", "histogram")


class MetricKey(NamedTuple):
    sample: str
    labels: tuple[tuple[str, str], ...]  # in the order of the text: by name


class Family:
    """One metric, of one worker or of several."""

    def __init__(self, name: str, text: str, kind: str) -> None:
        self.name, self.text, self.kind = name, text, kind
        self.samples: dict[MetricKey, float] = {}

    def add(self, key: MetricKey, value: float) -> None:
        before = self.samples.get(key)
        if before is None:
            self.samples[key] = value
        else:
            self.samples[key] = _HOW[self.how](before, value)

    @property
    def how(self) -> str:
        return "sum" if self.kind in SUMMED else OVER_WORKERS.get(self.name.removeprefix(PREFIX), "max")


Families = dict[str, Family]


def read(text: str) -> Families:
    """Parses one worker's text; an empty text has no metrics."""
    found: Families = {}
    for metric in text_string_to_metric_families(text):
        name = (
            metric.name.removesuffix("_total") if metric.type == "counter" else metric.name
        )  # a counter without samples keeps the suffix
        family = found[name] = Family(name, metric.documentation, metric.type)
        for sample in metric.samples:
            family.samples[MetricKey(sample.name, tuple(sample.labels.items()))] = sample.value
    return found


def merged(of_workers: Iterable[Families]) -> Families:
    found: Families = {}
    for families in of_workers:
        for name, family in families.items():
            into = found.get(name)
            if into is None:
                into = found[name] = Family(name, family.text, family.kind)
            for key, value in family.samples.items():
                into.add(key, value)
    return found


def counted(families: Families) -> Families:
    """Counters and histograms alone: they outlive a worker that has ended."""
    return {name: family for name, family in families.items() if family.kind in SUMMED}


def text_of(families: Families) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(families))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families.values():
            metric = Metric(family.name, family.text, family.kind)
            metric.samples = [Sample(key.sample, dict(key.labels), value) for key, value in family.samples.items()]
            yield metric
