"""Compares four witnesses of the same traffic.

They are the providers' answers, the carrier's log, the journal and /metrics.

In: what each of them saw, as plain values. Out: differences, one a line; none means that all four agree. Never: a tolerance, sockets, files.

Two moments need an explanation, and get an exact one. While the carrier is away, a submit may be lost on the wire: then, and only then, the
journal may have allowed what the carrier never saw, and must say itself that the outcome is unknown or that it was taken back. When the gate
unbinds, a submit may cross its unbind: it stays unanswered, and the journal either refused it as ``draining`` or never saw it.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from proxy.sim.journal_summary import (
    ACCEPTED,
    LATE,
    LATE_ACCEPTED,
    LATE_PART,
    PART_REFUSED,
    STILL_UNKNOWN,
    TAKEN_BACK,
    UNKNOWN,
    JournalStory,
)
from proxy.sim.measure import Samples
from proxy.sim.scenario import REFUSALS
from proxy.sim.simulated_carrier import UNANSWERED, CarrierLog
from proxy.sim.simulated_provider import ProviderLog

YES = (ACCEPTED, LATE_ACCEPTED, LATE_PART)  # effects of an answer whose status may be nought
UNKNOWN_STATUS = 0x08  # ESME_RSYSERR: the answer for an unknown outcome (DESIGN §4)
LATER_STATUS = 0x14  # ESME_RMSGQFUL: no route, queue full, draining
NATIONAL_DIGITS = 11
SHOWN_MAX = 8  # examples per difference; the rest is counted
Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Witnesses:
    providers: Mapping[str, ProviderLog]
    carrier: CarrierLog
    journal: JournalStory
    metrics: Samples
    scraped_at: float = math.inf  # when /metrics was read (wall clock, at a quiet moment): verdicts after it are not in them


class Difference(NamedTuple):
    what: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.what}: {self.left}, but {self.right}"


def reconcile(seen: Witnesses, ports: Mapping[str, str]) -> list[Difference]:
    """Every difference between the four. ``ports``: prefix → the provider that owns it."""
    found, seen = _confirmations(seen)
    found += _submits(seen)
    found += _answers(seen)
    found += _counted_verdicts(seen)
    found += _forwarded(seen)
    found += _ids(seen, ports)
    found += _delivers(seen, ports)
    found += _optouts(seen)
    surprises = [each for log in seen.providers.values() for each in log.surprises]
    return found + [Difference("surprise", each, "nothing of the kind may happen") for each in surprises]


def _confirmations(seen: Witnesses) -> tuple[list[Difference], Witnesses]:
    """Confirmations of opt-outs are the gate's own messages: each the carrier received is in the journal, asks for no receipt, and is
    the only one; which the journal has and the carrier did not get were counted as unsent, or the carrier was away. And the
    witnesses without them."""
    noted = Counter((one.recipient, one.port, one.text) for one in seen.journal.confirmed)
    own = [line for line in seen.carrier.submits if (national(line.sms.destination), line.sms.source, line.sms.text) in noted]
    received = Counter((national(line.sms.destination), line.sms.source, line.sms.text) for line in own)
    unsent = _counted(seen.metrics, "gate106_confirmations_total", "result")["unsent",]
    for one in seen.journal.confirmed:
        key = (one.recipient, one.port, one.text)
        if noted[key] > received[key] and (unsent or _away(seen.carrier, one.time)):
            noted[key] -= 1
            unsent -= not _away(seen.carrier, one.time)
    found = _compare("confirmations (person, port, text)", "journal", noted, "carrier", received)
    asking = sum(1 for line in own if line.sms.registered)
    found += _compare("confirmations that ask for a receipt", "carrier", Counter(all=asking), "none", Counter())
    ids = {id(line) for line in own}
    others = replace(seen.carrier, submits=[line for line in seen.carrier.submits if id(line) not in ids])
    return found, replace(seen, carrier=others)


def _submits(seen: Witnesses) -> list[Difference]:
    sent = Counter({name: len(log.sent) for name, log in seen.providers.items()})
    judged = Counter(one.provider for one in seen.journal.verdicts)
    for name in seen.providers:
        sent[name] -= _crossed(seen, name)[0]
    return _compare("submits by provider", "providers", sent, "journal", judged)


def _crossed(seen: Witnesses, name: str) -> tuple[int, int]:
    """Of the submits that crossed the gate's unbind: (how many it never read, how many it refused in vain).

    Both are 0 unless the two together are exactly the late submits without an answer.
    """
    log = seen.providers[name]
    silent = sum(1 for sent in log.sent if sent.status is None and sent.why == "draining") if log.unbound else 0
    unread = len(log.sent) - sum(1 for one in seen.journal.verdicts if one.provider == name)
    refused = sum(1 for one in seen.journal.verdicts if one.provider == name and one.reason == "draining")
    count = sum(1 for sent in log.sent if sent.why == "draining" and sent.status == LATER_STATUS)
    explained = unread >= 0 and refused >= count and unread + refused - count == silent
    return (unread, refused - count) if explained else (0, 0)


def _answers(seen: Witnesses) -> list[Difference]:
    """Each provider got the answers that the journal has."""
    fates = {one.sent: one for one in seen.journal.answers if one.effect not in LATE}
    due: Counter[tuple[str, int | None]] = Counter()
    for one in seen.journal.verdicts:
        fate = fates.get(one.sent) if one.sent else None
        if not one.sent:
            due[one.provider, one.status] += 1
        elif fate is None:
            due[one.provider, None] += 1
        else:
            due[one.provider, UNKNOWN_STATUS if fate.effect == UNKNOWN else fate.status] += 1
    counts = Counter((sent.provider, sent.status) for log in seen.providers.values() for sent in log.sent)
    for name in seen.providers:
        unread, in_vain = _crossed(seen, name)
        counts[name, None] -= unread + in_vain
        counts[name, LATER_STATUS] += in_vain
    found = _compare("answers by provider and status", "providers", counts, "journal", due)
    silent = sum(count for (_, status), count in counts.items() if status is None)
    return found + ([Difference("unanswered", f"{silent} submits have no answer", "every submit gets one")] if silent else [])


def _counted_verdicts(seen: Witnesses) -> list[Difference]:
    """Verdicts and objections, by what /metrics says of them."""
    judged = [one for one in seen.journal.verdicts if one.at < seen.scraped_at]
    verdicts: Counter[tuple[str, ...]] = Counter((one.provider, one.category, one.verdict, one.reason) for one in judged)
    counted = _counted(seen.metrics, "gate106_submits_total", "provider", "category", "verdict", "reason")
    found = _compare("verdicts", "journal", verdicts, "/metrics", counted)
    watched: Counter[tuple[str, ...]] = Counter(
        (rule, wants) for one in judged for rule, wants, shadow in one.objections if shadow
    )
    found += _compare(
        "shadow", "journal", watched, "/metrics", _counted(seen.metrics, "gate106_shadow_total", "rule", "verdict")
    )
    long: Counter[tuple[str, ...]] = Counter(
        {(outcome,): count for outcome, count in seen.journal.long_messages(seen.scraped_at).items()}
    )
    found += _compare(
        "long messages", "journal", long, "/metrics", _counted(seen.metrics, "gate106_long_messages_total", "outcome")
    )
    hits: Counter[tuple[str, ...]] = Counter((rule,) for one in judged for rule, _, shadow in one.objections if not shadow)
    return found + _compare("rule hits", "journal", hits, "/metrics", _counted(seen.metrics, "gate106_rule_hits_total", "rule"))


def _forwarded(seen: Witnesses) -> list[Difference]:
    """What was allowed is what the carrier received, message for message, and what it answered is what was noted."""
    allowed = {one.sent: one for one in seen.journal.verdicts if one.sent}
    answered: Counter[tuple[str, int, int]] = Counter()
    silent: Counter[tuple[str, int, int]] = Counter()
    lost: Counter[tuple[str, int, int]] = Counter()  # on the wire, or still in the lane: only while the carrier was away
    last = {one.sent: one for one in seen.journal.answers}  # a late answer comes after "unknown" and replaces it here
    for number, one in allowed.items():
        fate = last.get(number)
        status = fate.status if fate is not None and fate.effect != UNKNOWN else UNANSWERED
        key = (one.port, one.recipient, status)
        (silent if status == UNANSWERED else answered)[key] += 1
        if fate is not None and _away(seen.carrier, fate.at):  # lost only where the gate itself says that it may be
            not_taken = fate.effect in (TAKEN_BACK, STILL_UNKNOWN, PART_REFUSED) and status == LATER_STATUS
            lost[key] += fate.effect == UNKNOWN or not_taken
    received = Counter((line.sms.source, national(line.sms.destination), line.status) for line in seen.carrier.submits)
    noted = answered + silent
    for key, most in lost.items():
        noted[key] -= max(0, min(most, noted[key] - received[key]))
    found = _compare("messages to the carrier (port, recipient, answer)", "journal", noted, "carrier", received)
    given = sum(count for status, count in seen.carrier.statuses.items() if status != UNANSWERED)
    late = sum(1 for one in seen.journal.answers if one.effect in LATE)
    counted = sum(int(value) for (name, _), value in seen.metrics.items() if name == "gate106_carrier_responses_total")
    return found + _compare(
        "answers of the carrier in time", "carrier", Counter(all=given - late), "/metrics", Counter(all=counted)
    )


def _away(carrier: CarrierLog, at: float) -> bool:
    return any(outage.began <= at <= outage.ended for outage in carrier.outages)


def _ids(seen: Witnesses, ports: Mapping[str, str]) -> list[Difference]:
    """The carrier's ids are those of the journal and, except for late answers, those of the providers."""
    given = [line for line in seen.carrier.submits if line.status == 0]
    kept = Counter(one.message_id for one in seen.journal.answers if one.effect in YES and not one.status)
    late = {one.message_id for one in seen.journal.answers if one.effect in YES and one.effect != ACCEPTED and not one.status}
    counts = Counter(
        (sent.provider, sent.message_id) for log in seen.providers.values() for sent in log.sent if sent.status == 0
    )
    due = Counter((owner(line.sms.source, ports), line.message_id) for line in given if line.message_id not in late)
    found = _compare("message ids", "carrier", due, "providers", counts)
    return found + _compare("message ids", "carrier", Counter(line.message_id for line in given), "journal", kept)


def _delivers(seen: Witnesses, ports: Mapping[str, str]) -> list[Difference]:
    """Receipts and replies that were acknowledged reached the owner of the port, each once."""
    providers, carrier, journal, metrics = seen.providers, seen.carrier, seen.journal, seen.metrics
    sent = Counter(
        (owner(one.destination, ports), national(one.source), one.text) for one in carrier.delivers if one.status == 0
    )
    got = Counter(
        (one.provider, national(one.source), one.text[:13] if one.receipt else one.text)
        for log in providers.values()
        for one in log.got
    )
    found = _compare("delivers (provider, person, text)", "carrier", sent, "providers", got)
    tried = Counter(owner(one.destination, ports) for one in carrier.delivers)
    found += _compare("delivers by provider", "carrier", tried, "journal", Counter(journal.delivers.values()))
    counted: Counter[str] = Counter()
    for (provider, _), count in _counted(metrics, "gate106_delivers_total", "provider", "kind").items():
        counted["" if provider == "unowned" else provider] += count
    found += _compare("delivers by provider", "carrier", tried, "/metrics", counted)
    taken = Counter({name: len(log.got) for name, log in providers.items()})
    noted = Counter(provider for number, provider in journal.delivers.items() if number in journal.delivered)
    found += _compare("delivers acknowledged by provider", "providers", taken, "journal", noted)
    waiting = Counter(
        provider or "unowned"
        for number, provider in journal.delivers.items()
        if number not in journal.delivered | journal.dropped
    )
    held = Counter(
        {name: count for (name,), count in _counted(metrics, "gate106_mailbox_messages", "provider").items() if count}
    )
    return found + _compare("left in the mailbox by provider", "journal", waiting, "/metrics", held)


def _optouts(seen: Witnesses) -> list[Difference]:
    """Who refused is on record, and was written to no more."""
    replies = [one for one in seen.carrier.delivers if one.kind == "reply" and one.text in REFUSALS]
    opt_outs = Counter((national(one.source), one.destination) for one in replies)
    kept = Counter((one.recipient, one.port) for one in seen.journal.optouts)
    found = _compare("opt-outs (person, port)", "carrier", opt_outs, "journal", kept)
    counted = sum(int(value) for (name, _), value in seen.metrics.items() if name == "gate106_optouts_total")
    journalled = len(seen.journal.optouts) + seen.journal.widened
    found += _compare("opt-outs", "journal", Counter(all=journalled), "/metrics", Counter(all=counted))
    sent = Counter((one.provider, one.recipient) for one in seen.journal.after_optout() if one.sent)
    found += _compare("sent after opt-out", "journal", sent, "nobody", Counter())
    found += _compare("sent against what was meant", "journal", Counter(seen.journal.against_meant), "nobody", Counter())
    broken = int(sum(value for (name, _), value in seen.metrics.items() if name == "gate106_sent_after_optout_total"))
    return found + _compare("sent after opt-out", "/metrics", Counter(all=broken), "nobody", Counter())


def national(spelling: str) -> int:
    """The eleven national digits, read here by the simplest means: simulated people are spelt plainly."""
    digits = "".join(letter for letter in spelling if letter.isdigit())
    return int(digits[-NATIONAL_DIGITS:] or 0)


def owner(port: str, ports: Mapping[str, str]) -> str:
    """The owner of a port: the longest prefix wins; empty if none exists."""
    fitting = [prefix for prefix in ports if port.startswith(prefix)]
    return ports[max(fitting, key=len)] if fitting else ""


def _counted(metrics: Samples, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for (sample, pairs), value in metrics.items():
        if sample == name:
            counts = dict(pairs)
            found[tuple(counts.get(label, "") for label in labels)] += int(value)
    return found


def _compare(what: str, left: str, first: Counter[Key], right: str, second: Counter[Key]) -> list[Difference]:
    """One difference per key whose counts differ, bounded."""
    keys = sorted((key for key in {*first, *second} if first[key] != second[key]), key=str)
    found = [Difference(f"{what} {_shown(key)}", f"{left} {first[key]}", f"{right} {second[key]}") for key in keys[:SHOWN_MAX]]
    if len(keys) > SHOWN_MAX:
        found.append(Difference(what, f"{len(keys) - SHOWN_MAX} more differ", f"between {left} and {right}"))
    return found


def _shown(key: Hashable) -> str:
    return " / ".join(_word(part) for part in key) if isinstance(key, tuple) else str(key)


def _word(part: object) -> str:
    """Of a person's number only the ends are shown."""
    text = str(part)
    if isinstance(part, int) and len(text) == NATIONAL_DIGITS:
        return f"{text[:3]}****{text[-4:]}"
    return text or "(none)"
