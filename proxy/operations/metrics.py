"""Formats the gate's counters and gauges for Prometheus.

In: GateCounters, Gauges. Out: text in Prometheus' format, whole (``exposition``) or in ``pieces``, so that a long answer never blocks the
loop. Never: a recipient as label, a lock, a label object on the hot path.

Names and labels are those of DESIGN §11; the tables below hold all of them that have a source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString

from proxy.model.counters import GateCounters
from proxy.model.histogram import SECONDS_BUCKETS, Histogram
from proxy.runtime.build_info import build_info

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
ROWS_MAX = 200  # about 1 ms of rendering: as long as the loop may be held
_LES = [*map(floatToGoString, SECONDS_BUCKETS), "+Inf"]

Labelled = Mapping[tuple[str, ...], float]
Limits = Mapping[tuple[str, ...], float | None]  # None: no limit


def _by(text: str, *labels: str, name: str = "") -> Any:
    """Declares a gauge with labels. ``name``: of the metric, if it is not the field's (with ``seconds`` for ``s``)."""
    return field(default_factory=dict, metadata={"help": text, "labels": labels, "name": name})


def _one(text: str, name: str = "", default: Any = 0.0) -> Any:
    """Declares a gauge without labels."""
    return field(default=default, metadata={"help": text, "labels": None, "name": name})


@dataclass(frozen=True, slots=True)
class Gauges:
    """What can be read from where it lives, at one moment. Keys are label values in the order of the metric's labels."""

    binds: Labelled = _by("Binds held", "provider", "type")
    carrier_links: Labelled = _by("Links to the carrier, by state", "carrier", "state")
    window_in_use: Labelled = _by("Submits the carrier has not answered yet", "carrier")
    window_limit: Labelled = _by("How many the carrier may leave unanswered", "carrier")
    queue_messages: Labelled = _by("Messages that wait in the carrier's lane", "carrier", "class")
    queue_limit: Labelled = _by("From how many waiting messages on, of all classes, this one is refused", "carrier", "class")
    carrier_tps_limit: Labelled = _by("Messages a second the carrier takes, over all links", "carrier")
    mailbox_messages: Labelled = _by("Receipts and replies the provider has not acknowledged yet", "provider")
    mailbox_oldest_s: Labelled = _by("Age of the oldest of them", "provider")
    long_messages_in_use: Labelled = _by(
        "Share in use of what a provider's long messages that are not whole may have", "provider", "kind",
        name="long_messages_in_use_ratio",
    )  # fmt: skip
    provider_tps_limit: Limits = _by("Messages a second a provider may send", "provider")
    suspended: Labelled = _by("Suspensions of a provider in force", "provider")
    complaint_ppm: Labelled = _by("Valid complaints of this month in a million messages sent", "provider")
    penalties: Labelled = _by("Penalties in force", "provider", "step")
    doubtful_replies: Labelled = _by("Replies that may be a refusal, by what became of them", "state")
    complaints_overdue: Labelled = _by("Open complaints that should have been forwarded, or answered", "clock")
    consent_tasks: Labelled = _by("Files of consents whose proof is missing: waiting for it, or overdue", "provider", "state")
    reply_paths: Labelled = _by(
        "Registered port prefixes by whether replies reach the gate: proven, unproven, silent, dead", "state"
    )
    suppressed_numbers: Labelled = _by("Refusals of marketing, on lists and on people's records", "scope", "kept")
    provider_binds_limit: Labelled = _by("Binds a provider may hold", "provider")
    certificate_expiry: Labelled = _by(
        "When a certificate of ours ends, in seconds since 1970: smpp, or the carrier it is shown to", "name",
        name="certificate_expiry_timestamp_seconds",
    )  # fmt: skip
    journal_head: Labelled = _by(
        "The last signed head of the journal at rest: its day and digest; up to which record", "day", "head",
        name="journal_head_info",
    )  # fmt: skip
    rules: Labelled = _by("Rules of the set in force", "mode")
    rules_waiting: Labelled = _by(
        "1 while a changed set of rules is not in force: it waits, is kept out, or is kept out because it enforces less", "why"
    )
    stops: float = _one("Stops in force")
    penalties_waiting: float = _one("Penalties that wait for approval")
    doubtful_oldest_s: float = _one("Age of the oldest doubtful reply that waits for a decision")
    shadowed: float = _one("1 while the whole set of rules is in shadow")
    store_up: bool = _one("1 while the store answers", default=True)
    store_owed: float = _one("Persons, and parts of the store, that may lack something that this gate knows")
    store_restored: float = _one(
        "Persons whose records in the store lacked facts of this gate, since the start: the store was away, or lost writes",
        name="store_restored_records",
    )
    store_untold: float = _one("Records that other gates on a shared store must hear and have not", name="store_untold_records")
    store_heard: float = _one("Records of other gates that were put in force since the start", name="store_heard_records")
    store_silence_s: float = _one("Since when this gate does not know what other gates were told")
    journal_up: bool = _one("1 while the journal can be written", default=True)
    journal_lag_s: float = _one("Age of the oldest record that is not on disk yet")
    follower_promise_kept: bool = _one("1 while the journal's follower has what the settings promise", default=True)
    follower_lag_s: float = _one("Since when the journal's follower may lack a record")
    follower_files_s: float = _one(
        "When files at rest were last all at the follower, in seconds since 1970", name="follower_files_timestamp_seconds"
    )
    optout_audit_lag_s: float = _one("Since when the audit of opt-outs has not read the journal to its end")
    stream_lag_records: float = _one("Records of the journal that are not sent to the event stream yet")
    stream_lag_s: float = _one("Age of the oldest of them")
    journal_bytes: float = _one("Bytes of the journal's segments that are kept")
    journal_free_bytes: float = _one("Room left on the journal's disk")
    journal_oldest_s: float = _one(
        "When the oldest of them was begun, in seconds since 1970", name="journal_oldest_timestamp_seconds"
    )
    journal_chain_ok: bool = _one("1 unless the journal's chain was found broken", default=True)
    rules_folder_ok: bool = _one("1 unless the rules in the folder have a mistake and are not in force", default=True)
    rules_agreed: bool = _one(
        "1 unless gates on the shared store have agreed on rules that this gate does not judge by", default=True
    )
    limit_counts: float = _one("Counts held for limits that are not per recipient: by provider, signature or text")
    regions_date_s: float = _one(
        "Date of the latest table of number segments, in seconds since 1970", name="regions_date_timestamp_seconds"
    )
    clock_skew_s: float = _one("The last step of the wall clock against the monotonic one")
    time_s: float = _one("The gate's wall clock, in seconds since 1970; another clock shows whether it is right")
    rules_revision: str = ""
    journal_written_bytes: int = 0
    limit_counts_dropped: int = 0


_DECLARED = [(one, one.metadata["name"] or re.sub("_s$", "_seconds", one.name)) for one in fields(Gauges) if one.metadata]
GAUGES = [(one.name, name, one.metadata["labels"], one.metadata["help"]) for one, name in _DECLARED if one.metadata["labels"]]
"""Attribute of Gauges, name, labels, help."""
SCALARS = [(one.name, name, one.metadata["help"]) for one, name in _DECLARED if not one.metadata["labels"]]
"""The same of those without labels."""


COUNTERS: tuple[tuple[str, tuple[str, ...], str], ...] = (  # attribute of GateCounters and name, labels, help
    ("submits", ("provider", "category", "verdict", "reason"), "Messages judged, by what became of them"),
    ("shadow", ("rule", "verdict"), "What shadow rules would have done"),
    ("rule_hits", ("rule", "province"), "Objections of enforced rules"),
    ("refused", ("provider", "province"), "Messages judged and refused for good, by the province of the person's number"),
    ("segments", ("provider",), "Parts taken: what the carrier bills"),
    ("paced", ("provider", "result"), "Submits that waited for their provider's rate, by what ended the wait"),
    ("carrier_responses", ("carrier", "status"), "Answers of the carrier to submits"),
    ("delivers", ("provider", "kind"), "Receipts and replies, by the provider that owns the port"),
    ("delivers_returned", ("provider",), "Delivers left with the carrier: they could not be made safe in time"),
    ("mailbox_dropped", ("provider", "reason"), "Delivers that left the mailbox undelivered"),
    ("optouts", ("source", "scope", "provider"), "Opt-outs recorded"),
    ("restores", ("provider",), "Replies that took opt-outs back"),
    ("consent_replies", ("provider", "state"), "Replies that consent to advertising, by whether they count at once"),
    ("confirmations", ("provider", "result"), "Confirmations of opt-outs"),
    ("unknown_region", ("provider",), "Messages to numbers whose province is unknown"),
    ("entries", ("event",), "Entries of recipients' records that changed after the verdict"),
    ("long_messages", ("outcome",), "Long messages judged, and parts that came later"),
    ("rules_reload", ("result",), "Attempts to load rules"),
    ("settings_reload", ("result",), "Attempts to load the settings again"),
    ("judge_errors", (), "Verdicts that failed inside the gate (must stay 0)"),
    ("store_conflicts", ("result",), "Refused writes of records"),
    ("complaints", ("provider", "validity"), "Complaints filed (open), and decided, by what they were found to be"),
    ("bad_pdus", ("side", "kind", "peer"), "PDUs that break SMPP 3.4"),
    ("bind_failures", ("cause", "provider"), "Binds refused"),
    ("disturbances", ("side", "cause", "peer"), "Peers slowed down or cut off for what they did"),
)
SINGLE_COUNTERS = (  # attribute of GateCounters and name, help
    ("sent_after_optout", "Marketing sent after a reply had asked to stop it, by the audit (must stay 0)"),
    ("sent_against_record", "Marketing let through against a refusal on record (must stay 0)"),
    ("stream_sent", "Events that the event stream's brokers acknowledged"),
    ("stream_lost", "Records that are not sent to the event stream any more: too old, removed, or too large"),
)
FROM_ZERO: Mapping[str, tuple[str, ...]] = {  # a counter with one label: values that are shown before they are counted
    "entries": ("settled", "taken_back", "unknown", "adopted"),
    "rules_reload": ("ok", "failed"),
    "settings_reload": ("ok", "failed"),
    "store_conflicts": ("again", "gave-up"),
}
"""A counter that begins with 1 has not increased in Prometheus' eyes: what alerts ask for must be 0 before it is 1."""


def pieces(tally: GateCounters, gauges: Gauges) -> Iterator[bytes]:
    """Prometheus text in pieces of at most ``ROWS_MAX`` rows; the caller may turn to other work between them."""
    for family, goes_on in _families(tally, gauges, ROWS_MAX):
        text = _text(family)
        yield text.split(b"\n", 2)[2] if goes_on else text  # HELP and TYPE stand once
    for family in _PROCESS.collect():
        yield _text(family)


def exposition(tally: GateCounters, gauges: Gauges) -> bytes:
    """All of it as one text."""
    return b"".join(pieces(tally, gauges))


def _families(tally: GateCounters, gauges: Gauges, rows_max: int) -> Iterator[tuple[Metric, bool]]:
    """Every metric, long ones in several, which then say that they go on with the one before.

    The numbers are copied when the first is asked for, so that all of one scrape are of one moment.
    """
    counts = [_rows(tally, attribute) for attribute, _, _ in COUNTERS]
    single_counts = [(name, text, getattr(tally, name)) for name, text in SINGLE_COUNTERS]
    single_counts += [
        ("journal_written_bytes", "Bytes written to the journal", gauges.journal_written_bytes),
        ("limit_counts_dropped", "Counts of limits dropped because there were too many", gauges.limit_counts_dropped),
    ]
    submit_seconds = [([carrier], _copy(histogram)) for carrier, histogram in tally.submit_seconds.items()]
    own_part = "Our own part of a message's way, without the wait for parts of a long one or for the provider's rate"
    waited = "How long submits waited for their provider's rate that went on then"
    single = [
        ("gate_seconds", own_part, _copy(tally.gate_seconds)),
        ("paced_seconds", waited, _copy(tally.paced_seconds)),
        ("optout_effect_seconds", "From reading an opt-out to its being in force", _copy(tally.optout_effect_seconds)),
    ]
    for (name, labels, text), rows in zip(COUNTERS, counts, strict=True):
        if not labels:  # a count that is about nothing in particular is 0 before it is 1: alerts need both
            rows = rows or [((), 0)]
        for start in range(0, max(len(rows), 1), rows_max):
            yield _counter(name, labels, text, rows[start : start + rows_max]), start > 0
    for name, text, count in single_counts:
        yield _counter(name, (), text, [((), count)]), False
    yield _histogram("submit_seconds", "From a submit's last byte to the carrier's answer", ("carrier",), submit_seconds), False
    for name, text, values in single:
        yield _histogram(name, text, (), [([], values)]), False
    for attribute, name, labels, text in GAUGES:
        now = [(key, value) for key, value in getattr(gauges, attribute).items() if value is not None]
        for start in range(0, max(len(now), 1), rows_max):
            gauge = GaugeMetricFamily(f"gate106_{name}", text, labels=labels)
            for key, value in now[start : start + rows_max]:
                gauge.add_metric(key, value)
            yield gauge, start > 0
    for attribute, name, text in SCALARS:
        yield GaugeMetricFamily(f"gate106_{name}", text, value=float(getattr(gauges, attribute))), False
    build = build_info()
    value = {"version": build.version, "commit": build.commit, "compiled": "no" if build.slow else "yes"}
    about = "The program that runs; compiled is no where the Python texts run"
    yield InfoMetricFamily("gate106_build", about, value=value), False
    yield InfoMetricFamily("gate106_rules", "The rule set in force", value={"revision": gauges.rules_revision}), False


def _rows(tally: GateCounters, attribute: str) -> list[tuple[tuple[str, ...], int]]:
    """A counter's rows, copied, those before them that are to be seen while they are 0. A set that waits is in shadow, too."""
    counted: dict[tuple[str, ...], int] = getattr(tally, attribute)
    if attribute == "shadow":
        counted = Counter(counted) + Counter(tally.proposed)
    return list(({(value,): 0 for value in FROM_ZERO.get(attribute, ())} | counted).items())


_PROCESS = ProcessCollector(registry=CollectorRegistry(auto_describe=False))
"""CPU seconds, memory and open files of this process."""


def _text(family: Metric) -> bytes:
    registry: Any = SimpleNamespace(collect=lambda: (family,))  # generate_latest only ever calls collect()
    return generate_latest(registry)


def _counter(name: str, labels: tuple[str, ...], text: str, rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    counter = CounterMetricFamily(f"gate106_{name}", text, labels=labels)
    for key, value in rows:
        counter.add_metric(key, value)
    return counter


def _copy(histogram: Histogram) -> tuple[list[int], float]:
    return list(histogram.buckets), histogram.sum


def _histogram(
    name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[list[str], tuple[list[int], float]]]
) -> Metric:
    family = HistogramMetricFamily(f"gate106_{name}", text, labels=labels)
    for key, (counts, total) in rows:
        buckets, sum_so_far = [], 0
        for bound, count in zip(_LES, counts, strict=True):
            sum_so_far += count
            buckets.append((bound, float(sum_so_far)))
        family.add_metric(key, buckets, total)
    return family
