"""Merges the metrics of several workers into one exposition.

In: each worker's /metrics text (Prometheus format), the counts of workers that have ended. Out: one such text. Never: a process, a clock, a
metric without a declared way to merge it. Pure.

Counters and histograms are summed, those of ended workers included, so that they never fall. The table below says for each gauge what it is
over several workers: a part of the whole (``sum``), or the same everywhere or the worst somewhere (``max``, ``min``, ``widest``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

PREFIX = "gate106_"

OVER_WORKERS: Mapping[str, str] = {
    "binds": "sum",
    "carrier_links": "sum",
    "window_in_use": "sum",
    "window_limit": "sum",
    "queue_messages": "sum",
    "queue_limit": "sum",
    "carrier_tps_limit": "sum",
    "mailbox_messages": "sum",
    "mailbox_oldest_seconds": "max",
    "long_messages_in_use_ratio": "max",  # each worker has bounds of its own
    "provider_tps_limit": "max",  # a total over all workers, which each knows
    "suspended": "max",  # orders, cases and lists are the same everywhere
    "complaint_ppm": "max",
    "penalties": "max",
    "doubtful_replies": "max",
    "doubtful_oldest_seconds": "max",
    "complaints_overdue": "max",
    "consent_tasks": "max",
    "reply_paths": "max",
    "suppressed_numbers": "max",
    "provider_binds_limit": "max",
    "certificate_expiry_timestamp_seconds": "min",
    "journal_head_info": "max",
    "rules_waiting": "max",
    "stops": "max",
    "penalties_waiting": "max",
    "shadowed": "max",
    "store_up": "min",
    "store_owed": "sum",
    "store_silence_seconds": "max",
    "store_heard_records": "sum",
    "store_untold_records": "sum",
    "journal_up": "min",
    "journal_lag_seconds": "max",
    "optout_audit_lag_seconds": "max",
    "journal_bytes": "sum",
    "journal_free_bytes": "min",  # of one disk, as a rule
    "journal_oldest_timestamp_seconds": "min",
    "journal_chain_ok": "min",
    "rules_folder_ok": "min",
    "rules_agreed": "min",
    "limit_counts": "sum",
    "clock_skew_seconds": "widest",
    "time_seconds": "max",
    "build_info": "max",
    "rules_info": "max",
    "workers": "sum",
    "process_virtual_memory_bytes": "sum",
    "process_resident_memory_bytes": "sum",
    "process_open_fds": "sum",
    "process_max_fds": "sum",
    "process_start_time_seconds": "min",
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
    """Merges the metrics of all workers."""
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
    """The metrics in Prometheus' text format."""
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
