"""Reconcile: four witnesses of the same traffic are compared: the providers' answers, the carrier's log, the journal, /metrics.

In: what each of them saw, as plain values. Out: differences, one a line; none means that all four tell the same story. Never: a
tolerance. Only ``read_journal`` touches files; ``reconcile`` is pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from proxy.desk import entries
from proxy.desk.journal import OsDisk, read
from proxy.message import GATE_REASONS
from proxy.sim.carrier import Log
from proxy.sim.measure import Samples
from proxy.sim.provider import ProviderLog

UNKNOWN_STATUS = 0x08
"""ESME_RSYSERR: what a provider is told when nobody knows what became of its message (DESIGN §4)."""
SHOWN_MAX = 8
"""Examples per difference; the rest is counted."""
ACCEPTED, TAKEN_BACK, UNKNOWN = 0, 1, 2
Key = TypeVar("Key", bound=Hashable)


class Judged(NamedTuple):
    """One verdict of the journal. ``category`` is "unread" where the gate refused before judging, as in /metrics."""

    provider: str
    port: str
    recipient: int
    category: str
    verdict: str  # allow | defer | reject
    reason: str
    status: int
    entry: int  # 0 unless allowed


class Settled(NamedTuple):
    """One answer of the journal."""

    entry: int
    effect: int
    status: int
    message_id: str


class Handed(NamedTuple):
    """One deliver of the journal."""

    kind: str
    provider: str


@dataclass(slots=True)
class JournalStory:
    verdicts: list[Judged] = field(default_factory=list)
    answers: list[Settled] = field(default_factory=list)
    delivers: list[Handed] = field(default_factory=list)
    optouts: int = 0


class Difference(NamedTuple):
    what: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.what}: {self.left}, but {self.right}"


def read_journal(folder: Path) -> JournalStory:
    """The journal of a gate that has stopped; raises JournalDamaged."""
    story = JournalStory()
    for record in read(OsDisk(folder)):
        if record.kind == entries.VERDICT:
            story.verdicts.append(_judged(entries.unpack_verdict(record.body)))
        elif record.kind == entries.ANSWER:
            answer = entries.unpack_answer(record.body)
            message_id = answer.carrier_id.partition(b"\0")[0].decode("latin-1")
            story.answers.append(Settled(answer.entry_id, answer.effect, answer.status, message_id))
        elif record.kind == entries.DELIVER:
            deliver = entries.unpack_deliver(record.body)
            story.delivers.append(Handed(deliver.kind, deliver.provider))
        elif record.kind == entries.OPTOUT:
            story.optouts += 1
    return story


def _judged(said: entries.Verdict) -> Judged:
    unread = said.reason in GATE_REASONS and said.reason not in ("no-route", "queue-full", "store-conflict", "judge-error")
    return Judged(
        said.provider,
        said.port,
        said.recipient,
        "unread" if unread else said.category.word,
        said.outcome.word,
        said.reason,
        said.status,
        said.entry.id if said.entry is not None else 0,
    )


def reconcile(
    providers: Mapping[str, ProviderLog], carrier: Log, journal: JournalStory, metrics: Samples, ports: Mapping[str, str]
) -> list[Difference]:
    """Every difference between the four. ``ports``: prefix → the provider that owns it."""
    found: list[Difference] = []
    found += _submits(providers, journal, metrics)
    found += _answers(providers, journal)
    found += _forwarded(carrier, journal, metrics, ports)
    found += _ids(providers, carrier, journal, ports)
    found += _delivers(providers, carrier, journal, metrics, ports)
    found += [
        Difference("surprise", each, "nothing of the kind may happen") for log in providers.values() for each in log.surprises
    ]
    return found


def _submits(providers: Mapping[str, ProviderLog], journal: JournalStory, metrics: Samples) -> list[Difference]:
    """How many submits, and what became of them."""
    sent = Counter({name: len(log.sent) for name, log in providers.items()})
    found = _compare("submits by provider", "providers", sent, "journal", Counter(one.provider for one in journal.verdicts))
    judged: Counter[tuple[str, ...]] = Counter(
        (one.provider, one.category, one.verdict, one.reason) for one in journal.verdicts
    )
    counted = _counted(metrics, "gate106_submits_total", "provider", "category", "verdict", "reason")
    return found + _compare("verdicts", "journal", judged, "/metrics", counted)


def _answers(providers: Mapping[str, ProviderLog], journal: JournalStory) -> list[Difference]:
    """What each provider was told is what the journal says it was to be told."""
    fates = {one.entry: one for one in journal.answers if one.effect in (ACCEPTED, TAKEN_BACK, UNKNOWN)}
    due: Counter[tuple[str, int | None]] = Counter()
    for one in journal.verdicts:
        fate = fates.get(one.entry) if one.entry else None
        if not one.entry:
            due[one.provider, one.status] += 1
        elif fate is None:
            due[one.provider, None] += 1
        else:
            due[one.provider, UNKNOWN_STATUS if fate.effect == UNKNOWN else fate.status] += 1
    told = Counter((sent.provider, sent.status) for log in providers.values() for sent in log.sent)
    found = _compare("answers by provider and status", "providers", told, "journal", due)
    silent = sum(count for (_, status), count in told.items() if status is None)
    return found + ([Difference("unanswered", f"{silent} submits have no answer", "every submit gets one")] if silent else [])


def _forwarded(carrier: Log, journal: JournalStory, metrics: Samples, ports: Mapping[str, str]) -> list[Difference]:
    """What was allowed is what the carrier received, message for message; what the carrier answered was counted."""
    allowed = Counter((one.port, one.recipient) for one in journal.verdicts if one.entry)
    received = Counter((line.sms.source, national(line.sms.destination)) for line in carrier.submits)
    found = _compare("messages to the carrier (port, recipient)", "journal", allowed, "carrier", received)
    given = sum(count for status, count in carrier.statuses.items() if status >= 0)
    counted = sum(int(value) for (name, _), value in metrics.items() if name == "gate106_carrier_responses_total")
    found += _compare("answers of the carrier", "carrier", Counter(all=given), "/metrics", Counter(all=counted))
    settled = Counter(one.status for one in journal.answers if one.effect != UNKNOWN)  # late answers are answers, too
    answered = Counter({status: count for status, count in carrier.statuses.items() if status >= 0})
    return found + _compare("answers of the carrier by status", "carrier", answered, "journal", settled)


def _ids(
    providers: Mapping[str, ProviderLog], carrier: Log, journal: JournalStory, ports: Mapping[str, str]
) -> list[Difference]:
    """The ids the carrier gave are those the journal has and those the providers were told."""
    given = Counter((owner(line.sms.source, ports), line.message_id) for line in carrier.submits if line.status == 0)
    told = Counter((sent.provider, sent.message_id) for log in providers.values() for sent in log.sent if sent.status == 0)
    kept = Counter(one.message_id for one in journal.answers if one.effect == ACCEPTED)
    found = _compare("message ids", "carrier", given, "providers", told)
    return found + _compare(
        "message ids", "carrier", Counter(line.message_id for line in carrier.submits if line.status == 0), "journal", kept
    )


def _delivers(
    providers: Mapping[str, ProviderLog], carrier: Log, journal: JournalStory, metrics: Samples, ports: Mapping[str, str]
) -> list[Difference]:
    """Receipts and replies that were acknowledged reached the owner of the port, each once."""
    sent = Counter((owner(one.destination, ports), one.source, one.text) for one in carrier.delivers if one.status == 0)
    got = Counter(
        (one.provider, one.source, one.text[:13] if one.receipt else one.text) for log in providers.values() for one in log.got
    )
    found = _compare("delivers (provider, person, text)", "carrier", sent, "providers", got)
    tried = Counter(owner(one.destination, ports) for one in carrier.delivers)
    found += _compare("delivers by provider", "carrier", tried, "journal", Counter(one.provider for one in journal.delivers))
    counted: Counter[str] = Counter()
    for (provider, _), count in _counted(metrics, "gate106_delivers_total", "provider", "kind").items():
        counted["" if provider == "unowned" else provider] += count
    found += _compare("delivers by provider", "carrier", tried, "/metrics", counted)
    optouts = sum(int(value) for (name, _), value in metrics.items() if name == "gate106_optouts_total")
    return found + _compare("opt-outs", "journal", Counter(all=journal.optouts), "/metrics", Counter(all=optouts))


def national(spelling: str) -> int:
    """The eleven national digits, read here by the simplest means: simulated people are spelt plainly."""
    digits = "".join(letter for letter in spelling if letter.isdigit())
    return int(digits[-11:] or 0)


def owner(port: str, ports: Mapping[str, str]) -> str:
    """Whose port it is: the longest prefix wins; empty for nobody's."""
    fitting = [prefix for prefix in ports if port.startswith(prefix)]
    return ports[max(fitting, key=len)] if fitting else ""


def _counted(metrics: Samples, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for (sample, pairs), value in metrics.items():
        if sample == name:
            said = dict(pairs)
            found[tuple(said.get(label, "") for label in labels)] += int(value)
    return found


def _compare(what: str, left: str, first: Counter[Key], right: str, second: Counter[Key]) -> list[Difference]:
    """One difference per key whose counts differ, bounded."""
    keys = sorted((key for key in {*first, *second} if first[key] != second[key]), key=str)
    found = [Difference(f"{what} {_shown(key)}", f"{left} {first[key]}", f"{right} {second[key]}") for key in keys[:SHOWN_MAX]]
    if len(keys) > SHOWN_MAX:
        found.append(Difference(what, f"{len(keys) - SHOWN_MAX} more differ", f"between {left} and {right}"))
    return found


def _shown(key: Hashable) -> str:
    return " / ".join(str(part) or "(none)" for part in key) if isinstance(key, tuple) else str(key)
