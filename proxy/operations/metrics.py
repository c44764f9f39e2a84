"""Formats the gate's counters and gauges for Prometheus.

In: GateCounters, Gauges. Out: text in Prometheus' format, whole (``exposition``) or in ``pieces``, so that a long answer never blocks the
loop. Never: a recipient as label, a lock, a label object on the hot path.

Names and labels are those of DESIGN §11; the tables below hold all of them that have a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from proxy.model.counters import SECONDS_BUCKETS, GateCounters, Histogram

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
ROWS_MAX = 200  # about 1 ms of rendering: as long as the loop may be held
_LES = [*map(floatToGoString, SECONDS_BUCKETS), "+Inf"]

Labelled = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Gauges:
    """What can be read from where it lives, at one moment. Keys are label values in the order of the metric's labels."""

    binds: Labelled = field(default_factory=dict)  # provider, type
    carrier_links: Labelled = field(default_factory=dict)  # carrier, state
    window_in_use: Labelled = field(default_factory=dict)  # carrier
    window_limit: Labelled = field(default_factory=dict)  # carrier
    queue_messages: Labelled = field(default_factory=dict)  # carrier, class
    queue_limit: Labelled = field(default_factory=dict)  # carrier, class
    carrier_tps_limit: Labelled = field(default_factory=dict)  # carrier
    mailbox_messages: Labelled = field(default_factory=dict)  # provider
    mailbox_oldest_s: Labelled = field(default_factory=dict)  # provider
    long_messages_in_use: Labelled = field(default_factory=dict)  # provider, kind
    provider_tps_limit: Mapping[tuple[str, ...], float | None] = field(default_factory=dict)  # provider; None = no limit
    suspended: Labelled = field(default_factory=dict)  # provider
    complaint_ppm: Labelled = field(default_factory=dict)  # provider
    penalties: Labelled = field(default_factory=dict)  # provider, step
    penalties_waiting: float = 0.0
    doubtful_replies: Labelled = field(default_factory=dict)  # state
    doubtful_oldest_s: float = 0.0
    complaints_overdue: Labelled = field(default_factory=dict)  # clock
    consent_tasks: Labelled = field(default_factory=dict)  # provider, state
    reply_paths: Labelled = field(default_factory=dict)  # state
    suppressed_numbers: Labelled = field(default_factory=dict)  # scope, kept
    rules_waiting: Labelled = field(default_factory=dict)  # why
    journal_head: Labelled = field(default_factory=dict)  # day, head: one at most
    stops: float = 0.0
    shadowed: float = 0.0
    provider_binds_limit: Labelled = field(default_factory=dict)  # provider
    certificate_expiry: Labelled = field(default_factory=dict)  # name
    rules_revision: str = ""
    rules_folder_ok: bool = True
    rules_agreed: bool = True
    store_up: bool = True
    store_owed: float = 0.0
    store_untold: float = 0.0
    store_heard: float = 0.0
    store_silence_s: float = 0.0
    journal_up: bool = True
    journal_lag_s: float = 0.0
    optout_audit_lag_s: float = 0.0
    journal_written_bytes: int = 0
    limit_counts: float = 0.0
    limit_counts_dropped: int = 0
    journal_bytes: float = 0.0
    journal_free_bytes: float = 0.0
    journal_oldest_s: float = 0.0
    journal_chain_ok: bool = True
    clock_skew_s: float = 0.0
    time_s: float = 0.0


COUNTERS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (  # attribute of Tally, name, labels, help
    ("submits", "submits", ("provider", "category", "verdict", "reason"), "Messages judged, by what became of them"),
    ("shadow", "shadow", ("rule", "verdict"), "What shadow rules would have done"),
    ("rule_hits", "rule_hits", ("rule", "province"), "Objections of enforced rules"),
    ("segments", "segments", ("provider",), "Parts taken: what the carrier bills"),
    ("carrier_responses", "carrier_responses", ("carrier", "status"), "Answers of the carrier to submits"),
    ("delivers", "delivers", ("provider", "kind"), "Receipts and replies, by the provider that owns the port"),
    (
        "delivers_returned",
        "delivers_returned",
        ("provider",),
        "Delivers left with the carrier: they could not be made safe in time",
    ),
    ("mailbox_dropped", "mailbox_dropped", ("provider", "reason"), "Delivers that left the mailbox undelivered"),
    ("optouts", "optouts", ("source", "scope", "provider"), "Opt-outs recorded"),
    ("restores", "restores", ("provider",), "Replies that took opt-outs back"),
    (
        "consent_replies",
        "consent_replies",
        ("provider", "state"),
        "Replies that consent to advertising, by whether they count at once",
    ),
    ("confirmations", "confirmations", ("provider", "result"), "Confirmations of opt-outs"),
    ("unknown_region", "unknown_region", ("provider",), "Messages to numbers whose province is unknown"),
    ("entries", "entries", ("event",), "Entries of recipients' records that changed after the verdict"),
    ("long_messages", "long_messages", ("outcome",), "Long messages judged, and parts that came later"),
    ("rules_reload", "rules_reload", ("result",), "Attempts to load rules"),
    ("settings_reload", "settings_reload", ("result",), "Attempts to load the settings again"),
    ("judge_errors", "judge_errors", (), "Verdicts that failed inside the gate (must stay 0)"),
    ("store_conflicts", "store_conflicts", ("result",), "Refused writes of records"),
    (
        "complaints",
        "complaints",
        ("provider", "validity"),
        "Complaints filed (open), and decided, by what they were found to be",
    ),
    ("bad_pdus", "bad_pdus", ("side", "kind", "peer"), "PDUs that break SMPP 3.4"),
    ("bind_failures", "bind_failures", ("cause", "provider"), "Binds refused"),
    ("disturbances", "disturbances", ("side", "cause", "peer"), "Peers slowed down or cut off for what they did"),
)
FROM_ZERO: Mapping[
    str, tuple[str, ...]
] = {  # attribute of Tally with one label, the values that are shown before they are counted
    "entries": ("settled", "taken_back", "unknown", "adopted"),
    "rules_reload": ("ok", "failed"),
    "settings_reload": ("ok", "failed"),
    "store_conflicts": ("again", "gave-up"),
}
"""A counter that begins with 1 has not increased in Prometheus' eyes: what alerts ask for must be 0 before it is 1."""
GAUGES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (  # attribute of Gauges, name, labels, help
    ("binds", "binds", ("provider", "type"), "Binds held"),
    ("carrier_links", "carrier_links", ("carrier", "state"), "Links to the carrier, by state"),
    ("window_in_use", "window_in_use", ("carrier",), "Submits the carrier has not answered yet"),
    ("window_limit", "window_limit", ("carrier",), "How many the carrier may leave unanswered"),
    ("queue_messages", "queue_messages", ("carrier", "class"), "Messages that wait in the carrier's lane"),
    (
        "queue_limit",
        "queue_limit",
        ("carrier", "class"),
        "From how many waiting messages on, of all classes, this one is refused",
    ),
    ("carrier_tps_limit", "carrier_tps_limit", ("carrier",), "Messages a second the carrier takes, over all links"),
    ("mailbox_messages", "mailbox_messages", ("provider",), "Receipts and replies the provider has not acknowledged yet"),
    ("mailbox_oldest_s", "mailbox_oldest_seconds", ("provider",), "Age of the oldest of them"),
    (
        "long_messages_in_use",
        "long_messages_in_use_ratio",
        ("provider", "kind"),
        "Share in use of what a provider's long messages that are not whole may have",
    ),
    ("provider_tps_limit", "provider_tps_limit", ("provider",), "Messages a second a provider may send"),
    ("suspended", "suspended", ("provider",), "Suspensions of a provider in force"),
    ("complaint_ppm", "complaint_ppm", ("provider",), "Valid complaints of this month in a million messages sent"),
    ("penalties", "penalties", ("provider", "step"), "Penalties in force"),
    ("doubtful_replies", "doubtful_replies", ("state",), "Replies that may be a refusal, by what became of them"),
    ("complaints_overdue", "complaints_overdue", ("clock",), "Open complaints that should have been forwarded, or answered"),
    (
        "consent_tasks",
        "consent_tasks",
        ("provider", "state"),
        "Files of consents whose proof is missing: waiting for it, or overdue",
    ),
    (
        "reply_paths",
        "reply_paths",
        ("state",),
        "Registered port prefixes by whether replies reach the gate: proven, unproven, silent, dead",
    ),
    ("suppressed_numbers", "suppressed_numbers", ("scope", "kept"), "Refusals of marketing, on lists and on people's records"),
    ("provider_binds_limit", "provider_binds_limit", ("provider",), "Binds a provider may hold"),
    (
        "certificate_expiry",
        "certificate_expiry_timestamp_seconds",
        ("name",),
        "When a certificate of ours ends, in seconds since 1970: smpp, or the carrier it is shown to",
    ),
    (
        "journal_head",
        "journal_head_info",
        ("day", "head"),
        "The last signed head of the journal at rest: its day and digest; up to which record",
    ),
    ("rules_waiting", "rules_waiting", ("why",), "1 while a changed set of rules is not in force: it waits, or is kept out"),
)
SCALARS: tuple[tuple[str, str, str], ...] = (  # attribute of Gauges, name, help
    ("stops", "stops", "Stops in force"),
    ("penalties_waiting", "penalties_waiting", "Penalties that wait for approval"),
    ("doubtful_oldest_s", "doubtful_oldest_seconds", "Age of the oldest doubtful reply that waits for a decision"),
    ("shadowed", "shadowed", "1 while the whole set of rules is in shadow"),
    ("store_up", "store_up", "1 while the store answers"),
    ("store_owed", "store_owed", "Persons, and parts of the store, that may lack something that this gate knows"),
    ("store_untold", "store_untold_records", "Records that other gates on a shared store must hear and have not"),
    ("store_heard", "store_heard_records", "Records of other gates that were put in force since the start"),
    ("store_silence_s", "store_silence_seconds", "Since when this gate does not know what other gates were told"),
    ("journal_up", "journal_up", "1 while the journal can be written"),
    ("journal_lag_s", "journal_lag_seconds", "Age of the oldest record that is not on disk yet"),
    ("optout_audit_lag_s", "optout_audit_lag_seconds", "Since when the audit of opt-outs has not read the journal to its end"),
    ("journal_bytes", "journal_bytes", "Bytes of the journal's segments that are kept"),
    ("journal_free_bytes", "journal_free_bytes", "Room left on the journal's disk"),
    ("journal_oldest_s", "journal_oldest_timestamp_seconds", "When the oldest of them was begun, in seconds since 1970"),
    ("journal_chain_ok", "journal_chain_ok", "1 unless the journal's chain was found broken"),
    ("rules_folder_ok", "rules_folder_ok", "1 unless the rules in the folder have a mistake and are not in force"),
    (
        "rules_agreed",
        "rules_agreed",
        "1 unless gates on the shared store have agreed on rules that this gate does not judge by",
    ),
    (
        "limit_counts",
        "limit_counts",
        "What limits without recipient count by: providers, signatures, texts; so many counts are held",
    ),
    ("clock_skew_s", "clock_skew_seconds", "The last step of the wall clock against the monotonic one"),
    ("time_s", "time_seconds", "The wall clock, in seconds since 1970: whoever asks can see whether it is right"),
)


class GateCollector(Collector):
    """A Collector over one tally, for a registry of prometheus-client."""

    def __init__(self, tally: GateCounters, gauges: Callable[[], Gauges]) -> None:
        self.tally = tally
        self.gauges = gauges

    def collect(self) -> Iterable[Metric]:
        return (family for family, _ in _families(self.tally, self.gauges(), rows_max=1_000_000_000))


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
    counts = [_rows(tally, attribute) for attribute, _, _, _ in COUNTERS]
    sent_after_optout, sent_against_record = tally.sent_after_optout, tally.sent_against_record
    submit_seconds = [([carrier], _copy(histogram)) for carrier, histogram in tally.submit_seconds.items()]
    single = [
        (
            "gate_seconds",
            "Our own part of a message's way, without the wait for parts of a long one",
            _copy(tally.gate_seconds),
        ),
        ("optout_effect_seconds", "From reading an opt-out to its being in force", _copy(tally.optout_effect_seconds)),
    ]
    for (_, name, labels, text), rows in zip(COUNTERS, counts, strict=True):
        if not labels:  # a count that is about nothing in particular is 0 before it is 1: alerts need both
            rows = rows or [((), 0)]
        for start in range(0, max(len(rows), 1), rows_max):
            yield _counter(name, labels, text, rows[start : start + rows_max]), start > 0
    single_counts = [
        (
            "sent_after_optout",
            "Marketing sent after a reply had asked to stop it, by the audit (must stay 0)",
            sent_after_optout,
        ),
        ("sent_against_record", "Marketing let through against a refusal on record (must stay 0)", sent_against_record),
        ("journal_written_bytes", "Bytes written to the journal", gauges.journal_written_bytes),
        ("limit_counts_dropped", "Counts of limits dropped because there were too many", gauges.limit_counts_dropped),
    ]
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
    yield InfoMetricFamily("gate106_rules", "The rule set in force", value={"revision": gauges.rules_revision}), False


def _rows(tally: GateCounters, attribute: str) -> list[tuple[tuple[str, ...], int]]:
    """A counter's rows, copied, those before them that are to be seen while they are 0."""
    counted: dict[tuple[str, ...], int] = getattr(tally, attribute)
    return list(({(value,): 0 for value in FROM_ZERO.get(attribute, ())} | counted).items())


_PROCESS = ProcessCollector(registry=CollectorRegistry(auto_describe=False))
"""CPU seconds, memory and open files of this process."""


class _One:
    """What generate_latest takes for a registry: one family."""

    __slots__ = ("family",)

    def __init__(self, family: Metric) -> None:
        self.family = family

    def collect(self) -> tuple[Metric]:
        return (self.family,)


def _text(family: Metric) -> bytes:
    registry: Any = _One(family)  # generate_latest only ever calls collect()
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
